//! Control files: small, read and written whole.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::CgroupError;

/// The whole file. Control files say nothing about their size, so none is asked for.
pub(crate) fn read(path: &Path) -> Result<String, CgroupError> {
    open(path)
        .and_then(|file| text(&file))
        .map_err(|source| CgroupError::Read {
            path: path.to_owned(),
            source,
        })
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

fn text(file: &OwnedFd) -> io::Result<String> {
    let mut bytes = Vec::with_capacity(4096);
    while rustix::io::read(file, rustix::buffer::spare_capacity(&mut bytes))? > 0 {
        bytes.reserve(4096);
    }
    String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// The whole file, or `None` where the kernel has no such file, or has it no more.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<String>, CgroupError> {
    match read(path) {
        Err(CgroupError::Read { source, .. }) if is_gone(&source) => Ok(None),
        other => other.map(Some),
    }
}

/// A group that another removes (systemd does) between opening its file and reading it is told of as no
/// such device.
fn is_gone(error: &io::Error) -> bool {
    let no_device = Errno::NODEV.raw_os_error();
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(no_device)
}

/// A file with one number; `max` reads as `None`. A file that is not there is 0.
pub(crate) fn number(path: &Path) -> Result<Option<u64>, CgroupError> {
    let Some(text) = read_if_there(path)? else {
        return Ok(Some(0));
    };
    let text = text.trim();
    if text == "max" {
        return Ok(None);
    }
    match text.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(CgroupError::Content {
            path: path.to_owned(),
            content: text.chars().take(80).collect(),
        }),
    }
}

/// A file of `key value` lines; lines of another form are left out.
pub(crate) fn table(path: &Path) -> Result<Vec<(String, u64)>, CgroupError> {
    let Some(text) = read_if_there(path)? else {
        return Ok(Vec::new());
    };
    Ok(text
        .lines()
        .filter_map(|line| {
            let (key, value) = line.split_once(' ')?;
            Some((key.to_owned(), value.trim().parse().ok()?))
        })
        .collect())
}

/// The value of `key` in a table, 0 if it is not there.
pub(crate) fn value(table: &[(String, u64)], key: &str) -> u64 {
    table
        .iter()
        .find(|(name, _)| name == key)
        .map_or(0, |(_, value)| *value)
}

/// Writes the value in one `write(2)`, as control files want it.
pub(crate) fn write(path: &Path, value: &str) -> Result<(), CgroupError> {
    File::options()
        .write(true)
        .open(path)
        .and_then(|mut file| file.write_all(value.as_bytes()))
        .map_err(|source| CgroupError::Write {
            path: path.to_owned(),
            value: value.to_owned(),
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_goes_while_its_file_is_open_is_gone() {
        let v1 = Path::new("/sys/fs/cgroup/pids");
        let root = if v1.is_dir() {
            v1
        } else {
            Path::new("/sys/fs/cgroup")
        };
        let group = root.join(format!("gantry-file-{}", std::process::id()));
        std::fs::create_dir(&group).expect("these tests run as root");
        let path = group.join("cgroup.procs");
        let file = open(&path).unwrap();
        assert_eq!(text(&file).unwrap(), "");
        std::fs::remove_dir(&group).unwrap();
        assert!(is_gone(&text(&file).unwrap_err()));
        assert_eq!(read_if_there(&path).unwrap(), None);
    }
}
