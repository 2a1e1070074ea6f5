//! containerd's `hosts.toml`: which hosts stand in for a registry, and how to speak to them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::Url;

use super::{Endpoint, Purpose, TlsPolicy, with_v2};
use crate::error::RegistryError;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HostsFile {
    server: Option<String>,
    host: toml::Table,
    #[serde(flatten)]
    own: HostEntry,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HostEntry {
    capabilities: Option<Vec<String>>,
    ca: Option<OneOrMany>,
    client: Option<toml::Value>,
    skip_verify: bool,
    override_path: bool,
    header: BTreeMap<String, OneOrMany>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

/// The endpoints of a file, in its order, the server last.
pub(super) fn read(
    file: &Path,
    host: &str,
    purpose: Purpose,
) -> Result<Vec<Endpoint>, RegistryError> {
    let failed = |why: String| RegistryError::HostsFile {
        path: file.to_owned(),
        why,
    };
    let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    parse(
        &text,
        file.parent().unwrap_or(Path::new("/")),
        host,
        purpose,
    )
    .map_err(failed)
}

fn parse(
    text: &str,
    directory: &Path,
    host: &str,
    purpose: Purpose,
) -> Result<Vec<Endpoint>, String> {
    let file: HostsFile = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let mut found = Vec::new();
    for name in names_in_order(text, &file.host) {
        let entry = file.host[&name].clone();
        let entry: HostEntry = entry
            .try_into()
            .map_err(|error: toml::de::Error| format!("host {name:?}: {}", error.message()))?;
        let wanted = match purpose {
            Purpose::Pull => entry.can("pull") && entry.can("resolve"),
            Purpose::Push => entry.can("push"),
        };
        if wanted {
            found.push(entry.endpoint(&name, directory, true)?);
        }
    }
    let server = file.server.unwrap_or_else(|| format!("https://{host}"));
    found.push(file.own.endpoint(&server, directory, false)?);
    Ok(found)
}

/// The hosts in the order they stand in the file, which TOML itself does not keep.
fn names_in_order(text: &str, hosts: &toml::Table) -> Vec<String> {
    let mut names: Vec<String> = hosts.keys().cloned().collect();
    let place = |name: &String| {
        text.find(&format!("[host.\"{name}\"]"))
            .or_else(|| text.find(&format!("[host.'{name}']")))
            .unwrap_or(usize::MAX)
    };
    names.sort_by_key(place);
    names
}

impl HostEntry {
    fn can(&self, what: &str) -> bool {
        let listed = |all: &Vec<String>| all.iter().any(|one| one == what);
        self.capabilities.as_ref().is_none_or(listed)
    }

    fn endpoint(self, name: &str, directory: &Path, is_mirror: bool) -> Result<Endpoint, String> {
        let with_scheme = match name.contains("://") {
            true => name.to_owned(),
            false => format!("https://{name}"),
        };
        let url = Url::parse(&with_scheme).map_err(|error| format!("{name:?}: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(format!("{name:?} is no http or https address"));
        }
        let path = |text: &str| directory.join(text);
        let authorities = self.ca.map(OneOrMany::into_vec).unwrap_or_default();
        let headers = self.header.into_iter().flat_map(|(name, values)| {
            let values = values.into_vec();
            values.into_iter().map(move |value| (name.clone(), value))
        });
        Ok(Endpoint {
            is_insecure: self.skip_verify || url.scheme() == "http",
            tls: TlsPolicy {
                skip_verify: self.skip_verify,
                authorities: authorities.iter().map(|file| path(file)).collect(),
                identity: self
                    .client
                    .as_ref()
                    .map(|client| identity(client, directory))
                    .transpose()?,
            },
            base: if self.override_path {
                with_slash(url)
            } else {
                with_v2(url)
            },
            is_mirror,
            headers: headers.collect(),
        })
    }
}

/// `client = "both.pem"`, `["cert", "key"]` or `[["cert", "key"]]`.
fn identity(value: &toml::Value, directory: &Path) -> Result<(PathBuf, PathBuf), String> {
    let bad = || "client must be a file, or a certificate and a key".to_owned();
    let file = |value: &toml::Value| {
        value
            .as_str()
            .map(|text| directory.join(text))
            .ok_or_else(bad)
    };
    match value {
        toml::Value::String(both) => Ok((directory.join(both), directory.join(both))),
        toml::Value::Array(list) => match list.as_slice() {
            [toml::Value::Array(_), ..] => identity(&list[0], directory),
            [both] => Ok((file(both)?, file(both)?)),
            [cert, key] => Ok((file(cert)?, file(key)?)),
            _ => Err(bad()),
        },
        _ => Err(bad()),
    }
}

fn with_slash(mut url: Url) -> Url {
    let path = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_mirrors_and_a_server() {
        let text = r#"
            server = "https://registry.example"
            ca = "server.crt"
            [host."https://z.example"]
              capabilities = ["pull", "resolve"]
              skip_verify = true
            [host."http://a.example:5000/prefix"]
              override_path = true
              client = [["c.pem", "k.pem"]]
              [host."http://a.example:5000/prefix".header]
                x-a = ["1", "2"]
        "#;
        let dir = Path::new("/certs/registry.example");
        let found = parse(text, dir, "registry.example", Purpose::Pull).unwrap();
        let bases: Vec<_> = found.iter().map(|one| one.base.as_str()).collect();
        assert_eq!(
            bases,
            [
                "https://z.example/v2/",
                "http://a.example:5000/prefix/",
                "https://registry.example/v2/"
            ]
        );
        assert!(found[0].tls.skip_verify && found[0].is_mirror);
        assert_eq!(found[1].headers.len(), 2);
        assert_eq!(
            found[1].tls.identity,
            Some((dir.join("c.pem"), dir.join("k.pem")))
        );
        assert_eq!(found[2].tls.authorities, [dir.join("server.crt")]);
        assert!(!found[2].is_mirror);
        let push = parse(text, dir, "registry.example", Purpose::Push).unwrap();
        assert_eq!(push.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let parse = |text| parse(text, Path::new("/"), "h", Purpose::Pull);
        assert_eq!(parse("").unwrap()[0].base.as_str(), "https://h/v2/");
        assert!(parse("server = 1").is_err());
        assert!(parse("server = \"ftp://x\"").unwrap_err().contains("ftp"));
        assert!(parse("[host.\"https://x\"]\nclient = 3").is_err());
    }
}
