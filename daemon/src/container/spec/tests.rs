//! The specification against what the stock engine wrote for the same request.

use gantry_engine_api::{Map, json::from_slice};
use serde_json::{Value, json};

use super::*;
use crate::container::{model::LastRun, mounts, state::Life};

fn record(config: &str, host: &str) -> Record {
    let config: gantry_engine_api::ContainerConfig = from_slice(config.as_bytes()).unwrap();
    let mut host: HostConfig = from_slice(host.as_bytes()).unwrap();
    if host.shm_size == 0 {
        host.shm_size = 64 << 20;
    }
    let mounts = mounts::requested(&config, &host, Vec::new()).unwrap();
    Record {
        v: Record::CURRENT,
        id: "a4ce24cd859fe3d9acf10f42347a9be2efe17e6f250aebbac0806e848294b2a6"
            .parse()
            .unwrap(),
        name: "x1".parse().unwrap(),
        created: jiff::Timestamp::UNIX_EPOCH,
        image: "sha256:37389d7bfe784d6a2d5bdef87a55d52c5b47eaec82a7accb463e43884a4befe4"
            .parse()
            .unwrap(),
        chain: None,
        path: "sleep".to_owned(),
        args: vec!["0".to_owned()],
        config,
        host,
        endpoints: Map::default(),
        mounts,
        life: Life::Created,
        last: LastRun::default(),
        restarts: 0,
        oom: false,
        stopped_by_user: false,
        halted: false,
        log_path: None,
    }
}

use gantry_engine_api::HostConfig;

fn around(record: &Record) -> Surroundings {
    Surroundings {
        linked: Vec::new(),
        passwd: "root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1000:Bob:/home/bob:/bin/sh\n".to_owned(),
        group: "root:x:0:\nbob:x:1000:\nwheel:x:10:root,bob\naudio:x:29:bob\n".to_owned(),
        resolv_conf: Some("/c/resolv.conf".into()),
        hostname: Some("/c/hostname".into()),
        hosts: Some("/c/hosts".into()),
        init: (record.host.init == Some(true)).then(|| "/bin/gantry-init".into()),
        join: namespaces::Join {
            network: Some("/n".to_owned()),
            ..Default::default()
        },
        shm: None,
        seccomp: crate::config::SeccompDefault::BuiltIn,
        cgroups_path: "/docker/x".to_owned(),
        cgroup_v2: false,
        kernel: (6, 18),
        machine: "vm".to_owned(),
        devices: devices::grant(&record.host).unwrap(),
    }
}

fn spec(config: &str, host: &str) -> Value {
    let record = record(config, host);
    serde_json::to_value(build(&record, &around(&record)).unwrap()).unwrap()
}

fn options(spec: &Value, destination: &str) -> Vec<String> {
    let mounts = spec["mounts"].as_array().unwrap();
    let mount = mounts
        .iter()
        .find(|mount| mount["destination"] == destination)
        .unwrap();
    mount["options"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| o.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_plain_container() {
    let spec = spec(r#"{"Hostname":"a4ce24cd859f"}"#, "{}");
    assert_eq!(
        spec["process"]["user"],
        json!({"uid":0,"gid":0,"additionalGids":[0,10]})
    );
    assert_eq!(spec["process"]["args"], json!(["sleep", "0"]));
    assert_eq!(
        spec["process"]["env"],
        json!([process::DEFAULT_PATH, "HOSTNAME=a4ce24cd859f", "HOME=/root"])
    );
    assert_eq!(
        spec["process"]["capabilities"]["bounding"],
        json!(capabilities::DEFAULT)
    );
    assert_eq!(
        spec["linux"]["resources"]["devices"]
            .as_array()
            .unwrap()
            .len(),
        8
    );
    assert_eq!(
        spec["linux"]["namespaces"],
        json!([{"type":"mount"},{"type":"network","path":"/n"},{"type":"uts"},{"type":"pid"},{"type":"ipc"}])
    );
    assert_eq!(spec["linux"]["maskedPaths"].as_array().unwrap().len(), 12);
    let destinations: Vec<_> = spec["mounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["destination"].as_str().unwrap())
        .collect();
    assert_eq!(
        destinations,
        [
            "/proc",
            "/dev",
            "/dev/pts",
            "/sys",
            "/sys/fs/cgroup",
            "/dev/mqueue",
            "/dev/shm",
            "/etc/resolv.conf",
            "/etc/hostname",
            "/etc/hosts"
        ]
    );
    assert_eq!(
        options(&spec, "/dev/shm"),
        ["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"]
    );
}

#[test]
fn many_options_at_once() {
    let spec = spec(
        r#"{"Hostname":"foo","Domainname":"dom","User":"bob","WorkingDir":"/wd","Env":["A=b"]}"#,
        r#"{"Memory":67108864,"NanoCpus":1500000000,"CpuShares":512,"CpusetCpus":"0","PidsLimit":50,
            "MemoryReservation":33554432,"MemorySwap":104857600,
            "Ulimits":[{"Name":"nofile","Soft":100,"Hard":200}],"ShmSize":10485760,
            "Tmpfs":{"/t1":"","/t2":"size=1m,ro"},"Binds":["/srv/vv:/vv:ro"],
            "Devices":[{"PathOnHost":"/dev/null","PathInContainer":"/dev/foo","CgroupPermissions":"r"}],
            "CapAdd":["NET_ADMIN"],"CapDrop":["CHOWN"],"SecurityOpt":["no-new-privileges"],
            "Sysctls":{"net.ipv4.ip_forward":"1"},"GroupAdd":["29","wheel"],"ReadonlyRootfs":true,
            "Init":true,"DeviceCgroupRules":["c 42:* rmw"],"OomScoreAdj":100,"Annotations":{"x":"y"}}"#,
    );
    assert_eq!(
        spec["process"]["user"],
        json!({"uid":1000,"gid":1000,"additionalGids":[1000,10,29]})
    );
    assert_eq!(
        spec["process"]["args"],
        json!(["/sbin/docker-init", "--", "sleep", "0"])
    );
    assert_eq!(spec["process"]["noNewPrivileges"], true);
    assert_eq!(
        spec["process"]["env"],
        json!([
            process::DEFAULT_PATH,
            "HOSTNAME=foo",
            "A=b",
            "HOME=/home/bob"
        ])
    );
    assert_eq!(spec["process"]["oomScoreAdj"], 100);
    assert_eq!(
        spec["process"]["rlimits"],
        json!([{"type":"RLIMIT_NOFILE","hard":200,"soft":100}])
    );
    assert_eq!(spec["root"]["readonly"], true);
    assert_eq!(spec["annotations"], json!({"x":"y"}));
    let resources = &spec["linux"]["resources"];
    assert_eq!(
        resources["memory"],
        json!({"limit":67108864,"reservation":33554432,"swap":104857600,"disableOOMKiller":false})
    );
    assert_eq!(
        resources["cpu"],
        json!({"shares":512,"quota":150000,"period":100000,"cpus":"0"})
    );
    assert_eq!(resources["pids"], json!({"limit":50}));
    assert_eq!(
        spec["linux"]["sysctl"],
        json!({"kernel.domainname":"dom","net.ipv4.ip_forward":"1",
               "net.ipv4.ip_unprivileged_port_start":"0","net.ipv4.ping_group_range":"0 2147483647"})
    );
    assert_eq!(
        options(&spec, "/t1"),
        ["noexec", "nosuid", "nodev", "rprivate"]
    );
    assert_eq!(
        options(&spec, "/t2"),
        ["noexec", "nosuid", "nodev", "rprivate", "size=1m", "ro"]
    );
    assert_eq!(options(&spec, "/vv"), ["rbind", "rro", "rprivate"]);
    assert_eq!(options(&spec, "/etc/hosts"), ["rbind", "rro", "rprivate"]);
    assert_eq!(options(&spec, "/sbin/docker-init"), ["bind", "ro"]);
    assert_eq!(spec["linux"]["devices"][0]["path"], "/dev/foo");
}

#[test]
fn privileged_hides_nothing() {
    let spec = spec("{}", r#"{"Privileged":true}"#);
    assert!(spec["linux"]["seccomp"].is_null() && spec["linux"]["maskedPaths"].is_null());
    assert_eq!(options(&spec, "/sys"), ["nosuid", "noexec", "nodev"]);
    assert_eq!(
        spec["linux"]["resources"]["devices"],
        json!([{"allow":true,"access":"rwm"}])
    );
}

#[test]
fn the_hosts_namespaces_are_left_alone() {
    let spec = spec(
        r#"{"Hostname":"vm"}"#,
        r#"{"NetworkMode":"host","PidMode":"host","IpcMode":"host","UTSMode":"host","CgroupnsMode":"private"}"#,
    );
    assert_eq!(
        spec["linux"]["namespaces"],
        json!([{"type":"mount"},{"type":"cgroup"}])
    );
    assert!(spec["hostname"].is_null() && spec["linux"]["sysctl"].is_null());
    assert_eq!(options(&spec, "/dev/shm"), ["rbind", "rprivate"]);
}

#[test]
fn a_mount_on_dev_replaces_dockers_own() {
    let spec = spec("{}", r#"{"Binds":["/dev:/dev"]}"#);
    let beneath = |m: &&Value| m["destination"].as_str().unwrap().starts_with("/dev");
    assert_eq!(
        spec["mounts"]
            .as_array()
            .unwrap()
            .iter()
            .filter(beneath)
            .count(),
        1
    );
}

#[test]
fn of_contradicting_tmpfs_options_the_last_counts() {
    let spec = spec("{}", r#"{"Tmpfs":{"/t":"exec,size=1m,size=2m"}}"#);
    assert_eq!(
        options(&spec, "/t"),
        ["nosuid", "nodev", "rprivate", "exec", "size=2m"]
    );
    let record = record("{}", r#"{"Tmpfs":{"/t":"foo"}}"#);
    assert!(build(&record, &around(&record)).is_err());
}
