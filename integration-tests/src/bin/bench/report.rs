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

/// Writes what was measured of a section into its place in `docs/benchmarks.md`, where sections stand in `order`, and
/// appends a line to `docs/benchmarks.history.jsonl`. The other sections stay as they are told there.
pub(crate) fn write(measured: &str, figures: &[Figure], order: &[&str]) {
    let docs = workspace().join("docs");
    let file = docs.join("benchmarks.md");
    let before = std::fs::read_to_string(&file).unwrap_or_default();
    let commit = output("git", &["rev-parse", "--short", "HEAD"]);
    let mut text = format!("# Benchmarks\n\n{}", preface());
    for name in order {
        let told = if *name == measured {
            Some(format!("At commit {commit}.\n\n{}", markdown(figures)))
        } else {
            section(&before, name).map(str::to_owned)
        };
        if let Some(told) = told {
            let _ = write!(text, "\n## {name}\n\n{told}");
        }
    }
    std::fs::write(file, text).expect("docs/benchmarks.md can be written");
    let medians: serde_json::Map<String, serde_json::Value> = figures
        .iter()
        .map(|f| (f.name.clone(), f.ours().into()))
        .collect();
    let line = serde_json::json!({ "commit": commit, "medians": medians });
    let mut history = std::fs::File::options()
        .create(true)
        .append(true)
        .open(docs.join("benchmarks.history.jsonl"))
        .expect("the history can be opened");
    writeln!(history, "{line}").expect("the history can be written");
}

/// What stands below the heading of a section, up to the next one.
fn section<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, below) = text.split_once(&format!("\n## {name}\n\n"))?;
    Some(below.split_once("\n## ").map_or(below, |(told, _)| told))
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
        "Written by `cargo xtask bench [SECTION…]`. Medians; contenders interleaved in a shuffled\n\
         order, with a rest of 60 ms before each run. Machine: {} processors{model}, kernel {}.\n\n\
         Peers: {}; {}; {}; {}. The command line that drives them all: {}.\n",
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

#[cfg(test)]
mod tests {
    use super::section;

    #[test]
    fn a_section_ends_where_the_next_begins() {
        let text = "# B\n\nwords\n\n## one\n\n| 1 |\n\n## two\n\n| 2 |\n";
        assert_eq!(section(text, "one"), Some("| 1 |\n"));
        assert_eq!(section(text, "two"), Some("| 2 |\n"));
        assert_eq!(section(text, "three"), None);
    }
}
