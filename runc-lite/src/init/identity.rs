//! User, groups, capabilities and working directory of the process.

use std::io;
use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets as ThreadSets};

use crate::init::{Init, InitError};
use crate::launch::Message;
use crate::plan::{CapabilitySets, Identity};

/// No kernel has more (they are bits of 64).
const MAX_CAPABILITY: u32 = 63;

impl Init<'_> {
    /// Becomes who the process is to be, in the order in which each change is still allowed.
    pub(crate) fn become_identity(&mut self, identity: &Identity) -> Result<(), InitError> {
        let sets = identity
            .capabilities
            .map(|wanted| self.available(wanted))
            .transpose()?;
        if let Some(sets) = sets {
            drop_bounding(sets.bounding).map_err(InitError::Bounding)?;
        }
        give_stdio_to(identity.uid);
        // A directory that only root may enter is entered as root, one that only the user may enter
        // (a network file system) as the user.
        let early = enter_cwd(&identity.cwd);
        let keep = sets.is_some();
        if keep {
            rustix::thread::set_keep_capabilities(true)
                .map_err(|source| InitError::Capabilities(source.into()))?;
        }
        change_user(identity)?;
        if keep {
            rustix::thread::set_keep_capabilities(false)
                .map_err(|source| InitError::Capabilities(source.into()))?;
        }
        match early {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                enter_cwd(&identity.cwd)
            }
            other => other,
        }
        .map_err(|source| InitError::Cwd {
            path: PathBuf::from(&identity.cwd),
            source,
        })?;
        check_cwd()?;
        match sets {
            Some(sets) => set_capabilities(sets).map_err(InitError::Capabilities),
            None => Ok(()),
        }
    }

    /// The sets without what this machine does not let even the runtime have, told as a warning.
    fn available(&self, wanted: CapabilitySets) -> Result<CapabilitySets, InitError> {
        let own = rustix::thread::capabilities(None)
            .map_err(|source| InitError::Capabilities(source.into()))?;
        let mut available = own.permitted.bits();
        let asked = wanted.all();
        for bit in 0..=MAX_CAPABILITY {
            let capability = CapabilitySet::from_bits_retain(1 << bit);
            if available & asked & (1 << bit) != 0
                && !rustix::thread::capability_is_in_bounding_set(capability).unwrap_or(false)
            {
                available &= !(1 << bit);
            }
        }
        let (limited, missing) = wanted.limited_to(available);
        if !missing.is_empty() {
            let names = missing.join(" ");
            let text = format!("ignoring capabilities that this machine does not allow: [{names}]");
            self.channel
                .send(&Message::Warning(text))
                .map_err(InitError::Channel)?;
        }
        Ok(limited)
    }
}

fn drop_bounding(keep: u64) -> io::Result<()> {
    for bit in 0..=MAX_CAPABILITY {
        if keep >> bit & 1 == 1 {
            continue;
        }
        match rustix::thread::remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(
            1 << bit,
        )) {
            Ok(()) => {}
            // The kernel's last capability was the one before.
            Err(Errno::INVAL) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn change_user(identity: &Identity) -> Result<(), InitError> {
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    let groups: Vec<Gid> = identity
        .groups
        .iter()
        .map(|gid| Gid::from_raw(*gid))
        .collect();
    match rustix::thread::set_thread_groups(&groups) {
        // A user namespace with `setgroups` denied has no groups to drop.
        Err(Errno::PERM) if groups.is_empty() => {}
        other => other.map_err(|source| InitError::SetGroups(source.into()))?,
    }
    rustix::thread::set_thread_res_gid(gid, gid, gid)
        .map_err(|source| InitError::SetGid(source.into()))?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)
        .map_err(|source| InitError::SetUid(source.into()))
}

fn set_capabilities(sets: CapabilitySets) -> io::Result<()> {
    rustix::thread::set_capabilities(
        None,
        ThreadSets {
            effective: CapabilitySet::from_bits_retain(sets.effective),
            permitted: CapabilitySet::from_bits_retain(sets.permitted),
            inheritable: CapabilitySet::from_bits_retain(sets.inheritable),
        },
    )?;
    rustix::thread::clear_ambient_capability_set()?;
    for bit in 0..=MAX_CAPABILITY {
        if sets.ambient >> bit & 1 == 1 {
            let capability = CapabilitySet::from_bits_retain(1 << bit);
            // Ambient needs permitted and inheritable: runc leaves out what does not fit, too.
            let _does_not_fit =
                rustix::thread::configure_capability_in_ambient_set(capability, true);
        }
    }
    Ok(())
}

/// A process that is not root must still be able to open `/dev/stdout` again. The null device and
/// what cannot change hands stay as they are.
fn give_stdio_to(uid: u32) {
    let stdio = [
        rustix::stdio::stdin(),
        rustix::stdio::stdout(),
        rustix::stdio::stderr(),
    ];
    for file in stdio {
        let Ok(stat) = rustix::fs::fstat(file) else {
            continue;
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        let is_null =
            kind == FileType::CharacterDevice && stat.st_rdev == rustix::fs::makedev(1, 3);
        if !is_null && stat.st_uid != uid {
            let _read_only = rustix::fs::fchown(file, Some(Uid::from_raw(uid)), None);
        }
    }
}

/// Enters a directory of the container by descriptor, never through a magic link such as
/// `/proc/self/fd/7` (CVE-2024-21626).
fn enter_cwd(path: &str) -> io::Result<()> {
    let root = rustix::fs::openat(CWD, "/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::openat2(&root, path, flags, Mode::empty(), resolve)?;
    Ok(rustix::process::fchdir(&directory)?)
}

/// The second net under the same: the kernel says so if the directory is not below the root.
fn check_cwd() -> Result<(), InitError> {
    let inside = rustix::process::getcwd(Vec::new())
        .is_ok_and(|path| path.to_bytes().first() == Some(&b'/'));
    if inside {
        Ok(())
    } else {
        Err(InitError::CwdOutside)
    }
}
