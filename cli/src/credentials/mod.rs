//! Who the user is to registries: docker's `config.json` and its credential helpers.
//!
//! Owns where a login is kept (`credHelpers`, `credsStore`, else the file itself) and how it is read
//! back. The file is docker's: what else stands in it is kept as it is.

mod file;
mod helper;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use gantry_ids::ImageRef;
use http::HeaderValue;
use serde::Serialize;

use crate::config::ConfigFile;
use file::AuthFile;
use helper::Helper;

/// docker's own registry as credentials name it.
pub(crate) const DOCKER_INDEX: &str = "https://index.docker.io/v1/";

/// A login, in the API's words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Login {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) password: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) serveraddress: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) identitytoken: String,
}

/// Where a login is kept.
#[derive(Debug)]
enum Place {
    /// `docker-credential-NAME`.
    Helper(Helper),
    /// The file itself.
    File,
}

/// All logins of a user.
#[derive(Debug)]
pub(crate) struct Logins {
    file: AuthFile,
}

impl Logins {
    /// Opens the user's `config.json`.
    pub(crate) fn open(config: &ConfigFile) -> Result<Self> {
        Ok(Self {
            file: AuthFile::read(config.dir())?,
        })
    }

    /// The login at a registry (a host, or docker's index); none if there is none.
    pub(crate) fn get(&self, server: &str) -> Result<Option<Login>> {
        let found = match self.place(server) {
            Place::Helper(helper) => helper.get(server)?,
            Place::File => self.file.get(server),
        };
        Ok(found.map(|login| Login {
            serveraddress: server.to_owned(),
            ..login
        }))
    }

    /// Keeps a login. Answers the file's path if it is kept there, readable for whoever has it.
    pub(crate) fn store(&mut self, login: &Login) -> Result<Option<String>> {
        match self.place(&login.serveraddress) {
            Place::Helper(helper) => {
                helper.store(login)?;
                self.file.mention(&login.serveraddress)?;
                Ok(None)
            }
            Place::File => {
                self.file.store(login)?;
                Ok(Some(self.file.path().display().to_string()))
            }
        }
    }

    /// Forgets a login.
    pub(crate) fn erase(&mut self, server: &str) -> Result<()> {
        if let Place::Helper(helper) = self.place(server) {
            helper.erase(server)?;
        }
        self.file.erase(server)
    }

    fn place(&self, server: &str) -> Place {
        match self.file.helper_of(server) {
            Some(name) => Place::Helper(Helper::new(&name)),
            None => Place::File,
        }
    }
}

/// What credentials call the registry of an image.
pub(crate) fn server_of(reference: &ImageRef) -> String {
    match reference.domain() {
        "docker.io" => DOCKER_INDEX.to_owned(),
        other => other.to_owned(),
    }
}

/// The `X-Registry-Auth` header for an image's registry; an empty object if there is no login.
pub(crate) fn header_for(config: &ConfigFile, reference: &ImageRef) -> Result<HeaderValue> {
    let login = Logins::open(config)?.get(&server_of(reference))?;
    let json = serde_json::to_vec(&login.unwrap_or_default())?;
    Ok(HeaderValue::try_from(URL_SAFE.encode(json))?)
}

/// The `X-Registry-Config` header of a build: the logins at every registry the user knows.
pub(crate) fn header_for_all(config: &ConfigFile) -> Result<HeaderValue> {
    let logins = Logins::open(config)?;
    let mut all = serde_json::Map::new();
    for server in logins.file.servers() {
        if let Some(login) = logins.get(&server)? {
            all.insert(server, serde_json::to_value(login)?);
        }
    }
    let json = serde_json::to_vec(&all)?;
    Ok(HeaderValue::try_from(URL_SAFE.encode(json))?)
}

/// The host of a registry's address, which people also write as a URL.
pub(crate) fn host_of(address: &str) -> &str {
    let host = address.split_once("://").map_or(address, |(_, rest)| rest);
    host.split('/').next().unwrap_or(host)
}

#[cfg(test)]
mod tests;
