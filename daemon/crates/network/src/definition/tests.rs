use super::*;

fn request(name: &str) -> NetworkRequest {
    NetworkRequest {
        name: name.to_owned(),
        ipv4: true,
        ..NetworkRequest::default()
    }
}

fn with_pool(
    subnet: &str,
    ip_range: &str,
    gateway: &str,
    reserved: &[(&str, &str)],
) -> NetworkRequest {
    let reserved = reserved
        .iter()
        .map(|(name, address)| ((*name).to_owned(), (*address).to_owned()));
    NetworkRequest {
        subnets: vec![SubnetRequest {
            subnet: subnet.to_owned(),
            ip_range: ip_range.to_owned(),
            gateway: gateway.to_owned(),
            reserved: reserved.collect(),
        }],
        ..request("x")
    }
}

fn with_option(key: &str, value: &str) -> NetworkRequest {
    NetworkRequest {
        options: BTreeMap::from([(key.to_owned(), value.to_owned())]),
        ..request("x")
    }
}

fn read(request: &NetworkRequest) -> Result<Definition, DefinitionError> {
    check_name_and_pools(request).and_then(|pools| define(request, pools))
}

fn refusal(request: &NetworkRequest) -> String {
    read(request).unwrap_err().to_string()
}

/// Every text here was read off dockerd 28.5.
#[test]
fn pools_are_refused_in_dockerds_words() {
    let config = |text: &str| format!("invalid network config:\n{text}");
    for (pool, text) in [
        (
            with_pool("bogus", "", "", &[]),
            "invalid subnet bogus: invalid CIDR block notation",
        ),
        (
            with_pool("10.6.0.0/33", "", "", &[]),
            "invalid subnet 10.6.0.0/33: invalid CIDR block notation",
        ),
        (
            with_pool("", "", "10.6.0.1", &[]),
            "invalid subnet : invalid CIDR block notation",
        ),
        (
            with_pool("10.6.0.1/24", "", "", &[]),
            "invalid subnet 10.6.0.1/24: it should be 10.6.0.0/24",
        ),
        (
            with_pool("10.6.0.0/24", "", "10.7.0.1", &[]),
            "invalid gateway 10.7.0.1: parent subnet 10.6.0.0/24 doesn't contain this address",
        ),
        (
            with_pool("10.6.0.0/24", "", "bogus", &[]),
            "invalid gateway bogus: invalid address",
        ),
        (
            with_pool("10.6.0.0/24", "10.7.0.0/25", "", &[]),
            "invalid ip-range 10.7.0.0/25: parent subnet 10.6.0.0/24 doesn't contain ip-range",
        ),
        (
            with_pool("10.6.0.0/24", "10.6.0.0/23", "", &[]),
            "invalid ip-range 10.6.0.0/23: CIDR block is bigger than its parent subnet 10.6.0.0/24",
        ),
        (
            with_pool("10.6.0.0/24", "", "", &[("a", "10.8.0.1")]),
            "invalid auxiliary address a: parent subnet 10.6.0.0/24 doesn't contain this address",
        ),
    ] {
        assert_eq!(refusal(&pool), config(text));
    }
    let mut several = with_pool("10.6.0.0/24", "bogus", "10.7.0.1", &[("a", "b")]);
    several.subnets.push(SubnetRequest {
        subnet: "zz".to_owned(),
        ..SubnetRequest::default()
    });
    assert_eq!(
        refusal(&several),
        config(
            "* invalid ip-range bogus: invalid CIDR block notation\n* invalid gateway 10.7.0.1: parent subnet 10.6.0.0/24 doesn't contain this address\n* invalid auxiliary address a: invalid address\n* invalid subnet zz: invalid CIDR block notation"
        )
    );
}

#[test]
fn names_and_drivers_are_refused_in_dockerds_words() {
    let driver = |driver: &str| NetworkRequest {
        driver: driver.to_owned(),
        ..request("x")
    };
    assert_eq!(refusal(&request("  ")), "invalid name: name is empty");
    assert_eq!(
        refusal(&request("bridge")),
        "operation is not permitted on predefined bridge network "
    );
    assert_eq!(
        refusal(&driver("host")),
        "only one instance of \"host\" network is allowed"
    );
    assert_eq!(refusal(&driver("bogus")), "plugin \"bogus\" not found");
    let none = NetworkRequest {
        ipv4: false,
        ..request("x")
    };
    assert_eq!(refusal(&none), "IPv4 or IPv6 must be enabled");
    let mut two = with_pool("10.9.0.0/24", "", "", &[]);
    two.subnets.push(SubnetRequest {
        subnet: "10.10.0.0/24".to_owned(),
        ..SubnetRequest::default()
    });
    assert_eq!(
        refusal(&two),
        "bridge driver doesn't support multiple subnets"
    );
}

#[test]
fn options_are_read_and_refused_in_dockerds_words() {
    assert_eq!(
        refusal(&with_option(keys::MTU, "abc")),
        "failed to parse com.docker.network.driver.mtu value: abc (strconv.Atoi: parsing \"abc\": invalid syntax)"
    );
    assert_eq!(
        refusal(&with_option(keys::ICC, "abc")),
        "failed to parse com.docker.network.bridge.enable_icc value: abc (strconv.ParseBool: parsing \"abc\": invalid syntax)"
    );
    assert_eq!(
        refusal(&with_option(keys::HOST_BINDING, "abc")),
        "failed to parse com.docker.network.bridge.host_binding_ipv4 value: abc (nil ip)"
    );
    assert_eq!(
        refusal(&with_option(keys::MTU, "-1")),
        "invalid MTU number: -1"
    );
    assert_eq!(
        refusal(&with_option(keys::GATEWAY_MODES[0], "bogus")),
        "failed to parse com.docker.network.bridge.gateway_mode_ipv4 value: bogus (unknown gateway mode bogus)"
    );
    let mut isolated = with_option(keys::GATEWAY_MODES[0], "isolated");
    assert_eq!(
        refusal(&isolated),
        "gateway mode 'isolated' can only be used for an internal network"
    );
    isolated.internal = true;
    assert!(super::define(&isolated, Vec::new()).is_ok());
    let read = |key, value| match read(&with_option(key, value)).unwrap().driver {
        Driver::Bridge(options) => options,
        other => panic!("{other:?}"),
    };
    assert_eq!(read(keys::MTU, "1400").mtu, Some(1400));
    assert_eq!(read(keys::MTU, "0").mtu, None);
    assert!(!read(keys::ICC, "false").icc && read("bogus", "abc").icc);
    assert_eq!(read(keys::NAME, "br0").name.as_deref(), Some("br0"));
}

#[test]
fn a_whole_pool_is_read() {
    let request = with_pool(
        "10.5.0.0/16",
        "10.5.1.0/24",
        "10.5.0.254",
        &[("x", "10.5.1.1")],
    );
    let pool = read(&request).unwrap().pools.remove(0);
    assert_eq!(pool.gateway, Some(IpAddr::from([10, 5, 0, 254])));
    assert_eq!(pool.ip_range, Some("10.5.1.0/24".parse().unwrap()));
    assert_eq!(pool.reserved["x"], IpAddr::from([10, 5, 1, 1]));
    assert_eq!(first_host(pool.subnet), IpAddr::from([10, 5, 0, 1]));
    assert_eq!(
        first_host("10.9.0.0/31".parse().unwrap()),
        IpAddr::from([10, 9, 0, 0])
    );
}

#[test]
fn macvlan_networks_have_a_parent_and_a_mode() {
    let macvlan = |options: &[(&str, &str)]| NetworkRequest {
        driver: "macvlan".to_owned(),
        options: options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        ..request("x")
    };
    let read_mode = |mode| read(&macvlan(&[("parent", "eth0"), ("macvlan_mode", mode)]));
    let Driver::Macvlan(options) = read_mode("vepa").unwrap().driver else {
        panic!("another driver");
    };
    assert_eq!(options.parent.as_deref(), Some("eth0"));
    assert_eq!(
        read_mode("bogus").unwrap_err().to_string(),
        "requested macvlan mode 'bogus' is not valid, 'bridge' mode is the macvlan driver default"
    );
    let Driver::Macvlan(alone) = read(&macvlan(&[])).unwrap().driver else {
        panic!("another driver");
    };
    assert_eq!(alone.parent, None);
    assert_eq!(
        refusal(&macvlan(&[("parent", "lo")])),
        "loopback interface is not a valid macvlan parent link"
    );
    assert_eq!(tagged("eth0.10"), Some(("eth0", 10)));
    for name in ["eth0", "eth0.0", "eth0.4095", ".5", "eth0.x"] {
        assert_eq!(tagged(name), None, "{name}");
    }
}

#[test]
fn ipvlan_networks_have_modes_and_flags() {
    let ipvlan = |key: &str, value: &str| NetworkRequest {
        driver: "ipvlan".to_owned(),
        ..with_option(key, value)
    };
    let Driver::Ipvlan(options) = read(&ipvlan("ipvlan_mode", "l3s")).unwrap().driver else {
        panic!("another driver");
    };
    assert_eq!(options.mode, gantry_netlink::route::IpvlanMode::L3s);
    assert_eq!(
        refusal(&ipvlan("ipvlan_mode", "l9")),
        "requested ipvlan mode 'l9' is not valid, 'l2' mode is the ipvlan driver default"
    );
}

/// Read off dockerd 28.5.
#[test]
fn networks_of_settings_hold_nothing_of_an_operators() {
    let told = |request: NetworkRequest| check_config(&request).map_err(|e| e.to_string());
    let config = NetworkRequest {
        config_only: true,
        ..request("x")
    };
    assert_eq!(told(config.clone()), Ok(()));
    let mut internal = config.clone();
    internal.internal = true;
    assert!(
        told(internal)
            .unwrap_err()
            .starts_with("configuration network can only contain")
    );
    let mut nested = config;
    nested.config_from = Some("y".to_owned());
    assert_eq!(
        told(nested).unwrap_err(),
        "a configuration network cannot depend on another configuration network"
    );
    let from = NetworkRequest {
        config_from: Some("y".to_owned()),
        ..with_pool("10.5.0.0/16", "", "", &[])
    };
    assert!(
        told(from)
            .unwrap_err()
            .starts_with("user specified configurations")
    );
}

#[test]
fn pools_of_both_families_are_read_and_one_of_each_is_a_bridges() {
    let pool = |subnet: &str, gateway: &str| SubnetRequest {
        subnet: subnet.to_owned(),
        gateway: gateway.to_owned(),
        ..SubnetRequest::default()
    };
    let mut both = request("x");
    both.ipv6 = true;
    both.subnets = vec![
        pool("2001:db8::/64", "2001:db8::9"),
        pool("10.5.0.0/16", ""),
    ];
    let pools = read(&both).unwrap().pools;
    assert_eq!(pools[0].gateway, Some("2001:db8::9".parse().unwrap()));
    assert_eq!(
        first_host(pools[0].subnet),
        "2001:db8::1".parse::<IpAddr>().unwrap()
    );
    both.subnets.push(pool("2001:db8:1::/64", ""));
    assert_eq!(
        refusal(&both),
        "bridge driver doesn't support multiple subnets"
    );
    both.driver = "macvlan".to_owned();
    assert_eq!(read(&both).unwrap().pools.len(), 3);
    both.subnets = vec![pool("2001:db8::1/64", "")];
    assert_eq!(
        refusal(&both),
        "invalid network config:\ninvalid subnet 2001:db8::1/64: it should be 2001:db8::/64"
    );
    both.ipv4 = false;
    both.ipv6 = false;
    both.subnets.clear();
    assert_eq!(refusal(&both), "IPv4 or IPv6 must be enabled");
}
