//! Who the process runs as: `USER[:GROUP]` and `--group-add`, looked up in the image's own
//! `/etc/passwd` and `/etc/group`.
//!
//! Pure: works on the two files' contents. Names and numbers follow dockerd (a number needs no
//! entry; a name does), and so do the messages, which clients show.

use super::oci::User;

/// The largest id the kernel's interface takes.
const MAX_ID: u32 = (1 << 31) - 1;

/// Why a user or group cannot be used; the texts are dockerd's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    #[error("unable to find user {0}: no matching entries in passwd file")]
    NoUser(String),
    #[error("unable to find group {0}: no matching entries in group file")]
    NoGroup(String),
    #[error("uids and gids must be in range 0-2147483647")]
    Range,
}

/// What the lookup found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub user: User,
    /// The account's home directory, `/` where it has no entry.
    pub home: String,
}

#[derive(Debug, Clone, Default)]
struct PasswdEntry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

#[derive(Debug, Clone, Default)]
struct GroupEntry<'a> {
    name: &'a str,
    gid: u32,
    members: Vec<&'a str>,
}

/// Resolves `spec` (`""`, `name`, `uid`, `name:group`, `uid:gid`, …) and the additional groups.
///
/// # Errors
/// [`UserError`] for a name without an entry or a number out of range.
pub fn resolve(
    spec: &str,
    additional: &[String],
    passwd: &str,
    group: &str,
) -> Result<Account, UserError> {
    let (user_part, group_part) = spec.split_once(':').unwrap_or((spec, ""));
    let users: Vec<_> = passwd.lines().filter_map(parse_passwd).collect();
    let groups: Vec<_> = group.lines().filter_map(parse_group).collect();

    let wanted = if user_part.is_empty() { "0" } else { user_part };
    let number = parse_id(wanted)?;
    let entry = users
        .iter()
        .find(|user| user.name == wanted)
        .or_else(|| number.and_then(|uid| users.iter().find(|user| user.uid == uid)));
    let (uid, mut gid, home) = match (entry, number) {
        (Some(entry), _) => (entry.uid, entry.gid, entry.home),
        (None, Some(uid)) => (uid, 0, ""),
        (None, None) => return Err(UserError::NoUser(wanted.to_owned())),
    };

    // An explicit group replaces the groups that the account is a member of.
    let mut gids: Vec<u32> = Vec::new();
    if group_part.is_empty() {
        if let Some(entry) = entry {
            gids.extend(
                groups
                    .iter()
                    .filter(|g| g.members.contains(&entry.name))
                    .map(|group| group.gid),
            );
        }
    } else {
        gid = find_group(group_part, &groups)?;
    }
    for name in additional {
        gids.push(find_group(name, &groups)?);
    }
    // The primary group is among the additional ones (CVE-2022-36109).
    let mut additional_gids = vec![gid];
    for gid in gids {
        if !additional_gids.contains(&gid) {
            additional_gids.push(gid);
        }
    }
    let home = if home.is_empty() {
        "/".to_owned()
    } else {
        home.to_owned()
    };
    Ok(Account {
        user: User {
            uid,
            gid,
            additional_gids,
        },
        home,
    })
}

fn find_group(name: &str, groups: &[GroupEntry<'_>]) -> Result<u32, UserError> {
    if let Some(group) = groups.iter().find(|group| group.name == name) {
        return Ok(group.gid);
    }
    parse_id(name)?.ok_or_else(|| UserError::NoGroup(name.to_owned()))
}

/// `None` for what is no number at all.
fn parse_id(text: &str) -> Result<Option<u32>, UserError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse::<u32>() {
        Ok(id) if id <= MAX_ID => Ok(Some(id)),
        _ => Err(UserError::Range),
    }
}

/// `name:password:uid:gid:gecos:home:shell`; a line that is not one is passed over.
fn parse_passwd(line: &str) -> Option<PasswdEntry<'_>> {
    let mut fields = line.trim().split(':');
    let name = fields
        .next()
        .filter(|name| !name.is_empty() && !name.starts_with('#'))?;
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    let home = fields.nth(1).unwrap_or_default();
    Some(PasswdEntry {
        name,
        uid,
        gid,
        home,
    })
}

/// `name:password:gid:member,member`.
fn parse_group(line: &str) -> Option<GroupEntry<'_>> {
    let mut fields = line.trim().split(':');
    let name = fields
        .next()
        .filter(|name| !name.is_empty() && !name.starts_with('#'))?;
    let gid = fields.nth(1)?.parse().ok()?;
    let members = fields.next().unwrap_or_default();
    Some(GroupEntry {
        name,
        gid,
        members: members.split(',').filter(|m| !m.is_empty()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n# note\nbob:x:1000:1001::/home/bob:/bin/sh\n\
                          77:x:5:5::/five:\nbroken\n";
    const GROUP: &str = "root:x:0:\nwheel:x:10:root,bob\naudio:x:29:bob\nbob:x:1001:\n";

    fn ids(spec: &str, add: &[&str]) -> Result<(u32, u32, Vec<u32>, String), UserError> {
        let add: Vec<String> = add.iter().map(|&s| s.to_owned()).collect();
        resolve(spec, &add, PASSWD, GROUP)
            .map(|a| (a.user.uid, a.user.gid, a.user.additional_gids, a.home))
    }

    #[test]
    fn resolves_as_dockerd_does() {
        assert_eq!(ids("", &[]), Ok((0, 0, vec![0, 10], "/root".into())));
        assert_eq!(
            ids("bob", &[]),
            Ok((1000, 1001, vec![1001, 10, 29], "/home/bob".into()))
        );
        assert_eq!(
            ids("1000", &[]),
            Ok((1000, 1001, vec![1001, 10, 29], "/home/bob".into()))
        );
        assert_eq!(
            ids("bob:audio", &[]),
            Ok((1000, 29, vec![29], "/home/bob".into()))
        );
        assert_eq!(ids("4242", &[]), Ok((4242, 0, vec![0], "/".into())));
        assert_eq!(
            ids("4242:77", &["wheel", "99"]),
            Ok((4242, 77, vec![77, 10, 99], "/".into()))
        );
        // A name of digits wins over the number, as in libcontainer.
        assert_eq!(ids("77", &[]), Ok((5, 5, vec![5], "/five".into())));
    }

    #[test]
    fn refuses_what_has_no_entry() {
        assert_eq!(ids("eve", &[]), Err(UserError::NoUser("eve".into())));
        assert_eq!(
            ids("bob:nobody", &[]),
            Err(UserError::NoGroup("nobody".into()))
        );
        assert_eq!(
            ids("", &["nobody"]),
            Err(UserError::NoGroup("nobody".into()))
        );
        assert_eq!(ids("4294967295", &[]), Err(UserError::Range));
        assert_eq!(ids("-1", &[]), Err(UserError::Range));
    }
}
