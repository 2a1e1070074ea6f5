//! Options of the local driver: a volume that is a mount of its own (`type`, `device`, `o`).
//!
//! Such a volume is mounted on its directory while containers that use it run, and only then. Whether
//! it is mounted is asked of the kernel, so that nothing has to be remembered across a crash.

use std::collections::BTreeMap;
use std::io;
use std::net::ToSocketAddrs;
use std::path::Path;

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

/// Options of a volume that cannot be used; dockerd's texts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// Not an option of the driver.
    #[error("invalid option: {0:?}")]
    Unknown(String),
    /// One that another one needs.
    #[error("missing required option: {0:?}")]
    Missing(&'static str),
    /// Sizes need a file system with quotas, and this engine sets none.
    #[error("quota size requested but no quota support")]
    Size,
}

/// A mount that failed; dockerd's text.
#[derive(Debug, thiserror::Error)]
#[error("failed to mount local volume: mount {what}")]
pub struct MountFailed {
    /// `device:target, flags: 0x1000, data: …`.
    what: String,
    #[source]
    source: Errno,
}

/// A system call's failure in the words of Go, without its number.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.to_string().split(" (os error").next().unwrap_or_default().to_lowercase())]
pub struct Errno(pub(super) io::Error);

/// Checks the options of a new volume.
///
/// # Errors
/// [`OptionError`] for the first that is wrong.
pub fn check(options: &BTreeMap<String, String>) -> Result<(), OptionError> {
    const NEEDS: [(&str, &[&str]); 3] = [
        ("device", &["type"]),
        ("o", &["device", "type"]),
        ("type", &["device"]),
    ];
    let known = |key: &&String| matches!(key.as_str(), "type" | "o" | "device" | "size");
    if let Some(unknown) = options.keys().find(|key| !known(key)) {
        return Err(OptionError::Unknown(unknown.clone()));
    }
    if options.contains_key("size") {
        return Err(OptionError::Size);
    }
    for (option, needed) in NEEDS {
        if options.contains_key(option)
            && let Some(missing) = needed.iter().find(|key| !options.contains_key(**key))
        {
            return Err(OptionError::Missing(missing));
        }
    }
    Ok(())
}

/// Mounts a volume on its directory, unless it is.
///
/// # Errors
/// [`MountFailed`].
pub fn mount(options: &BTreeMap<String, String>, target: &Path) -> Result<(), MountFailed> {
    if is_mounted(target) {
        return Ok(());
    }
    let option = |key: &str| options.get(key).map_or("", String::as_str);
    let (device, kind) = (option("device"), option("type"));
    let words = with_address(kind, option("o"));
    let (flags, propagation, data) = split(&words);
    let failed = |source: io::Error| MountFailed {
        what: describe(device, target, (flags, &data)),
        source: Errno(source),
    };
    let data_text = std::ffi::CString::new(data.clone()).map_err(|e| failed(e.into()))?;
    rustix::mount::mount(device, target, kind, flags, data_text.as_c_str())
        .map_err(|errno| failed(errno.into()))?;
    // A bind takes its read-only flag with a second call only.
    let later = if flags.contains(MountFlags::BIND) && flags != MountFlags::BIND {
        rustix::mount::mount_remount(target, flags, "")
    } else {
        Ok(())
    };
    let later = later.and_then(|()| {
        propagation.map_or(Ok(()), |change| rustix::mount::mount_change(target, change))
    });
    later.map_err(|errno| {
        drop(unmount(target));
        failed(errno.into())
    })
}

/// Takes a volume's mount away; no error if there is none.
///
/// # Errors
/// It is in use.
pub fn unmount(target: &Path) -> io::Result<()> {
    match rustix::mount::unmount(target, UnmountFlags::DETACH) {
        Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether something is mounted right there.
#[must_use]
pub fn is_mounted(target: &Path) -> bool {
    let Ok(mounts) = std::fs::read_to_string("/proc/self/mountinfo") else {
        return false;
    };
    let target = std::fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
    // Blanks in a mount point are written in octal; no volume's name has any, the data root may.
    let shown = target.display().to_string().replace(' ', "\\040");
    mounts
        .lines()
        .any(|line| line.split(' ').nth(4) == Some(shown.as_str()))
}

fn describe(device: &str, target: &Path, (flags, data): (MountFlags, &str)) -> String {
    let mut what = format!("{device}:{}", target.display());
    if !flags.is_empty() {
        what += &format!(", flags: {:#x}", flags.bits());
    }
    if !data.is_empty() {
        what += &format!(", data: {data}");
    }
    what
}

/// NFS and CIFS want the server's address as a number; dockerd resolves `addr=` of `o`.
fn with_address(kind: &str, words: &str) -> String {
    let resolves = kind.starts_with("nfs") || kind == "cifs";
    let resolve = |word: &str| match word.strip_prefix("addr=") {
        Some(name) if resolves => {
            let found = (name, 0).to_socket_addrs().ok();
            match found.and_then(|mut addresses| addresses.next()) {
                Some(address) => format!("addr={}", address.ip()),
                None => word.to_owned(),
            }
        }
        _ => word.to_owned(),
    };
    words.split(',').map(resolve).collect::<Vec<_>>().join(",")
}

/// The words of `o` (`mount(8)`): flags of the mount, a change of propagation, and what is the file
/// system's.
fn split(words: &str) -> (MountFlags, Option<MountPropagationFlags>, String) {
    let mut flags = MountFlags::empty();
    let mut propagation = None;
    let mut data = Vec::new();
    for word in words.split(',').filter(|word| !word.is_empty()) {
        if let Some((set, flag)) = flag(word) {
            flags.set(flag, set);
        } else if let Some(change) = propagation_of(word) {
            propagation = Some(change);
        } else if word != "defaults" {
            data.push(word);
        }
    }
    (flags, propagation, data.join(","))
}

fn flag(word: &str) -> Option<(bool, MountFlags)> {
    Some(match word {
        "ro" => (true, MountFlags::RDONLY),
        "rw" => (false, MountFlags::RDONLY),
        "nosuid" => (true, MountFlags::NOSUID),
        "suid" => (false, MountFlags::NOSUID),
        "nodev" => (true, MountFlags::NODEV),
        "dev" => (false, MountFlags::NODEV),
        "noexec" => (true, MountFlags::NOEXEC),
        "exec" => (false, MountFlags::NOEXEC),
        "sync" => (true, MountFlags::SYNCHRONOUS),
        "async" => (false, MountFlags::SYNCHRONOUS),
        "dirsync" => (true, MountFlags::DIRSYNC),
        "noatime" => (true, MountFlags::NOATIME),
        "atime" => (false, MountFlags::NOATIME),
        "nodiratime" => (true, MountFlags::NODIRATIME),
        "diratime" => (false, MountFlags::NODIRATIME),
        "relatime" => (true, MountFlags::RELATIME),
        "strictatime" => (true, MountFlags::STRICTATIME),
        "bind" => (true, MountFlags::BIND),
        "rbind" => (true, MountFlags::BIND | MountFlags::REC),
        _ => return None,
    })
}

fn propagation_of(word: &str) -> Option<MountPropagationFlags> {
    let (word, below) = match word.strip_prefix('r') {
        Some(rest @ ("private" | "shared" | "slave" | "unbindable")) => {
            (rest, MountPropagationFlags::REC)
        }
        _ => (word, MountPropagationFlags::empty()),
    };
    let change = match word {
        "private" => MountPropagationFlags::PRIVATE,
        "shared" => MountPropagationFlags::SHARED,
        "slave" => MountPropagationFlags::DOWNSTREAM,
        "unbindable" => MountPropagationFlags::UNBINDABLE,
        _ => return None,
    };
    Some(change | below)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(given: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = given
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        pairs.collect()
    }

    /// Every text here was read off dockerd 28.5.
    #[test]
    fn options_are_refused_in_dockerds_words() {
        let refused = |given: &[(&str, &str)]| check(&options(given)).unwrap_err().to_string();
        assert_eq!(refused(&[("bogus", "1")]), "invalid option: \"bogus\"");
        assert_eq!(
            refused(&[("type", "tmpfs")]),
            "missing required option: \"device\""
        );
        assert_eq!(
            refused(&[("device", "/x"), ("o", "bind")]),
            "missing required option: \"type\""
        );
        assert_eq!(
            refused(&[("size", "1m")]),
            "quota size requested but no quota support"
        );
        assert_eq!(
            check(&options(&[("type", "tmpfs"), ("device", "x")])),
            Ok(())
        );
    }

    #[test]
    fn words_are_parted_into_flags_and_data() {
        let (flags, propagation, data) = split("defaults,ro,size=1m,rw,nodev,rslave,uid=3");
        assert_eq!(flags, MountFlags::NODEV);
        assert_eq!(
            propagation,
            Some(MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
        );
        assert_eq!(data, "size=1m,uid=3");
        assert_eq!(
            with_address("nfs", "addr=127.0.0.1,ro"),
            "addr=127.0.0.1,ro"
        );
    }

    #[test]
    fn a_volume_is_mounted_once_and_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let given = options(&[("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m")]);
        mount(&given, dir.path()).unwrap();
        mount(&given, dir.path()).unwrap();
        assert!(is_mounted(dir.path()));
        unmount(dir.path()).unwrap();
        assert!(!is_mounted(dir.path()));
        unmount(dir.path()).unwrap();
        let wrong = options(&[("type", "none"), ("device", "/nonexist"), ("o", "bind")]);
        let error = mount(&wrong, dir.path()).unwrap_err();
        assert_eq!(
            gantry_errors::chain(&error).to_string(),
            format!(
                "failed to mount local volume: mount /nonexist:{}, flags: 0x1000: no such file or directory",
                dir.path().display()
            )
        );
    }
}
