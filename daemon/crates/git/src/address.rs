//! Addresses of repositories, with BuildKit's additions: `https://…/x.git#ref:subdir` and
//! `https://…/x.git?branch=b&subdir=d`. Pure.

use percent_encoding::percent_decode_str;

/// An address that looks like a repository's and is none. The texts are BuildKit's where it has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The host's name, or the path, could be read as an option or holds what no name holds.
    #[error("invalid git address {0:?}")]
    Address(String),
    /// No branch, tag or commit has such a name.
    #[error("invalid git ref {0:?}")]
    Reference(String),
    /// A directory that no repository holds.
    #[error("invalid subdir {0:?}")]
    Subdir(String),
    /// A word behind the `?` that nobody knows.
    #[error("unexpected query {0:?}")]
    Query(String),
    /// A word behind the `?` without a value.
    #[error("query {0:?} has no value")]
    NoValue(String),
    /// A word behind the `?` whose value is none of its own.
    #[error("invalid {name} value: {value:?}")]
    Value {
        /// The word.
        name: String,
        /// Its value.
        value: String,
    },
    /// Two branches, tags or commits.
    #[error("ref conflicts: {0:?} vs {1:?}")]
    References(String, String),
    /// Two directories.
    #[error("subdir conflicts: {0:?} vs {1:?}")]
    Subdirs(String, String),
    /// A branch and a tag.
    #[error("branch conflicts with tag")]
    BranchAndTag,
    /// What should be a commit's name is none.
    #[error("invalid checksum {0} for Git URL, expected hex commit hash")]
    Checksum(String),
}

/// A repository, and what of it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// What `git` is given.
    pub(crate) remote: String,
    /// The host, with its port.
    pub(crate) host: String,
    pub(crate) transport: Transport,
    /// A branch, a tag or a commit; none is the default branch.
    pub(crate) reference: Option<String>,
    /// The directory meant, without slashes at its ends; empty for all.
    pub(crate) subdir: String,
    /// What the commit's name has to begin with.
    pub(crate) checksum: Option<String>,
    /// Whether `.git` is wanted; none where nothing is said.
    pub(crate) keep: Option<bool>,
    pub(crate) has_submodules: bool,
}

/// How a repository is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Web,
    Git,
    Ssh,
}

impl Address {
    /// Reads an address; none if the text is no repository's.
    ///
    /// # Errors
    /// It is one, and makes no sense.
    pub fn parse(text: &str) -> Result<Option<Self>, AddressError> {
        let (rest, fragment) = match text.split_once('#') {
            Some((rest, fragment)) => (rest, Some(fragment)),
            None => (text, None),
        };
        let Some((transport, address, query)) = kind(rest) else {
            return Ok(None);
        };
        let invalid = || AddressError::Address(hide(text));
        let host = host(address, transport).ok_or_else(invalid)?;
        let strange = |c: char| c.is_control() || c.is_whitespace();
        if text.chars().any(strange) {
            return Err(invalid());
        }
        let mut read = Self {
            remote: address.to_owned(),
            host: host.to_owned(),
            transport,
            reference: None,
            subdir: String::new(),
            checksum: None,
            keep: None,
            has_submodules: true,
        };
        if let Some(fragment) = fragment {
            let fragment = percent_decode_str(fragment).decode_utf8_lossy();
            let (reference, subdir) = fragment.split_once(':').unwrap_or((&fragment, ""));
            read.reference = some(reference);
            subdir.clone_into(&mut read.subdir);
        }
        read.query(query)?;
        if let Some(checksum) = &read.checksum {
            check_commit(checksum)?;
        }
        if let Some(reference) = &read.reference {
            check_reference(reference)?;
        }
        read.subdir = clean(&read.subdir)?;
        Ok(Some(read))
    }

    /// Reads the address of a build context, where `github.com/…` stands for its repository too.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_context(text: &str) -> Result<Option<Self>, AddressError> {
        if !text.starts_with("github.com/") {
            return Self::parse(text);
        }
        let at = text.find(['#', '?']).unwrap_or(text.len());
        let (path, rest) = text.split_at(at);
        let path = path.trim_end_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        Self::parse(&format!("https://{path}.git{rest}"))
    }

    /// The same, with `--checksum`.
    ///
    /// # Errors
    /// It is no commit's name.
    pub fn with_checksum(mut self, checksum: Option<&str>) -> Result<Self, AddressError> {
        if let Some(checksum) = checksum {
            check_commit(checksum)?;
            self.checksum = some(checksum);
        }
        Ok(self)
    }

    /// The same of a repository somewhere else. The remote is taken as it is: it must not come from
    /// a client.
    #[must_use]
    pub fn with_remote(mut self, remote: &str) -> Self {
        remote.clone_into(&mut self.remote);
        self
    }

    /// Any address without its password.
    #[must_use]
    pub fn hide(text: &str) -> String {
        hide(text)
    }

    /// The repository alone, without a password.
    #[must_use]
    pub fn shown(&self) -> String {
        hide(&self.remote)
    }

    /// Whether the client's agent is needed to reach it.
    #[must_use]
    pub fn needs_agent(&self) -> bool {
        self.transport == Transport::Ssh
    }

    /// Whether it is on the web, where a token may be asked for.
    #[must_use]
    pub fn is_web(&self) -> bool {
        self.transport == Transport::Web
    }

    /// The host with its port, as names of tokens have it.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether the address itself says that `.git` is wanted.
    #[must_use]
    pub fn keep(&self) -> Option<bool> {
        self.keep
    }

    /// What else than the commit makes its tree: the directory and whether there are submodules.
    #[must_use]
    pub fn selection(&self) -> (&str, bool) {
        (&self.subdir, self.has_submodules)
    }

    fn query(&mut self, query: Option<&str>) -> Result<(), AddressError> {
        let (mut branch, mut tag) = (None, None);
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        for (name, value) in pairs {
            let value = value.into_owned();
            let is_switch = matches!(&*name, "keep-git-dir" | "submodules");
            if value.is_empty() && !is_switch {
                return Err(AddressError::NoValue(name.into_owned()));
            }
            match &*name {
                "ref" => self.refer(value)?,
                "branch" => branch = Some(full("refs/heads/", &value)),
                "tag" => tag = Some(full("refs/tags/", &value)),
                "subdir" if self.subdir.is_empty() || self.subdir == value => self.subdir = value,
                "subdir" => return Err(AddressError::Subdirs(self.subdir.clone(), value)),
                "checksum" | "commit" => self.checksum = Some(value),
                "keep-git-dir" => self.keep = Some(switch(&name, value)?),
                "submodules" => self.has_submodules = switch(&name, value)?,
                _ => return Err(AddressError::Query(name.into_owned())),
            }
        }
        if branch.is_some() && tag.is_some() {
            return Err(AddressError::BranchAndTag);
        }
        if let Some(reference) = branch.or(tag) {
            self.refer(reference)?;
        }
        if self.reference.is_none() {
            self.reference.clone_from(&self.checksum);
        }
        Ok(())
    }

    fn refer(&mut self, reference: String) -> Result<(), AddressError> {
        match &self.reference {
            Some(known) if *known != reference => {
                Err(AddressError::References(known.clone(), reference))
            }
            _ => {
                self.reference = Some(reference);
                Ok(())
            }
        }
    }
}

/// Whether a name is a whole commit's.
pub(crate) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && is_hex(text)
}

fn is_hex(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn full(start: &str, name: &str) -> String {
    format!("{start}{}", name.strip_prefix(start).unwrap_or(name))
}

/// Go's words for yes and no; nothing is a yes.
fn switch(name: &str, value: String) -> Result<bool, AddressError> {
    match value.as_str() {
        "" | "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(AddressError::Value {
            name: name.to_owned(),
            value,
        }),
    }
}

type Parts<'a> = (Transport, &'a str, Option<&'a str>);

/// How an address is reached, the address, and what is behind its `?`.
fn kind(text: &str) -> Option<Parts<'_>> {
    let Some((scheme, _)) = text.split_once("://") else {
        // `user@host:path`, which has no query.
        let (user, rest) = text.split_once('@')?;
        let is_user = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let is_scp = !user.is_empty() && user.chars().all(is_user) && rest.contains(':');
        return is_scp.then_some((Transport::Ssh, text, None));
    };
    let (address, query) = match text.split_once('?') {
        Some((address, query)) => (address, Some(query)),
        None => (text, None),
    };
    match scheme {
        "http" | "https" if address.ends_with(".git") => Some((Transport::Web, address, query)),
        "git" => Some((Transport::Git, address, query)),
        "ssh" => Some((Transport::Ssh, address, query)),
        _ => None,
    }
}

/// The host and port of an address, if neither they nor the user nor the path look like an option.
fn host(address: &str, transport: Transport) -> Option<&str> {
    let (authority, path) = match address.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?,
        None => address.split_once(':')?,
    };
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let is_option = |text: &str| text.starts_with('-');
    let is_host =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '[' | ']');
    let is_sound = !host.is_empty() && host.chars().all(is_host) && !path.is_empty();
    let is_sound = is_sound && !is_option(host) && !is_option(user) && !is_option(path);
    let is_quoted = transport == Transport::Ssh && path.contains(['\'', '"', '\\', '$', '`']);
    (is_sound && !is_quoted).then_some(host)
}

/// Refuses what `git check-ref-format` does, and what could be read as an option.
fn check_reference(reference: &str) -> Result<(), AddressError> {
    let is_strange =
        |c: char| c.is_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\');
    let parts = reference.split('/');
    let is_sound = !reference.starts_with('-')
        && !reference.contains(is_strange)
        && !reference.contains("..")
        && !reference.contains("@{")
        && !reference.ends_with('.')
        && parts
            .into_iter()
            .all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"));
    if is_sound {
        Ok(())
    } else {
        Err(AddressError::Reference(reference.to_owned()))
    }
}

/// At least seven digits, as `git` shortens commits.
fn check_commit(checksum: &str) -> Result<(), AddressError> {
    if (7..=64).contains(&checksum.len()) && is_hex(checksum) {
        Ok(())
    } else {
        Err(AddressError::Checksum(checksum.to_owned()))
    }
}

/// A directory without `.` and `..`, which never lead above the repository.
fn clean(subdir: &str) -> Result<String, AddressError> {
    if subdir.contains('\0') {
        return Err(AddressError::Subdir(subdir.to_owned()));
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in subdir.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    if parts
        .first()
        .is_some_and(|part| part.eq_ignore_ascii_case(".git"))
    {
        return Err(AddressError::Subdir(subdir.to_owned()));
    }
    Ok(parts.join("/"))
}

/// An address without its password.
pub(crate) fn hide(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        return address.to_owned();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((user, host)) => {
            let user = match user.split_once(':') {
                Some((user, _)) => format!("{user}:xxxxx"),
                // A token may stand where the user does.
                None if scheme.starts_with("http") => "xxxxx".to_owned(),
                None => user.to_owned(),
            };
            format!("{scheme}://{user}@{host}{path}")
        }
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests;
