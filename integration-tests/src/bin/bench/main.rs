//! `cargo xtask bench`: what the engine costs, beside the newest stock engines.
//!
//! Every comparison is interleaved in a shuffled order with a rest before each run: a cgroup attach
//! after a rest costs milliseconds that whoever comes second would be spared. Medians are compared.

mod engines;
mod figure;
mod memory;
mod report;
mod runtimes;
mod streams;

use figure::Figure;

/// Measures one section.
type Section = fn() -> Vec<Figure>;

fn main() {
    let only: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let wanted = |name: &str| only.is_empty() || only.iter().any(|o| name.contains(o.as_str()));
    let sections: [(&str, Section); 4] = [
        ("runtimes", runtimes::measure),
        ("engines", engines::measure),
        ("streams", streams::measure),
        ("memory", memory::measure),
    ];
    let mut figures = Vec::new();
    for (name, measure) in sections {
        if wanted(name) {
            report::say(&format!("measuring {name}"));
            figures.extend(measure());
        }
    }
    report::table(&figures);
    if only.is_empty() {
        report::write(&figures);
    }
}
