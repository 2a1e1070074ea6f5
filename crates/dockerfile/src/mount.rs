//! `RUN --mount`: the fields with their variables expanded, checked against the mount's type.

use crate::csv;
use crate::error::MountFault;
use crate::suggest;

/// A mount of a `RUN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// What is mounted.
    pub kind: MountKind,
    /// The stage or image it comes from.
    pub from: Option<String>,
    /// The path there, or the name of a secret's source.
    pub source: Option<String>,
    /// Where it is seen.
    pub target: Option<String>,
    /// Whether it cannot be written to.
    pub read_only: bool,
    /// The name of a cache, secret or agent.
    pub id: Option<String>,
    /// How a cache is shared.
    pub sharing: Option<Sharing>,
    /// Whether a missing secret or agent fails the step.
    pub required: bool,
    /// The size of a tmpfs, bytes.
    pub size: Option<u64>,
    /// Permissions.
    pub mode: Option<u32>,
    /// The owner.
    pub uid: Option<u32>,
    /// The group.
    pub gid: Option<u32>,
    /// The variable that holds a secret.
    pub env: Option<String>,
}

/// Kinds of mounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MountKind {
    /// A path of the context, a stage or an image.
    #[default]
    Bind,
    /// A directory that outlives the build.
    Cache,
    /// Memory.
    Tmpfs,
    /// A secret.
    Secret,
    /// An SSH agent's socket.
    Ssh,
}

impl MountKind {
    const ALL: [&'static str; 5] = ["bind", "cache", "secret", "ssh", "tmpfs"];

    /// Its name in a Dockerfile.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bind => "bind",
            Self::Cache => "cache",
            Self::Tmpfs => "tmpfs",
            Self::Secret => "secret",
            Self::Ssh => "ssh",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [
            Self::Bind,
            Self::Cache,
            Self::Tmpfs,
            Self::Secret,
            Self::Ssh,
        ]
        .into_iter()
        .find(|kind| kind.name() == text)
    }
}

/// How builds share a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// All write at once.
    Shared,
    /// Each writer has its own.
    Private,
    /// One writer waits for the other.
    Locked,
}

const KEYS: [&str; 18] = [
    "type",
    "from",
    "source",
    "target",
    "readonly",
    "id",
    "sharing",
    "required",
    "mode",
    "uid",
    "gid",
    "src",
    "dst",
    "destination",
    "ro",
    "rw",
    "readwrite",
    "env",
];

/// A mount while its fields are read: whether writing was spoken of, and the type so far.
struct Draft {
    mount: Mount,
    access_given: bool,
}

/// Reads a mount whose variables are expanded by `expand`.
pub(crate) fn parse<E: From<MountFault>>(
    text: &str,
    mut expand: impl FnMut(&str) -> Result<String, E>,
) -> Result<Mount, E> {
    let mut draft = Draft {
        mount: Mount {
            kind: MountKind::Bind,
            from: None,
            source: None,
            target: None,
            read_only: false,
            id: None,
            sharing: None,
            required: false,
            size: None,
            mode: None,
            uid: None,
            gid: None,
            env: None,
        },
        access_given: false,
    };
    for field in csv::fields(text).map_err(MountFault::Csv)? {
        match field.split_once('=') {
            None => draft.word(&field)?,
            Some((key, value)) => {
                let value = expand(value)?;
                draft.pair(&key.to_lowercase(), value, &field)?;
            }
        }
    }
    Ok(draft.finish()?)
}

impl Draft {
    fn access(&mut self, read_only: bool) {
        self.mount.read_only = read_only;
        self.access_given = true;
    }

    fn word(&mut self, field: &str) -> Result<(), MountFault> {
        match field.to_lowercase().as_str() {
            "readonly" | "ro" => self.access(true),
            "readwrite" | "rw" => self.access(false),
            "required" => self.require(true)?,
            _ => return Err(MountFault::NotPair(field.to_owned())),
        }
        Ok(())
    }

    fn require(&mut self, required: bool) -> Result<(), MountFault> {
        self.only("required", &[MountKind::Secret, MountKind::Ssh])?;
        self.mount.required = required;
        Ok(())
    }

    fn only(&self, key: &str, kinds: &[MountKind]) -> Result<(), MountFault> {
        if kinds.contains(&self.mount.kind) {
            return Ok(());
        }
        Err(MountFault::KeyOfType {
            key: key.to_owned(),
            kind: self.mount.kind.name(),
        })
    }

    fn pair(&mut self, key: &str, value: String, field: &str) -> Result<(), MountFault> {
        let bad = |value: &str| MountFault::Value {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let flag = |value: &str| csv::boolean(value).ok_or_else(|| bad(value));
        match key {
            "type" => self.mount.kind = kind(&value)?,
            "from" => self.mount.from = Some(value).filter(|from| !from.is_empty()),
            "source" | "src" => self.mount.source = Some(value),
            "target" | "dst" | "destination" => self.mount.target = Some(value),
            "readonly" | "ro" => self.access(flag(&value)?),
            "readwrite" | "rw" => self.access(!flag(&value)?),
            "required" => self.require(flag(&value)?)?,
            "size" => {
                self.only("size", &[MountKind::Tmpfs])?;
                self.mount.size = Some(bytes(&value).ok_or_else(|| bad(&value))?);
            }
            "id" => self.mount.id = Some(value),
            "sharing" => self.mount.sharing = Some(sharing(&value)?),
            "mode" => self.mount.mode = Some(number("mode", &value, 8)?),
            "uid" => self.mount.uid = Some(number("uid", &value, 10)?),
            "gid" => self.mount.gid = Some(number("gid", &value, 10)?),
            "env" => self.mount.env = Some(value),
            _ => {
                return Err(MountFault::Key {
                    key: key.to_owned(),
                    field: field.to_owned(),
                    hint: suggest::hint(key, KEYS, true),
                });
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Mount, MountFault> {
        let mount = &mut self.mount;
        let kind = mount.kind.name();
        let has_owner = matches!(mount.kind, MountKind::Bind | MountKind::Tmpfs);
        let owner = [("mode", mount.mode), ("uid", mount.uid), ("gid", mount.gid)];
        if let Some((key, _)) = owner
            .into_iter()
            .find(|(_, value)| has_owner && value.is_some())
        {
            return Err(MountFault::NotAllowed { key, kind });
        }
        if !self.access_given {
            mount.read_only = !matches!(mount.kind, MountKind::Cache | MountKind::Tmpfs);
        }
        if mount.kind == MountKind::Secret {
            secret(mount)?;
        } else if mount.env.is_some() {
            let key = "env".to_owned();
            return Err(MountFault::KeyOfType { key, kind });
        }
        if mount.sharing.is_some() && mount.kind != MountKind::Cache {
            return Err(MountFault::SharingOfType(kind));
        }
        Ok(self.mount)
    }
}

fn secret(mount: &Mount) -> Result<(), MountFault> {
    let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    if mount.from.is_some() {
        return Err(MountFault::SecretFrom);
    }
    if mount.sharing.is_some() {
        return Err(MountFault::SecretSharing);
    }
    if !given(&mount.source) && !given(&mount.target) && !given(&mount.id) {
        return Err(MountFault::SecretUnnamed);
    }
    if given(&mount.source) && given(&mount.id) {
        return Err(MountFault::SecretTwice);
    }
    Ok(())
}

fn kind(value: &str) -> Result<MountKind, MountFault> {
    MountKind::parse(&value.to_lowercase()).ok_or_else(|| MountFault::Type {
        value: value.to_owned(),
        hint: suggest::hint(value, MountKind::ALL, true),
    })
}

fn sharing(value: &str) -> Result<Sharing, MountFault> {
    match value.to_lowercase().as_str() {
        "shared" => Ok(Sharing::Shared),
        "private" => Ok(Sharing::Private),
        "locked" => Ok(Sharing::Locked),
        _ => Err(MountFault::Sharing {
            value: value.to_owned(),
            hint: suggest::hint(value, ["locked", "private", "shared"], true),
        }),
    }
}

fn number(key: &'static str, value: &str, radix: u32) -> Result<u32, MountFault> {
    let digits = !value.is_empty() && value.chars().all(|digit| digit.is_digit(radix));
    let parsed = u32::from_str_radix(value, radix).ok();
    parsed.filter(|_| digits).ok_or_else(|| MountFault::Number {
        key,
        value: value.to_owned(),
    })
}

/// A size as Docker's units read it: `64m`, `1g`, `1.5GiB`.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_lowercase();
    let text = text.strip_suffix('b').unwrap_or(&text);
    let text = text.strip_suffix('i').unwrap_or(text);
    let (digits, shift) = match text.char_indices().next_back()? {
        (at, 'k') => (&text[..at], 10),
        (at, 'm') => (&text[..at], 20),
        (at, 'g') => (&text[..at], 30),
        (at, 't') => (&text[..at], 40),
        (at, 'p') => (&text[..at], 50),
        _ => (text, 0),
    };
    let (whole, fraction) = digits
        .trim_end()
        .split_once('.')
        .unwrap_or((digits.trim_end(), ""));
    let whole: u64 = whole.parse().ok()?;
    let mut total = whole.checked_mul(1 << shift)?;
    let mut scale: u64 = 1 << shift;
    for digit in fraction.chars() {
        scale /= 10;
        total = total.checked_add(scale * u64::from(digit.to_digit(10)?))?;
    }
    Some(total)
}
