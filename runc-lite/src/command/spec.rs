//! `spec`: a configuration to begin with.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};

use crate::cli::{Flag, Global, Parsed};
use crate::command::{Count, HELP, Verb, container};
use crate::error::RunError;

pub(crate) const SPEC: Verb = Verb {
    name: "spec",
    help: "create a new specification file",
    arguments: "",
    flags: &[
        Flag::value("bundle", "path to the root of the bundle directory").short('b'),
        Flag::switch(
            "rootless",
            "generate a configuration for a user without privileges",
        ),
        HELP,
    ],
    count: Count::Exactly(0),
    enters: false,
    run: |global, parsed| Ok(spec(global, parsed).map(|()| 0)?),
};

fn spec(_: &Global, parsed: &Parsed) -> Result<(), RunError> {
    let path = Path::new(parsed.get("bundle").unwrap_or(".")).join("config.json");
    let failed = |source| RunError::Io {
        step: "write config.json",
        source,
    };
    let mut file = match File::create_new(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(RunError::FileExists {
                path: "config.json",
            });
        }
        other => other.map_err(failed)?,
    };
    let mut example = example();
    if parsed.has("rootless") {
        make_rootless(&mut example);
    }
    let text = serde_json::to_string_pretty(&example).expect("a value always becomes JSON");
    file.write_all(text.as_bytes()).map_err(failed)
}

/// A shell with few rights and everything that the specification expects of a Linux container.
fn example() -> Value {
    let capabilities = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
    json!({
        "ociVersion": container::OCI_VERSION,
        "process": {
            "terminal": true,
            "user": { "uid": 0, "gid": 0 },
            "args": ["sh"],
            "env": [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "TERM=xterm",
            ],
            "cwd": "/",
            "capabilities": {
                "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
            },
            "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 }],
            "noNewPrivileges": true,
        },
        "root": { "path": "rootfs", "readonly": true },
        "hostname": "runc-lite",
        "mounts": mounts(),
        "linux": {
            "resources": { "devices": [{ "allow": false, "access": "rwm" }] },
            "namespaces": [
                { "type": "pid" }, { "type": "network" }, { "type": "ipc" },
                { "type": "uts" }, { "type": "mount" }, { "type": "cgroup" },
            ],
            "maskedPaths": [
                "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware",
                "/proc/scsi",
            ],
            "readonlyPaths": [
                "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
            ],
        },
    })
}

fn mounts() -> Value {
    let mount = |destination: &str, kind: &str, source: &str, options: &[&str]| json!({ "destination": destination, "type": kind, "source": source, "options": options });
    let safe = ["nosuid", "noexec", "nodev"];
    json!([
        { "destination": "/proc", "type": "proc", "source": "proc" },
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        mount("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
        mount("/dev/mqueue", "mqueue", "mqueue", &safe),
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]),
    ])
}

/// The caller becomes root of a user namespace, and what only the real root may do is left out.
fn make_rootless(example: &mut Value) {
    let (uid, gid) = (
        rustix::process::getuid().as_raw(),
        rustix::process::getgid().as_raw(),
    );
    let map = |id: u32| json!([{ "containerID": 0, "hostID": id, "size": 1 }]);
    example["linux"]["uidMappings"] = map(uid);
    example["linux"]["gidMappings"] = map(gid);
    if let Some(namespaces) = example["linux"]["namespaces"].as_array_mut() {
        namespaces.retain(|namespace| namespace["type"] != "network");
        namespaces.push(json!({ "type": "user" }));
    }
    if let Some(mounts) = example["mounts"].as_array_mut() {
        for mount in mounts
            .iter_mut()
            .filter(|mount| mount["destination"] == "/sys")
        {
            *mount = json!({
                "destination": "/sys", "type": "none", "source": "/sys",
                "options": ["rbind", "nosuid", "noexec", "nodev", "ro"],
            });
        }
    }
}
