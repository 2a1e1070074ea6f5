//! `cargo xtask bench`: what the engine costs, beside the newest stock engines.
//!
//! Every comparison is interleaved in a shuffled order with a rest before each run: a cgroup attach
//! after a rest costs milliseconds that whoever comes second would be spared. Medians are compared.
//!
//! Each section runs in a process of its own, so that one that fails does not take the others along.

mod builds;
mod engines;
mod figure;
mod images;
mod memory;
mod networks;
mod report;
mod runtimes;
mod streams;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use figure::Figure;
use integration_tests::programs;

/// Measures one section.
type Section = fn() -> Vec<Figure>;

const SECTIONS: [(&str, Section); 8] = [
    ("runtimes", runtimes::measure),
    ("engines", engines::measure),
    ("streams", streams::measure),
    ("memory", memory::measure),
    ("images", images::measure),
    ("networks", networks::measure),
    ("networks-traffic", networks::measure_traffic),
    ("builds", builds::measure),
];
/// How a section's own process is told so; the section and the file for its figures follow.
const ONE: &str = "--one";
/// A section that fails is tried again once.
const TRIES: usize = 2;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [one, name, file] = args.as_slice()
        && one == ONE
    {
        measure(name, Path::new(file));
        return ExitCode::SUCCESS;
    }
    let only: Vec<String> = args.into_iter().filter(|a| !a.starts_with('-')).collect();
    let wanted = |name: &str| only.is_empty() || only.iter().any(|o| name.contains(o.as_str()));
    let start = Instant::now();
    let mut failed = Vec::new();
    for (name, _) in SECTIONS.into_iter().filter(|(name, _)| wanted(name)) {
        report::say(&format!("measuring {name}"));
        match (0..TRIES).find_map(|_| apart(name)) {
            Some(figures) => {
                report::table(&figures);
                // At once: what follows may take long, or fail.
                report::write(name, &figures, &SECTIONS.map(|(name, _)| name));
            }
            None => failed.push(name),
        }
    }
    let seconds = start.elapsed().as_secs();
    report::say(&format!("measured in {seconds} s; failed: {failed:?}"));
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Measures a section in a process of its own; none if that fails.
fn apart(name: &str) -> Option<Vec<Figure>> {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("figures.json");
    let own = std::env::current_exe().expect("this program has a path");
    let status = Command::new(own)
        .args([ONE, name])
        .arg(&file)
        .env(programs::CLIENT, programs::measured_client())
        .status();
    if !status.is_ok_and(|status| status.success()) {
        report::say(&format!("  {name} FAILED"));
        return None;
    }
    let text = std::fs::read(file).ok()?;
    serde_json::from_slice(&text).ok()
}

fn measure(name: &str, file: &Path) {
    let section = SECTIONS.iter().find(|(known, _)| *known == name);
    let (_, section) = section.expect("a section of that name");
    let figures = serde_json::to_vec(&section()).expect("figures are numbers and words");
    std::fs::write(file, figures).expect("the figures can be written");
}
