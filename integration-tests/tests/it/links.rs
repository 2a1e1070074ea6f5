//! `--link` on the default bridge: the variables that it sets.

use integration_tests::Engine;
use integration_tests::image::BUSYBOX;

#[test]
fn a_link_tells_addresses_ports_and_environment_by_variables() {
    let engine = Engine::start();
    let docker = engine.docker();
    let exposed = [
        "--expose", "5432", "--expose", "80-81", "--expose", "53/udp",
    ];
    let env = ["-e", "MODE=fast", "-e", "HOME=/elsewhere"];
    let db = [
        &["run", "-d", "--name", "db"],
        &exposed[..],
        &env,
        &[BUSYBOX, "sleep", "1000"],
    ];
    docker.run(&db.concat()).ok();
    let address = docker
        .run(&[
            "inspect",
            "-f",
            "{{.NetworkSettings.Networks.bridge.IPAddress}}",
            "db",
        ])
        .ok();
    let web = [
        "run",
        "-d",
        "--name",
        "web",
        "--link",
        "db:my-db",
        "-e",
        "MY_DB_ENV_MODE=own",
    ];
    docker
        .run(&[&web[..], &[BUSYBOX, "sleep", "1000"]].concat())
        .ok();
    let told = docker.run(&["exec", "web", "env"]).ok();
    let told: Vec<_> = told
        .lines()
        .filter(|line| line.starts_with("MY_DB_"))
        .collect();
    let expected = "MY_DB_PORT=tcp://IP:80
MY_DB_PORT_80_TCP=tcp://IP:80
MY_DB_PORT_80_TCP_ADDR=IP
MY_DB_PORT_80_TCP_PORT=80
MY_DB_PORT_80_TCP_PROTO=tcp
MY_DB_PORT_81_TCP=tcp://IP:81
MY_DB_PORT_81_TCP_ADDR=IP
MY_DB_PORT_81_TCP_PORT=81
MY_DB_PORT_81_TCP_PROTO=tcp
MY_DB_PORT_5432_TCP=tcp://IP:5432
MY_DB_PORT_5432_TCP_ADDR=IP
MY_DB_PORT_5432_TCP_PORT=5432
MY_DB_PORT_5432_TCP_PROTO=tcp
MY_DB_PORT_80_TCP_START=tcp://IP:80
MY_DB_PORT_80_TCP_PORT_START=80
MY_DB_PORT_80_TCP_END=tcp://IP:81
MY_DB_PORT_80_TCP_PORT_END=81
MY_DB_PORT_53_UDP=udp://IP:53
MY_DB_PORT_53_UDP_ADDR=IP
MY_DB_PORT_53_UDP_PORT=53
MY_DB_PORT_53_UDP_PROTO=udp
MY_DB_NAME=/web/my-db
MY_DB_ENV_MODE=own";
    assert_eq!(told.join("\n"), expected.replace("IP", &address));
    docker.run(&["rm", "-f", "db"]).ok();
    let refused = docker.run(&["exec", "web", "true"]);
    assert_ne!(refused.code, 0);
    engine.finish();
}
