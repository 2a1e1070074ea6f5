//! Configurations that mean harm: a clear error within bounded time and memory, and nothing left. Also
//! what `fuzz/fuzz_targets/config_json.rs` asserts, on its corpus.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Bundle, Runtime};

/// Far more than a sane configuration takes, far less than a hostile one would like.
const MAX_MEMORY_KIB: u32 = 512 << 10;
/// On a machine under load; a sane one takes a hundredth of a second.
const MAX_TIME: Duration = Duration::from_secs(20);

/// `run` of a configuration under a limit of memory: its error lines, after checking that it ended with
/// one in time.
#[track_caller]
fn refused(bundle: &Bundle, config: &str) -> String {
    std::fs::write(bundle.path().join("config.json"), config).unwrap();
    let runtime = bundle.command(&["run", &bundle.id]);
    let script = format!("ulimit -v {MAX_MEMORY_KIB}; exec \"$0\" \"$@\"");
    let start = Instant::now();
    let output = Command::new("sh")
        .args(["-c", &script])
        .arg(runtime.get_program())
        .args(runtime.get_args())
        .current_dir(bundle.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(start.elapsed() < MAX_TIME, "{:?}", start.elapsed());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let log = std::fs::read_to_string(bundle.path().join("log.json")).unwrap();
    let _again = std::fs::remove_file(bundle.path().join("log.json"));
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let errors: Vec<&str> = lines
        .iter()
        .filter(|line| line["level"] == "error")
        .filter_map(|line| line["msg"].as_str())
        .collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(!bundle.path().join("state").join(&bundle.id).exists());
    assert!(!bundle.cgroup("pids").exists());
    errors[0].to_owned()
}

/// A change to the sane configuration, and the beginning of the error's text after the verb.
type Case = (fn(&mut Value), &'static str);

const CASES: [Case; 10] = [
    (
        |config| {
            config["mounts"] = json!(vec![json!({"destination": "/x", "type": "tmpfs"}); 100_000]);
        },
        "mounts has 100000 entries, more than the 8192 that are accepted",
    ),
    (
        |config| {
            let device = json!({"path": "/dev/x", "type": "c", "major": 1, "minor": 3});
            config["linux"]["devices"] = json!(vec![device; 100_000]);
        },
        "linux.devices has 100000 entries",
    ),
    (
        |config| config["linux"]["maskedPaths"] = json!(vec!["/x"; 100_000]),
        "linux.maskedPaths has 100000 entries",
    ),
    (
        |config| config["process"]["user"]["additionalGids"] = json!(vec![1; 100_000]),
        "process.user.additionalGids has 100000 entries",
    ),
    (
        |config| {
            let argument = json!({"index": 0, "value": 1, "op": "SCMP_CMP_EQ"});
            let rule = json!({"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [argument]});
            config["linux"]["seccomp"]["syscalls"] = json!(vec![rule; 100_000]);
        },
        "the seccomp filter has ",
    ),
    (
        |config| {
            let args = vec![json!({"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}); 3000];
            let rule =
                json!({"names": vec!["read"; 100_000], "action": "SCMP_ACT_ALLOW", "args": args});
            config["linux"]["seccomp"]["syscalls"] = json!([rule]);
        },
        "the seccomp filter has ",
    ),
    (
        |config| config["process"]["user"]["uid"] = json!(1_u64 << 40),
        "parse ",
    ),
    (
        |config| config["linux"]["cgroupsPath"] = json!("/runc-lite-it/../../x"),
        "cgroup path \"/runc-lite-it/../../x\" must not contain \"..\"",
    ),
    (
        |config| config["linux"]["resources"]["memory"] = json!({"limit": 1_u64 << 63}),
        "parse ",
    ),
    (
        |config| config["hostname"] = json!("h".repeat(10_000)),
        "unable to start container process: error during container init: ",
    ),
];

#[test]
fn absurd_lists_and_values_are_refused() {
    Bundle::with(Runtime::RuncLite, |bundle| {
        bundle.args(&["true"]);
        let sane = bundle.config.clone();
        for (change, expected) in CASES {
            let mut config = sane.clone();
            change(&mut config);
            let error = refused(bundle, &config.to_string());
            let text = error.strip_prefix("runc run failed: ").unwrap();
            assert!(text.starts_with(expected), "{text}");
        }
    });
}

#[test]
fn files_that_are_no_configuration_are_refused() {
    Bundle::with(Runtime::RuncLite, |bundle| {
        let endless = format!("{{\"x\":\"{}\"}}", "x".repeat(17 << 20));
        assert!(refused(bundle, &endless).contains("is longer than 16777216 bytes"));
        let deep = format!("{{\"linux\":{}", "[".repeat(1 << 20));
        assert!(refused(bundle, &deep).contains("parse "));
        assert!(refused(bundle, "").contains("parse "));
        assert!(refused(bundle, "[]").contains("parse "));
    });
}

#[test]
fn every_configuration_of_the_corpus_is_answered() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/config_json");
    let mut replayed = 0;
    for file in std::fs::read_dir(corpus).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let first = runc_lite::rehearse(&bytes);
        if let Ok(plan) = &first {
            assert!(!plan.steps.is_empty());
            assert!(plan.filter.len() <= 4096);
        }
        assert_eq!(runc_lite::rehearse(&bytes), first);
        replayed += 1;
    }
    assert!(replayed >= 16, "the corpus is missing");
}
