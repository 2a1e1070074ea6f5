use std::net::IpAddr;

use super::*;

fn map(text: &str) -> PortMap {
    gantry_engine_api::json::from_slice(text.as_bytes()).unwrap()
}

fn host(bindings: &str) -> HostConfig {
    HostConfig {
        port_bindings: map(bindings),
        ..HostConfig::default()
    }
}

fn published(container_port: u16, host_ip: &str, host_port: u16) -> PublishedPort {
    PublishedPort {
        container_port,
        protocol: gantry_network::Protocol::Tcp,
        host_ip: host_ip.parse::<IpAddr>().unwrap(),
        host_port,
    }
}

const BOTH: &str =
    r#"{"80/tcp":[{"HostIp":"","HostPort":"8080"},{"HostIp":"127.0.0.1","HostPort":""}]}"#;

fn has() -> Vec<PublishedPort> {
    vec![
        published(80, "0.0.0.0", 8080),
        published(80, "::", 8080),
        published(80, "127.0.0.1", 32768),
    ]
}

fn told(bindings: &str, add: &str, remove: &str) -> String {
    plan(&host(bindings), &has(), (&map(add), &map(remove)))
        .unwrap_err()
        .to_string()
}

#[test]
fn a_binding_goes_with_all_that_it_was_given() {
    let remove = map(r#"{"80/tcp":[{"HostPort":"8080"}]}"#);
    let plan = plan(&host(BOTH), &has(), (&PortMap::default(), &remove)).unwrap();
    assert_eq!(plan.remove, has()[..2]);
    assert_eq!(
        plan.bindings,
        map(r#"{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":""}]}"#)
    );
}

#[test]
fn an_ephemeral_port_is_called_by_its_number_or_its_address() {
    for wish in [
        r#"{"80/tcp":[{"HostPort":"32768"}]}"#,
        r#"{"80/tcp":[{"HostIp":"127.0.0.1"}]}"#,
    ] {
        let plan = plan(&host(BOTH), &has(), (&PortMap::default(), &map(wish))).unwrap();
        assert_eq!(plan.remove, has()[2..], "{wish}");
    }
}

#[test]
fn the_containers_port_alone_means_all_of_it() {
    let remove = map(r#"{"80/tcp":null}"#);
    let plan = plan(&host(BOTH), &has(), (&PortMap::default(), &remove)).unwrap();
    assert_eq!(plan.remove, has());
    assert!(plan.bindings.is_empty());
}

#[test]
fn a_port_of_the_host_changes_hands_in_one_step() {
    let (add, remove) = (
        map(r#"{"81/tcp":[{"HostPort":"8080"}]}"#),
        map(r#"{"80/tcp":[{"HostPort":"8080"}]}"#),
    );
    let plan = plan(&host(BOTH), &has(), (&add, &remove)).unwrap();
    assert_eq!(plan.remove, has()[..2]);
    assert_eq!(plan.add.len(), 1);
    assert_eq!(plan.bindings.len(), 2);
}

#[test]
fn a_container_that_does_not_run_has_its_definition_changed() {
    let (add, remove) = (
        map(r#"{"443/tcp":[{"HostPort":"8443"}]}"#),
        map(r#"{"80/tcp":null}"#),
    );
    let plan = plan(&host(BOTH), &[], (&add, &remove)).unwrap();
    assert_eq!(plan.bindings, add);
    assert!(plan.remove.is_empty());
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let missing = told(BOTH, "{}", r#"{"80/tcp":[{"HostPort":"9"}]}"#);
    assert_eq!(missing, "port 80/tcp is not published as 9");
    let missing = told(BOTH, "{}", r#"{"81/tcp":null}"#);
    assert_eq!(missing, "port 81/tcp is not published");
    let twice = told(BOTH, r#"{"80/tcp":[{"HostPort":"8080"}]}"#, "{}");
    assert_eq!(twice, "port 80/tcp is already published as 8080");
    let bad = told(BOTH, r#"{"80/icmp":null}"#, "{}");
    assert!(bad.contains("80/icmp"), "{bad}");
    let mut shared = host("{}");
    shared.network_mode = "container:other".to_owned();
    let add = map(r#"{"80/tcp":null}"#);
    let error = plan(&shared, &[], (&add, &PortMap::default())).unwrap_err();
    assert!(error.to_string().contains("container type network mode"));
}
