//! The two kinds of table, and the text files that carry them.
//!
//! One file per network says what is called how; one per container says which networks it may ask,
//! under which further names it knows others (`--link`), and where the rest is asked. They are written
//! by rename and lie on tmpfs; a line is words separated by one blank, an unknown one an error.
//!
//! ```text
//! gantry-network 1          gantry-names 1
//! network mynet             network 783c0b717b46…      (its file's name)
//! name web 172.18.0.2       link db postgres           (of the network above)
//! name web fd00::2          forward
//! host 172.18.0.2 web       single-label-is-local
//!                           server 9.9.9.9             (asked from the container's namespace)
//!                           host-file /etc/resolv.conf (its servers, asked from the host's)
//! ```
//!
//! A network's name may hold blanks: it is the rest of its line.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

const NETWORK_HEADER: &str = "gantry-network 1";
const CONTAINER_HEADER: &str = "gantry-names 1";

/// A file that is no table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of a table of names is not understood: {text:?}")]
pub struct TableError {
    /// Counted from 1.
    pub line: usize,
    /// As it stands there.
    pub text: String,
}

/// What a network knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkNames {
    /// The network's own name.
    pub network: String,
    /// Names in lower case and their addresses.
    pub names: BTreeMap<String, Vec<IpAddr>>,
    /// The name to tell for an address.
    pub hosts: BTreeMap<IpAddr, String>,
}

impl NetworkNames {
    /// Adds an endpoint: all it is called, the first of which is its own name.
    pub fn add(&mut self, names: &[String], address: impl Into<IpAddr>) {
        let address = address.into();
        for name in names.iter().filter(|name| is_word(name)) {
            let addresses = self.names.entry(name.to_ascii_lowercase()).or_default();
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if let Some(own) = names.first().filter(|name| is_word(name)) {
            self.hosts.insert(address, own.clone());
        }
    }

    /// The file.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = format!("{NETWORK_HEADER}\nnetwork {}\n", one_line(&self.network));
        for (name, addresses) in &self.names {
            for address in addresses {
                text += &format!("name {name} {address}\n");
            }
        }
        for (address, name) in &self.hosts {
            text += &format!("host {address} {name}\n");
        }
        text
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`TableError`] for the first line that is not understood.
    pub fn decode(text: &str) -> Result<Self, TableError> {
        let mut table = Self::default();
        lines(text, NETWORK_HEADER, |word, rest| {
            match word {
                "network" => rest.clone_into(&mut table.network),
                "name" => {
                    let (name, address) = rest.split_once(' ')?;
                    let addresses = table.names.entry(name.to_owned()).or_default();
                    addresses.push(address.parse().ok()?);
                }
                "host" => {
                    let (address, name) = rest.split_once(' ')?;
                    table.hosts.insert(address.parse().ok()?, name.to_owned());
                }
                _ => return None,
            }
            Some(())
        })?;
        Ok(table)
    }
}

/// A network that a container is on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// Name of the network's file.
    pub file: String,
    /// What the container calls others here: alias in lower case, and their own name.
    pub links: BTreeMap<String, String>,
}

/// Where names are asked that no network knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// A server, asked from the container's namespace.
    Server(IpAddr),
    /// The servers that this file of the host names, asked from the host's namespace.
    HostFile(PathBuf),
}

/// What a container may ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerNames {
    /// Its networks, in the order they are searched.
    pub networks: Vec<Membership>,
    /// Is anybody else asked? Not for a container that has no way out.
    pub forward: bool,
    /// Is a name without a dot never asked elsewhere? So where the user set `ndots`.
    pub single_label_is_local: bool,
    /// Whom else to ask, in this order.
    pub upstream: Vec<Upstream>,
}

impl ContainerNames {
    /// The file.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = format!("{CONTAINER_HEADER}\n");
        for network in &self.networks {
            text += &format!("network {}\n", network.file);
            for (alias, name) in &network.links {
                if is_word(alias) && is_word(name) {
                    text += &format!(
                        "link {} {}\n",
                        alias.to_ascii_lowercase(),
                        name.to_ascii_lowercase()
                    );
                }
            }
        }
        if self.forward {
            text += "forward\n";
        }
        if self.single_label_is_local {
            text += "single-label-is-local\n";
        }
        for upstream in &self.upstream {
            text += &match upstream {
                Upstream::Server(address) => format!("server {address}\n"),
                Upstream::HostFile(path) => format!("host-file {}\n", path.display()),
            };
        }
        text
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`TableError`] for the first line that is not understood.
    pub fn decode(text: &str) -> Result<Self, TableError> {
        let mut table = Self::default();
        lines(text, CONTAINER_HEADER, |word, rest| {
            match word {
                "network" => table.networks.push(Membership {
                    file: rest.to_owned(),
                    links: BTreeMap::new(),
                }),
                "link" => {
                    let (alias, name) = rest.split_once(' ')?;
                    let links = &mut table.networks.last_mut()?.links;
                    links.insert(alias.to_owned(), name.to_owned());
                }
                "forward" => table.forward = true,
                "single-label-is-local" => table.single_label_is_local = true,
                "server" => table.upstream.push(Upstream::Server(rest.parse().ok()?)),
                "host-file" => table.upstream.push(Upstream::HostFile(rest.into())),
                _ => return None,
            }
            Some(())
        })?;
        Ok(table)
    }
}

fn lines(
    text: &str,
    header: &str,
    mut take: impl FnMut(&str, &str) -> Option<()>,
) -> Result<(), TableError> {
    let wrong = |line: usize, text: &str| TableError {
        line: line + 1,
        text: text.to_owned(),
    };
    for (number, line) in text.lines().enumerate() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let taken = if number == 0 {
            (line == header).then_some(())
        } else {
            take(word, rest)
        };
        taken.ok_or_else(|| wrong(number, line))?;
    }
    if text.is_empty() {
        return Err(wrong(0, ""));
    }
    Ok(())
}

/// What can stand in a line of words.
fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_whitespace)
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests;
