use gantry_engine_api::{json::from_slice, mount::Mount};

use super::{bind::parse_mount, *};

fn bind_error(spec: &str) -> String {
    parse_bind(spec, "").unwrap_err().to_string()
}

#[test]
fn binds_are_refused_in_dockerds_words() {
    for (spec, text) in [
        (
            "a",
            "invalid volume specification: 'a': invalid mount config for type \"volume\": invalid mount path: 'a' mount path must be absolute",
        ),
        (
            "/a:b",
            "invalid volume specification: '/a:b': invalid mount config for type \"bind\": invalid mount path: 'b' mount path must be absolute",
        ),
        ("/a:/b:xx", "invalid mode: xx"),
        ("/a:/b:ro,rw", "invalid mode: ro,rw"),
        (
            "/a:/",
            "invalid volume specification: '/a:/': invalid mount config for type \"bind\": invalid specification: destination can't be '/'",
        ),
        (":/b", "invalid volume specification: ':/b'"),
        ("/a:/b:ro:rw", "invalid volume specification: '/a:/b:ro:rw'"),
        (
            "/tmp:/b:nocopy",
            "invalid volume specification: '/tmp:/b:nocopy': invalid mount config for type \"bind\": field VolumeOptions must not be specified",
        ),
        (
            "vol:/b:rshared",
            "invalid volume specification: 'vol:/b:rshared': invalid mount config for type \"volume\": field BindOptions must not be specified",
        ),
        (
            "../a:/b",
            "create ../a: \"../a\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path",
        ),
    ] {
        assert_eq!(bind_error(spec), text);
    }
}

#[test]
fn binds_are_read() {
    let bind = parse_bind("/a/../b/:/c//d:ro,rslave", "").unwrap();
    assert_eq!(bind.target, "/c/d");
    assert!(!bind.writable);
    let point = bind.to_api();
    assert_eq!(
        (point.source.as_str(), point.propagation.as_str()),
        ("/b", "rslave")
    );
    assert_eq!(point.mode, "ro,rslave");
    let volume = parse_bind("data:/data", "").unwrap();
    assert!(matches!(
        volume.source,
        Source::Volume {
            anonymous: false,
            ..
        }
    ));
    let anonymous = parse_bind("/data", "").unwrap();
    assert!(matches!(
        anonymous.source,
        Source::Volume {
            anonymous: true,
            ..
        }
    ));
}

fn mount(json: &str) -> Result<MountRecord, MountError> {
    parse_mount(&from_slice::<Mount>(json.as_bytes()).unwrap())
}

#[test]
fn mounts_are_refused_in_dockerds_words() {
    for (json, text) in [
        (
            r#"{"Type":"foo","Source":"/n","Target":"/b"}"#,
            "invalid mount config for type \"foo\": mount type unknown",
        ),
        (
            r#"{"Type":"bind","Target":"/b"}"#,
            "invalid mount config for type \"bind\": field Source must not be empty",
        ),
        (
            r#"{"Type":"bind","Source":"/tmp"}"#,
            "invalid mount config for type \"bind\": field Target must not be empty",
        ),
        (
            r#"{"Type":"tmpfs","Source":"x","Target":"/b"}"#,
            "invalid mount config for type \"tmpfs\": field Source must not be specified",
        ),
        (
            r#"{"Type":"tmpfs","Target":"b"}"#,
            "invalid mount config for type \"tmpfs\": invalid mount path: 'b' mount path must be absolute",
        ),
        (
            r#"{"Type":"bind","Source":"/tmp","Target":"/b","VolumeOptions":{}}"#,
            "VolumeOptions must not be specified on mount type \"bind\"",
        ),
    ] {
        assert_eq!(mount(json).unwrap_err().to_string(), text);
    }
}

#[test]
fn tmpfs_sizes_are_written_as_dockerd_writes_them() {
    let record =
        mount(r#"{"Type":"tmpfs","Target":"/t","TmpfsOptions":{"SizeBytes":1048576,"Mode":448}}"#)
            .unwrap();
    assert_eq!(
        record.source,
        Source::Tmpfs {
            options: vec!["mode=700".to_owned(), "size=1m".to_owned()]
        }
    );
}

#[test]
fn what_is_asked_for_wins_over_images_and_other_containers() {
    let config: ContainerConfig = from_slice(br#"{"Volumes":{"/data":{},"/cache/":{}}}"#).unwrap();
    let host: HostConfig =
        from_slice(br#"{"Binds":["/srv:/data"],"Tmpfs":{"/t":"size=1m"}}"#).unwrap();
    let inherited = vec![
        parse_bind("old:/data", "").unwrap(),
        parse_bind("logs:/logs", "").unwrap(),
    ];
    let mounts = requested(&config, &host, inherit("other:ro", &inherited).unwrap()).unwrap();
    let targets: Vec<_> = mounts
        .iter()
        .map(|m| (m.target.as_str(), m.writable))
        .collect();
    assert_eq!(
        targets,
        [
            ("/cache", true),
            ("/data", true),
            ("/logs", false),
            ("/t", true)
        ]
    );
    let twice: HostConfig = from_slice(br#"{"Binds":["/a:/b","/c:/b/"]}"#).unwrap();
    let error = requested(&ContainerConfig::default(), &twice, Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "Duplicate mount point: /b");
}
