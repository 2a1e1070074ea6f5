//! The `delete` call: a process of its own that takes away what a shim has left, whether that shim
//! is alive, dead, or never was. It prints the `DeleteResponse` of the container.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use gantry_proto::containerd::task::v3::DeleteResponse;
use gantry_proto::convert::time;
use prost::Message;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::arguments::Arguments;
use crate::bootstrap::socket_path;
use crate::exits::{Exit, Exits};
use crate::reaper::Reaper;
use crate::rootfs;
use crate::runtime::{Program, Runtime};

const VERSION: u32 = 1;

/// Why the call could not be answered.
#[derive(Debug, Error)]
pub(crate) enum CleanupError {
    #[error("find the bundle")]
    Bundle(#[source] io::Error),
    #[error("start the event loop")]
    Loop(#[source] io::Error),
    #[error("tell the exit")]
    Answer(#[source] io::Error),
}

/// How the container's runtime was called, kept in the bundle (`shim.json`) for this call.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    v: u32,
    binary: PathBuf,
    root: PathBuf,
    systemd_cgroup: bool,
}

/// Keeps what [`delete`] needs to know of `runtime`.
///
/// # Errors
/// The bundle cannot be written.
pub(crate) fn keep(runtime: &Runtime) -> io::Result<()> {
    let record = Record {
        v: VERSION,
        binary: runtime.program.path().to_owned(),
        root: runtime.root.clone(),
        systemd_cgroup: runtime.systemd_cgroup,
    };
    std::fs::write(
        runtime.bundle.join("shim.json"),
        serde_json::to_vec(&record)?,
    )
}

fn recall(bundle: &Path, id: &str) -> Option<Runtime> {
    let record: Record =
        serde_json::from_slice(&std::fs::read(bundle.join("shim.json")).ok()?).ok()?;
    (record.v == VERSION).then(|| Runtime {
        program: Program::new(record.binary),
        root: record.root,
        bundle: bundle.to_owned(),
        systemd_cgroup: record.systemd_cgroup,
        no_pivot: false,
        no_new_keyring: false,
        id: id.to_owned(),
    })
}

/// Cleans up after the shim of a bundle and prints how its container ended.
pub(crate) fn delete(arguments: &Arguments) -> Result<(), CleanupError> {
    let bundle = match &arguments.bundle {
        Some(bundle) => bundle.clone(),
        None => std::env::current_dir().map_err(CleanupError::Bundle)?,
    };
    if let Some(runtime) = recall(&bundle, &arguments.id) {
        delete_container(&runtime)?;
    }
    rootfs::unmount_all(&bundle.join("rootfs"));
    let _ = std::fs::remove_file(socket_path(
        &arguments.address,
        &arguments.namespace,
        &arguments.id,
    ));
    let known = Exits::of(&bundle).find(&arguments.id);
    let (pid, exit) = known.unwrap_or_else(|| (recorded_pid(&bundle), Exit::unknown()));
    let exited_at = Some(time::to_wire(exit.at));
    let response = DeleteResponse {
        pid,
        exit_status: exit.status,
        exited_at,
    };
    io::stdout()
        .write_all(&response.encode_to_vec())
        .map_err(CleanupError::Answer)
}

/// Kills and removes the container; one that is gone already is as good.
fn delete_container(runtime: &Runtime) -> Result<(), CleanupError> {
    let event_loop = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CleanupError::Loop)?;
    event_loop.block_on(async {
        let reaper = Reaper::start().map_err(CleanupError::Loop)?;
        if let Err(error) = runtime.delete_by_force(&reaper).await {
            eprintln!("containerd-shim-lite-v2: {}", gantry_errors::chain(&error));
        }
        Ok(())
    })
}

fn recorded_pid(bundle: &Path) -> u32 {
    let text = std::fs::read_to_string(bundle.join("init.pid")).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}
