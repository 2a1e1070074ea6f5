//! Finding directories in an outline as the kernel would beneath the layer's root
//! (`openat2`, `RESOLVE_IN_ROOT`).

use rustix::io::Errno;

use super::outline::{Directory, IMPLIED_MODE, Kind, Node, NodeId, Outline, Owner};
use crate::extract::path::join;

/// As many as the kernel follows (`MAXSYMLINKS`).
const LINKS_MAX: usize = 40;
/// The longest name (`NAME_MAX`).
const NAME_MAX: usize = 255;
const SET_GROUP: u32 = 0o2000;

/// A directory and its path without symbolic links.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) id: NodeId,
    pub(super) path: Vec<u8>,
}

impl Outline {
    /// The directory at `path`; symbolic links are followed as if the root were `/`.
    pub(super) fn find(&self, path: &[u8]) -> Result<Place, Errno> {
        let mut stack: Vec<(NodeId, Vec<u8>)> = Vec::new();
        let mut waiting: Vec<&[u8]> = Vec::new();
        push_components(&mut waiting, path);
        let mut links = 0;
        while let Some(name) = waiting.pop() {
            match name {
                b"" | b"." => continue,
                b".." => {
                    stack.pop();
                    continue;
                }
                _ if name.len() > NAME_MAX => return Err(Errno::NAMETOOLONG),
                _ => {}
            }
            let at = stack.last().map_or(Self::ROOT, |(id, _)| *id);
            let child = self.child(at, name).ok_or(Errno::NOENT)?;
            match &self.node(child).kind {
                Kind::Directory(_) => stack.push((child, name.to_vec())),
                Kind::Symlink(target) => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(Errno::LOOP);
                    }
                    if target.starts_with(b"/") {
                        stack.clear();
                    }
                    push_components(&mut waiting, target);
                }
                _ => return Err(Errno::NOTDIR),
            }
        }
        let path = stack.iter().fold(Vec::new(), |path, (_, n)| join(&path, n));
        let id = stack.last().map_or(Self::ROOT, |(id, _)| *id);
        Ok(Place { id, path })
    }

    /// The same, making what is missing.
    pub(super) fn make(&mut self, path: &[u8]) -> Result<Place, std::io::Error> {
        let mut at = Place {
            id: Self::ROOT,
            path: Vec::new(),
        };
        let mut end = 0;
        while end < path.len() {
            let start = if end == 0 { 0 } else { end + 1 };
            let len = path[start..].iter().position(|byte| *byte == b'/');
            end = len.map_or(path.len(), |len| start + len);
            at = match self.find(&path[..end]) {
                Err(Errno::NOENT) => self.make_implied(&at, &path[start..end])?,
                other => other?,
            };
        }
        Ok(at)
    }

    fn make_implied(&mut self, at: &Place, name: &[u8]) -> Result<Place, std::io::Error> {
        if self.child(at.id, name).is_some() {
            // A link that leads nowhere.
            return Err(Errno::EXIST.into());
        }
        let node = Node {
            kind: Kind::Directory(Directory::default()),
            owner: self.inherited(at.id, IMPLIED_MODE),
            mtime: self.now(),
            xattrs: Vec::new(),
        };
        let id = self.add(node, name.len()).map_err(std::io::Error::other)?;
        self.link(at.id, name, id);
        Ok(Place {
            id,
            path: join(&at.path, name),
        })
    }

    /// The owner of what is made in a directory: a set-group directory gives its group, and to
    /// directories the bit too.
    fn inherited(&self, directory: NodeId, mode: u32) -> Owner {
        let gid = self.group_for(directory);
        let bit = self.node(directory).owner.mode & SET_GROUP;
        Owner {
            mode: mode | bit,
            uid: 0,
            gid,
        }
    }

    /// The group of what is made in a directory.
    pub(super) fn group_for(&self, directory: NodeId) -> u32 {
        let parent = self.node(directory).owner;
        if parent.mode & SET_GROUP == 0 {
            0
        } else {
            parent.gid
        }
    }
}

/// Puts a path's components on the stack, the first on top.
fn push_components<'a>(waiting: &mut Vec<&'a [u8]>, path: &'a [u8]) {
    waiting.extend(path.rsplit(|byte| *byte == b'/'));
}
