use super::*;

fn bases(options: &RegistryOptions, domain: &str, purpose: Purpose) -> Vec<String> {
    let endpoints = options.endpoints(domain, &[], purpose).unwrap();
    endpoints.iter().map(|one| one.base.to_string()).collect()
}

#[test]
fn the_order_of_endpoints() {
    let options = RegistryOptions {
        mirrors: vec!["http://mirror.lan:5000/".to_owned()],
        insecure: vec!["plain.lan:80".to_owned(), "10.1.0.0/16".to_owned()],
        ..RegistryOptions::default()
    };
    let pull = |domain: &str| bases(&options, domain, Purpose::Pull);
    assert_eq!(
        pull("docker.io"),
        [
            "http://mirror.lan:5000/v2/",
            "https://registry-1.docker.io/v2/"
        ]
    );
    assert_eq!(
        bases(&options, "docker.io", Purpose::Push),
        ["https://registry-1.docker.io/v2/"]
    );
    assert_eq!(pull("example.com"), ["https://example.com/v2/"]);
    assert_eq!(
        pull("127.0.0.1:5000"),
        ["https://127.0.0.1:5000/v2/", "http://127.0.0.1:5000/v2/"]
    );
    assert_eq!(
        pull("[::1]:5000"),
        ["https://[::1]:5000/v2/", "http://[::1]:5000/v2/"]
    );
}

#[test]
fn who_is_insecure() {
    let options = RegistryOptions {
        insecure: vec![
            "plain.lan:80".to_owned(),
            "10.1.0.0/16".to_owned(),
            "name.lan".to_owned(),
        ],
        ..RegistryOptions::default()
    };
    for (host, expected) in [
        ("localhost:1", true),
        ("127.9.9.9", true),
        ("plain.lan:80", true),
        ("plain.lan", false),
        ("name.lan:77", true),
        ("10.1.255.1:5000", true),
        ("10.2.0.1", false),
        ("example.com", false),
    ] {
        assert_eq!(options.is_insecure(host), expected, "{host}");
    }
    // A name is where its addresses are, if it has to be known at all.
    assert_eq!(options.name_to_look_up("some.lan:5000"), Some("some.lan"));
    assert_eq!(options.name_to_look_up("10.2.0.1:5000"), None);
    assert_eq!(
        RegistryOptions::default().name_to_look_up("some.lan:5000"),
        None
    );
    let schemes = |address: [u8; 4]| {
        let endpoints = options.endpoints("some.lan:5000", &[address.into()], Purpose::Push);
        let endpoints = endpoints.unwrap().into_iter();
        endpoints
            .map(|endpoint| endpoint.base.scheme().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(schemes([10, 1, 2, 3]), ["https", "http"]);
    assert_eq!(schemes([10, 2, 2, 3]), ["https"]);
}

#[test]
fn a_directory_of_certificates() {
    let dir = tempfile::tempdir().unwrap();
    let host = dir.path().join("reg.lan:5000");
    std::fs::create_dir(&host).unwrap();
    for name in [
        "ca.crt",
        "client.cert",
        "client.key",
        "lonely.cert",
        "note.txt",
    ] {
        std::fs::write(host.join(name), "").unwrap();
    }
    let options = RegistryOptions {
        certs_dirs: vec![dir.path().join("none"), dir.path().to_owned()],
        ..RegistryOptions::default()
    };
    let endpoints = options
        .endpoints("reg.lan:5000", &[], Purpose::Push)
        .unwrap();
    assert_eq!(endpoints[0].tls.authorities, [host.join("ca.crt")]);
    assert_eq!(
        endpoints[0].tls.identity,
        Some((host.join("client.cert"), host.join("client.key")))
    );
    std::fs::write(host.join("hosts.toml"), "server = \"http://other:1\"").unwrap();
    assert_eq!(
        bases(&options, "reg.lan:5000", Purpose::Pull),
        ["http://other:1/v2/"]
    );
}
