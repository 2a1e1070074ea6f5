//! Users and groups by name or number, as the tree's own files know them.

use crate::{CopyError, Tree};

/// Who owns what is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

impl Owner {
    /// Reads `user`, `user:group` or `:group`; a number stands for itself. A user without a group
    /// has the one that `/etc/passwd` gives a name, or a number its own.
    ///
    /// # Errors
    /// A name that the tree does not know.
    pub fn parse(text: &str, tree: &Tree) -> Result<Self, CopyError> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
            None => (text, None),
        };
        let mut owner = match user.parse() {
            Ok(uid) => Self { uid, gid: uid },
            Err(_) if user.is_empty() => Self::default(),
            Err(_) => {
                let passwd = tree.text("/etc/passwd")?;
                find(&passwd, user, |fields| {
                    let uid = fields.get(2)?.parse().ok()?;
                    let gid = fields.get(3)?.parse().ok()?;
                    Some(Self { uid, gid })
                })
                .ok_or_else(|| CopyError::UnknownUser(user.to_owned()))?
            }
        };
        if let Some(group) = group {
            owner.gid = match group.parse() {
                Ok(gid) => gid,
                Err(_) => find(&tree.text("/etc/group")?, group, |fields| {
                    fields.get(2)?.parse().ok()
                })
                .ok_or_else(|| CopyError::UnknownGroup(group.to_owned()))?,
            };
        }
        Ok(owner)
    }
}

/// The line that starts with a name, read by its fields.
fn find<T>(text: &str, name: &str, read: impl Fn(&[&str]) -> Option<T>) -> Option<T> {
    let lines = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut named = lines.filter(|fields| fields.first() == Some(&name));
    named.find_map(|fields| read(&fields))
}
