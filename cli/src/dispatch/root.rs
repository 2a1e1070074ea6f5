//! The program's outermost layer: global flags, finding the verb, running it, its exit code.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::FromArgMatches;

use super::flags::{describe, global, parser};
use super::help;
use super::suggest::closest;
use super::verb::{Group, Verb};
use crate::command::{GROUPS, TABLES};
use crate::config::{ConfigFile, GlobalFlags, resolve};
use crate::context::Context;
use crate::diagnostics;
use crate::exit::{Exit, Failure};

/// Runs the program with its arguments, the name it was called by first.
pub(crate) fn main(args: Vec<String>) -> ExitCode {
    let program = program_name(args.first().map(String::as_str).unwrap_or_default());
    let end = start(&program, args.into_iter().skip(1).collect());
    ExitCode::from(match end {
        Ok(Exit(code)) => code,
        Err(error) => diagnostics::report(&error),
    })
}

/// `docker` where the program is called so, else its own name.
fn program_name(called: &str) -> String {
    let name = called.rsplit('/').next().unwrap_or_default();
    if name == "docker" { name } else { "gantry" }.to_owned()
}

/// Every command there is.
pub(crate) fn all_verbs() -> impl Iterator<Item = &'static Verb> {
    TABLES.iter().flat_map(|table| table.iter())
}

fn start(program: &str, args: Vec<String>) -> Result<Exit> {
    let command = global::<GlobalFlags>();
    let mut matches = match command.clone().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => {
            let text = describe(&error, &command);
            return Err(Failure::new(
                125,
                format!(
                    "{text}\n\nUsage:  {program} [OPTIONS] COMMAND [ARG...]\n\nRun '{program} --help' for more information"
                ),
            )
            .into());
        }
    };
    let help_wanted = matches.get_flag("help");
    let words: Vec<String> = matches
        .remove_many("words")
        .map(Iterator::collect)
        .unwrap_or_default();
    let flags = GlobalFlags::from_arg_matches_mut(&mut matches)?;
    if flags.version {
        return print(&format!(
            "{} version {}, build {}\n",
            if program == "docker" {
                "Docker"
            } else {
                "Gantry"
            },
            env!("CARGO_PKG_VERSION"),
            crate::command::BUILD,
        ));
    }
    let found = match words.split_first() {
        None => return print(&help::program(program, GROUPS, &verbs())),
        Some((word, rest)) if word == "help" => return help_for(program, rest),
        Some(_) => find(program, &words)?,
    };
    let (name, verb, rest) = match found {
        Found::Verb { name, verb, rest } => (name, verb, rest),
        // A group alone is no question that help would answer: it is talk, not data.
        Found::Group(group) if words.len() == 1 && !help_wanted => {
            return say(&help::group(program, group, &verbs()));
        }
        Found::Group(group) => return print(&help::group(program, group, &verbs())),
    };
    if help_wanted {
        return print(&help::verb(program, &name, verb));
    }
    run(program, &flags, &name, verb, rest)
}

fn verbs() -> Vec<&'static Verb> {
    all_verbs().collect()
}

enum Found {
    Verb {
        name: String,
        verb: &'static Verb,
        rest: Vec<String>,
    },
    Group(&'static Group),
}

fn find(program: &str, words: &[String]) -> Result<Found> {
    let first = words[0].as_str();
    if let Some(group) = GROUPS.iter().find(|group| group.name == first) {
        return find_in_group(program, group, words);
    }
    let named = |name: &str| all_verbs().find(|verb| verb.names.contains(&name));
    if let Some(verb) = named(first) {
        return Ok(Found::Verb {
            name: first.to_owned(),
            verb,
            rest: words[1..].to_vec(),
        });
    }
    let tops = all_verbs()
        .flat_map(|verb| verb.names)
        .copied()
        .filter(|name| !name.contains(' '))
        .chain(GROUPS.iter().map(|group| group.name));
    Err(unknown(program, program, first, closest(first, tops)))
}

fn find_in_group(program: &str, group: &'static Group, words: &[String]) -> Result<Found> {
    let Some(second) = words.get(1) else {
        return Ok(Found::Group(group));
    };
    if matches!(second.as_str(), "--help" | "-h" | "help") {
        return Ok(Found::Group(group));
    }
    let full = format!("{} {second}", group.name);
    if let Some(verb) = all_verbs().find(|verb| verb.names.contains(&full.as_str())) {
        return Ok(Found::Verb {
            name: full,
            verb,
            rest: words[2..].to_vec(),
        });
    }
    let prefix = format!("{} ", group.name);
    let inner = all_verbs()
        .flat_map(|verb| verb.names)
        .filter_map(|name| name.strip_prefix(&prefix));
    let place = format!("{program} {}", group.name);
    if let Some(letter) = second.strip_prefix("--") {
        return Err(anyhow!(Failure::new(
            125,
            format!(
                "unknown flag: --{letter}\n\nUsage:  {place} COMMAND\n\nRun '{place} --help' for more information"
            )
        )));
    }
    Err(unknown(program, &place, second, closest(second, inner)))
}

fn unknown(program: &str, place: &str, word: &str, close: Option<&str>) -> anyhow::Error {
    let mut text = format!("{program}: unknown command: {place} {word}\n\n");
    if let Some(close) = close {
        text.push_str(&format!("Did you mean '{place} {close}'?\n\n"));
    }
    if place != program {
        text.push_str(&format!("Usage:  {place}\n\n"));
    }
    text.push_str(&format!("Run '{place} --help' for more information"));
    Failure::new(1, text).into()
}

fn help_for(program: &str, words: &[String]) -> Result<Exit> {
    if words.is_empty() {
        return print(&help::program(program, GROUPS, &verbs()));
    }
    match find(program, words)? {
        Found::Group(group) => print(&help::group(program, group, &verbs())),
        Found::Verb { name, verb, .. } => print(&help::verb(program, &name, verb)),
    }
}

fn run(
    program: &str,
    globals: &GlobalFlags,
    name: &str,
    verb: &'static Verb,
    rest: Vec<String>,
) -> Result<Exit> {
    let command = parser(verb);
    let usage = help::usage(program, name, verb);
    let matches = command
        .clone()
        .try_get_matches_from(rest)
        .map_err(|error| {
            let text = describe(&error, &command);
            let more = format!("Run '{program} {name} --help' for more information");
            Failure::new(125, format!("{text}\n\n{usage}\n\n{more}"))
        })?;
    if matches.get_one::<bool>("help").copied().unwrap_or(false) {
        return print(&help::verb(program, name, verb));
    }
    let words = matches
        .try_get_many::<String>("args")
        .ok()
        .flatten()
        .map_or(0, Iterator::count);
    if let Some(refusal) = verb.arity.refuse(words) {
        let see = if matches!(verb.arity, super::Arity::AtLeast(_)) {
            "See"
        } else {
            "Run"
        };
        let text = format!(
            "{program}: '{program} {name}' {refusal}\n\n{usage}\n\n{see} '{program} {name} --help' for more information"
        );
        return Err(Failure::new(1, text).into());
    }
    let config = ConfigFile::load(&ConfigFile::folder(globals.config.as_deref()))?;
    let endpoint = resolve(globals, &config)?;
    let cx = Context::new((program.to_owned(), name.to_owned()), endpoint, config);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let end = runtime.block_on(async { verb.run(matches, &cx).await });
    // A thread that still waits for the terminal must not keep the program.
    runtime.shutdown_background();
    let flushed = cx.printer.flush();
    let exit = end?;
    flushed?;
    Ok(exit)
}

fn say(text: &str) -> Result<Exit> {
    std::io::stderr().write_all(text.as_bytes())?;
    Ok(Exit::SUCCESS)
}

fn print(text: &str) -> Result<Exit> {
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(Exit::SUCCESS)
}
