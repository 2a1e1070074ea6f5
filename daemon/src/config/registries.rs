//! Options about registries: mirrors, insecure registries, proxies, how much at once.

use std::path::Path;

use gantry_image::{Packing, PackingError};
use gantry_registry::{ProxyOptions, RegistryOptions, TransferLimits};
use url::Url;

use super::build::invalid;
use super::merge::Values;
use super::{ConfigError, DEFAULT_CONFIG_FILE};

/// Docker's directory of certificates, which others write to.
const DOCKER_CERTS: &str = "/etc/docker/certs.d";

/// What the daemon was told about registries, and how much may go on at once.
pub(super) fn registries(
    values: &Values,
) -> Result<(RegistryOptions, TransferLimits), ConfigError> {
    let mirrors = values.list("registry-mirror");
    for mirror in &mirrors {
        check_mirror(mirror)?;
    }
    let file = Path::new(values.text("config-file").unwrap_or(DEFAULT_CONFIG_FILE));
    let text = |name| values.text(name).unwrap_or_default().to_owned();
    let options = RegistryOptions {
        mirrors,
        insecure: values.list("insecure-registry"),
        certs_dirs: vec![file.with_file_name("certs.d"), DOCKER_CERTS.into()],
        proxy: ProxyOptions {
            http: text("http-proxy"),
            https: text("https-proxy"),
            none: text("no-proxy"),
        },
    };
    let default = TransferLimits::default();
    let limits = TransferLimits {
        downloads: count(values, "max-concurrent-downloads", default.downloads)?,
        uploads: count(values, "max-concurrent-uploads", default.uploads)?,
        attempts: count(values, "max-download-attempts", default.attempts)?,
        packing: packing(values, default.packing)?,
    };
    Ok((options, limits))
}

fn check_mirror(mirror: &str) -> Result<(), ConfigError> {
    let bad = |why: &str| {
        invalid(
            "registry-mirror",
            format!("invalid mirror: {why}: {mirror}"),
        )
    };
    let url = Url::parse(mirror).map_err(|_| bad("no URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("unsupported scheme"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad(
            "unsupported path, query, or fragment at end of the URI",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("username/password not allowed in URI"));
    }
    Ok(())
}

fn packing(values: &Values, default: Packing) -> Result<Packing, ConfigError> {
    const NAME: &str = "push-compression";
    let asked = values.text(NAME).unwrap_or_default();
    match asked {
        "" => Ok(default),
        asked => asked
            .parse()
            .map_err(|error: PackingError| invalid(NAME, error.to_string())),
    }
}

/// A number of things at once; 0 means docker's default, as in dockerd.
fn count<T: TryFrom<i64>>(values: &Values, name: &str, default: T) -> Result<T, ConfigError> {
    match values.number(name) {
        None | Some(0) => Ok(default),
        Some(number) => T::try_from(number).map_err(|_| {
            invalid(
                name,
                format!("invalid value: {number}: must not be negative"),
            )
        }),
    }
}
