//! The plan of a build.

use std::collections::BTreeMap;

use crate::ast::{Device, Network, Security};
use crate::graph::Base;
use crate::mode::Mode;
use crate::mount::Mount;
use crate::platform::Platform;
use crate::settings::{History, Settings};
use crate::source::Lines;

/// What to do for a target.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The stages needed, by node.
    pub stages: BTreeMap<usize, StagePlan>,
    /// The nodes, each behind what it needs.
    pub order: Vec<usize>,
    /// The node whose settings and files the image has.
    pub target: usize,
}

/// What to do for a stage.
#[derive(Debug, Clone)]
pub struct StagePlan {
    /// What it starts from.
    pub base: Base,
    /// `FROM --platform`.
    pub platform: Option<Platform>,
    /// What messages call it.
    pub name: String,
    /// Its `FROM`.
    pub lines: Lines,
    /// The settings at its end; their history holds only what this build adds.
    pub settings: Settings,
    /// What to do, in order.
    pub steps: Vec<Step>,
}

/// What an instruction makes a solver do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The instruction with its lines joined.
    pub code: String,
    /// Where it stands.
    pub lines: Lines,
    /// The work.
    pub action: Action,
    /// The settings behind it.
    pub settings: Settings,
    /// What it adds to the image's history; `ONBUILD` adds nothing.
    pub history: Option<History>,
}

/// Kinds of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Only settings change.
    Settings,
    /// A directory is made, with its parents, unless it is there: `WORKDIR`.
    Directory {
        /// The absolute path.
        path: String,
        /// The image's user, who owns what is made; empty means root.
        user: String,
    },
    /// A program runs.
    Run(Box<RunStep>),
    /// Files are copied.
    Transfer(Box<TransferStep>),
}

/// Where files come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The build context.
    Context,
    /// A node.
    Node(usize),
}

/// A `RUN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStep {
    /// The program and its arguments.
    pub args: Vec<String>,
    /// The environment, arguments included.
    pub env: Vec<(String, String)>,
    /// Proxy variables given as build arguments: set for the program, but part of no image,
    /// history or cache key.
    pub proxy: Vec<(String, String)>,
    /// Where it starts.
    pub dir: String,
    /// Who runs it; empty means root.
    pub user: String,
    /// What is mounted.
    pub mounts: Vec<StepMount>,
    /// Its network.
    pub network: Network,
    /// Its privileges.
    pub security: Security,
    /// Its devices.
    pub devices: Vec<Device>,
    /// A here-document that is itself the program.
    pub script: Option<Script>,
}

/// A program given as a here-document that starts with `#!`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Where it is to be seen, read-only and executable.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// A mount of a `RUN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepMount {
    /// What the Dockerfile says.
    pub mount: Mount,
    /// Where a bind or the start of a cache comes from; none means an empty directory.
    pub origin: Option<Origin>,
}

/// A `COPY` or `ADD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferStep {
    /// Whether archives are unpacked and addresses fetched: `ADD`.
    pub is_add: bool,
    /// Where names come from.
    pub origin: Origin,
    /// The names, wildcards included.
    pub sources: Vec<String>,
    /// Files given as here-documents, by name.
    pub documents: Vec<(String, String)>,
    /// The absolute path to copy to; a slash at its end means into a directory.
    pub destination: String,
    /// `--chown`.
    pub chown: Option<String>,
    /// `--chmod`.
    pub chmod: Option<Mode>,
    /// `--link`.
    pub link: bool,
    /// `--parents`.
    pub parents: bool,
    /// `--exclude`.
    pub exclude: Vec<String>,
    /// `--checksum`.
    pub checksum: Option<String>,
    /// `--keep-git-dir`.
    pub keep_git_dir: bool,
    /// `--unpack`; none means by kind of source.
    pub unpack: Option<bool>,
}
