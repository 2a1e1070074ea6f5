//! The table on the screen, `docs/benchmarks.md`, and the history by commit.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use integration_tests::programs;

use crate::figure::{Figure, Target};

/// A line of progress.
pub(crate) fn say(line: &str) {
    // Nobody reads it when stderr is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Prints all figures.
pub(crate) fn table(figures: &[Figure]) {
    // As above.
    let _ = write!(std::io::stdout(), "{}", markdown(figures));
}

/// Writes `docs/benchmarks.md`, naming the sections that failed, and appends a line to `docs/benchmarks.history.jsonl`.
pub(crate) fn write(figures: &[Figure], failed: &[&str]) {
    let docs = workspace().join("docs");
    let mut text = format!("# Benchmarks\n\n{}\n{}", preface(), markdown(figures));
    for section in failed {
        let _ = writeln!(text, "\nThe section {section} failed and was not measured.");
    }
    std::fs::write(docs.join("benchmarks.md"), text).expect("docs/benchmarks.md can be written");
    let medians: serde_json::Map<String, serde_json::Value> = figures
        .iter()
        .map(|f| (f.name.clone(), f.ours().into()))
        .collect();
    let line = serde_json::json!({ "commit": output("git", &["rev-parse", "--short", "HEAD"]), "medians": medians });
    let mut history = std::fs::File::options()
        .create(true)
        .append(true)
        .open(docs.join("benchmarks.history.jsonl"))
        .expect("the history can be opened");
    writeln!(history, "{line}").expect("the history can be written");
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("has a parent")
        .to_path_buf()
}

fn preface() -> String {
    let version_of = |program: PathBuf| {
        output(&program.display().to_string(), &["--version"])
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let version = |name: &str| version_of(programs::stock(name));
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|l| l.strip_prefix("model name")?.split_once(':'))
        .map_or(String::new(), |(_, model)| format!(" ({})", model.trim()));
    format!(
        "Written by `cargo xtask bench` at commit {}. Medians; contenders interleaved in a shuffled\n\
         order, with a rest of 60 ms before each run. Machine: {} processors{model}, kernel {}.\n\n\
         Peers: {}; {}; {}; {}. The command line that drives them all: {}.\n",
        output("git", &["rev-parse", "--short", "HEAD"]),
        std::thread::available_parallelism().map_or(0, usize::from),
        output("uname", &["-r"]),
        version("dockerd"),
        version("containerd"),
        version("runc"),
        version("crun"),
        version_of(programs::measured_client()),
    )
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .current_dir(workspace())
        .output();
    output
        .map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
        .unwrap_or_default()
}

fn markdown(figures: &[Figure]) -> String {
    let mut text =
        String::from("| figure | ours | others | ratio | target | |\n|---|---|---|---|---|---|\n");
    for figure in figures {
        let ours = figure.ours();
        let others: Vec<String> = figure
            .samples
            .iter()
            .skip(1)
            .filter_map(|(name, _)| Some(format!("{name} {:.2}", figure.median(name)?)))
            .collect();
        let told = figure.targets.iter().map(|target| match target {
            Target::Share { of, at_most } => (
                figure
                    .median(of)
                    .map(|m| format!("{:.2} × {of}", ours / m))
                    .unwrap_or_default(),
                format!("≤ {at_most:.2} × {of}"),
            ),
            Target::AtMost(limit) => (String::new(), format!("≤ {limit}")),
            Target::Within { low, high } => (
                figure
                    .interval()
                    .map(|(from, to)| format!("{from:.3} to {to:.3}"))
                    .unwrap_or_default(),
                format!("95 % within {low} to {high}"),
            ),
        });
        let (ratios, targets): (Vec<String>, Vec<String>) = told.unzip();
        let verdict = match figure.holds() {
            Some(true) => "holds",
            Some(false) => "**missed**",
            None => "",
        };
        let _ = writeln!(
            text,
            "| {}, {} | {ours:.2} | {} | {} | {} | {verdict} |",
            figure.name,
            figure.unit,
            others.join(", "),
            ratios.join(", "),
            targets.join(", ")
        );
    }
    text
}
