//! What the commands of images say, line by line as stock dockerd has the stock command line say it.
//!
//! `image_words/stock.txt` is what was said on a stock dockerd 28: each command after `$`, then its
//! stdout, its stderr and its exit code. With `GANTRY_ORACLE=1` it is compared with stock again. Digests and
//! ages are left out, and columns are as wide as they come.

use std::path::Path;
use std::time::Duration;

use integration_tests::client::Client;
use integration_tests::{Engine, eventually};
use sha2::{Digest, Sha256};

use crate::registries::Registry;

const STOCK: &str = include_str!("image_words/stock.txt");

fn hex(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        header.set_mtime(1_500_000_000);
        tar.append_data(&mut header, name, &**content)
            .expect("a file");
    }
    tar.into_inner().expect("into memory")
}

fn file(name: &str, content: Vec<u8>) -> (String, Vec<u8>) {
    (name.to_owned(), content)
}

/// A docker-archive of one image.
fn archive(layers: &[Vec<u8>], name: &str, labels: &serde_json::Value, created: &str) -> Vec<u8> {
    let diffs = layers.iter().map(|layer| format!("sha256:{}", hex(layer)));
    let made = |number: usize| {
        serde_json::json!({"created": created, "comment": format!("c{number}"), "created_by": format!(
            "/bin/sh -c #(nop) ADD file:{number} in / with a rather long line that is cut somewhere")})
    };
    let mut history: Vec<_> = (0..layers.len()).map(made).collect();
    history.push(
        serde_json::json!({"created": created, "created_by": "CMD [\"/x\"]", "empty_layer": true}),
    );
    let config = serde_json::json!({"architecture": std::env::consts::ARCH.replace("x86_64", "amd64")
            .replace("aarch64", "arm64"),
        "os": "linux", "created": created, "config": {"Cmd": ["/x"], "Labels": labels},
        "rootfs": {"type": "layers", "diff_ids": diffs.collect::<Vec<_>>()}, "history": history});
    let config = config.to_string().into_bytes();
    let place = format!("{}.json", hex(&config));
    let paths: Vec<_> = layers
        .iter()
        .map(|layer| format!("{}/layer.tar", hex(layer)))
        .collect();
    let manifest = serde_json::json!([{"Config": place, "RepoTags": [name], "Layers": paths}]);
    let mut files: Vec<_> = paths.into_iter().zip(layers.iter().cloned()).collect();
    files.push((place, config));
    files.push(file("manifest.json", manifest.to_string().into_bytes()));
    tar(&files)
}

fn write_archives(dir: &Path) {
    let below = tar(&[file("a", vec![b'a'; 200_000])]);
    let above = tar(&[
        file("b", vec![b'b'; 100_000]),
        file("x", b"#!/bin/sh\n".to_vec()),
    ]);
    let labels = serde_json::json!({"who": "me"});
    let base = archive(
        std::slice::from_ref(&below),
        "base:1",
        &labels,
        "2024-01-02T03:04:05.000000006Z",
    );
    let none = serde_json::json!({});
    let named = archive(
        &[below, above],
        "named/app:2",
        &none,
        "2023-05-06T07:08:09Z",
    );
    let rootfs = tar(&[file("x", b"x".to_vec())]);
    for (name, bytes) in [
        ("base.tar", base),
        ("named.tar", named),
        ("rootfs.tar", rootfs),
    ] {
        std::fs::write(dir.join(name), bytes).expect("an archive");
    }
}

/// The words of a command: blanks part them, but not between quotes and braces.
fn split(line: &str) -> Vec<String> {
    let (mut words, mut depth, mut quoted) = (vec![String::new()], 0, false);
    for letter in line.chars() {
        match letter {
            '\'' => {
                quoted = !quoted;
                continue;
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            ' ' if depth == 0 && !quoted => {
                words.push(String::new());
                continue;
            }
            _ => {}
        }
        words.last_mut().expect("one at least").push(letter);
    }
    words
}

/// What stands for something that differs from engine to engine: `{id NAME}`, `{short NAME}`,
/// `{digest NAME}`, `{pushed}`, `{dir}`.
fn fill(word: &str, docker: &Client, dir: &str, pushed: &str) -> String {
    let word = word.replace("{dir}", dir).replace("{pushed}", pushed);
    let inspect = |format: &str, name: &str| docker.run(&["inspect", "-f", format, name]).ok();
    let asked = word
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    match asked.and_then(|asked| asked.split_once(' ')) {
        Some(("id", name)) => inspect("{{.Id}}", name),
        Some(("short", name)) => inspect("{{.Id}}", name)[7..19].to_owned(),
        Some(("digest", name)) => inspect("{{index .RepoDigests 0}}", name),
        _ => word,
    }
}

/// Lines without what differs from run to run.
fn told(text: &str, dir: &str) -> String {
    let mut lines = String::new();
    for line in text.replace(dir, "{dir}").lines() {
        // Stock says it when it has the time.
        if line.ends_with("Verifying Checksum") {
            continue;
        }
        let line = without_blanks(&without_ages(&without_digests(line)));
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    lines
}

fn without_digests(line: &str) -> String {
    let mut out = String::new();
    let mut run = String::new();
    for letter in line.chars().chain(std::iter::once('\n')) {
        if letter.is_ascii_alphanumeric() {
            run.push(letter);
            continue;
        }
        let is_hex = run.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match run.len() {
            64 if is_hex => out.push_str("<id>"),
            12 if is_hex => out.push_str("<short>"),
            _ => out.push_str(&run),
        }
        run.clear();
        out.push(letter);
    }
    out.trim_end_matches('\n').to_owned()
}

fn without_ages(line: &str) -> String {
    let Some((before, after)) = line.split_once(" ago") else {
        return line.to_owned();
    };
    let phrases = ["Less than a second", "About a minute", "About an hour"];
    let phrase = phrases.into_iter().find(|phrase| before.ends_with(phrase));
    let start = match phrase {
        Some(phrase) => before.len() - phrase.len(),
        // A number and its unit.
        None => before
            .rmatch_indices(|letter: char| !letter.is_ascii_alphanumeric())
            .nth(1)
            .map_or(0, |(at, _)| at + 1),
    };
    format!("{}<age>{}", &before[..start], without_ages(after))
}

fn without_blanks(line: &str) -> String {
    let mut out = line.to_owned();
    while out.contains("   ") {
        out = out.replace("   ", "  ");
    }
    out
}

/// Waits until removed containers hold no layers any more: their files go after the answer, and what `prune`
/// and `rmi` tell depends on it.
fn files_are_gone(engine: &Engine) {
    let folder = engine.data_root().join("containers");
    let limit = Duration::from_secs(30);
    eventually("removed containers' files are gone", limit, || {
        let left = std::fs::read_dir(&folder).map_or(0, Iterator::count);
        let ids = engine.docker().run(&["ps", "-aq"]).ok();
        (left == ids.lines().count()).then_some(())
    });
}

#[test]
fn every_command_of_images_says_what_stocks_does() {
    let engine = Engine::start();
    let registry = Registry::start(&engine);
    let docker = engine.stock_docker();
    docker.run(&["image", "prune", "-af"]).ok();
    write_archives(engine.dir());
    let dir = engine.dir().display().to_string();
    let mut pushed = String::new();
    let mut differences = Vec::new();
    for block in STOCK.split("\n$ ") {
        let block = block.trim_start_matches("$ ").trim_end();
        let line = block.lines().next().expect("a command");
        let words: Vec<_> = split(line)
            .iter()
            .map(|word| fill(word, &docker, &dir, &pushed))
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let answer = docker.run(&words);
        if words[0] == "rm" {
            files_are_gone(&engine);
        }
        if let Some((_, rest)) = answer.out.split_once("digest: sha256:") {
            rest[..64].clone_into(&mut pushed);
        }
        let (out, err) = (told(&answer.out, &dir), told(&answer.err, &dir));
        let said = format!("{line}\n{out}{err}[{}]", answer.code);
        if said != block {
            differences.push(format!("stock: $ {block}\nhere:  $ {said}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    drop(registry);
    engine.finish();
}
