//! What can be wrong with a Dockerfile, in BuildKit's words.
//!
//! Clients look for parts of these texts, so they are part of the API.

use crate::quote::quote;
use crate::source::{Lines, Source, Span};

/// A fault with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What is wrong.
    pub kind: Box<Fault>,
    /// The statements concerned; none if the fault is of the whole file.
    pub lines: Vec<Lines>,
    /// The exact text, where one is to blame.
    pub span: Option<Span>,
}

impl Error {
    pub(crate) fn new(kind: impl Into<Fault>, lines: Lines) -> Self {
        Self {
            kind: Box::new(kind.into()),
            lines: vec![lines],
            span: None,
        }
    }

    pub(crate) fn nowhere(kind: impl Into<Fault>) -> Self {
        Self {
            kind: Box::new(kind.into()),
            lines: Vec::new(),
            span: None,
        }
    }

    /// The source around the fault; see [`Source::excerpt`].
    #[must_use]
    pub fn excerpt(&self, source: &Source) -> String {
        source.excerpt(&self.lines, self.span.as_ref())
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let (Fault::Syntax(_), Some(lines)) = (&*self.kind, self.lines.first()) {
            write!(
                formatter,
                "dockerfile parse error on line {}: ",
                lines.first
            )?;
        }
        write!(formatter, "{}", self.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.kind)
    }
}

/// The kinds of faults, by when they are found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The file does not fall into statements.
    #[error(transparent)]
    Layout(#[from] Layout),
    /// A statement is not an instruction.
    #[error(transparent)]
    Syntax(#[from] Syntax),
    /// The instructions make no build.
    #[error(transparent)]
    Meaning(#[from] Meaning),
}

/// Faults of lines, here-documents and words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Layout {
    #[error("the Dockerfile cannot be empty")]
    Empty,
    #[error("the Dockerfile is longer than {limit} bytes")]
    TooLong { limit: usize },
    #[error("file with no instructions")]
    NoInstructions,
    #[error("dockerfile line greater than max allowed size of {limit}")]
    LineTooLong { limit: usize },
    #[error("only one {0} parser directive can be used")]
    DirectiveTwice(&'static str),
    #[error("invalid escape token '{0}' does not match ` or \\")]
    EscapeToken(String),
    #[error("unterminated heredoc")]
    OpenHeredoc,
    #[error("when using JSON array syntax, arrays must be comprised of strings only")]
    JsonNotStrings,
    #[error("{0} must have two arguments")]
    TwoArguments(&'static str),
    #[error("Syntax error - can't find = in {}. Must be of the form: name=value", quote(.0))]
    NoEquals(String),
    #[error("failed to parse check options: {0}")]
    CheckOptions(String),
}

/// Faults of a single instruction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Syntax {
    #[error("unknown instruction: {name}{hint}")]
    UnknownInstruction { name: String, hint: String },
    #[error("unknown flag: --{name}{hint}")]
    UnknownFlag { name: String, hint: String },
    #[error("missing a value on flag: --{0}")]
    FlagWithoutValue(String),
    #[error("duplicate flag specified: --{0}")]
    FlagTwice(String),
    #[error("expecting boolean value for flag --{flag}, not: {value}")]
    NotBoolean { flag: String, value: String },
    #[error("{0} requires at least one argument")]
    AtLeastOneArgument(&'static str),
    #[error("{0} requires exactly one argument")]
    ExactlyOneArgument(&'static str),
    #[error(
        "{0} requires at least two arguments, but only one was provided. Destination could not be determined"
    )]
    NoDestination(&'static str),
    #[error("{0} cannot accept a heredoc as a destination")]
    HeredocDestination(&'static str),
    #[error("{0} names can not be blank")]
    BlankName(&'static str),
    #[error("FROM requires either one or three arguments")]
    FromArguments,
    #[error(
        "invalid name for build stage: {}, name can't start with a number or contain symbols",
        quote(.0)
    )]
    StageName(String),
    #[error("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")]
    OnbuildChain,
    #[error("{0} isn't allowed as an ONBUILD trigger")]
    OnbuildTrigger(String),
    #[error("HEALTHCHECK NONE takes no arguments")]
    HealthcheckNone,
    #[error("Unknown type {} in HEALTHCHECK (try CMD)", quote(.0))]
    HealthcheckType(String),
    #[error("Missing command after HEALTHCHECK CMD")]
    HealthcheckCommand,
    #[error("Interval {} cannot be less than 1ms", quote(.0))]
    IntervalTooShort(&'static str),
    #[error("time: {0}")]
    Duration(String),
    #[error("--retries cannot be negative ({0})")]
    RetriesNegative(i64),
    #[error("strconv.ParseInt: parsing {}: {reason}", quote(value))]
    Retries { value: String, reason: &'static str },
    #[error("VOLUME specified can not be an empty string")]
    EmptyVolume,
    #[error("SHELL requires the arguments to be in JSON form")]
    ShellNotJson,
    #[error("'{0}' doesn't support variable expansion, define alias stage instead")]
    MountFromVariable(&'static str),
    #[error("invalid network mode {}", quote(.0))]
    Network(String),
    #[error("security {} is not valid", quote(.0))]
    Security(String),
    #[error("failed to parse csv devices: {0}")]
    Devices(String),
    #[error("{0}")]
    Device(String),
    #[error("a here-document is named {0} twice")]
    HeredocTwice(String),
}

/// Faults found while the instructions are evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Meaning {
    #[error("dockerfile contains no stages to build")]
    NoStages,
    #[error("no build stage in current context")]
    NoStage,
    #[error("failed to process {}: {reason}", quote(word))]
    Expansion { word: String, reason: Expansion },
    #[error("base name ({0}) should not be blank")]
    BlankBase(String),
    #[error("failed to parse stage name {}: {reason}", quote(name))]
    BaseName { name: String, reason: String },
    #[error("empty platform value from expression {expression}{hint}")]
    EmptyPlatform { expression: String, hint: String },
    #[error("failed to parse platform {0}")]
    Platform(String),
    #[error("target stage {} could not be found{hint}", quote(name))]
    NoTarget { name: String, hint: String },
    #[error("invalid stage index {0}")]
    StageIndex(i64),
    #[error(
        "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround"
    )]
    FromVariable,
    #[error("circular dependency detected on stage: {0}")]
    Circle(String),
    #[error(
        "cannot copy from stage {}, it needs to be defined before current stage {}",
        quote(from),
        quote(stage)
    )]
    LaterStage { from: String, stage: String },
    #[error(
        "cannot mount from stage {} to {}, stage needs to be defined before current command",
        quote(from),
        quote(target)
    )]
    LaterMount { from: String, target: String },
    #[error("source can't be a URL for COPY")]
    CopyUrl,
    #[error("source can't be a git ref for COPY")]
    CopyGit,
    #[error("checksum requires HTTP(S) or Git sources")]
    ChecksumSource,
    #[error("checksum can't be specified for multiple sources")]
    ChecksumSources,
    #[error("invalid checksum digest format")]
    ChecksumFormat,
    #[error(
        "invalid chmod parameter: '{0}'. it should be octal string and between 0 and 07777, or a symbolic mode"
    )]
    Chmod(String),
    #[error("{0}")]
    Port(String),
    #[error("invalid signal: {0}")]
    Signal(String),
    #[error("onbuild trigger should be a single expression")]
    OnbuildSingle,
    #[error("in the ONBUILD trigger {}: {reason}", quote(trigger))]
    Onbuild { trigger: String, reason: String },
    #[error("{0}")]
    Mount(MountFault),
    #[error("lint violation found for rules: {0}")]
    Lint(String),
}

/// Faults of `RUN --mount`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum MountFault {
    #[error("failed to parse csv mounts: {0}")]
    Csv(String),
    #[error("unsupported mount type {}{hint}", quote(value))]
    Type { value: String, hint: String },
    #[error("unsupported sharing value {}{hint}", quote(value))]
    Sharing { value: String, hint: String },
    #[error("unexpected key '{key}' in '{field}'{hint}")]
    Key {
        key: String,
        field: String,
        hint: String,
    },
    #[error("unexpected key '{key}' for mount type '{kind}'")]
    KeyOfType { key: String, kind: &'static str },
    #[error("invalid field '{0}' must be a key=value pair")]
    NotPair(String),
    #[error("invalid value for {key}: {value}")]
    Value { key: String, value: String },
    #[error("invalid value {value} for {key}")]
    Number { key: &'static str, value: String },
    #[error("{key} not allowed for {} type mounts", quote(kind))]
    NotAllowed {
        key: &'static str,
        kind: &'static str,
    },
    #[error("invalid cache sharing set for {0} mount")]
    SharingOfType(&'static str),
    #[error("secret mount should not have a from")]
    SecretFrom,
    #[error("secret mount should not define sharing")]
    SecretSharing,
    #[error("invalid secret mount. one of source, target required")]
    SecretUnnamed,
    #[error("both source and id can't be set")]
    SecretTwice,
    #[error("invalid mount target {}", quote(.0))]
    Target(String),
}

/// Why a word could not be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Expansion {
    #[error("unexpected end of statement while looking for matching {0}-quote")]
    OpenQuote(&'static str),
    #[error("unexpected end of statement while looking for matching {0}")]
    Open(char),
    #[error("syntax error: missing '}}'")]
    OpenBrace,
    #[error("syntax error: missing '/' in ${{}}")]
    NoSlash,
    #[error("syntax error: bad substitution")]
    BadSubstitution,
    #[error("unsupported modifier ({0}) in substitution")]
    Modifier(String),
    #[error("invalid pattern ({pattern}) in substitution: invalid escape '\\{escape}'")]
    Pattern { pattern: String, escape: char },
    #[error("{name}: {message}")]
    Required { name: String, message: String },
    #[error("the result is longer than {limit} bytes")]
    TooLong { limit: usize },
    #[error("braces are nested more than {limit} deep")]
    TooDeep { limit: usize },
    #[error("the patterns are too costly to match")]
    TooCostly,
}
