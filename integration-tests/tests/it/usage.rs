//! What the daemons hold while containers run, and after they are gone.

use std::time::Duration;

use integration_tests::http::Http;
use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, Kind, eventually, leaks, usage};

/// What one more container may cost in its shim, in KiB: an eighth of stock's.
const SHIM_KIB: u64 = 550;
/// How often as many containers come and go.
const ROUNDS: usize = 4;
/// What the last round may leave in the daemons, in KiB.
const SLACK_KIB: u64 = 2 * 1024;
/// How long the last of a container may take to go.
const SETTLED: Duration = Duration::from_secs(10);

fn daemons(engine: &Engine) -> Vec<u32> {
    ["gantryd", "containerd-lite"]
        .iter()
        .flat_map(|name| leaks::processes_of(engine.dir(), name))
        .collect()
}

fn memory(engine: &Engine) -> u64 {
    daemons(engine)
        .into_iter()
        .map(usage::proportional_kib)
        .sum()
}

fn descriptors(engine: &Engine) -> usize {
    daemons(engine).into_iter().map(usage::descriptors).sum()
}

/// Starts `count` containers that stay.
fn start(engine: &Engine, count: usize) -> Vec<String> {
    let mut http = Http::connect(&engine.socket());
    let body = format!(
        "{{\"Image\":\"{BUSYBOX}\",\"Cmd\":[\"sleep\",\"100000\"],\"HostConfig\":{{\"NetworkMode\":\"none\"}}}}"
    );
    let start_one = |_| {
        let created = http.call("POST", "/v1.47/containers/create", &body);
        let id = created.json()["Id"].as_str().expect("an id").to_owned();
        let started = http.call("POST", &format!("/v1.47/containers/{id}/start"), "");
        assert_eq!(started.status, 204);
        id
    };
    (0..count).map(start_one).collect()
}

fn remove(engine: &Engine, ids: &[String]) {
    let mut http = Http::connect(&engine.socket());
    for id in ids {
        let removed = http.call("DELETE", &format!("/v1.47/containers/{id}?force=1"), "");
        assert_eq!(removed.status, 204);
    }
}

#[test]
fn memory_and_descriptors_return_when_containers_are_gone() {
    let engine = Engine::start();
    if engine.kind() == Kind::Stock {
        // Stock takes 190 MB with as many: shown by the bench.
        return engine.finish();
    }
    let quick = std::env::var_os("GANTRY_TEST_QUICK").is_some();
    let many = if quick { 40 } else { 100 };
    // Threads, arenas and connections that any work brings are there after a first round.
    let warm_up = start(&engine, 20);
    remove(&engine, &warm_up);
    let settled = || {
        let shims = leaks::processes_of(engine.dir(), "containerd-shim-lite-v2");
        shims.is_empty().then(|| descriptors(&engine))
    };
    let before = eventually("the first shims are gone", SETTLED, settled);
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let ids = start(&engine, many);
        if round == 0 {
            let shims = leaks::processes_of(engine.dir(), "containerd-shim-lite-v2");
            let private: u64 = shims.iter().copied().map(usage::private_kib).sum();
            let shim = private / shims.len().max(1) as u64;
            println!("{shim} KiB in each shim");
            // Programs that were built fast are big.
            assert!(quick || shim < SHIM_KIB, "{shim} KiB in each shim");
        }
        println!("{many} containers: {} KiB in both daemons", memory(&engine));
        remove(&engine, &ids);
        eventually("descriptors return", SETTLED, || {
            settled().filter(|now| *now <= before)
        });
        rounds.push(memory(&engine));
    }
    println!("after each round, in KiB: {rounds:?}");
    // The allocator keeps what the first rounds gave back, and gives it back itself when the work is
    // over; the last two rounds tell a leak from that.
    let limit = rounds[ROUNDS - 2] + SLACK_KIB;
    eventually("the last round leaves no memory behind", SETTLED, || {
        (memory(&engine) < limit).then_some(())
    });
    engine.finish();
}
