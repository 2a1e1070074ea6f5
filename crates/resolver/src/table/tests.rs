use std::net::Ipv4Addr;

use super::*;

#[test]
fn a_networks_table_is_written_and_read() {
    let mut table = NetworkNames {
        network: "my net".to_owned(),
        ..NetworkNames::default()
    };
    let names = [
        "Web".to_owned(),
        "alias".to_owned(),
        "0123456789ab".to_owned(),
    ];
    table.add(&names, Ipv4Addr::new(172, 18, 0, 2));
    table.add(
        &["alias".to_owned(), "a b".to_owned()],
        Ipv4Addr::new(172, 18, 0, 3),
    );
    assert_eq!(table.names["alias"].len(), 2);
    assert!(table.names.contains_key("web") && !table.names.contains_key("a b"));
    assert_eq!(table.hosts[&std::net::IpAddr::from([172, 18, 0, 2])], "Web");
    assert_eq!(NetworkNames::decode(&table.encode()), Ok(table));
}

#[test]
fn a_containers_table_is_written_and_read() {
    let table = ContainerNames {
        networks: vec![
            Membership {
                file: "abc".to_owned(),
                links: BTreeMap::from([("db".to_owned(), "postgres".to_owned())]),
            },
            Membership::default(),
        ],
        forward: true,
        single_label_is_local: true,
        upstream: vec![
            Upstream::Server("9.9.9.9".parse().unwrap()),
            Upstream::HostFile("/etc/resolv.conf".into()),
        ],
    };
    assert_eq!(ContainerNames::decode(&table.encode()), Ok(table));
}

#[test]
fn what_is_not_understood_is_an_error_with_its_line() {
    let error = NetworkNames::decode("gantry-network 1\nname web\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 2 of a table of names is not understood: \"name web\""
    );
    assert_eq!(
        NetworkNames::decode("gantry-network 2\n").unwrap_err().line,
        1
    );
    assert!(NetworkNames::decode("").is_err());
    assert!(ContainerNames::decode("gantry-names 1\nlink a b\n").is_err());
    assert!(ContainerNames::decode("gantry-names 1\nserver x\n").is_err());
}
