//! Protection of the runtime's own binary (CVE-2019-5736).
//!
//! A container whose program is `#!/proc/self/exe`, or whose process watches another being born into
//! it, gets hold of `/proc/<pid>/exe`: the runtime's file, writable for root once it no longer runs.
//! So whoever enters a container runs from a file that cannot be written by that way: the same file
//! seen through a detached, read-only copy of its mount, which is in no mount namespace and so nobody
//! can make writable again. That costs three system calls and an `exec`; a sealed copy in memory
//! (used where the mount call is refused) costs as much plus copying the file.
//!
//! And the process is not dumpable: processes in the container cannot trace it or look into
//! `/proc/<pid>` (CVE-2016-9962).

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use gantry_linux::exec;
use gantry_linux::mount_attr::{self, MountAttributes, RDONLY};
use rustix::fs::{CWD, MemfdFlags, SealFlags};
use rustix::mount::OpenTreeFlags;
use rustix::process::DumpableBehavior;

const OWN: &str = "/proc/self/exe";

/// A binary that cannot be protected. Going on would be worse.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProtectError {
    #[error("hide the process from containers")]
    Dumpable(#[source] io::Error),
    #[error("copy the runtime's binary")]
    Copy(#[source] io::Error),
    #[error("run the protected binary")]
    Exec(#[source] io::Error),
}

/// Returns if the process runs from a protected file; else becomes the same program from one.
pub(crate) fn ensure() -> Result<(), ProtectError> {
    if !is_protected() {
        let file = match read_only_view() {
            Ok(view) => view,
            Err(_) => sealed_copy().map_err(ProtectError::Copy)?,
        };
        let strings = |list: Vec<OsString>| -> Vec<CString> {
            list.into_iter()
                .filter_map(|text| CString::new(text.into_vec()).ok())
                .collect()
        };
        let args = strings(std::env::args_os().collect());
        let env = std::env::vars_os().map(|(name, value)| {
            let mut variable = name;
            variable.push("=");
            variable.push(value);
            variable
        });
        let error = exec::exec_descriptor(file.as_fd(), &args, &strings(env.collect()));
        return Err(ProtectError::Exec(error));
    }
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|source| ProtectError::Dumpable(source.into()))
}

/// On a read-only mount (ours, or the system's), or sealed against writing.
fn is_protected() -> bool {
    let read_only = rustix::fs::statvfs(OWN)
        .is_ok_and(|fs| fs.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY));
    read_only
        || File::open(OWN)
            .and_then(|file| Ok(rustix::fs::fcntl_get_seals(&file)?))
            .is_ok_and(|seals| seals.contains(SealFlags::WRITE))
}

fn read_only_view() -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let view = rustix::mount::open_tree(CWD, OWN, flags)?;
    let change = MountAttributes {
        set: RDONLY,
        ..MountAttributes::default()
    };
    mount_attr::set(view.as_fd(), change)?;
    Ok(view)
}

fn sealed_copy() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut copy = File::from(rustix::fs::memfd_create("runc-lite", flags)?);
    io::copy(&mut File::open(OWN)?, &mut copy)?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&copy, seals)?;
    Ok(copy.into())
}
