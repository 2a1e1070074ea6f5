//! Docker's `certs.d/<host>/`: `*.crt` are authorities, `NAME.cert` with `NAME.key` is our own.

use std::path::{Path, PathBuf};

use super::TlsPolicy;

/// What a host's directory says; nothing where there is none.
pub(super) fn of(directory: Option<&Path>) -> TlsPolicy {
    let mut policy = TlsPolicy::default();
    let Some(entries) = directory.and_then(|dir| std::fs::read_dir(dir).ok()) else {
        return policy;
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    for file in files {
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => policy.authorities.push(file),
            Some("cert") if policy.identity.is_none() => {
                let key = file.with_extension("key");
                policy.identity = key.is_file().then_some((file, key));
            }
            _ => {}
        }
    }
    policy
}
