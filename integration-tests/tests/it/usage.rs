//! What the daemons hold while containers run, and after they are gone.

use std::time::Duration;

use integration_tests::http::Http;
use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, Kind, eventually, leaks, usage};

/// What both daemons may take together, in KiB.
const BOTH_KIB: u64 = 40 * 1024;
/// What one more container may cost in its shim, in KiB: an eighth of stock's.
const SHIM_KIB: u64 = 550;
/// What may stay after many containers: an allocator gives pages back late, a leak grows with them.
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
    let many = if quick { 40 } else { 200 };
    // Threads, arenas and connections that any work brings are there after a first round.
    let warm_up = start(&engine, 20);
    remove(&engine, &warm_up);
    let settled = || {
        let shims = leaks::processes_of(engine.dir(), "containerd-shim-lite-v2");
        shims.is_empty().then(|| descriptors(&engine))
    };
    let before = eventually("the first shims are gone", SETTLED, settled);
    let memory_before = memory(&engine);
    let ids = start(&engine, many);
    // Connections of shims at rest are let go after a while. Programs that were built fast are big.
    let with_many = eventually("both daemons take less than 40 MB", SETTLED, || {
        let now = memory(&engine);
        (quick || now < BOTH_KIB).then_some(now)
    });
    println!("{many} containers: {with_many} KiB in both daemons, {memory_before} KiB before");
    let shims = leaks::processes_of(engine.dir(), "containerd-shim-lite-v2");
    let private: u64 = shims.iter().copied().map(usage::private_kib).sum();
    let shim = private / shims.len().max(1) as u64;
    println!("{shim} KiB in each shim");
    assert!(quick || shim < SHIM_KIB, "{shim} KiB in each shim");
    remove(&engine, &ids);
    eventually("descriptors return", SETTLED, || {
        settled().filter(|now| *now <= before)
    });
    let after = memory(&engine);
    println!("after they are gone: {after} KiB");
    let again = start(&engine, many);
    remove(&engine, &again);
    eventually("descriptors return again", SETTLED, || {
        settled().filter(|now| *now <= before)
    });
    let after_again = memory(&engine);
    println!("and after as many again: {after_again} KiB");
    assert!(
        after_again < after + SLACK_KIB,
        "a round of {many} containers left {after} KiB, the next {after_again} KiB"
    );
    engine.finish();
}
