//! dockerd 28's answers to bad requests, as recorded from it.

use gantry_engine_api::json::from_slice;

use super::*;

fn defaults() -> ContainerDefaults {
    ContainerDefaults {
        runtime: "runc".to_owned(),
        shm_size_bytes: 64 << 20,
        ulimits: Vec::new(),
        ipc_mode: "private".to_owned(),
        cgroupns_mode: None,
        cgroup_parent: None,
        init: false,
        init_path: None,
        no_new_privileges: false,
        seccomp_profile: "builtin".to_owned(),
        seccomp: crate::config::SeccompDefault::BuiltIn,
        log_driver: "json-file".to_owned(),
        log_opts: std::collections::BTreeMap::new(),
        stop_timeout_s: 10,
    }
}

fn check(config: &str, host: &str) -> Result<(HostConfig, Vec<String>), String> {
    let mut config: ContainerConfig = from_slice(config.as_bytes()).unwrap();
    let mut host: HostConfig = from_slice(host.as_bytes()).unwrap();
    let machine = Machine {
        cpus: 2,
        cgroup_v2: false,
        blkio_weight: false,
    };
    let warnings =
        create(&mut config, &mut host, &defaults(), &machine).map_err(|error| error.to_string())?;
    Ok((host, warnings))
}

/// A HostConfig, and what dockerd says of it.
const REFUSED: &[(&str, &str)] = &[
    (r#"{"Memory":1000}"#, "Minimum memory limit allowed is 6MB"),
    (
        r#"{"Memory":67108864,"MemorySwap":1000000}"#,
        "Minimum memoryswap limit should be larger than memory limit, see usage",
    ),
    (
        r#"{"MemorySwap":1000000}"#,
        "You should always set the Memory limit when using Memoryswap limit, see usage",
    ),
    (
        r#"{"Memory":67108864,"MemoryReservation":67108865}"#,
        "Minimum memory limit can not be less than memory reservation limit, see usage",
    ),
    (
        r#"{"MemorySwappiness":101}"#,
        "Invalid value: 101, valid memory swappiness range is 0-100",
    ),
    (
        r#"{"NanoCpus":1000000000000}"#,
        "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available",
    ),
    (
        r#"{"NanoCpus":1000000000,"CpuPeriod":1000}"#,
        "Conflicting options: Nano CPUs and CPU Period cannot both be set",
    ),
    (
        r#"{"CpuPeriod":10}"#,
        "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
    ),
    (
        r#"{"CpuQuota":10}"#,
        "CPU cfs quota can not be less than 1ms (i.e. 1000)",
    ),
    (
        r#"{"CpusetCpus":"9"}"#,
        "Requested CPUs are not available - requested 9, available: 0-1",
    ),
    (
        r#"{"CpusetCpus":"x"}"#,
        "Invalid value x for cpuset cpus: invalid format: x",
    ),
    (
        r#"{"OomScoreAdj":2000}"#,
        "Invalid value 2000, range for oom score adj is [-1000, 1000]",
    ),
    (r#"{"ShmSize":-1}"#, "SHM size can not be less than 0"),
    (
        r#"{"AutoRemove":true,"RestartPolicy":{"Name":"always"}}"#,
        "can't create 'AutoRemove' container with restart policy",
    ),
    (
        r#"{"NetworkMode":"container:x","Dns":["1.1.1.1"]}"#,
        "conflicting options: dns and the network mode",
    ),
    (r#"{"IpcMode":"foo"}"#, "invalid IPC mode: foo"),
    (r#"{"PidMode":"foo"}"#, "invalid PID mode: foo"),
    (r#"{"UTSMode":"foo"}"#, "invalid UTS mode: foo"),
    (
        r#"{"CgroupnsMode":"foo"}"#,
        "invalid cgroup namespace mode: foo",
    ),
    (
        r#"{"CapAdd":["foo"]}"#,
        "invalid CapAdd: unknown capability: \"CAP_FOO\"",
    ),
    (
        r#"{"SecurityOpt":["foo"]}"#,
        "invalid --security-opt 1: \"foo\"",
    ),
    (
        r#"{"LogConfig":{"Type":"foo"}}"#,
        "error looking up logging plugin foo: plugin \"foo\" not found",
    ),
    (
        r#"{"LogConfig":{"Type":"json-file","Config":{"foo":"x"}}}"#,
        "unknown log opt 'foo' for json-file log driver",
    ),
    (
        r#"{"Isolation":"foo"}"#,
        "invalid isolation (foo): linux only supports 'default'",
    ),
    (r#"{"ExtraHosts":["x"]}"#, "bad format for add-host: \"x\""),
    (
        r#"{"ExtraHosts":["x:y"]}"#,
        "invalid IP address in add-host: \"y\"",
    ),
    (
        r#"{"Annotations":{"":"x"}}"#,
        "invalid Annotations: the empty string is not permitted as an annotation key",
    ),
    (
        r#"{"RestartPolicy":{"Name":"foo"}}"#,
        "invalid restart policy: unknown policy 'foo'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
    ),
    (
        r#"{"RestartPolicy":{"Name":"always","MaximumRetryCount":3}}"#,
        "invalid restart policy: maximum retry count can only be used with 'on-failure'",
    ),
    (
        r#"{"RestartPolicy":{"Name":"no","MaximumRetryCount":-3}}"#,
        "invalid restart policy: maximum retry count can only be used with 'on-failure' and cannot be negative",
    ),
    (
        r#"{"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":-1}}"#,
        "invalid restart policy: maximum retry count cannot be negative",
    ),
];

#[test]
fn host_values_are_refused_in_dockerds_words() {
    for (host, text) in REFUSED {
        assert_eq!(check("{}", host).unwrap_err(), *text, "{host}");
    }
}

#[test]
fn configurations_are_refused_in_dockerds_words() {
    for (config, host, text) in [
        (
            r#"{"WorkingDir":"a"}"#,
            "{}",
            "the working directory 'a' is invalid, it needs to be an absolute path",
        ),
        (r#"{"StopSignal":"FOO"}"#, "{}", "invalid signal: FOO"),
        (
            r#"{"Env":["=x"]}"#,
            "{}",
            "invalid environment variable: =x",
        ),
        (r#"{"Env":[""]}"#, "{}", "invalid environment variable: "),
        (
            r#"{"Healthcheck":{"Interval":1}}"#,
            "{}",
            "Interval in Healthcheck cannot be less than 1ms",
        ),
        (
            r#"{"Hostname":"x"}"#,
            r#"{"NetworkMode":"container:y"}"#,
            "conflicting options: hostname and the network mode",
        ),
        (
            r#"{"Hostname":"x"}"#,
            r#"{"UTSMode":"host"}"#,
            "conflicting options: hostname and the UTS mode",
        ),
    ] {
        assert_eq!(check(config, host).unwrap_err(), text, "{config}");
    }
}

#[test]
fn defaults_are_filled_in() {
    let (host, warnings) = check("{}", r#"{"Memory":67108864,"BlkioWeight":500}"#).unwrap();
    assert_eq!(host.memory_swap, 2 * 67_108_864);
    assert_eq!(host.blkio_weight, 0);
    assert!(warnings[0].starts_with("Your kernel does not support Block I/O weight"));
    assert_eq!(
        (host.ipc_mode.as_str(), host.cgroupns_mode.as_str()),
        ("private", "host")
    );
    assert_eq!(
        (host.network_mode.as_str(), host.shm_size),
        ("bridge", 64 << 20)
    );
    assert_eq!(host.masked_paths.len(), 12);
}
