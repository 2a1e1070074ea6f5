//! The program against a stock dockerd in a network namespace of its own: what recorded answers
//! cannot show: streams, terminals, signals, exit codes, copies.

mod daemon;
mod terminal;

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use daemon::Daemon;

/// Bytes sent through `run -i … cat`.
const STREAM: usize = 100 << 20;
/// What the client may hold of them, with all of its own, in KiB.
const MEMORY_KIB: u64 = 40 << 10;

#[test]
fn it_works_against_a_stock_engine() {
    let daemon = Daemon::start();
    exit_codes_are_dockers(&daemon);
    a_stream_passes_intact_in_little_memory(&daemon);
    stdin_ends_when_ours_does(&daemon);
    signals_reach_the_container(&daemon);
    a_terminal_is_raw_sized_and_detachable(&daemon);
    copies_end_up_where_dockers_do(&daemon);
    a_reader_that_leaves_is_success(&daemon);
}

fn exit_codes_are_dockers(daemon: &Daemon) {
    let table: [(&[&str], i32); 8] = [
        (&["run", "--rm", "bb", "true"], 0),
        (&["run", "--rm", "bb", "sh", "-c", "exit 42"], 42),
        (
            &[
                "run",
                "--rm",
                "bb",
                "sh",
                "-c",
                "sh -c 'kill -9 $$'; exit $?",
            ],
            137,
        ),
        (&["run", "--rm", "bb", "/nonexistent"], 127),
        (&["run", "--rm", "bb", "/tmp"], 126),
        (&["run", "--rm", "--nosuchflag", "bb"], 125),
        (&["run", "--rm", "--network", "nosuch", "bb"], 125),
        (&["run", "--rm", "--pull", "never", "nosuchimage"], 125),
    ];
    for (words, code) in table {
        let ours = daemon.gantry(words).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&ours.stderr);
        assert_eq!(ours.status.code(), Some(code), "{words:?}: {text}");
        let theirs = daemon.docker(words).stdin(Stdio::null()).output().unwrap();
        assert_eq!(theirs.status.code(), Some(code), "docker {words:?}");
    }
}

fn a_stream_passes_intact_in_little_memory(daemon: &Daemon) {
    let mut child = daemon
        .gantry(&["run", "--rm", "-i", "bb", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        let block = pattern();
        for _ in 0..STREAM / block.len() {
            input.write_all(&block).unwrap();
        }
    });
    // Twice, so that each piece received is one slice of it.
    let expected = pattern().repeat(2);
    let length = expected.len() / 2;
    let mut output = child.stdout.take().unwrap();
    let (mut received, mut peak) = (0, 0);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = output.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        let from = received % length;
        assert!(
            buffer[..read] == expected[from..from + read],
            "broken near byte {received}"
        );
        received += read;
        if received % (1 << 20) < read {
            peak = peak.max(resident_peak_kib(child.id()).unwrap_or(0));
        }
    }
    writer.join().unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(received, STREAM);
    assert!(peak > 0 && peak < MEMORY_KIB, "{peak} KiB");
}

/// A mebibyte in which no two places look alike for long.
fn pattern() -> Vec<u8> {
    (0..1_u32 << 18)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect()
}

fn resident_peak_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn stdin_ends_when_ours_does(daemon: &Daemon) {
    let mut child = daemon
        .gantry(&[
            "run",
            "--rm",
            "-i",
            "bb",
            "sh",
            "-c",
            "cat; echo over; exit 3",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"hello\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\nover\n");
    assert_eq!(output.status.code(), Some(3));
}

fn signals_reach_the_container(daemon: &Daemon) {
    let script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let mut child = daemon
        .gantry(&["run", "--rm", "bb", "sh", "-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = [0; 6];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut ready)
        .unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(9));
}

fn a_terminal_is_raw_sized_and_detachable(daemon: &Daemon) {
    let mut shell = terminal::Session::spawn(
        daemon.gantry(&["run", "-it", "--name", "live-tty", "bb", "sh"]),
        (33, 77),
    );
    shell.read_until("# ");
    shell.write("stty size; echo one-$((1+1))\n");
    shell.read_until("33 77");
    shell.read_until("one-2");
    assert!(shell.is_raw(), "keys must reach the container as they are");
    // ctrl-p, ctrl-q
    shell.write("\u{10}\u{11}");
    assert_eq!(shell.wait(), Some(0));
    assert!(!shell.is_raw(), "the terminal is given back as it was");
    let state = daemon
        .gantry(&["inspect", "-f", "{{.State.Running}}", "live-tty"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&state.stdout), "true\n");
    assert!(
        daemon
            .gantry(&["rm", "-f", "live-tty"])
            .output()
            .unwrap()
            .status
            .success()
    );
}

fn copies_end_up_where_dockers_do(daemon: &Daemon) {
    let ours = copied(daemon, &|words| daemon.gantry(words));
    let theirs = copied(daemon, &|words| daemon.docker(words));
    assert_eq!(ours, theirs);
}

/// Copies in and out in every way; what is there afterwards, on both sides.
fn copied(daemon: &Daemon, program: &dyn Fn(&[&str]) -> Command) -> String {
    let dir = tempfile::tempdir().unwrap();
    let setup = "mkdir -p d/sub e; echo f > f; echo g > d/g; chmod 640 d/g; ln -s f l; ln -s d ld; mkfifo p";
    let sh = |script: &str| {
        let output = Command::new("sh")
            .args(["-ec", script])
            .current_dir(dir.path())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    sh(setup);
    let run = daemon
        .docker(&["run", "-d", "--name", "live-cp", "bb", "sleep", "1000"])
        .output();
    assert!(run.unwrap().status.success());
    let inside = |script: &str| {
        let output = daemon
            .docker(&["exec", "live-cp", "sh", "-c", script])
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    inside("mkdir -p /c/d/s /c/e; echo 1 > /c/f; echo 2 > /c/d/g; ln -s f /c/l; ln -s d /c/ld");
    let mut text = String::new();
    for line in include_str!("live/copies.txt").lines() {
        let mut words = vec!["cp"];
        words.extend(line.split(' '));
        let output = program(&words)
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        // Talk of docker's packing thread apart.
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let errors: Vec<&str> = errors
            .lines()
            .filter(|line| !line.starts_with("time="))
            .collect();
        let errors = errors
            .join("\n")
            .replace(&*dir.path().to_string_lossy(), "DIR");
        text.push_str(&format!("cp {line}: {:?} {errors}\n", output.status.code()));
    }
    let list = "find . -exec stat -c '%n %A %s' {} + | sort; cat e/f o1";
    text.push_str(&sh(list));
    text.push_str(&inside(
        "cd /c; find . -exec stat -c '%n %A %s' {} + | sort; cat f new",
    ));
    assert!(
        daemon
            .docker(&["rm", "-f", "live-cp"])
            .output()
            .unwrap()
            .status
            .success()
    );
    text
}

fn a_reader_that_leaves_is_success(daemon: &Daemon) {
    let mut child = daemon
        .gantry(&["run", "--name", "live-pipe", "bb", "yes"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = [0; 2];
    let mut output = child.stdout.take().unwrap();
    output.read_exact(&mut line).unwrap();
    drop(output);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert_eq!(status.code(), Some(0));
            break;
        }
        assert!(Instant::now() < deadline, "it still writes to nobody");
        std::thread::yield_now();
    }
    assert!(
        daemon
            .docker(&["rm", "-f", "live-pipe"])
            .output()
            .unwrap()
            .status
            .success()
    );
}
