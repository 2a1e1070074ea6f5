//! `config.json`, read and written as docker does: unknown keys stay, the file is replaced whole.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::{Login, host_of};

/// The user's file.
#[derive(Debug)]
pub(super) struct AuthFile {
    path: PathBuf,
    root: Map<String, Value>,
}

impl AuthFile {
    /// Reads `DIR/config.json`; a missing file is an empty one.
    pub(super) fn read(dir: &Path) -> Result<Self> {
        let path = dir.join("config.json");
        let root = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("error loading config file: {}", path.display()))?,
            Err(_) => Map::new(),
        };
        Ok(Self { path, root })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The helper that keeps a registry's login; none if the file does.
    pub(super) fn helper_of(&self, server: &str) -> Option<String> {
        let own = self
            .root
            .get("credHelpers")
            .and_then(|all| all.get(host_of(server)));
        let store = || self.root.get("credsStore");
        let name = own.or_else(store)?.as_str()?;
        (!name.is_empty()).then(|| name.to_owned())
    }

    /// The registries that the user has logged in to.
    pub(super) fn servers(&self) -> Vec<String> {
        let keys = ["auths", "credHelpers"].into_iter();
        let tables = keys.filter_map(|key| self.root.get(key)?.as_object());
        let mut servers: Vec<String> = tables.flat_map(|table| table.keys().cloned()).collect();
        servers.sort();
        servers.dedup();
        servers
    }

    /// The login that stands in the file.
    pub(super) fn get(&self, server: &str) -> Option<Login> {
        let auths = self.root.get("auths")?.as_object()?;
        let exact = auths.get(server);
        // Older clients wrote URLs where newer ones write hosts.
        let same_host = || {
            let mut others = auths.iter();
            others.find_map(|(key, value)| (host_of(key) == host_of(server)).then_some(value))
        };
        let entry = exact.or_else(same_host)?;
        let text = |key: &str| {
            entry
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let pair = STANDARD.decode(text("auth")).ok();
        let pair = pair.and_then(|bytes| String::from_utf8(bytes).ok());
        let (username, password) = match pair.as_deref().and_then(|pair| pair.split_once(':')) {
            Some((user, password)) => (user.to_owned(), password.trim_end_matches('\0').to_owned()),
            None => (text("username"), text("password")),
        };
        let login = Login {
            username,
            password,
            serveraddress: server.to_owned(),
            identitytoken: text("identitytoken"),
        };
        let is_empty = login.username.is_empty() && login.identitytoken.is_empty();
        (!is_empty).then_some(login)
    }

    /// Writes a login into the file.
    pub(super) fn store(&mut self, login: &Login) -> Result<()> {
        let pair = format!("{}:{}", login.username, login.password);
        let mut entry = json!({"auth": STANDARD.encode(pair)});
        if !login.identitytoken.is_empty() {
            entry = json!({
                "auth": STANDARD.encode(format!("{}:", login.username)),
                "identitytoken": login.identitytoken,
            });
        }
        self.put(&login.serveraddress, entry)
    }

    /// Writes that there is a login, which a helper keeps.
    pub(super) fn mention(&mut self, server: &str) -> Result<()> {
        self.put(server, json!({}))
    }

    fn put(&mut self, server: &str, entry: Value) -> Result<()> {
        let auths = self.root.entry("auths").or_insert_with(|| json!({}));
        let auths = auths
            .as_object_mut()
            .context("auths in config.json is no object")?;
        auths.insert(server.to_owned(), entry);
        self.write()
    }

    /// Takes every login of this host out of the file.
    pub(super) fn erase(&mut self, server: &str) -> Result<()> {
        let Some(auths) = self.root.get_mut("auths").and_then(Value::as_object_mut) else {
            return Ok(());
        };
        let before = auths.len();
        auths.retain(|key, _| host_of(key) != host_of(server));
        if auths.len() == before {
            return Ok(());
        }
        self.write()
    }

    /// Replaces the file, beside itself first; a symbolic link's target is replaced.
    fn write(&self) -> Result<()> {
        let target = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let folder = target.parent().context("config.json lies nowhere")?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let new = target.with_extension(format!("json{}", std::process::id()));
        let mut bytes = Vec::new();
        let format = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, format);
        serde::Serialize::serialize(&self.root, &mut serializer)?;
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        let written = file
            .write_all(&bytes)
            .and_then(|()| fs::rename(&new, &target));
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        written.with_context(|| format!("write {}", target.display()))
    }
}
