//! Go's manners, as stock clients rely on them.

use serde_json::json;

use super::*;
use crate::{ContainerConfig, CreateRequest, HostConfig};

fn read<T: FromBody>(text: &str) -> Result<T, JsonError> {
    from_slice(text.as_bytes())
}

#[test]
fn null_is_the_zero_value_of_every_type() {
    let body = r#"{"Hostname":null,"Tty":null,"Env":null,"Labels":null,"Cmd":null,
        "HostConfig":{"Memory":null,"Binds":null,"LogConfig":null,"ConsoleSize":null,"Init":null},
        "NetworkingConfig":null}"#;
    assert_eq!(
        read::<CreateRequest>(body).unwrap(),
        CreateRequest::default()
    );
    assert_eq!(
        read::<CreateRequest>("null").unwrap(),
        CreateRequest::default()
    );
}

#[test]
fn keys_match_without_regard_to_case_and_the_last_wins() {
    let body = r#"{"image":"a","IMAGE":"b","hostconfig":{"cpushares":7,"utsMODE":"host"}}"#;
    let request = read::<CreateRequest>(body).unwrap();
    assert_eq!(request.config.image, "b");
    assert_eq!(request.host_config.cpu_shares, 7);
    assert_eq!(request.host_config.uts_mode, "host");
}

#[test]
fn unknown_fields_are_ignored() {
    let body = r#"{"Image":"a","Frobnicate":[1,{"x":2}],"HostConfig":{"Nope":{}}}"#;
    assert_eq!(read::<CreateRequest>(body).unwrap().config.image, "a");
}

#[test]
fn a_wrong_type_names_its_field() {
    for (body, start) in [
        (
            r#"{"HostConfig":{"Memory":"lots"}}"#,
            "HostConfig.Memory: invalid type: string",
        ),
        (r#"{"Env":["A=1",2]}"#, "Env[1]: invalid type: integer `2`"),
        (r#"{"Tty":"yes"}"#, "Tty: invalid type: string"),
        (
            r#"{"HostConfig":{"Ulimits":[{"Soft":1.5}]}}"#,
            "HostConfig.Ulimits[0].Soft: invalid",
        ),
        (
            r#"{"HostConfig":{"PidsLimit":true}}"#,
            "HostConfig.PidsLimit: invalid type: boolean",
        ),
        (r#"{"Labels":{"a":{}}}"#, "Labels.a: invalid type: map"),
        (
            r#"{"HostConfig":{"BlkioWeight":70000}}"#,
            "HostConfig.BlkioWeight: invalid value",
        ),
        ("[]", "invalid type: sequence"),
        ("{", "EOF while parsing"),
    ] {
        let error = read::<CreateRequest>(body).unwrap_err().to_string();
        assert!(error.starts_with(start), "{body}: {error}");
    }
}

#[test]
fn a_command_may_be_one_string() {
    let config = read::<ContainerConfig>(r#"{"Cmd":"top","Entrypoint":["a","b"]}"#).unwrap();
    assert_eq!(config.cmd.as_slice(), ["top"]);
    assert_eq!(config.entrypoint.as_slice(), ["a", "b"]);
    let error = read::<ContainerConfig>(r#"{"Cmd":[1]}"#).unwrap_err();
    assert_eq!(error.field(), "Cmd");
}

#[test]
fn a_set_of_ports_keeps_members_whose_value_is_null() {
    let body = r#"{"ExposedPorts":{"80/tcp":{},"53/udp":null}}"#;
    let config = read::<ContainerConfig>(body).unwrap();
    assert_eq!(
        config.exposed_ports.keys().collect::<Vec<_>>(),
        ["53/udp", "80/tcp"]
    );
    let host = read::<HostConfig>(r#"{"PortBindings":{"80/tcp":null,"81/tcp":[]}}"#).unwrap();
    assert!(host.port_bindings["80/tcp"].is_nil() && !host.port_bindings["81/tcp"].is_nil());
}

#[test]
fn null_and_empty_are_told_apart_when_written() {
    let mut host = HostConfig {
        dns: List::empty(),
        ..HostConfig::default()
    };
    assert_eq!(host.resources(), crate::Resources::default());
    let written = serde_json::to_value(&host).unwrap();
    assert_eq!(written["Dns"], json!([]));
    assert_eq!(written["Binds"], json!(null));
    assert_eq!(written["ConsoleSize"], json!([0, 0]));
    assert!(written.get("Sysctls").is_none() && written.get("Mounts").is_none());
    host.set_resources(crate::Resources {
        memory: 4096,
        ..crate::Resources::default()
    });
    assert_eq!(serde_json::to_value(&host).unwrap()["Memory"], json!(4096));
}

#[test]
fn what_is_written_is_read_back_by_go_and_by_serde() {
    let body = r#"{"Image":"a","Env":["A=1"],"Volumes":{"/v":{}},"Healthcheck":{"Retries":3},
        "HostConfig":{"Binds":["/a:/b"],"PidsLimit":-1,"Ulimits":[{"Name":"nofile","Hard":9}],
        "Mounts":[{"Type":"bind","Source":"/a","Target":"/b","BindOptions":{}}]},
        "NetworkingConfig":{"EndpointsConfig":{"n":{"IPAMConfig":{"IPv4Address":"10.0.0.2"}},"m":null}}}"#;
    let request = read::<CreateRequest>(body).unwrap();
    let written = serde_json::to_string(&request).unwrap();
    assert_eq!(read::<CreateRequest>(&written).unwrap(), request);
    let host = serde_json::to_string(&request.host_config).unwrap();
    assert_eq!(
        serde_json::from_str::<HostConfig>(&host).unwrap(),
        request.host_config
    );
}
