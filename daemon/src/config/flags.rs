//! The command line, from the table of options.

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Map, Value};

use super::merge::Values;
use super::options::{Kind, OPTIONS, Opt};

/// The command line as it was given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Flags {
    /// Values by option.
    pub values: Values,
    /// `--validate`.
    pub validate: bool,
}

/// The command line's grammar.
#[must_use]
pub(super) fn command() -> Command {
    let options = OPTIONS.iter().filter(|opt| !opt.flag.is_empty());
    Command::new("gantryd")
        .about("A self-sufficient runtime for containers: the Docker Engine API daemon")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_version_flag(true)
        .arg(
            Arg::new("version")
                .short('v')
                .long("version")
                .action(ArgAction::Version)
                .help("Print version information and quit"),
        )
        .args(options.map(argument))
}

fn argument(opt: &'static Opt) -> Arg {
    let arg = Arg::new(opt.flag).long(opt.flag).help(opt.help);
    let arg = match opt.short {
        Some(letter) => arg.short(letter),
        None => arg,
    };
    match opt.kind {
        // Go's flags: `--debug` or `--debug=false`, never `--debug false`.
        Kind::Bool => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_parser(parse_bool)
            .hide_possible_values(true)
            .value_name("BOOL")
            .action(ArgAction::Set),
        Kind::Int => arg
            .value_parser(clap::value_parser!(i64))
            .action(ArgAction::Set),
        Kind::Text | Kind::Bytes => arg.action(ArgAction::Set),
        Kind::List | Kind::Map | Kind::Object => arg.action(ArgAction::Append),
    }
}

/// Go's `strconv.ParseBool`.
fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

impl Flags {
    /// Reads a command line, the program's name included.
    ///
    /// # Errors
    /// clap's own, which prints itself (help and version among them).
    pub fn parse<I, T>(arguments: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<std::ffi::OsString> + Clone,
    {
        let matches = command().try_get_matches_from(arguments)?;
        let mut values = Values::default();
        for opt in OPTIONS.iter().filter(|opt| !opt.flag.is_empty()) {
            if let Some(value) = given(opt, &matches) {
                values.add(opt, value);
            }
        }
        Ok(Self {
            validate: values.switch("validate", false),
            values,
        })
    }
}

fn given(opt: &'static Opt, matches: &ArgMatches) -> Option<Value> {
    match opt.kind {
        Kind::Bool => matches
            .get_one::<bool>(opt.flag)
            .map(|flag| Value::Bool(*flag)),
        Kind::Int => matches
            .get_one::<i64>(opt.flag)
            .map(|number| Value::from(*number)),
        Kind::Text | Kind::Bytes => matches
            .get_one::<String>(opt.flag)
            .map(|text| Value::from(text.as_str())),
        Kind::List | Kind::Object => {
            let texts = matches.get_many::<String>(opt.flag)?;
            Some(Value::Array(
                texts.map(|text| Value::from(text.as_str())).collect(),
            ))
        }
        Kind::Map => {
            let pairs = matches.get_many::<String>(opt.flag)?;
            let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            let map: Map<_, _> = pairs.map(|(k, v)| (k.to_owned(), Value::from(v))).collect();
            Some(Value::Object(map))
        }
    }
}
