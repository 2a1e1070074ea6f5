//! The engine's own socket, bound into a container (as Traefik, Portainer and Ryuk have it).
//!
//! The container holds the socket's file. It is answered again after both daemons died only if
//! somebody kept the listening socket, so the container's own shim is given a duplicate: it lives as
//! long as anyone can need it. The duplicate comes from containerd-lite's keeper, where the listener
//! was parked when it was opened (`edge/http/listen/kept.rs`).

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use gantry_errors::chain;

use super::create::blocking;
use super::model::Record;
use super::mounts::Source;
use super::open::supervision;
use super::registry::Parts;
use crate::config::Host;
use crate::runtime::keeper::{self, KeeperError};

/// Leaves the sockets that the container binds with its shim, which must be there. A failure is no
/// reason not to start: the socket works until both daemons die.
pub(super) async fn keep_with_shim(parts: &Parts, record: &Record) {
    let config = parts.config();
    let bound: Vec<PathBuf> = config
        .hosts
        .iter()
        .filter_map(|host| match host {
            Host::Unix(path) => Some(path.clone()),
            _ => None,
        })
        .filter(|path| binds(record, path))
        .collect();
    let (Some(supervision), false) = (supervision(&config), bound.is_empty()) else {
        return;
    };
    let (from, to) = (supervision.keeper(), parts.io_socket(&record.id));
    let kept = blocking(move || Ok(bound.iter().try_for_each(|path| copy(&from, &to, path)))).await;
    if let Ok(Err(error)) = kept {
        let error = chain(&error).to_string();
        tracing::warn!(container.id = %record.id, error, "the API's socket is not kept for it");
    }
}

fn copy(from: &Path, to: &Path, socket: &Path) -> Result<(), KeeperError> {
    let name = keeper::api_name(socket);
    let listener = keeper::fetch(from, &name)?;
    keeper::park(to, &name, listener.as_fd())
}

/// Whether a bind's source is that very file, by whatever path.
fn binds(record: &Record, socket: &Path) -> bool {
    let Ok(own) = fs::metadata(socket) else {
        return false;
    };
    record.mounts.iter().any(|mount| match &mount.source {
        Source::Bind { path, .. } => {
            fs::metadata(path).is_ok_and(|m| (m.dev(), m.ino()) == (own.dev(), own.ino()))
        }
        Source::Volume { .. } | Source::Image { .. } | Source::Tmpfs { .. } => false,
    })
}
