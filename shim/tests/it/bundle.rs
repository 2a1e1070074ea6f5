//! A bundle whose root is made of the machine's own programs, bound in read-only.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

/// Writes `config.json` for `command` and makes an empty root.
pub(crate) fn write(bundle: &Path, id: &str, command: &[&str], terminal: bool) {
    fs::create_dir(bundle.join("rootfs")).unwrap();
    let config = config(id, command, terminal);
    fs::write(bundle.join("config.json"), config.to_string()).unwrap();
}

pub(crate) fn process(command: &[&str], terminal: bool) -> Value {
    let capabilities = ["CAP_KILL", "CAP_SETUID", "CAP_SETGID", "CAP_CHOWN"];
    json!({
        "terminal": terminal,
        "user": {"uid": 0, "gid": 0},
        "args": command,
        "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
        "cwd": "/",
        "capabilities": {
            "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
        },
    })
}

fn config(id: &str, command: &[&str], terminal: bool) -> Value {
    let mut mounts = vec![
        json!({"destination": "/proc", "type": "proc", "source": "proc"}),
        json!({"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
               "options": ["nosuid", "mode=755", "size=64k"]}),
        json!({"destination": "/dev/pts", "type": "devpts", "source": "devpts",
               "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]}),
    ];
    for folder in ["/bin", "/sbin", "/lib", "/lib64", "/usr"] {
        if Path::new(folder).exists() {
            mounts.push(
                json!({"destination": folder, "type": "bind", "source": folder,
                               "options": ["rbind", "ro"]}),
            );
        }
    }
    let namespaces = ["pid", "mount", "ipc", "uts", "network"];
    json!({
        "ociVersion": "1.0.2",
        "process": process(command, terminal),
        "root": {"path": "rootfs"},
        "hostname": "shim-test",
        "mounts": mounts,
        "linux": {
            "cgroupsPath": format!("/gantry-shim-test/{id}"),
            "namespaces": namespaces.map(|kind| json!({"type": kind})),
            "resources": {"devices": [{"allow": true, "access": "rwm"}]},
        },
    })
}
