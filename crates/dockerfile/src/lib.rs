//! The Dockerfile language.
//!
//! Text becomes statements ([`Source`]), statements typed instructions ([`Dockerfile`]), stages a
//! graph ([`Graph`]) and, once the base images' settings are known, steps ([`Plan`]). Nothing here
//! reads a file, runs a program or asks a registry: who builds does that between the calls.
//!
//! Results and messages are BuildKit's; where they differ on purpose, `docs/dockerfile.md` says so.

mod ast;
mod csv;
mod directive;
mod duration;
mod error;
mod evaluate;
mod expand;
mod graph;
mod heredoc;
mod ignore;
mod instruction;
mod lint;
mod mode;
mod mount;
mod parse;
mod platform;
mod port;
mod quote;
mod report;
mod settings;
mod signal;
mod source;
mod statement;
mod suggest;
mod words;

pub use ast::{
    Argument, CommandLine, Device, Dockerfile, FromLine, Healthcheck, Instruction, Kind, MountText,
    Network, Onbuild, Pairs, Run, Security, Stage, Text, Transfer,
};
pub use directive::{Directives, requested_frontend};
pub use error::{Error, Expansion, Fault, Layout, Meaning, MountFault, Syntax};
pub use evaluate::{
    Action, Origin, Plan, Report, RunStep, Script, StagePlan, Step, StepMount, TransferStep, check,
};
pub use expand::{Expanded, Lexer, MAX_BYTES, MAX_DEPTH, Variables};
pub use graph::{Base, Graph, Node, Options};
pub use heredoc::Heredoc;
pub use ignore::{IgnoreError, Patterns, clean as clean_path, ignore_lines, matches_name};
pub use lint::{CheckOptions, Rule, Warning};
pub use mode::Mode;
pub use mount::{Mount, MountKind, Sharing};
pub use platform::Platform;
pub use quote::{quote, quote_list};
pub use settings::{DEFAULT_PATH, History, Settings};
pub use source::{Lines, Position, Source, Span};
pub use statement::{FILE_MAX_BYTES, LINE_MAX_BYTES};
