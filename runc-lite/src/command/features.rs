//! `features`: what this runtime can do, in the specification's form; and `--version`.

use serde_json::{Value, json};

use crate::cli::{Global, Parsed};
use crate::command::state::print;
use crate::command::{Count, HELP, Verb, container};
use crate::error::RunError;
use crate::plan::MOUNT_OPTION_NAMES;
use crate::seccomp;

pub(crate) const FEATURES: Verb = Verb {
    name: "features",
    help: "show the enabled features",
    arguments: "",
    flags: &[HELP],
    count: Count::Exactly(0),
    enters: false,
    run: |global, parsed| Ok(features(global, parsed).map(|()| 0)?),
};

/// First word `runc`-like lines: clients look for `spec:`.
pub(crate) fn print_version() {
    println!("runc-lite version {}", env!("CARGO_PKG_VERSION"));
    println!("spec: {}", container::OCI_VERSION);
}

fn features(_: &Global, _: &Parsed) -> Result<(), RunError> {
    let text = serde_json::to_string_pretty(&document()).expect("a value always becomes JSON");
    print(&format!("{text}\n"))
}

fn document() -> Value {
    json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": container::OCI_VERSION,
        "hooks": [
            "prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
        ],
        "mountOptions": &MOUNT_OPTION_NAMES[..],
        "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "user", "uts"],
            "capabilities": &gantry_capabilities::NAMES[..],
            "cgroup": {
                "v1": true, "v2": true, "systemd": true, "systemdUser": false, "rdma": true,
            },
            "seccomp": {
                "enabled": true,
                "actions": seccomp::ACTIONS,
                "operators": seccomp::OPERATORS,
                "archs": seccomp::ARCHITECTURES,
                "knownFlags": seccomp::KNOWN_FLAGS,
                "supportedFlags": seccomp::SUPPORTED_FLAGS,
            },
            "apparmor": { "enabled": true },
            "selinux": { "enabled": true },
            "intelRdt": { "enabled": false },
            "mountExtensions": { "idmap": { "enabled": true } },
        },
        "annotations": {
            "org.opencontainers.runc.checkpoint.enabled": "false",
        },
    })
}
