//! Where a registry's name leads: mirrors, the registry itself, plain HTTP where it is allowed.
//!
//! Owns the order in which endpoints are tried and what TLS each of them wants, from the daemon's
//! options and from `certs.d/<host>/` (docker's certificates beside containerd's `hosts.toml`). Reads files, talks to
//! nobody.

mod certs;
mod hosts_file;

use std::net::IpAddr;
use std::path::PathBuf;

use url::Url;

use crate::error::RegistryError;

/// The name of docker's own registry in references.
pub const DOCKER_IO: &str = "docker.io";
const DOCKER_IO_HOST: &str = "registry-1.docker.io";

/// What a repository is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Reading: mirrors will do.
    Pull,
    /// Writing: only the registry itself will do.
    Push,
}

/// What the daemon was told about registries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryOptions {
    /// `--registry-mirror`: URLs asked before docker.io.
    pub mirrors: Vec<String>,
    /// `--insecure-registry`: hosts (with or without port) and networks in CIDR form.
    pub insecure: Vec<String>,
    /// Directories with one directory per `host[:port]`; an earlier one's wins.
    pub certs_dirs: Vec<PathBuf>,
    /// Proxies; empty ones are taken from the environment.
    pub proxy: ProxyOptions,
}

/// Through whom registries are reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxyOptions {
    /// For `http://`.
    pub http: String,
    /// For `https://`.
    pub https: String,
    /// Hosts that are reached directly, with commas between them.
    pub none: String,
}

/// Which TLS an endpoint wants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct TlsPolicy {
    /// Any certificate will do.
    pub skip_verify: bool,
    /// Files with certificates of authorities beside the system's.
    pub authorities: Vec<PathBuf>,
    /// Files with our certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// One place to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `https://host[:port]/v2/`, or whatever `hosts.toml` says; ends with a slash.
    pub base: Url,
    /// The TLS it wants.
    pub tls: TlsPolicy,
    /// Not the registry itself: it gets no credentials and may not know an image.
    pub is_mirror: bool,
    /// It may be spoken to without (verified) TLS, passwords included.
    pub is_insecure: bool,
    /// Headers that every request gets.
    pub headers: Vec<(String, String)>,
}

impl RegistryOptions {
    /// The name of a registry whose addresses say whether it may be insecure, because networks may be.
    pub(crate) fn name_to_look_up<'a>(&self, domain: &'a str) -> Option<&'a str> {
        let name = host_of(domain);
        let is_name = domain != DOCKER_IO && name.parse::<IpAddr>().is_err();
        let mut networks = self.insecure.iter().filter_map(|entry| network(entry));
        (is_name && networks.next().is_some()).then_some(name)
    }

    /// The endpoints of the registry called `domain`, which is at these `addresses` as far as it is known, in the
    /// order to try them. Never empty.
    ///
    /// # Errors
    /// [`RegistryError::Host`] if a name is no host, [`RegistryError::HostsFile`] if `hosts.toml`
    /// cannot be read.
    pub fn endpoints(
        &self,
        domain: &str,
        addresses: &[IpAddr],
        purpose: Purpose,
    ) -> Result<Vec<Endpoint>, RegistryError> {
        let host = if domain == DOCKER_IO {
            DOCKER_IO_HOST
        } else {
            domain
        };
        let mut found = Vec::new();
        if domain == DOCKER_IO && purpose == Purpose::Pull {
            for mirror in &self.mirrors {
                found.push(self.mirror(mirror)?);
            }
        }
        let directory = self.directory(domain).or_else(|| self.directory(host));
        let file = directory.as_ref().map(|dir| dir.join("hosts.toml"));
        if let Some(file) = file.filter(|file| file.is_file()) {
            found.extend(hosts_file::read(&file, host, purpose)?);
            return Ok(found);
        }
        let insecure = self.is_insecure(host)
            || addresses
                .iter()
                .any(|address| self.in_insecure_network(*address));
        let mut tls = certs::of(directory.as_deref());
        tls.skip_verify = insecure;
        found.push(endpoint("https", host, tls, insecure)?);
        if insecure {
            found.push(endpoint("http", host, TlsPolicy::default(), true)?);
        }
        Ok(found)
    }

    fn mirror(&self, text: &str) -> Result<Endpoint, RegistryError> {
        let bad = || RegistryError::Host(text.to_owned());
        let url = Url::parse(text).map_err(|_| bad())?;
        let host = authority(&url).ok_or_else(bad)?;
        let insecure = self.is_insecure(&host) || url.scheme() == "http";
        let mut tls = certs::of(self.directory(&host).as_deref());
        tls.skip_verify = insecure;
        Ok(Endpoint {
            base: with_v2(url),
            tls,
            is_mirror: true,
            is_insecure: insecure,
            headers: Vec::new(),
        })
    }

    /// The directory with what is known of a host.
    fn directory(&self, host: &str) -> Option<PathBuf> {
        // The name came through the grammar of references: it has no slash and is not `..`.
        let candidates = self.certs_dirs.iter().map(|dir| dir.join(host));
        candidates.into_iter().find(|dir| dir.is_dir())
    }

    /// Whether plain HTTP and unverified TLS will do: loopback addresses, and what the daemon was
    /// told.
    #[must_use]
    pub fn is_insecure(&self, host: &str) -> bool {
        let name = host_of(host);
        let address: Option<IpAddr> = name.parse().ok();
        if name == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return true;
        }
        let listed = self.insecure.iter().any(|entry| {
            let entry = entry.trim_end_matches('/');
            let entry = entry.strip_prefix("http://").unwrap_or(entry);
            entry.eq_ignore_ascii_case(host) || entry.eq_ignore_ascii_case(name)
        });
        listed || address.is_some_and(|address| self.in_insecure_network(address))
    }

    fn in_insecure_network(&self, address: IpAddr) -> bool {
        let mut networks = self.insecure.iter().filter_map(|entry| network(entry));
        networks.any(|network| contains(network, address))
    }
}

fn endpoint(
    scheme: &str,
    host: &str,
    tls: TlsPolicy,
    is_insecure: bool,
) -> Result<Endpoint, RegistryError> {
    let base = Url::parse(&format!("{scheme}://{host}/v2/"));
    Ok(Endpoint {
        base: base.map_err(|_| RegistryError::Host(host.to_owned()))?,
        tls,
        is_mirror: false,
        is_insecure,
        headers: Vec::new(),
    })
}

/// The URL with `v2/` beneath its path.
fn with_v2(mut url: Url) -> Url {
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/v2").unwrap_or(path);
    let path = format!("{path}/v2/");
    url.set_path(&path);
    url
}

/// `host` or `host:port` of a URL.
fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

/// The host without its port and brackets.
fn host_of(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    host.split(':').next().unwrap_or(host)
}

fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = text.split_once('/')?;
    Some((address.parse().ok()?, bits.parse().ok()?))
}

fn contains((network, bits): (IpAddr, u32), address: IpAddr) -> bool {
    let same = |a: u128, b: u128, width: u32| {
        bits == 0 || (bits <= width && (a ^ b) >> (width - bits) == 0)
    };
    match (network, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
