//! Sets up logging once per process.

use std::fmt;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use gantry_probe::trace;

use crate::{panic, spans};

/// Crates of other people, whose chatter is only wanted when it is a warning.
pub(crate) const FOREIGN: [&str; 6] = ["h2", "hyper", "hyper_util", "tonic", "tower", "redb"];

/// How a program logs.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The program's name, as its binary is called.
    pub program: &'static str,
    /// What is logged at all.
    pub level: Level,
    /// How a line looks.
    pub format: Format,
    /// Where spans are appended in Chrome's trace format; without it the environment's
    /// [`trace::VARIABLE`] decides.
    pub trace: Option<&'a Path>,
}

/// dockerd's and containerd's level words, the most talkative first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Everything, the wire included.
    Trace,
    /// For developers.
    Debug,
    /// Things that happen.
    #[default]
    Info,
    /// Something is off but handled.
    Warn,
    /// Something failed. `fatal` and `panic` mean the same here.
    Error,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// A word that is none of those expected.
#[derive(Debug, thiserror::Error)]
#[error("unknown {what} {word:?}, expected one of {expected}")]
pub struct UnknownWord {
    what: &'static str,
    word: String,
    expected: &'static str,
}

impl FromStr for Level {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Ok(match word {
            "trace" => Self::Trace,
            "debug" => Self::Debug,
            "info" => Self::Info,
            "warn" | "warning" => Self::Warn,
            "error" | "fatal" | "panic" => Self::Error,
            _ => {
                return Err(UnknownWord {
                    what: "log level",
                    word: word.to_owned(),
                    expected: "trace, debug, info, warn, error, fatal, panic",
                });
            }
        })
    }
}

impl FromStr for Format {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(UnknownWord {
                what: "log format",
                word: word.to_owned(),
                expected: "text, json",
            }),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        })
    }
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::TRACE,
            Level::Debug => Self::DEBUG,
            Level::Info => Self::INFO,
            Level::Warn => Self::WARN,
            Level::Error => Self::ERROR,
        }
    }
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The trace file cannot be written.
    #[error("open the trace file")]
    Trace(#[source] io::Error),
    /// A subscriber is installed already.
    #[error("set up logging")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// Logs to stderr from now on, and appends spans to the trace file where one is asked for.
///
/// # Errors
/// The trace file cannot be opened, or logging was set up before.
pub fn init(options: &Options<'_>) -> Result<(), InitError> {
    trace::open(options.program, options.trace).map_err(InitError::Trace)?;
    let level = LevelFilter::from(options.level);
    let foreign = level.min(LevelFilter::WARN);
    let wanted = if options.level == Level::Trace {
        Targets::new().with_default(level)
    } else {
        Targets::new()
            .with_default(level)
            .with_targets(FOREIGN.map(|name| (name, foreign)))
    };
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match options.format {
        Format::Text => tracing_subscriber::fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
            .with_filter(wanted)
            .boxed(),
        Format::Json => tracing_subscriber::fmt::layer()
            .with_writer(io::stderr)
            .json()
            .flatten_event(true)
            .with_filter(wanted)
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(lines)
        .with(spans::layer())
        .try_init()
        .map_err(InitError::Twice)?;
    panic::log_panics();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Format, Level};

    #[test]
    fn the_words_are_dockers() {
        assert_eq!("warning".parse::<Level>().expect("level"), Level::Warn);
        assert_eq!("fatal".parse::<Level>().expect("level"), Level::Error);
        assert_eq!("json".parse::<Format>().expect("format"), Format::Json);
        let error = "loud".parse::<Level>().expect_err("no such level");
        assert!(error.to_string().contains("\"loud\""));
    }
}
