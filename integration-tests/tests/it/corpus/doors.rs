//! A case through each door: `POST /build` as libraries send it, buildx, `gantry build`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use integration_tests::http::Http;
use integration_tests::{Engine, client};
use serde_json::{Map, Value, json};

use super::case::Case;

/// How many builds of a door go on at once.
const WORKERS: usize = 4;

/// Builds all cases by `POST /build`.
pub(super) fn classic(engine: &Engine, cases: &[Case]) -> String {
    each(cases, |case| {
        let mut query = format!("/build?t={}", encode(&case.tag()));
        let object = |pairs: &[(String, String)]| -> Value {
            let pairs = pairs
                .iter()
                .map(|(name, value)| (name.clone(), json!(value)));
            Value::Object(pairs.collect())
        };
        let mut add = |name: &str, value: &str| {
            let _ = write!(query, "&{name}={}", encode(value));
        };
        add("buildargs", &object(&case.args).to_string());
        add("labels", &object(&case.labels).to_string());
        add("buildcontexts", &object(&case.contexts).to_string());
        add("target", case.target.as_deref().unwrap_or_default());
        add("networkmode", case.network.as_deref().unwrap_or("default"));
        add("shmsize", &case.shm_bytes.unwrap_or(0).to_string());
        let ulimits = case.ulimits.iter().map(|(name, value)| {
            let (soft, hard) = value.split_once(':').expect("soft:hard");
            let number = |text: &str| text.parse::<i64>().expect("a number");
            json!({ "Name": name, "Soft": number(soft), "Hard": number(hard) })
        });
        add("ulimits", &Value::Array(ulimits.collect()).to_string());
        for (host, address) in &case.hosts {
            add("extrahosts", &format!("{host}:{address}"));
        }
        let secrets = case.secrets.iter();
        let secrets: Map<String, Value> = secrets
            .map(|(name, value)| (name.clone(), json!(STANDARD.encode(value))))
            .collect();
        let mut head = "Content-Type: application/x-tar\r\n".to_owned();
        if !secrets.is_empty() {
            let secrets = STANDARD.encode(Value::Object(secrets).to_string());
            let _ = write!(head, "X-Gantry-Build-Secrets: {secrets}\r\n");
        }
        let answer =
            Http::connect(&engine.socket()).send("POST", &query, &head, &pack(&case.folder));
        let told = String::from_utf8_lossy(&answer.body).into_owned();
        if answer.status == 200 && told.contains("Successfully tagged") {
            Ok(())
        } else {
            Err(told)
        }
    })
}

/// Builds all cases by `gantry build`.
pub(super) fn gantry(engine: &Engine, cases: &[Case]) -> String {
    each(cases, |case| {
        let mut words = vec!["build".to_owned(), "--progress=plain".to_owned()];
        words.push(format!("--tag={}", case.tag()));
        let pairs = [
            ("build-arg", &case.args, '='),
            ("label", &case.labels, '='),
            ("build-context", &case.contexts, '='),
            ("add-host", &case.hosts, ':'),
            ("ulimit", &case.ulimits, '='),
        ];
        for (flag, pairs, sign) in pairs {
            let each = pairs.iter();
            words.extend(each.map(|(name, value)| format!("--{flag}={name}{sign}{value}")));
        }
        for (name, _) in &case.secrets {
            words.push(format!("--secret={}", secret(case, name)));
        }
        words.extend(case.target.iter().map(|name| format!("--target={name}")));
        words.extend(case.network.iter().map(|mode| format!("--network={mode}")));
        words.extend(
            case.shm_bytes
                .iter()
                .map(|size| format!("--shm-size={size}")),
        );
        words.push(case.folder.display().to_string());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let answer = engine.gantry().run(&words);
        if answer.code == 0 {
            Ok(())
        } else {
            Err(answer.err)
        }
    })
}

/// Builds all cases by buildx, so many in one call: `bake`. One that fails ends its call.
pub(super) fn buildx(engine: &Engine, cases: &[Case], baked: usize) -> String {
    let chunks: Vec<&[Case]> = cases.chunks(baked).collect();
    each(&chunks, |cases| {
        let targets = cases.iter().map(|case| (case.name.clone(), target(case)));
        let names: Vec<Value> = cases.iter().map(|case| json!(case.name)).collect();
        let file = json!({
            "group": { "default": { "targets": names } },
            "target": targets.collect::<Map<_, _>>(),
        });
        let path = cases[0].folder.with_extension("bake.json");
        fs::write(&path, file.to_string()).expect("a file for bake");
        let file = format!("--file={}", path.display());
        let words = ["buildx", "bake", "--progress=plain", &file];
        let mut command = engine.stock_docker().command(&words);
        command.env("BUILDX_BAKE_ENTITLEMENTS_FS", "0");
        command.env("BUILDX_NO_DEFAULT_ATTESTATIONS", "1");
        command.stdin(std::process::Stdio::null());
        command.stdout(std::process::Stdio::piped());
        command.stderr(std::process::Stdio::piped());
        let answer = client::finish(command.spawn().expect("docker runs"), &words);
        if answer.code == 0 {
            Ok(())
        } else {
            Err(answer.err)
        }
    })
}

/// A case as a target of `bake`.
fn target(case: &Case) -> Value {
    let object = |pairs: &[(String, String)]| -> Value {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)));
        Value::Object(pairs.collect())
    };
    let secrets = case.secrets.iter().map(|(name, _)| secret(case, name));
    let ulimits = case
        .ulimits
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let mut target = json!({
        "context": case.folder,
        "tags": [case.tag()],
        "args": object(&case.args),
        "labels": object(&case.labels),
        "contexts": object(&case.contexts),
        "extra-hosts": object(&case.hosts),
        "secret": secrets.collect::<Vec<_>>(),
        "ulimits": ulimits.collect::<Vec<_>>(),
    });
    if let Some(name) = &case.target {
        target["target"] = json!(name);
    }
    if let Some(mode) = &case.network {
        target["network"] = json!(mode);
    }
    if let Some(size) = case.shm_bytes {
        target["shm-size"] = json!(size.to_string());
    }
    target
}

fn secret(case: &Case, name: &str) -> String {
    let path = case.folder.with_file_name(format!("{}.{name}", case.name));
    format!("id={name},src={}", path.display())
}

/// Does something for each, several at once; what went wrong, or nothing.
fn each<T: Sync>(all: &[T], work: impl Fn(&T) -> Result<(), String> + Sync) -> String {
    let next = AtomicUsize::new(0);
    let one = || {
        let mut wrong = String::new();
        while let Some(case) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(told) = work(case) {
                wrong.push_str(&told);
                wrong.push('\n');
            }
        }
        wrong
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(one)).collect();
        let told = workers
            .into_iter()
            .map(|worker| worker.join().expect("a worker"));
        told.collect()
    })
}

/// A folder as a tar.
fn pack(folder: &Path) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    tar.follow_symlinks(false);
    tar.append_dir_all(".", folder)
        .expect("a tar of the folder");
    tar.into_inner().expect("an archive")
}

/// A value in a query.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
