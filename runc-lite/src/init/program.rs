//! The last thing: finding the user's program and becoming it.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use gantry_linux::exec;
use rustix::fs::{Access, AtFlags, CWD};

use crate::init::InitError;

/// A program found, with everything it is started with.
#[derive(Debug)]
pub(crate) struct Program {
    path: CString,
    args: Vec<CString>,
    env: Vec<CString>,
}

impl Program {
    /// Finds the program as a shell does: a name with a slash is a path, another is looked up in the
    /// `PATH` that the process will have.
    pub(crate) fn find(args: &[String], env: &[String], uid: u32) -> Result<Self, InitError> {
        let name = args.first().map_or("", String::as_str);
        let path = if name.contains('/') {
            check(name)?;
            PathBuf::from(name)
        } else {
            search(name, env)?
        };
        let strings = |list: &[String]| -> Vec<CString> {
            list.iter()
                .filter_map(|text| CString::new(text.as_str()).ok())
                .collect()
        };
        let mut environment = strings(env);
        if !env.iter().any(|variable| variable.starts_with("HOME=")) {
            environment.extend(CString::new(format!("HOME={}", home_of(uid))));
        }
        let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| InitError::NotInPath {
            name: name.to_owned(),
        })?;
        Ok(Self {
            path,
            args: strings(args),
            env: environment,
        })
    }

    /// Adds a variable, in place of one of the same name.
    pub(crate) fn set_variable(&mut self, name: &str, value: &str) {
        let prefix = format!("{name}=");
        self.env
            .retain(|variable| !variable.as_bytes().starts_with(prefix.as_bytes()));
        self.env.extend(CString::new(format!("{prefix}{value}")));
    }
}

/// Becomes the program. Descriptors from `first_closed` on are gone before: nothing of the host is
/// reachable through `/proc/self/fd` when the kernel looks the program up (CVE-2024-21626).
pub(crate) fn become_program(program: &Program, first_closed: u32) -> ! {
    gantry_linux::signal::reset();
    exec::replace(&program.path, &program.args, &program.env, first_closed)
}

fn check(name: &str) -> Result<(), InitError> {
    let meta = fs::metadata(name).map_err(|source| InitError::Stat {
        name: name.to_owned(),
        source,
    })?;
    if meta.is_dir() {
        return Err(InitError::IsDirectory {
            name: name.to_owned(),
        });
    }
    if is_executable(Path::new(name)) {
        Ok(())
    } else {
        Err(InitError::NotExecutable {
            name: name.to_owned(),
        })
    }
}

fn is_executable(path: &Path) -> bool {
    rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS).is_ok()
}

fn search(name: &str, env: &[String]) -> Result<PathBuf, InitError> {
    let path = env
        .iter()
        .rev()
        .find_map(|variable| variable.strip_prefix("PATH="))
        .unwrap_or("");
    path.split(':')
        .filter(|_| !name.is_empty())
        .map(|directory| if directory.is_empty() { "." } else { directory })
        .map(|directory| Path::new(directory).join(name))
        .find(|candidate| is_executable(candidate) && candidate.is_file())
        .ok_or_else(|| InitError::NotInPath {
            name: name.to_owned(),
        })
}

/// The home directory by the container's `/etc/passwd`, `/` if it says nothing. A bounded read: the
/// file is the image's.
fn home_of(uid: u32) -> String {
    const MAX_BYTES: u64 = 1 << 20;
    let read = || -> io::Result<String> {
        let mut text = Vec::new();
        let meta = fs::metadata("/etc/passwd")?;
        if meta.is_file() {
            let file = fs::File::open("/etc/passwd")?;
            io::Read::read_to_end(&mut io::Read::take(file, MAX_BYTES), &mut text)?;
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    };
    let text = read().unwrap_or_default();
    home_in(&text, uid).unwrap_or("/").to_owned()
}

fn home_in(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let entry = fields.nth(2)?.parse::<u32>().ok()?;
        let home = fields.nth(2)?;
        (entry == uid && !home.is_empty()).then_some(home)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_is_the_sixth_field() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\nbroken\nu:x:7:7::/home/u:/bin/sh\nn:x:8:8:::\n";
        assert_eq!(home_in(passwd, 0), Some("/root"));
        assert_eq!(home_in(passwd, 7), Some("/home/u"));
        assert_eq!(home_in(passwd, 8), None);
        assert_eq!(home_in(passwd, 9), None);
    }
}
