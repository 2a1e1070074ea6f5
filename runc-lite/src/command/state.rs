//! `state`: the specification's state as JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;

use crate::cli::{Global, Parsed};
use crate::command::{Count, HELP, Verb, container};
use crate::error::RunError;
use crate::state::{ContainerDirectory, Record, Status};

pub(crate) const STATE: Verb = Verb {
    name: "state",
    help: "output the state of a container",
    arguments: "<container-id>",
    flags: &[HELP],
    count: Count::Exactly(1),
    enters: false,
    run: |global, parsed| Ok(state(global, parsed).map(|()| 0)?),
};

/// The form that runc prints; `owner` is a name in `list` and empty in `state`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct View {
    pub(crate) oci_version: String,
    pub(crate) id: String,
    /// 0 when stopped.
    pub(crate) pid: i32,
    pub(crate) status: String,
    pub(crate) bundle: PathBuf,
    pub(crate) rootfs: PathBuf,
    pub(crate) created: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) owner: String,
}

impl View {
    /// Looks at a container.
    pub(crate) fn of(record: Record, directory: &ContainerDirectory, owner: String) -> Self {
        let status = Status::of(&record, directory);
        Self {
            oci_version: container::OCI_VERSION.to_owned(),
            pid: if status.is_alive() { record.pid } else { 0 },
            status: status.to_string(),
            id: record.id,
            bundle: record.bundle,
            rootfs: record.rootfs,
            created: record.created,
            annotations: record.annotations,
            owner,
        }
    }
}

fn state(global: &Global, parsed: &Parsed) -> Result<(), RunError> {
    let (directory, record) = container::find(global, parsed.id())?;
    let view = View::of(record, &directory, String::new());
    let text = serde_json::to_string_pretty(&view).expect("text and numbers always become JSON");
    print(&text)
}

/// Writes to stdout; a reader that went away is not a failure.
pub(crate) fn print(text: &str) -> Result<(), RunError> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|source| RunError::Io {
            step: "write to stdout",
            source,
        }),
    }
}
