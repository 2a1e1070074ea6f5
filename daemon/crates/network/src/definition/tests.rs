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
    assert_eq!(
        refusal(&driver("ipvlan")),
        "network driver ipvlan is not built yet in Gantry"
    );
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
    assert_eq!(
        refusal(&with_pool("fd00::/64", "", "", &[])),
        "IPv6 on networks is not built yet in Gantry"
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
    assert!(refusal(&with_option(keys::GATEWAY_MODES[0], "routed")).contains("not built yet"));
    let mut isolated = with_option(keys::GATEWAY_MODES[0], "isolated");
    assert_eq!(
        refusal(&isolated),
        "gateway mode 'isolated' can only be used for an internal network"
    );
    isolated.internal = true;
    assert!(super::define(&isolated, Vec::new()).is_ok());
    let read = |key, value| match read(&with_option(key, value)).unwrap().driver {
        Driver::Bridge(options) => options,
        Driver::Macvlan(options) => panic!("{options:?}"),
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
    let pool = read(&request).unwrap().pool.unwrap();
    assert_eq!(pool.gateway, Some(Ipv4Addr::new(10, 5, 0, 254)));
    assert_eq!(pool.ip_range, Some("10.5.1.0/24".parse().unwrap()));
    assert_eq!(pool.reserved["x"], Ipv4Addr::new(10, 5, 1, 1));
    assert_eq!(first_host(pool.subnet), Ipv4Addr::new(10, 5, 0, 1));
    assert_eq!(
        first_host("10.9.0.0/31".parse().unwrap()),
        Ipv4Addr::new(10, 9, 0, 0)
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
    assert_eq!(options.parent, "eth0");
    assert_eq!(
        read_mode("bogus").unwrap_err().to_string(),
        "requested macvlan mode 'bogus' is not valid, 'bridge' mode is the macvlan driver default"
    );
    assert!(refusal(&macvlan(&[])).contains("without a parent is not built yet"));
}
