//! The plan of Docker's configuration, step by step; and that no configuration makes a panic.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::spec;

const DOCKER: &str = include_str!("../../tests/fixtures/docker-config.json");

fn docker_plan() -> ContainerPlan {
    let spec = spec::parse(DOCKER.as_bytes(), Path::new("config.json")).unwrap();
    plan(&spec, "id", Options::default()).unwrap()
}

/// One line a step, short.
fn outline(steps: &[Step]) -> Vec<String> {
    steps
        .iter()
        .map(|step| match step {
            Step::Mount(mount) => {
                format!("mount {} {}", mount.fs_type, mount.destination.display())
            }
            Step::MountCgroup(mount) => format!("cgroup {}", mount.destination.display()),
            Step::Bind(bind) => format!("bind {}", bind.destination.display()),
            Step::Device(device) => format!("device {}", device.path.display()),
            Step::MaskPath(path) => format!("mask {}", path.display()),
            Step::ReadonlyPath(path) => format!("ro {}", path.display()),
            Step::MakeDirectory(path) => format!("mkdir {}", path.display()),
            Step::Sysctl { path, value } => format!("sysctl {}={value}", path.display()),
            Step::Rlimit { name, .. } => format!("rlimit {name}"),
            Step::Identity(identity) => format!("identity {}:{}", identity.uid, identity.gid),
            other => format!("{other:?}"),
        })
        .collect()
}

#[test]
fn docker_s_configuration_step_by_step() {
    let plan = docker_plan();
    let expected = "NewKeyring(\"_ses.id\")
LoopbackUp
HostPropagation(524288)
BindRoot(\"rootfs\")
mount proc /proc
mount tmpfs /dev
mount devpts /dev/pts
mount sysfs /sys
cgroup /sys/fs/cgroup
mount mqueue /dev/mqueue
mount tmpfs /dev/shm
device /dev/null
device /dev/zero
device /dev/full
device /dev/random
device /dev/urandom
device /dev/tty
DeviceLinks
SealReadonly
Hostname(\"container\")
sysctl net/ipv4/ip_unprivileged_port_start=0
sysctl net/ipv4/ping_group_range=0 2147483647
ro /proc/bus
ro /proc/fs
ro /proc/irq
ro /proc/sys
ro /proc/sysrq-trigger
mask /proc/asound
mask /proc/acpi
mask /proc/kcore
mask /proc/keys
mask /proc/latency_stats
mask /proc/timer_list
mask /proc/timer_stats
mask /proc/sched_debug
mask /proc/scsi
mask /sys/firmware
mkdir /
PivotRoot";
    assert_eq!(outline(&plan.steps).join("\n"), expected);
    assert_eq!(
        outline(&plan.process.steps).join("\n"),
        "Seccomp\nUmask(18)\nidentity 0:0"
    );
}

/// With no_new_privs the filter comes last, so that it need not allow what the steps before do.
#[test]
fn no_new_privs_puts_the_filter_last() {
    let text = DOCKER.replace(
        "\"cwd\": \"/\"",
        "\"cwd\": \"/\", \"noNewPrivileges\": true",
    );
    let spec = spec::parse(text.as_bytes(), Path::new("config.json")).unwrap();
    let plan = plan(&spec, "id", Options::default()).unwrap();
    let expected = "Umask(18)\nidentity 0:0\nNoNewPrivileges\nSeccomp";
    assert_eq!(outline(&plan.process.steps).join("\n"), expected);
}

#[test]
fn sysctls_of_the_host_are_refused() {
    for (key, namespaces, allowed) in [
        ("net.ipv4.ip_forward", "network", true),
        ("net.ipv4.ip_forward", "ipc", false),
        ("kernel.shmmax", "ipc", true),
        ("kernel.shmmax", "network", false),
        ("fs.mqueue.msg_max", "ipc", true),
        ("vm.swappiness", "ipc", false),
        ("net.../../kernel.panic", "network", false),
        ("net/ipv4/conf/eth0.1/forwarding", "network", true),
    ] {
        let text = format!(
            r#"{{"process": {{"args": ["x"], "cwd": "/"}}, "root": {{"path": "x"}}, "linux": {{
                "namespaces": [{{"type": "mount"}}, {{"type": "{namespaces}"}}],
                "sysctl": {{"{key}": "1"}}}}}}"#
        );
        let spec = spec::parse(text.as_bytes(), Path::new("config.json")).unwrap();
        assert_eq!(
            plan(&spec, "id", Options::default()).is_ok(),
            allowed,
            "{key} {namespaces}"
        );
    }
}

/// Whatever comes, the answer is a plan or an error.
fn survive(bytes: &[u8]) {
    if let Ok(spec) = spec::parse(bytes, Path::new("config.json")) {
        let _either = plan(&spec, "id", Options::default());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Docker's configuration with bytes changed, cut out and put in.
    #[test]
    fn broken_configurations_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..3), 1..12),
    ) {
        let mut bytes = DOCKER.as_bytes().to_vec();
        for (index, byte, kind) in changes {
            let at = index.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        survive(&bytes);
    }

    /// Docker's configuration with whole values replaced by others.
    #[test]
    fn strange_values_never_panic(
        at in any::<prop::sample::Index>(),
        value in prop_oneof![
            Just("null"), Just("-1"), Just("18446744073709551616"), Just("\"\""), Just("[]"),
            Just("{}"), Just("true"), Just("\"\\u0000\""), Just("[null]"), Just("1e400"),
            Just("\"../../..\""), Just("9223372036854775807"),
        ],
    ) {
        let json: serde_json::Value = serde_json::from_str(DOCKER).unwrap();
        let mut places = Vec::new();
        pointers(&json, String::new(), &mut places);
        let place = &places[at.index(places.len())];
        let marker = "@marker@";
        let mut changed = json;
        *changed.pointer_mut(place).unwrap() = marker.into();
        survive(changed.to_string().replace(&format!("\"{marker}\""), value).as_bytes());
    }
}

/// Every place in a document.
fn pointers(value: &serde_json::Value, prefix: String, places: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                pointers(value, format!("{prefix}/{key}"), places);
            }
        }
        serde_json::Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                pointers(value, format!("{prefix}/{index}"), places);
            }
        }
        _ => {}
    }
    if !prefix.is_empty() {
        places.push(prefix);
    }
}
