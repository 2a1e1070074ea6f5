//! `--help`: docker's layout.

use std::fmt::Write as _;

use clap::{Arg, ArgAction};

use super::flags::parser;
use super::verb::{Group, Verb};

/// Where lines are broken when the terminal does not say.
const WIDTH: usize = 80;

/// `Usage:  gantry rm [OPTIONS] …`.
pub(super) fn usage(program: &str, name: &str, verb: &Verb) -> String {
    format!("Usage:  {program} {name} {}", verb.usage)
        .trim_end()
        .to_owned()
}

/// The whole help of one command.
pub(super) fn verb(program: &str, name: &str, verb: &Verb) -> String {
    let mut text = format!("{}\n\n{}\n", usage(program, name, verb), verb.about);
    if verb.names.len() > 1 {
        let names: Vec<String> = verb
            .names
            .iter()
            .map(|name| format!("{program} {name}"))
            .collect();
        let _ = write!(text, "\nAliases:\n  {}\n", names.join(", "));
    }
    let command = parser(verb);
    let options = options(command.get_arguments());
    if !options.is_empty() {
        let _ = write!(text, "\nOptions:\n{options}");
    }
    text
}

/// The table of a command's flags, by name.
pub(super) fn options<'a>(args: impl Iterator<Item = &'a Arg>) -> String {
    let mut rows: Vec<(String, String, String)> = args
        .filter(|arg| !arg.is_positional() && !arg.is_hide_set())
        .map(|arg| {
            let long = arg.get_long().unwrap_or_default().to_owned();
            let short = arg
                .get_short()
                .map_or("    ".to_owned(), |short| format!("-{short}, "));
            let kind = if takes_value(arg) {
                format!(" {}", kind(arg))
            } else {
                String::new()
            };
            (
                long.clone(),
                format!("  {short}--{long}{kind}"),
                explain(arg),
            )
        })
        .collect();
    rows.sort();
    let column = rows
        .iter()
        .map(|(_, flag, _)| flag.len())
        .max()
        .unwrap_or(0)
        + 3;
    let mut text = String::new();
    for (_, flag, about) in rows {
        let mut lines = wrap(&about, WIDTH.saturating_sub(column).max(30)).into_iter();
        let _ = writeln!(text, "{flag:column$}{}", lines.next().unwrap_or_default());
        for line in lines {
            let _ = writeln!(text, "{:column$}{line}", "");
        }
    }
    text
}

fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
        && arg
            .get_num_args()
            .is_none_or(|range| range.min_values() > 0)
}

fn kind(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    names
        .first()
        .map_or("string".to_owned(), |name| name.as_str().to_owned())
}

fn explain(arg: &Arg) -> String {
    let about = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let default = arg
        .get_default_values()
        .first()
        .map(|value| value.to_string_lossy());
    match default {
        Some(value) if takes_value(arg) && kind(arg) == "string" => {
            format!("{about} (default \"{value}\")")
        }
        Some(value) if value != "false" => format!("{about} (default {value})"),
        _ => about,
    }
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.len() + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// The help of a group: its commands.
pub(super) fn group(program: &str, group: &Group, verbs: &[&'static Verb]) -> String {
    let name = group.name;
    let prefix = format!("{name} ");
    let mut rows: Vec<(&str, &str)> = verbs
        .iter()
        .filter(|verb| !verb.hidden)
        .filter_map(|verb| Some((verb.names[0].strip_prefix(&prefix)?, verb.about)))
        .collect();
    rows.sort_unstable();
    format!(
        "Usage:  {program} {name} COMMAND\n\n{}\n\nCommands:\n{}\nRun '{program} {name} COMMAND --help' for more information on a command.\n",
        group.about,
        commands(&rows),
    )
}

/// The help of the program itself.
pub(super) fn program(program: &str, groups: &[Group], verbs: &[&'static Verb]) -> String {
    const COMMON: [&str; 6] = ["run", "exec", "ps", "images", "version", "info"];
    let top = |verb: &&'static Verb| {
        verb.names
            .iter()
            .find(|name| !name.contains(' '))
            .map(|name| (*name, verb.about))
    };
    let all: Vec<(&str, &str)> = verbs
        .iter()
        .filter(|verb| !verb.hidden)
        .filter_map(top)
        .collect();
    let common: Vec<(&str, &str)> = COMMON
        .iter()
        .filter_map(|name| all.iter().find(|row| row.0 == *name).copied())
        .collect();
    let mut rest: Vec<(&str, &str)> = all
        .into_iter()
        .filter(|row| !COMMON.contains(&row.0))
        .collect();
    rest.sort_unstable();
    let management: Vec<(&str, &str)> = groups
        .iter()
        .map(|group| (group.name, group.about))
        .collect();
    let globals = super::flags::global::<crate::config::GlobalFlags>();
    format!(
        "Usage:  {program} [OPTIONS] COMMAND\n\nContainers: run them, see them, keep them\n\nCommon Commands:\n{}\nManagement Commands:\n{}\nCommands:\n{}\nGlobal Options:\n{}\nRun '{program} COMMAND --help' for more information on a command.\n",
        commands(&common),
        commands(&management),
        commands(&rest),
        options(globals.get_arguments()),
    )
}

fn commands(rows: &[(&str, &str)]) -> String {
    let width = rows
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or(0)
        .max(11);
    rows.iter().fold(String::new(), |mut text, (name, about)| {
        let _ = writeln!(text, "  {name:width$} {about}");
        text
    })
}
