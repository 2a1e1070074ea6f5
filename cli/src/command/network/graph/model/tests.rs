use serde_json::json;

use super::*;

/// Two networks that share a container, one that is internal, and an empty one.
pub(in super::super) fn sample() -> Model {
    let networks = [
        json!({"Name": "front", "Id": "f1", "Driver": "bridge",
            "IPAM": {"Config": [{"Subnet": "10.1.0.0/24"}, {"Subnet": "fd00:1::/64"}]}}),
        json!({"Name": "back", "Id": "b1", "Driver": "bridge", "Internal": true,
            "IPAM": {"Config": [{"Subnet": "10.2.0.0/24"}]}}),
        json!({"Name": "empty", "Id": "e1", "Driver": "bridge",
            "Options": {"com.docker.network.bridge.enable_icc": "false"}}),
    ];
    let endpoint = |four: &str, six: &str| json!({"IPAddress": four, "GlobalIPv6Address": six});
    let containers = [
        json!({"Names": ["/web"],
        "Ports": [
            {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp", "Reach": "world"},
            {"IP": "127.0.0.1", "PrivatePort": 81, "PublicPort": 8081, "Type": "tcp"},
            {"PrivatePort": 82, "Type": "tcp"},
        ],
        "NetworkSettings": {"Networks": {
            "front": endpoint("10.1.0.2", "fd00:1::2"),
            "back": endpoint("10.2.0.2", ""),
        }}}),
        json!({"Names": ["/db<1>"], "Ports": [],
            "NetworkSettings": {"Networks": {"back": endpoint("10.2.0.3", "")}}}),
    ];
    Model::of(&networks, &containers)
}

#[test]
fn answers_are_read() {
    let model = sample();
    let names: Vec<_> = model.networks.iter().map(|n| n.name.as_str()).collect();
    assert_eq!(names, ["back", "empty", "front"]);
    let web = &model.containers[1];
    assert_eq!(
        web.homes[1],
        (2, vec!["10.1.0.2".to_owned(), "fd00:1::2".to_owned()])
    );
    let ports: Vec<_> = web
        .ports
        .iter()
        .map(|p| (p.outside.as_str(), p.reach.as_str()))
        .collect();
    assert_eq!(
        ports,
        [("0.0.0.0:8080", "world"), ("127.0.0.1:8081", "local")]
    );
    assert_eq!(
        model.networks[0].about(),
        "bridge 10.2.0.0/24, leads nowhere"
    );
    assert_eq!(
        model.networks[1].about(),
        "bridge, leads out, members apart"
    );
}

#[test]
fn networks_are_left_out() {
    let mut model = sample();
    model.drop_empty();
    assert_eq!(model.networks.len(), 2);
    assert_eq!(model.containers[1].homes[1].0, 1, "front has moved up");
    let mut model = sample();
    model.keep(&["front".to_owned()]).unwrap();
    assert_eq!((model.networks.len(), model.containers.len()), (1, 1));
    assert_eq!(model.containers[0].homes[0].0, 0);
    assert!(model.keep(&["nothing".to_owned()]).is_err());
}
