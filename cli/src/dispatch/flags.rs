//! Gives clap the flag grammar of docker (Go's pflag): booleans take `=false`, values may begin
//! with a hyphen, the last of two wins; and says errors in docker's words.

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};

use super::verb::Verb;
use crate::format::go_quote;

/// The parser of one verb.
pub(crate) fn parser(verb: &Verb) -> Command {
    let command = verb.augment(pflag(Command::new("verb")));
    let wordless = !command.get_arguments().any(|arg| arg.get_id() == "args");
    // A verb without words still parses them, to refuse them by its own name.
    let command = if wordless {
        command.arg(Arg::new("args").hide(true).action(ArgAction::Append))
    } else {
        command
    };
    let takes_h = command
        .get_arguments()
        .any(|arg| arg.get_short() == Some('h'));
    let stops = verb.stops_at_words;
    let command = command.mut_args(|arg| settle(arg, stops));
    let help = Arg::new("help")
        .long("help")
        .action(ArgAction::SetTrue)
        .hide(true);
    command.arg(if takes_h { help } else { help.short('h') })
}

/// The parser of the flags before the command.
pub(super) fn global<T: clap::Args>() -> Command {
    let words = Arg::new("words")
        .num_args(0..)
        .trailing_var_arg(true)
        .action(ArgAction::Append);
    let help = Arg::new("help")
        .long("help")
        .short('h')
        .action(ArgAction::SetTrue)
        .hide(true);
    T::augment_args(pflag(Command::new("root")))
        .mut_args(|arg| settle(arg, false))
        .arg(help)
        .arg(words)
}

fn pflag(command: Command) -> Command {
    command
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true)
}

fn settle(arg: Arg, stops_at_words: bool) -> Arg {
    if arg.is_positional() {
        return arg.num_args(0..).trailing_var_arg(stops_at_words);
    }
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        return arg
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .default_value("false")
            .value_parser(ValueParser::new(go_bool));
    }
    arg.allow_hyphen_values(true)
}

/// Go's `strconv.ParseBool`.
pub(crate) fn go_bool(value: &str) -> Result<bool, String> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!(
            "strconv.ParseBool: parsing \"{value}\": invalid syntax"
        )),
    }
}

/// docker's sentence for an error of the parser.
pub(super) fn describe(error: &clap::Error, command: &Command) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    };
    let given = text(ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::UnknownArgument => match given.strip_prefix("--") {
            Some(_) => {
                let name = given.split('=').next().unwrap_or_default();
                format!("unknown flag: {name}{}", suggestion(name, command))
            }
            None => {
                let letter = given.trim_start_matches('-').chars().next().unwrap_or('-');
                format!("unknown shorthand flag: '{letter}' in {given}")
            }
        },
        ErrorKind::InvalidValue | ErrorKind::NoEquals
            if text(ContextKind::InvalidValue).is_empty() =>
        {
            format!("flag needs an argument: {}", flag_name(&given))
        }
        ErrorKind::ValueValidation | ErrorKind::InvalidValue => {
            let value = text(ContextKind::InvalidValue);
            let cause = std::error::Error::source(error).map(ToString::to_string);
            let cause = cause.unwrap_or_else(|| last_clause(&error.to_string()));
            if given.is_empty() {
                return cause;
            }
            format!(
                "invalid argument {} for \"{}\" flag: {cause}",
                go_quote(&value),
                full_name(&given, command)
            )
        }
        _ => last_clause(&error.to_string()),
    }
}

/// `--tail <string>` → `--tail`.
fn flag_name(given: &str) -> &str {
    given.split([' ', '=', '[']).next().unwrap_or(given)
}

/// `-a, --all`, as pflag names a flag in errors.
fn full_name(given: &str, command: &Command) -> String {
    let name = flag_name(given);
    let long = name.trim_start_matches('-');
    let found = command
        .get_arguments()
        .find(|arg| arg.get_long() == Some(long));
    match found.and_then(Arg::get_short) {
        Some(short) => format!("-{short}, {name}"),
        None => name.to_owned(),
    }
}

fn suggestion(name: &str, command: &Command) -> String {
    let longs = command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set())
        .filter_map(Arg::get_long);
    match super::suggest::closest(name.trim_start_matches('-'), longs) {
        Some(close) => format!("\n\nDid you mean --{close}?"),
        None => String::new(),
    }
}

fn last_clause(text: &str) -> String {
    text.lines()
        .next()
        .unwrap_or_default()
        .trim_start_matches("error: ")
        .to_owned()
}
