//! What a shim costs, printed (`--nocapture`; `GANTRY_TEST_SHIM` for a release build) and held below
//! bounds that even an unoptimised build on a busy machine keeps.

use std::fs;
use std::io::Read;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::{Duration, Instant};

use gantry_proto::containerd::task::v3::StateRequest;
use gantry_stdio::{Attach, JsonFile, StdioUri};

use crate::shim::{Shim, eventually};

/// Private memory in KiB: what one more shim costs, its program's pages aside.
fn private_kib(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("Private_Dirty"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Processor time that the process has used; unlike the clock it does not tell of busy neighbours.
fn processor_time(pid: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn an_idle_shim_is_small_and_stays_small() {
    let mut shim = Shim::start(&["/bin/sleep", "1000"]).await;
    shim.create().await;
    shim.run().await;
    let before = private_kib(shim.pid);
    for _ in 0..200 {
        let request = StateRequest {
            id: shim.id.clone(),
            exec_id: String::new(),
        };
        shim.client.state(request).await.unwrap();
    }
    let after = private_kib(shim.pid);
    println!("private memory: {before} KiB, after 200 calls {after} KiB");
    // The figure is the small build's (see the module); this says only that calls do not add to it.
    assert!(after < before + 1024, "{before} KiB grew to {after} KiB");
    shim.kill(9).await;
    shim.wait("").await;
    shim.finish().await;
}

#[tokio::test]
async fn a_million_writes_of_a_line_are_logged_at_once() {
    let script = "stdbuf -oL seq 1000000";
    let mut shim = Shim::start(&["/bin/sh", "-c", script]).await;
    shim.create().await;
    let start = Instant::now();
    shim.run().await;
    assert_eq!(shim.wait("").await, 0);
    let elapsed = start.elapsed();
    let lines = fs::read(shim.log())
        .unwrap()
        .iter()
        .filter(|byte| **byte == b'\n')
        .count();
    let own = processor_time(shim.pid);
    println!("1,000,000 lines: {elapsed:?}, {own:?} of the shim's processor time");
    println!("private memory after that: {} KiB", private_kib(shim.pid));
    assert_eq!(lines, 1_000_000);
    assert!(elapsed < Duration::from_secs(60));
    shim.finish().await;
}

/// What is copied: text in lines of 100, or noise that is not UTF-8.
async fn attach_rate(what: &str, text: &[u8], logged: bool) {
    // An unoptimised build is given less to do.
    let copies = if std::env::var_os("GANTRY_TEST_SHIM").is_some() {
        300
    } else {
        10
    };
    let script = format!("for n in $(seq {copies}); do cat /data; done");
    let mut shim = Shim::start(&["/bin/sh", "-c", &script]).await;
    fs::write(shim.bundle().join("rootfs/data"), text).unwrap();
    let rotated = JsonFile {
        max_size: NonZeroU64::new(20 << 20),
        max_file: NonZeroU32::new(5).unwrap(),
        ..JsonFile::unlimited(shim.log())
    };
    let uri = StdioUri {
        log: logged.then_some(rotated),
        ..shim.uri()
    };
    shim.create_with(&uri, false).await;
    let (_control, mut stream) = shim.attach(Attach {
        stdout: true,
        ..Attach::default()
    });
    let start = Instant::now();
    shim.run().await;
    let reader = std::thread::spawn(move || {
        let (mut total, mut buffer) = (0, vec![0; 256 * 1024]);
        loop {
            match stream.read(&mut buffer).unwrap() {
                0 => return total,
                len => total += len,
            }
        }
    });
    eventually("the stream's end", || reader.is_finished().then_some(())).await;
    let elapsed = start.elapsed();
    assert_eq!(reader.join().unwrap(), copies * text.len());
    let megabytes = (copies * text.len()) as f64 / 1e6;
    let rate = megabytes / elapsed.as_secs_f64();
    let own = megabytes / processor_time(shim.pid).as_secs_f64();
    println!("attach, {what}: {rate:.0} MB/s, {own:.0} MB per second of the shim's processor time");
    assert!(elapsed < Duration::from_secs(60));
    shim.wait("").await;
    shim.finish().await;
}

#[tokio::test]
async fn an_attached_client_gets_much_quickly() {
    let line = [b"x".repeat(99), b"\n".to_vec()].concat();
    attach_rate("text, json-file", &line.repeat(10_000), true).await;
    attach_rate("text, no log", &line.repeat(10_000), false).await;
    let noise: Vec<u8> = (0..1_000_000_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1])
        .collect();
    attach_rate("noise, json-file", &noise, true).await;
}
