//! A Dockerfile in typed form, as written: nothing is expanded yet.

use crate::directive::Directives;
use crate::heredoc::Heredoc;
use crate::source::{Lines, Span};

/// A Dockerfile.
#[derive(Debug, Clone)]
pub struct Dockerfile {
    /// What the first comments say.
    pub directives: Directives,
    /// The `ARG`s before the first `FROM`.
    pub globals: Vec<Instruction>,
    /// The stages in order; never empty unless the file has only global `ARG`s.
    pub stages: Vec<Stage>,
    /// The last lines of instructions with an empty line in a continuation.
    pub empty_continuations: Vec<usize>,
}

/// A `FROM` with the instructions up to the next one.
#[derive(Debug, Clone)]
pub struct Stage {
    /// `FROM` as written.
    pub from: FromLine,
    /// The instructions in order.
    pub instructions: Vec<Instruction>,
}

/// A `FROM` instruction.
#[derive(Debug, Clone)]
pub struct FromLine {
    /// What it says.
    pub text: Text,
    /// The image or stage it starts from.
    pub base: String,
    /// The word between base and name, as written: `AS`.
    pub separator: Option<String>,
    /// The name as written.
    pub written_name: Option<String>,
    /// The name in lower case.
    pub name: Option<String>,
    /// `--platform`.
    pub platform: Option<String>,
}

/// An instruction's text and place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The keyword as written.
    pub keyword: String,
    /// The whole instruction with its lines joined.
    pub code: String,
    /// Its lines, here-documents included.
    pub lines: Lines,
    /// Its bytes, here-documents included.
    pub span: Span,
    /// The comments right before it.
    pub comments: Vec<String>,
}

/// An instruction within a stage, or a global `ARG`.
#[derive(Debug, Clone)]
pub struct Instruction {
    /// What it says.
    pub text: Text,
    /// What it means.
    pub kind: Kind,
}

/// The instructions other than `FROM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `ADD`.
    Add(Transfer),
    /// `ARG`.
    Arg(Vec<Argument>),
    /// `CMD`.
    Cmd(CommandLine),
    /// `COPY`.
    Copy(Transfer),
    /// `ENTRYPOINT`.
    Entrypoint(CommandLine),
    /// `ENV`.
    Env(Pairs),
    /// `EXPOSE`, sorted.
    Expose(Vec<String>),
    /// `HEALTHCHECK`.
    Healthcheck(Healthcheck),
    /// `LABEL`.
    Label(Pairs),
    /// `MAINTAINER`.
    Maintainer(String),
    /// `ONBUILD`.
    Onbuild(Onbuild),
    /// `RUN`.
    Run(Run),
    /// `SHELL`.
    Shell(Vec<String>),
    /// `STOPSIGNAL`.
    Stopsignal(String),
    /// `USER`.
    User(String),
    /// `VOLUME`.
    Volume(Vec<String>),
    /// `WORKDIR`.
    Workdir(String),
}

impl Kind {
    /// The instruction's name in capitals.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Add(_) => "ADD",
            Self::Arg(_) => "ARG",
            Self::Cmd(_) => "CMD",
            Self::Copy(_) => "COPY",
            Self::Entrypoint(_) => "ENTRYPOINT",
            Self::Env(_) => "ENV",
            Self::Expose(_) => "EXPOSE",
            Self::Healthcheck(_) => "HEALTHCHECK",
            Self::Label(_) => "LABEL",
            Self::Maintainer(_) => "MAINTAINER",
            Self::Onbuild(_) => "ONBUILD",
            Self::Run(_) => "RUN",
            Self::Shell(_) => "SHELL",
            Self::Stopsignal(_) => "STOPSIGNAL",
            Self::User(_) => "USER",
            Self::Volume(_) => "VOLUME",
            Self::Workdir(_) => "WORKDIR",
        }
    }
}

/// One variable of an `ARG`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// Its default, if it has one.
    pub value: Option<String>,
}

/// Names with values, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairs {
    /// The pairs.
    pub list: Vec<(String, String)>,
    /// Whether the old form without `=` was used.
    pub legacy: bool,
}

/// A command in shell or JSON form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLine {
    /// For the shell, as one text.
    Shell(String),
    /// The words to run as they are.
    Exec(Vec<String>),
}

/// `COPY` or `ADD`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transfer {
    /// The files' names.
    pub sources: Vec<String>,
    /// The here-documents among the sources.
    pub documents: Vec<Heredoc>,
    /// Where to.
    pub destination: String,
    /// `--from` (COPY).
    pub from: Option<String>,
    /// `--chown`.
    pub chown: Option<String>,
    /// `--chmod`.
    pub chmod: Option<String>,
    /// `--link`.
    pub link: bool,
    /// `--parents` (COPY).
    pub parents: bool,
    /// `--exclude`, several.
    pub exclude: Vec<String>,
    /// `--checksum` (ADD).
    pub checksum: Option<String>,
    /// `--keep-git-dir` (ADD).
    pub keep_git_dir: Option<bool>,
    /// `--unpack` (ADD); none means by kind of source.
    pub unpack: Option<bool>,
}

/// `RUN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The command.
    pub command: CommandLine,
    /// The here-documents of its shell form.
    pub documents: Vec<Heredoc>,
    /// `--mount`, several, each as written.
    pub mounts: Vec<MountText>,
    /// `--network`.
    pub network: Network,
    /// `--security`.
    pub security: Security,
    /// `--device`, several.
    pub devices: Vec<Device>,
}

/// A `--mount` before expansion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountText {
    /// The fields, comma separated.
    pub text: String,
    /// Its `from`, which must not hold variables.
    pub from: Option<String>,
    /// Where the flag stands.
    pub span: Span,
}

/// `RUN --network`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Network {
    /// The network of the build.
    #[default]
    Default,
    /// Only loopback.
    None,
    /// The host's.
    Host,
}

/// `RUN --security`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Security {
    /// As for any container.
    #[default]
    Sandbox,
    /// With all privileges.
    Insecure,
}

/// `RUN --device`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The name of a CDI device.
    pub name: String,
    /// Whether the step fails without it.
    pub required: bool,
}

/// `HEALTHCHECK`; durations in nanoseconds, 0 meaning the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Healthcheck {
    /// `NONE`, or `CMD` or `CMD-SHELL` with words.
    pub test: Vec<String>,
    /// Between two checks.
    pub interval: i64,
    /// For one check.
    pub timeout: i64,
    /// How long failures do not count.
    pub start_period: i64,
    /// Between two checks in the start period.
    pub start_interval: i64,
    /// How many failures in a row.
    pub retries: i64,
}

/// `ONBUILD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Onbuild {
    /// The instruction to run, with its here-documents.
    pub trigger: String,
}
