//! Nodes and links in `/dev`.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Mode, Uid, makedev};
use rustix::io::Errno;

use crate::init::mounts::{attach, clone_tree};
use crate::init::{Init, InitError, resolve};
use crate::plan::DeviceNode;

const LINKS: [(&str, &str); 5] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/ptmx", "pts/ptmx"),
];

impl Init<'_> {
    /// Makes a node, or shows the host's where nodes cannot be made.
    pub(crate) fn device(&self, device: &DeviceNode) -> Result<(), InitError> {
        let failed = |source| InitError::Device {
            path: device.path.clone(),
            source,
        };
        if device.bind {
            return self.bind_device(device).map_err(failed);
        }
        let (parent, name) = resolve::make_parent(self.root()?, &device.path).map_err(failed)?;
        let kind = device.kind.file_type();
        let number = makedev(device.major, device.minor);
        let mode = Mode::from_raw_mode(device.mode);
        match rustix::fs::mknodat(&parent, &name, kind, mode, number) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                let stat = rustix::fs::statat(&parent, &name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(|source| failed(source.into()))?;
                let same = FileType::from_raw_mode(stat.st_mode) == kind
                    && (kind == FileType::Fifo || stat.st_rdev == number);
                if !same {
                    return Err(InitError::OtherDevice {
                        path: device.path.clone(),
                    });
                }
            }
            Err(Errno::PERM) => return self.bind_device(device).map_err(failed),
            Err(source) => return Err(failed(source.into())),
        }
        if device.uid != 0 || device.gid != 0 {
            let owner = (
                Some(Uid::from_raw(device.uid)),
                Some(Gid::from_raw(device.gid)),
            );
            rustix::fs::chownat(&parent, &name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|source| failed(source.into()))?;
        }
        Ok(())
    }

    fn bind_device(&self, device: &DeviceNode) -> io::Result<()> {
        let root = self.root().map_err(|_| io::ErrorKind::NotFound)?;
        let tree = clone_tree(&device.path, false)?;
        let target = resolve::make_file(root, &device.path)?;
        attach(tree.as_fd(), target.as_fd())
    }

    /// Makes the usual links; ones that exist stay as the image has them.
    pub(crate) fn device_links(&self) -> Result<(), InitError> {
        let root = self.root()?;
        let core = self
            .proc_has_kcore()
            .then_some(("/dev/core", "/proc/kcore"));
        for (path, target) in LINKS.into_iter().chain(core) {
            let make = || -> io::Result<()> {
                let (parent, name) = resolve::make_parent(root, Path::new(path))?;
                match rustix::fs::symlinkat(target, &parent, &name) {
                    Err(Errno::EXIST) => Ok(()),
                    other => Ok(other?),
                }
            };
            make().map_err(|source| InitError::DeviceLink { path, source })?;
        }
        Ok(())
    }

    fn proc_has_kcore(&self) -> bool {
        rustix::fs::statat(self.proc.as_fd(), "kcore", AtFlags::empty()).is_ok()
    }
}
