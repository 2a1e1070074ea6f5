//! The verbs, one file each, and the table of them.

mod container;
mod create;
mod delete;
mod events;
mod exec;
mod features;
mod foreground;
mod kill;
mod list;
mod pause;
mod ps;
mod sockets;
mod spec;
mod start;
mod state;
mod tty;
mod update;

use std::error::Error;
use std::io;

use crate::cli::{self, Flag, Global, Parsed, UsageError};
use crate::error;
use crate::protect;

pub(crate) use features::print_version;

/// One verb.
#[derive(Debug)]
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    /// How the arguments are called in the help.
    pub(crate) arguments: &'static str,
    pub(crate) flags: &'static [Flag],
    count: Count,
    /// A process of ours goes into the container.
    enters: bool,
    run: fn(&Global, &Parsed) -> Result<u8, Failure>,
}

/// How many words a verb takes after its flags.
#[derive(Debug, Clone, Copy)]
enum Count {
    Exactly(usize),
    AtLeast(usize),
    Between(usize, usize),
}

/// What a verb ended with, as it is told and as the exit code says it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) text: String,
    pub(crate) code: u8,
}

impl Failure {
    /// Most verbs: code 1.
    fn new(error: &(dyn Error + 'static)) -> Self {
        Self {
            text: error::tell(error),
            code: 1,
        }
    }

    /// Verbs that runc puts its name in front of.
    fn of(verb: &str, error: &(dyn Error + 'static)) -> Self {
        Self {
            text: format!("{verb} failed: {}", error::tell(error)),
            code: 1,
        }
    }
}

impl<E: Into<error::RunError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(&error.into())
    }
}

const HELP: Flag = Flag::switch("help", "show help").short('h');

pub(crate) const VERBS: [Verb; 15] = [
    create::CREATE,
    delete::DELETE,
    events::EVENTS,
    exec::EXEC,
    features::FEATURES,
    kill::KILL,
    list::LIST,
    pause::PAUSE,
    ps::PS,
    pause::RESUME,
    create::RUN,
    spec::SPEC,
    start::START,
    state::STATE,
    update::UPDATE,
];

impl Verb {
    /// Parses the verb's own flags and carries it out.
    pub(crate) fn run(&self, global: &Global, args: &[String]) -> Result<u8, Failure> {
        let parsed = cli::parse(self.flags, args).map_err(|error| {
            println!("Incorrect Usage: {error}\n");
            let _closed = cli::print_command(io::stdout(), self);
            Failure::usage(&error)
        })?;
        if parsed.has("help") {
            let _closed = cli::print_command(io::stdout(), self);
            return Ok(0);
        }
        self.check_count(parsed.rest.len())?;
        if self.enters {
            protect::ensure().map_err(error::RunError::from)?;
        }
        (self.run)(global, &parsed)
    }

    fn check_count(&self, count: usize) -> Result<(), Failure> {
        let (fits, wanted) = match self.count {
            Count::Exactly(0) => (count == 0, "exactly 0"),
            Count::Exactly(wanted) => (count == wanted, "exactly 1"),
            Count::AtLeast(least) => (count >= least, "a minimum of 1"),
            Count::Between(least, most) => ((least..=most).contains(&count), "1 to 2"),
        };
        if fits {
            return Ok(());
        }
        println!("Incorrect Usage.\n");
        let _closed = cli::print_command(io::stdout(), self);
        Err(Failure::usage(&UsageError::Arguments {
            verb: self.name,
            wanted,
        }))
    }
}

impl Failure {
    fn usage(error: &UsageError) -> Self {
        Self {
            text: error.to_string(),
            code: 1,
        }
    }
}
