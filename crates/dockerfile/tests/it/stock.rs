//! Every case against what stock BuildKit (dockerd 28.5) says of it: warnings, the fault with its
//! lines, or the image's configuration and history.
//!
//! `*.cases` hold the Dockerfiles, `*.expected` the recorded answers. Where this crate answers
//! otherwise on purpose, `differences.expected` holds its own answer, with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use gantry_dockerfile::{
    Base, Dockerfile, Graph, Lines, Options, Patterns, Platform, Settings, Source, Warning, check,
};
use serde_json::{Value, json};

const ERRORS: (&str, &str) = (
    include_str!("stock/errors.cases"),
    include_str!("stock/errors.expected"),
);
const LINT: (&str, &str) = (
    include_str!("stock/lint.cases"),
    include_str!("stock/lint.expected"),
);
const MEANING: (&str, &str) = (
    include_str!("stock/meaning.cases"),
    include_str!("stock/meaning.expected"),
);
const WORK: (&str, &str) = (
    include_str!("stock/work.cases"),
    include_str!("stock/work.expected"),
);
const DIFFERENCES: &str = include_str!("stock/differences.expected");

#[test]
fn faults_are_told_as_buildkit_does() {
    compare(ERRORS, false);
}

#[test]
fn warnings_are_buildkits() {
    compare(LINT, false);
}

#[test]
fn images_are_configured_as_buildkit_does() {
    compare(MEANING, true);
}

#[test]
fn work_is_written_into_the_history_as_buildkit_does() {
    compare(WORK, true);
}

#[test]
fn every_difference_is_one() {
    let expected = [ERRORS.1, LINT.1, MEANING.1, WORK.1].map(sections);
    for (name, answer) in sections(DIFFERENCES) {
        let stock = expected.iter().find_map(|sections| sections.get(&name));
        let stock = stock.unwrap_or_else(|| panic!("no case is called {name:?}"));
        assert_ne!(*stock, answer, "{name} is no difference any more");
    }
}

/// `### NAME` and the lines up to the next one.
fn sections(text: &str) -> BTreeMap<String, String> {
    let mut sections = BTreeMap::new();
    let mut name = String::new();
    for line in text.split_inclusive('\n') {
        if let Some(next) = line.strip_prefix("### ") {
            next.trim().clone_into(&mut name);
            let known = sections.insert(name.clone(), String::new());
            assert!(known.is_none(), "two cases are called {name}");
        } else if let Some(section) = sections.get_mut(&name) {
            section.push_str(line);
        }
    }
    sections
}

fn compare((cases, expected): (&str, &str), builds: bool) {
    let expected = sections(expected);
    let differences = sections(DIFFERENCES);
    let mut wrong = String::new();
    let cases = sections(cases);
    for (name, text) in &cases {
        let stock = differences.get(name).or_else(|| expected.get(name));
        let stock = stock.unwrap_or_else(|| panic!("nothing was recorded for {name}"));
        let ours = answer(text, builds);
        if !same(stock, &ours) {
            let _ = write!(
                wrong,
                "### {name}\n{text}--- stock\n{stock}--- ours\n{ours}\n"
            );
        }
    }
    assert!(cases.len() > 30);
    assert!(wrong.is_empty(), "{wrong}");
}

/// Warnings in any order; a fault without place in any place; the rest as it is.
fn same(stock: &str, ours: &str) -> bool {
    let warnings = |text: &str| -> BTreeSet<String> {
        let lines = text.lines().filter(|line| line.starts_with("warning "));
        lines.map(str::to_owned).collect()
    };
    let rest = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| !line.starts_with("warning ") && !line.starts_with("# "))
            .map(|line| match line.strip_prefix("config ") {
                Some(json) => serde_json::from_str::<Value>(json).unwrap().to_string(),
                None => line.to_owned(),
            })
            .collect()
    };
    let (stock_rest, ours_rest) = (rest(stock), rest(ours));
    let same_line = |(stock, ours): (&String, &String)| match stock.strip_prefix("error [] ") {
        Some(message) => ours.starts_with("error [") && ours.ends_with(message),
        None => stock == ours,
    };
    // A fault ends the evaluation, here a little earlier than there.
    let failed = ours_rest.iter().any(|line| line.starts_with("error "));
    let (stock_warnings, ours_warnings) = (warnings(stock), warnings(ours));
    let same_warnings =
        stock_warnings == ours_warnings || failed && ours_warnings.is_subset(&stock_warnings);
    same_warnings
        && stock_rest.len() == ours_rest.len()
        && stock_rest.iter().zip(&ours_rest).all(same_line)
}

fn options() -> Options {
    Options {
        ignored: Patterns::new(["ignored"]).unwrap(),
        ..Options::new(Platform::new("linux", "amd64", ""))
    }
}

/// The settings of the two images that some cases start from.
fn image(name: &str) -> Option<Settings> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    match name {
        "base" => Some(Settings::default()),
        "rich" => Some(Settings {
            env: words(&["X=1", "PATH=/bin:/opt"]),
            working_dir: "/w".to_owned(),
            user: "me".to_owned(),
            cmd: Some(words(&["old"])),
            onbuild: words(&["RUN echo trigger", "ENV T=$X"]),
            labels: BTreeMap::from([("l".to_owned(), "1".to_owned())]),
            exposed_ports: BTreeSet::from(["7/tcp".to_owned()]),
            ..Settings::default()
        }),
        _ => None,
    }
}

fn answer(text: &str, builds: bool) -> String {
    let source = Source::new("Dockerfile", text.as_bytes());
    let mut options = options();
    let report = check(&source, &options, &image);
    let mut answer = String::new();
    for Warning {
        rule,
        message,
        lines,
    } in &report.warnings
    {
        let place = places(&[*lines]);
        let _ = writeln!(answer, "warning {} [{place}] {message}", rule.name());
    }
    if let Some(error) = &report.error {
        let _ = writeln!(answer, "error [{}] {error}", places(&error.lines));
    } else if builds {
        let epoch = "SOURCE_DATE_EPOCH".to_owned();
        options.build_args.insert(epoch, "0".to_owned());
        answer.push_str(&built(&source, &options));
    }
    answer
}

/// Lines one by one, as BuildKit lists them.
fn places(lines: &[Lines]) -> String {
    let each = lines.iter().flat_map(|lines| lines.first..=lines.last);
    let each: Vec<String> = each.map(|line| format!("{line}-{line}")).collect();
    each.join(",")
}

fn built(source: &Source, options: &Options) -> String {
    let file = Dockerfile::parse(source).unwrap();
    let mut warnings = Vec::new();
    let graph = Graph::new(&file, options, &mut warnings).unwrap();
    let known = |(number, node): (usize, &gantry_dockerfile::Node)| match &node.base {
        Base::Image(name) => image(name).map(|settings| (number, settings)),
        _ => None,
    };
    let images = graph.nodes().iter().enumerate().filter_map(known).collect();
    let plan = match graph.plan(&images, &mut warnings) {
        Ok(plan) => plan,
        Err(error) => return format!("build {error}\n"),
    };
    let settings = &plan.stages[&plan.target].settings;
    let mut answer = format!("config {}\n", config(settings));
    for step in &settings.history {
        let kind = if step.empty_layer { "empty" } else { "layer" };
        let _ = writeln!(answer, "history {kind} {}", step.created_by);
    }
    if !settings.author.is_empty() {
        let _ = writeln!(answer, "author {}", settings.author);
    }
    answer
}

fn config(settings: &Settings) -> Value {
    let mut config = json!({ "Env": settings.env });
    let mut set = |name: &str, value: Value, is_set: bool| {
        if is_set {
            config[name] = value;
        }
    };
    let keys = |list: &BTreeSet<String>| -> Value {
        list.iter().map(|key| (key.clone(), json!({}))).collect()
    };
    set("ArgsEscaped", json!(true), settings.args_escaped);
    set("Cmd", json!(settings.cmd), settings.cmd.is_some());
    set(
        "Entrypoint",
        json!(settings.entrypoint),
        settings.entrypoint.is_some(),
    );
    set(
        "ExposedPorts",
        keys(&settings.exposed_ports),
        !settings.exposed_ports.is_empty(),
    );
    if let Some(check) = &settings.healthcheck {
        let mut json = json!({ "Test": check.test });
        for (name, value) in [
            ("Interval", check.interval),
            ("Timeout", check.timeout),
            ("StartPeriod", check.start_period),
            ("StartInterval", check.start_interval),
            ("Retries", check.retries),
        ] {
            if value != 0 {
                json[name] = json!(value);
            }
        }
        set("Healthcheck", json, true);
    }
    set(
        "Labels",
        json!(settings.labels),
        !settings.labels.is_empty(),
    );
    set(
        "OnBuild",
        json!(settings.onbuild),
        !settings.onbuild.is_empty(),
    );
    set("Shell", json!(settings.shell), !settings.shell.is_empty());
    set(
        "StopSignal",
        json!(settings.stop_signal),
        !settings.stop_signal.is_empty(),
    );
    set("User", json!(settings.user), !settings.user.is_empty());
    set(
        "Volumes",
        keys(&settings.volumes),
        !settings.volumes.is_empty(),
    );
    set(
        "WorkingDir",
        json!(settings.working_dir),
        !settings.working_dir.is_empty(),
    );
    sorted(config)
}

/// With keys in order, at every depth.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let map: BTreeMap<String, Value> = map
                .into_iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect();
            map.into_iter().collect()
        }
        other => other,
    }
}
