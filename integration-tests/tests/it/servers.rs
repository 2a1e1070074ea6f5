//! Servers that nobody here wrote talk to each other across networks and through published ports: nginx, PostgreSQL and
//! Redis, as Debian packs them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::time::Duration;

use gantry_linux::namespace::{Namespaces, join};
use integration_tests::{Client, Engine, eventually, programs};

const IMAGE: &str = "servers:it";
const LIMIT: Duration = Duration::from_secs(60);
/// Whichever version it is.
const POSTGRES: &str = "$(echo /usr/lib/postgresql/*/bin)";

/// A web server before two others: what is asked by its published port it asks of `app`.
const NGINX: &str = "daemon off; error_log stderr; pid /tmp/pid; events {}
http { access_log off; server { listen 80; location / { proxy_pass http://app:8000; } } }";
const APP: &str = "daemon off; error_log stderr; pid /tmp/pid; events {}
http { access_log off; server { listen 8000; location / { return 200 $remote_addr; } } }";

fn start(docker: &Client, flags: &[&str], script: &str) {
    let sh = [IMAGE, "sh", "-c", script];
    docker.run(&[&["run", "-d"], flags, &sh].concat()).ok();
}

/// What a command in a container says, once it succeeds.
fn says(docker: &Client, container: &str, script: &str) -> String {
    let exec = ["exec", container, "sh", "-c", script];
    eventually(script, LIMIT, || {
        let answer = docker.run(&exec);
        (answer.code == 0).then(|| answer.ok())
    })
}

#[test]
fn nginx_postgresql_and_redis_talk_across_networks_and_ports() {
    let engine = Engine::start();
    let docker = engine.docker();
    let tar = std::fs::File::open(programs::servers()).expect("the servers' files");
    let mut import = docker.command(&["import", "-", IMAGE]);
    let imported = import.stdin(tar).output().expect("docker runs");
    assert!(imported.status.success(), "{imported:?}");
    for network in ["front", "back"] {
        docker.run(&["network", "create", network]).ok();
    }
    let nginx = |config: &str| format!("echo '{config}' >/tmp/c; exec nginx -p /tmp -c /tmp/c");
    let app = [
        "--name",
        "app-1",
        "--network",
        "front",
        "--network-alias",
        "app",
    ];
    start(&docker, &app, &nginx(APP));
    docker.run(&["network", "connect", "back", "app-1"]).ok();
    let web = ["--name", "web", "--network", "front", "-p", "8080:80"];
    start(&docker, &web, &nginx(NGINX));
    let cache = [
        "--name",
        "cache",
        "--network",
        "back",
        "-p",
        "127.0.0.1:6379:6379",
    ];
    start(
        &docker,
        &cache,
        "exec redis-server --bind 0.0.0.0 --protected-mode no --save ''",
    );
    let cluster = format!(
        "{POSTGRES}/initdb -N -A trust -U postgres -D /tmp/db >/dev/null && \
         echo 'host all all all trust' >>/tmp/db/pg_hba.conf && exec {POSTGRES}/postgres -D /tmp/db \
         -h '*' -k /tmp -c fsync=off -c jit=off -c dynamic_shared_memory_type=mmap"
    );
    let database = [
        "--name",
        "db",
        "--network",
        "back",
        "-u",
        "server",
        "-v",
        "/data",
    ];
    start(&docker, &database, &cluster);
    through_a_published_port(&engine);
    across_networks(&docker);
    a_server_that_moves_is_found_by_its_name(&docker);
    engine.finish();
}

/// The host asks `web` by its port, and `web` asks `app` by its name.
fn through_a_published_port(engine: &Engine) {
    let docker = engine.docker();
    let format = "{{.NetworkSettings.Networks.front.IPAddress}}";
    let web = docker.run(&["inspect", "-f", format, "web"]).ok();
    eventually("nginx is asked by nginx", LIMIT, || {
        let answer = ask(engine, 8080, "GET / HTTP/1.0\r\n\r\n")?;
        let (head, seen) = answer.split_once("\r\n\r\n")?;
        assert!(head.contains("Server: nginx"), "{answer}");
        head.contains(" 200 ").then(|| assert_eq!(seen, web))
    });
    let pong = eventually("redis is asked by its port", LIMIT, || {
        ask(engine, 6379, "PING\r\nQUIT\r\n").filter(|answer| !answer.is_empty())
    });
    assert_eq!(pong, "+PONG\r\n+OK\r\n");
}

/// What a server of the host's loopback answers until it closes; nothing if there is none yet.
fn ask(engine: &Engine, port: u16, question: &str) -> Option<String> {
    let path = format!("/run/netns/{}", engine.namespace());
    let namespace = std::fs::File::open(path).expect("the engine's namespace");
    let visit = || {
        join(namespace.as_fd(), Namespaces::NETWORK).expect("these tests run as root");
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(LIMIT)).expect("an option");
        stream.write_all(question.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    };
    std::thread::scope(|scope| scope.spawn(visit).join().expect("no panic"))
}

/// `app-1` is on both networks and reaches all; `web` is on one and knows no names of the other.
fn across_networks(docker: &Client) {
    let write = "redis-cli -h cache set key value";
    assert_eq!(says(docker, "app-1", write), "OK");
    assert_eq!(says(docker, "cache", "redis-cli get key"), "value");
    let psql = |sql: &str| format!("{POSTGRES}/psql -h db -U postgres -Atc \"{sql}\"");
    says(docker, "app-1", &psql("select 1"));
    // More than a packet or a thousand of them.
    let table =
        "create table t as select n, repeat('x', 1000) as text from generate_series(1, 20000) n";
    assert_eq!(says(docker, "app-1", &psql(table)), "SELECT 20000");
    let copied = format!("{} | wc -c", psql("copy t to stdout"));
    let length: usize = (1..=20_000_usize).map(|n| n.to_string().len() + 1002).sum();
    assert_eq!(says(docker, "app-1", &copied).trim(), length.to_string());
    let format = "{{.NetworkSettings.Networks.back.IPAddress}}";
    let app = docker.run(&["inspect", "-f", format, "app-1"]).ok();
    let seen = says(docker, "app-1", &psql("select host(inet_client_addr())"));
    assert_eq!(seen, app);
    let exec = |script: &str| docker.run(&["exec", "web", "sh", "-c", script]);
    let refused = exec("redis-cli -h cache ping");
    assert_ne!(refused.code, 0, "{refused:?}");
    assert!(
        refused.err.contains("Could not connect to Redis at cache"),
        "{refused:?}"
    );
    let format = "{{.NetworkSettings.Networks.back.IPAddress}}";
    let cache = docker.run(&["inspect", "-f", format, "cache"]).ok();
    let refused = exec(&format!("timeout 2 redis-cli -h {cache} ping"));
    assert_ne!(refused.code, 0, "{refused:?}");
}

fn a_server_that_moves_is_found_by_its_name(docker: &Client) {
    docker.run(&["rm", "-f", "cache"]).ok();
    let placeholder = ["--name", "placeholder", "--network", "back"];
    start(docker, &placeholder, "exec sleep 1000");
    let cache = [
        "--name",
        "cache-2",
        "--network",
        "back",
        "--network-alias",
        "cache",
    ];
    start(
        docker,
        &cache,
        "exec redis-server --bind 0.0.0.0 --protected-mode no --save ''",
    );
    assert_eq!(says(docker, "app-1", "redis-cli -h cache ping"), "PONG");
}
