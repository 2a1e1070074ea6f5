//! IPv6 networks as clients of the engine meet them, and the kinds of network beside plain bridges.

use std::process::Stdio;
use std::time::Duration;

use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, Kind, eventually};

/// A container with a server that answers each connection with a word.
fn serve(engine: &Engine, name: &str, flags: &[&str]) {
    let serve = "while :; do echo served | nc -l -p 80; done";
    let run = ["run", "-d", "--name", name];
    let command = [BUSYBOX, "sh", "-c", serve];
    engine.docker().run(&[&run, flags, &command].concat()).ok();
}

fn asked_from_host(engine: &Engine, address: &str, port: &str) -> String {
    let what = format!("an answer from {address} {port}");
    eventually(&what, Duration::from_secs(20), || {
        let mut client = engine.on_host("busybox");
        client
            .args(["nc", "-w", "2", address, port])
            .stdin(Stdio::null());
        let answer = client.output().expect("busybox runs");
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        (!text.is_empty()).then_some(text)
    })
}

fn field(engine: &Engine, container: &str, field: &str) -> String {
    let format = format!("{{{{range .NetworkSettings.Networks}}}}{{{{.{field}}}}}{{{{end}}}}");
    engine
        .docker()
        .run(&["inspect", "-f", &format, container])
        .ok()
}

#[test]
fn containers_have_addresses_names_and_ports_of_both_families() {
    let engine = Engine::start();
    let docker = engine.docker();
    docker.run(&["network", "create", "--ipv6", "net"]).ok();
    serve(
        &engine,
        "web",
        &[
            "--network",
            "net",
            "-p",
            "8080:80",
            "--network-alias",
            "www",
        ],
    );
    let ports = docker.run(&["port", "web"]).ok();
    assert_eq!(ports, "80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080");
    let (own, gateway) = (
        field(&engine, "web", "GlobalIPv6Address"),
        field(&engine, "web", "IPv6Gateway"),
    );
    assert!(own.starts_with("fd") && own.ends_with("::2"), "{own}");
    assert_eq!(gateway, own.replace("::2", "::1"));
    assert_eq!(field(&engine, "web", "GlobalIPv6PrefixLen"), "64");
    let hosts = docker.run(&["exec", "web", "cat", "/etc/hosts"]).ok();
    assert!(hosts.contains(&format!("{own}\t")), "{hosts}");
    assert_eq!(asked_from_host(&engine, &gateway, "8080"), "served\n");
    let ask = |name: &str| {
        let client = [
            "run",
            "--rm",
            "--network",
            "net",
            BUSYBOX,
            "nc",
            "-w",
            "5",
            name,
            "80",
        ];
        docker.run(&client).ok()
    };
    assert_eq!(ask(&own), "served");
    let lookup = [
        "run",
        "--rm",
        "--network",
        "net",
        BUSYBOX,
        "nslookup",
        "-type=aaaa",
        "www",
    ];
    let answer = docker.run(&lookup).ok();
    assert!(answer.contains(&format!("Address: {own}")), "{answer}");
    let shown = "{{range .Containers}}{{.IPv6Address}}{{end}} {{.EnableIPv6}}";
    let shown = docker.run(&["network", "inspect", "-f", shown, "net"]).ok();
    assert_eq!(shown, format!("{own}/64 true"));
    engine.finish();
}

#[test]
fn addresses_of_ipv6_can_be_asked_for() {
    let engine = Engine::start();
    let docker = engine.docker();
    let create = [
        "network",
        "create",
        "--ipv6",
        "--subnet",
        "2001:db8:7::/64",
        "--gateway",
        "2001:db8:7::fe",
        "net",
    ];
    docker.run(&create).ok();
    let run = |name: &str, address: &str| {
        let flags = [
            "run",
            "-d",
            "--name",
            name,
            "--network",
            "net",
            "--ip6",
            address,
            BUSYBOX,
            "sleep",
            "1000",
        ];
        docker.run(&flags)
    };
    run("cc", "2001:db8:7::33").ok();
    assert_eq!(field(&engine, "cc", "GlobalIPv6Address"), "2001:db8:7::33");
    assert_eq!(field(&engine, "cc", "IPv6Gateway"), "2001:db8:7::fe");
    let taken = run("dd", "2001:db8:7::33");
    assert!(
        taken.code == 125 && taken.err.contains("Address already in use"),
        "{taken:?}"
    );
    let outside = run("ee", "2001:db8:8::33");
    assert!(
        outside
            .err
            .contains("no configured subnet or ip-range contain the IP address 2001:db8:8::33"),
        "{outside:?}"
    );
    docker.run(&["network", "create", "--ipv6", "other"]).ok();
    let connect = ["network", "connect", "other", "cc"];
    docker.run(&connect).ok();
    let hosts = docker.run(&["exec", "cc", "cat", "/etc/hosts"]).ok();
    assert_eq!(
        hosts.lines().filter(|line| line.starts_with("fd")).count(),
        1,
        "{hosts}"
    );
    docker.run(&["network", "disconnect", "other", "cc"]).ok();
    let hosts = docker.run(&["exec", "cc", "cat", "/etc/hosts"]).ok();
    assert!(!hosts.contains("\nfd"), "{hosts}");
    engine.finish();
}

#[test]
fn a_network_of_ipv6_alone_and_one_of_settings() {
    let engine = Engine::start();
    let docker = engine.docker();
    docker
        .run(&["network", "create", "--ipv6", "--ipv4=false", "six"])
        .ok();
    serve(&engine, "web", &["--network", "six", "-p", "8080:80"]);
    assert_eq!(docker.run(&["port", "web"]).ok(), "80/tcp -> [::]:8080");
    assert_eq!(field(&engine, "web", "IPAddress"), "");
    let gateway = field(&engine, "web", "IPv6Gateway");
    assert_eq!(asked_from_host(&engine, &gateway, "8080"), "served\n");
    let create = [
        "network",
        "create",
        "--config-only",
        "--subnet",
        "10.60.0.0/24",
        "settings",
    ];
    docker.run(&create).ok();
    docker
        .run(&["network", "create", "--config-from", "settings", "net"])
        .ok();
    let shown = "{{.ConfigFrom.Network}} {{range .IPAM.Config}}{{.Subnet}}{{end}}";
    let shown = docker.run(&["network", "inspect", "-f", shown, "net"]).ok();
    assert_eq!(shown, "settings 10.60.0.0/24");
    let used = docker.run(&["network", "rm", "settings"]);
    assert!(
        used.err
            .contains("configuration network \"settings\" is in use"),
        "{used:?}"
    );
    let refused = docker.run(&["run", "--rm", "--network", "settings", BUSYBOX, "true"]);
    assert_eq!(refused.code, 125);
    assert!(
        refused
            .err
            .contains("cannot create endpoint on configuration-only network"),
        "{refused:?}"
    );
    engine.finish();
}

#[test]
fn the_way_out_is_by_both_families_where_one_network_has_both() {
    let engine = Engine::start();
    let docker = engine.docker();
    let create = ["network", "create", "--subnet"];
    for rest in [
        &["10.71.0.0/24", "first"][..],
        &["10.72.0.0/24", "--ipv6", "later"],
        &["10.73.0.0/24", "wanted"],
    ] {
        docker.run(&[&create[..], rest].concat()).ok();
    }
    let run = ["run", "-d", "--name", "both", "--network", "first"];
    let more = ["--network", "later", BUSYBOX, "sleep", "1000"];
    docker.run(&[&run[..], &more].concat()).ok();
    let route = || {
        let show = ["exec", "both", "ip", "route", "show", "default"];
        docker.run(&show).ok()
    };
    assert!(route().contains("via 10.72.0.1"), "{}", route());
    let connect = ["network", "connect", "--gw-priority", "1", "wanted", "both"];
    docker.run(&connect).ok();
    // dockerd 28.5 lets both families win over the priority that was asked for, unlike its documentation.
    let stock = engine.kind() == Kind::Stock;
    let wanted = ["via 10.73.0.1", "via 10.72.0.1"][usize::from(stock)];
    assert!(route().contains(wanted), "{}", route());
    engine.finish();
}
