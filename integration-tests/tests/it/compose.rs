//! A project of two services, driven by the stock compose plug-in.

use std::time::Duration;

use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, eventually};

const PROJECT: &str = r#"
name: shop
services:
  db:
    image: IMAGE
    pull_policy: never
    command: sh -c 'echo kept > /data/file; while :; do echo rows | nc -l -p 5432; done'
    networks: { back: { aliases: [ database ] } }
    volumes: [ "rows:/data" ]
  web:
    image: IMAGE
    pull_policy: never
    depends_on: [ db ]
    command: sh -c 'while :; do nc database 5432 | nc -l -p 80; done'
    networks: [ back, front ]
    ports: [ "8080:80" ]
networks:
  front: {}
  back: { internal: true }
volumes:
  rows: {}
"#;

#[test]
fn a_project_comes_up_talks_and_goes_down() {
    let engine = Engine::start();
    let docker = engine.stock_docker();
    let file = engine.dir().join("compose.yaml");
    std::fs::write(&file, PROJECT.replace("IMAGE", BUSYBOX)).expect("a project");
    let file = file.display().to_string();
    let compose = |words: &[&str]| docker.run(&[&["compose", "-f", &file], words].concat());
    compose(&["up", "-d"]).ok();
    let names = compose(&["ps", "--format", "{{.Name}} {{.Service}} {{.State}}"]).ok();
    let mut names: Vec<_> = names.lines().collect();
    names.sort_unstable();
    assert_eq!(names, ["shop-db-1 db running", "shop-web-1 web running"]);
    eventually(
        "the database's word by way of web",
        Duration::from_secs(20),
        || {
            let mut client = engine.on_host("busybox");
            client.args(["nc", "-w", "2", "127.0.0.1", "8080"]);
            let answer = client
                .stdin(std::process::Stdio::null())
                .output()
                .expect("busybox runs");
            (answer.stdout == b"rows\n").then_some(())
        },
    );
    let networks = docker
        .run(&[
            "network",
            "ls",
            "--filter",
            "label=com.docker.compose.project=shop",
            "--format",
            "{{.Name}} {{.Internal}}",
        ])
        .ok();
    assert_eq!(networks, "shop_back true\nshop_front false");
    // Nothing has changed: nothing is made again.
    let id = docker.run(&["inspect", "-f", "{{.Id}}", "shop-web-1"]).ok();
    compose(&["up", "-d"]).ok();
    assert_eq!(
        docker.run(&["inspect", "-f", "{{.Id}}", "shop-web-1"]).ok(),
        id
    );
    compose(&["exec", "-T", "web", "nslookup", "db"]).ok();
    compose(&["stop", "-t", "0"]).ok();
    compose(&["start"]).ok();
    compose(&["down", "-t", "0"]).ok();
    assert_eq!(docker.run(&["volume", "ls", "-q"]).ok(), "shop_rows");
    let kept = docker.run(&[
        "run",
        "--rm",
        "-v",
        "shop_rows:/d",
        BUSYBOX,
        "cat",
        "/d/file",
    ]);
    assert_eq!(kept.ok(), "kept");
    compose(&["down", "-v"]).ok();
    assert_eq!(docker.run(&["volume", "ls", "-q"]).ok(), "");
    assert_eq!(
        docker.run(&["network", "ls", "--format", "{{.Name}}"]).ok(),
        "bridge\nhost\nnone"
    );
    engine.finish();
}
