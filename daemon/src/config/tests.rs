//! Flags, file and what comes of both.

use std::path::PathBuf;

use super::*;

fn load(flags: &[&str], file: &str) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("daemon.json");
    std::fs::write(&path, file).unwrap();
    let path = path.display().to_string();
    let words = ["gantryd", "--config-file", &path]
        .into_iter()
        .chain(flags.iter().copied());
    let flags = Flags::parse(words).map_err(|error| error.to_string())?;
    Config::load(&flags).map_err(|error| {
        gantry_errors::chain(&error)
            .to_string()
            .replace(&path, "FILE")
    })
}

#[test]
fn without_anything_the_defaults_hold() {
    let config = load(&[], "").unwrap();
    assert_eq!(
        config.hosts,
        [Host::Unix(PathBuf::from("/run/gantry/gantry.sock"))]
    );
    assert_eq!(config.data_root, PathBuf::from("/var/lib/gantry"));
    assert_eq!(config.containers.runtime, "runc");
    assert_eq!(config.containers.shm_size_bytes, 64 << 20);
    assert_eq!(config.containers.log_opts["max-size"], "20m");
    assert!(config.network.icc && config.network.firewall && config.warnings.is_empty());
    assert!(!config.group_required && config.containerd.is_none());
}

#[test]
fn flags_and_keys_mean_the_same() {
    let flags = [
        "-D",
        "--data-root=/d",
        "--exec-root",
        "/e",
        "-p",
        "/p",
        "--label",
        "a=b",
        "--label=c=d",
        "--add-runtime",
        "crun=/usr/bin/crun",
        "--default-runtime=crun",
        "--icc=false",
        "--mtu=1400",
        "--dns=1.1.1.1",
        "--default-ulimit=nofile=64:128",
        "--default-shm-size=1g",
        "--log-opt=max-size=1m",
        "--default-address-pool=base=10.10.0.0/16,size=24",
        "-G",
        "root",
        "--init",
        "--bip=10.1.0.1/24",
    ];
    let file = r#"{"debug": true, "data-root": "/d", "exec-root": "/e", "pidfile": "/p",
        "labels": ["a=b", "c=d"], "runtimes": {"crun": {"path": "/usr/bin/crun"}},
        "default-runtime": "crun", "icc": false, "mtu": 1400, "dns": ["1.1.1.1"],
        "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 64, "Hard": 128}},
        "default-shm-size": "1g", "log-opts": {"max-size": "1m"}, "group": "root", "init": true,
        "default-address-pools": [{"base": "10.10.0.0/16", "size": 24}], "bip": "10.1.0.1/24"}"#;
    let by_flags = load(&flags, "").unwrap();
    let mut by_file = load(&[], file).unwrap();
    // Each call has a folder of its own, where certificates are looked for too.
    by_file
        .registries
        .certs_dirs
        .clone_from(&by_flags.registries.certs_dirs);
    assert_eq!(by_flags, by_file);
    assert_eq!(by_flags.runtimes["crun"].path, "/usr/bin/crun");
    assert_eq!(by_flags.containers.ulimits[0].hard, 128);
    assert_eq!(by_flags.network.address_pools[0].1, 24);
    assert_eq!(by_flags.log.level, gantry_telemetry::Level::Debug);
}

#[test]
fn runtimes_have_arguments_and_options() {
    let file = r#"{"runtimes": {
        "debug": {"path": "/usr/bin/crun", "runtimeArgs": ["--debug", "--log=x"]},
        "typed": {"runtimeType": "io.containerd.lite.v2",
            "options": {"BinaryName": "/r", "Root": "/run/r", "NoPivotRoot": true}}}}"#;
    let runtimes = load(&[], file).unwrap().runtimes;
    assert_eq!(runtimes["debug"].args, ["--debug", "--log=x"]);
    let typed = &runtimes["typed"];
    assert_eq!(typed.path, "/r");
    assert_eq!(typed.options.root.as_deref(), Some("/run/r"));
    assert!(typed.options.no_pivot_root && !typed.options.no_new_keyring);
}

#[test]
fn what_is_wrong_is_said_in_dockerds_words() {
    for (flags, file, message) in [
        (
            &["--debug"][..],
            r#"{"debug": false}"#,
            "unable to configure the Docker daemon with file FILE: the following directives are \
             specified both as a flag and in the configuration file: debug: (from flag: true, from \
             file: false)",
        ),
        (
            &[],
            r#"{"zz": 1, "frob": 2}"#,
            "unable to configure the Docker daemon with file FILE: the following directives don't \
             match any configuration option: frob, zz",
        ),
        (&[], "[]", "invalid JSON: not an object"),
        (&[], "{", "invalid JSON: EOF"),
        (&[], r#"{"mtu": "x"}"#, "mtu: expected a whole number"),
        (
            &["--default-runtime=nope"],
            "",
            "specified default runtime 'nope' does not exist",
        ),
        (
            &["--add-runtime=runc=/x"],
            "",
            "runtime name 'runc' is reserved",
        ),
        (
            &[],
            r#"{"runtimes": {"x": {"path": "/p", "args": []}}}"#,
            "x: unknown field args",
        ),
        (
            &[],
            r#"{"runtimes": {"x": {"runtimeType": "io.containerd.runsc.v1"}}}"#,
            "runtime type io.containerd.runsc.v1 is not built yet",
        ),
        (
            &["--seccomp-profile=/nosuch/profile"],
            "",
            "opening seccomp profile (/nosuch/profile) failed: No such file",
        ),
        (&["--bip=x"], "", "invalid bip: x: "),
        (&["-b=br0", "--bip=10.0.0.1/8"], "", "mutually exclusive"),
        (&["--label=x"], "", "bad attribute format: x"),
        (
            &["--exec-opt=native.cgroupdriver=x"],
            "",
            "native.cgroupdriver=x: expected cgroupfs or systemd",
        ),
        (
            &["--userns-remap=default"],
            "",
            "userns-remap (\"default\") is not supported",
        ),
        (&["--tlsverify"], "", "TLS is not built yet"),
        (
            &["-H", "tcp://127.0.0.1:1"],
            "",
            "--tls=false says that you want it",
        ),
        (&["-H", "npipe://x"], "", "expected unix://PATH"),
        (&["--nope"], "", "unexpected argument '--nope'"),
        (&["--debug=perhaps"], "", "expected true or false"),
        (&["--log-driver=syslog"], "", "expected json-file or none"),
    ] {
        let error = load(flags, file).unwrap_err();
        assert!(error.contains(message), "{flags:?} {file}: {error}");
    }
}

#[test]
fn hosts_are_read_as_docker_writes_them() {
    let flags = [
        "--tls=false",
        "-H",
        "unix:///a/b",
        "-H",
        "tcp://:1",
        "-H",
        "tcp://[::1]:2",
        "-H",
        "127.0.0.1",
        "-H",
        "fd://",
    ];
    let tcp = |text: &str| Host::Tcp(text.to_owned());
    assert_eq!(
        load(&flags, "").unwrap().hosts,
        [
            Host::Unix(PathBuf::from("/a/b")),
            tcp("localhost:1"),
            tcp("[::1]:2"),
            tcp("127.0.0.1:2375"),
            Host::Fd(String::new()),
        ]
    );
}

#[test]
fn what_has_no_effect_is_warned_of_and_what_asks_for_nothing_is_not() {
    let config = load(
        &["--live-restore", "--userland-proxy=false", "--ipv6=false"],
        "",
    )
    .unwrap();
    assert_eq!(
        config.warnings,
        ["live-restore has no effect: containers always live on"]
    );
}

#[test]
fn a_reload_takes_only_what_may_change() {
    let old = load(&["--data-root=/d"], r#"{"labels": ["a=1"]}"#).unwrap();
    let new = load(
        &["--data-root=/other"],
        r#"{"labels": ["a=2"], "debug": true}"#,
    )
    .unwrap();
    let reloaded = old.reloaded(new);
    assert_eq!(
        (reloaded.labels, reloaded.debug),
        (vec!["a=2".to_owned()], true)
    );
    assert_eq!(reloaded.data_root, PathBuf::from("/d"));
}

#[test]
fn a_missing_default_file_is_none_and_a_missing_named_one_an_error() {
    let flags = Flags::parse(["gantryd", "--config-file=/nonexistent/daemon.json"]).unwrap();
    let error = Config::load(&flags).unwrap_err();
    assert!(
        gantry_errors::chain(&error)
            .to_string()
            .contains("/nonexistent/daemon.json")
    );
}

#[test]
fn sizes_are_dockers() {
    for (text, bytes) in [
        ("64m", 64 << 20),
        ("1GiB", 1 << 30),
        ("10", 10),
        ("2kb", 2048),
    ] {
        assert_eq!(build::parse_bytes(text), Some(bytes), "{text}");
    }
    for text in ["", "m", "-", "1x", "99999999999g"] {
        assert_eq!(build::parse_bytes(text), None, "{text}");
    }
}

#[test]
fn layers_are_files_unless_something_else_is_asked_for() {
    use gantry_layer::Form;
    assert_eq!(load(&[], "").unwrap().storage.layers, Form::Erofs);
    let flags = load(&["--storage-opt", "layers=directory"], "").unwrap();
    assert_eq!(flags.storage.layers, Form::Directory);
    let file = load(&[], r#"{"storage-opts": ["layers=directory"]}"#).unwrap();
    assert_eq!(file.storage.layers, Form::Directory);
    for wrong in ["layers=zfs", "layers", "size=10G"] {
        let error = load(&["--storage-opt", wrong], "").unwrap_err();
        assert!(
            error.contains("layers=directory") || error.contains("directory or erofs"),
            "{error}"
        );
    }
}
