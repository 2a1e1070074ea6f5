//! `--help` of the program and of every command, by snapshot.

use std::path::{Path, PathBuf};

use crate::run::{blessing, run};

const NOWHERE: &str = "unix:///nonexistent/engine.sock";

/// The names listed under a heading that ends in `Commands:`.
fn listed(help: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut within = false;
    for line in help.lines() {
        if line.ends_with("Commands:") {
            within = true;
        } else if line.is_empty() {
            within = false;
        } else if within {
            names.extend(line.split_whitespace().next().map(str::to_owned));
        }
    }
    names
}

#[test]
fn every_command_explains_itself() {
    let program = Path::new(env!("CARGO_BIN_EXE_gantry"));
    let root = run(program, NOWHERE, &["--help"]);
    assert_eq!(root.code, 0);
    let mut text = format!("$ gantry --help\n{}\n", root.out);
    for name in listed(&root.out) {
        let help = run(program, NOWHERE, &[&name, "--help"]);
        assert_eq!((help.code, help.err.as_str()), (0, ""), "{name}");
        text.push_str(&format!("$ gantry {name} --help\n{}\n", help.out));
        for inner in listed(&help.out) {
            let help = run(program, NOWHERE, &[&name, &inner, "--help"]);
            assert_eq!((help.code, help.err.as_str()), (0, ""), "{name} {inner}");
            text.push_str(&format!("$ gantry {name} {inner} --help\n{}\n", help.out));
        }
    }
    let file: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/it/golden/help.txt"]
        .iter()
        .collect();
    if blessing() {
        std::fs::write(&file, &text).unwrap();
    }
    let want = std::fs::read_to_string(&file).unwrap();
    for (want, got) in want.split("$ gantry ").zip(text.split("$ gantry ")) {
        assert_eq!(want, got, "bless the snapshot if this is meant");
    }
    assert_eq!(want.len(), text.len(), "commands came or went");
}

#[test]
fn completion_scripts_name_the_commands() {
    let program = Path::new(env!("CARGO_BIN_EXE_gantry"));
    for shell in ["bash", "zsh", "fish"] {
        let script = run(program, NOWHERE, &["completion", shell]);
        assert_eq!(script.code, 0, "{shell}: {}", script.err);
        for word in ["run", "volume", "engine", "detach-keys"] {
            assert!(script.out.contains(word), "{shell} has no {word}");
        }
    }
}

#[test]
fn what_is_not_built_says_so() {
    let program = Path::new(env!("CARGO_BIN_EXE_gantry"));
    for words in [
        &["trust", "x"][..],
        &["swarm", "init"],
        &["compose", "up"],
        &["volume", "update", "v"],
    ] {
        let said = run(program, NOWHERE, words);
        assert_eq!(said.code, 1, "{words:?}");
        assert!(
            said.err.contains("is not built yet"),
            "{words:?}: {}",
            said.err
        );
    }
}

#[test]
fn mistyped_words_bring_a_suggestion() {
    let program = Path::new(env!("CARGO_BIN_EXE_gantry"));
    let table = [
        (&["rnu"][..], 1, "Did you mean 'gantry run'?"),
        (
            &["container", "rmm"],
            1,
            "Did you mean 'gantry container rm'?",
        ),
        (&["ps", "--quite"], 125, "Did you mean --quiet?"),
    ];
    for (words, code, hint) in table {
        let said = run(program, NOWHERE, words);
        assert_eq!(said.code, code, "{words:?}");
        assert!(said.err.contains(hint), "{words:?}: {}", said.err);
    }
}

#[test]
fn an_engine_that_is_not_there_is_told_in_dockers_words() {
    let program = Path::new(env!("CARGO_BIN_EXE_gantry"));
    let said = run(program, NOWHERE, &["ps"]);
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    let words = "Cannot connect to the Docker daemon at unix:///nonexistent/engine.sock. Is the docker daemon running?";
    assert!(said.err.starts_with(words), "{}", said.err);
    assert!(
        said.err
            .contains("hint: start a local engine with `gantry engine start`")
    );
}
