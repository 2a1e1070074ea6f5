//! One entry of the table of commands.

use std::future::Future;
use std::pin::Pin;

use anyhow::Result;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::Arity;
use crate::context::Context;
use crate::exit::Exit;

type Running<'a> = Pin<Box<dyn Future<Output = Result<Exit>> + 'a>>;

/// A command's flags, and what it does with them.
pub(crate) trait Execute: Args + FromArgMatches + 'static {
    async fn execute(self, cx: &Context) -> Result<Exit>;
}

/// A command: its names, its usage, its parser and its body.
#[derive(Debug)]
pub(crate) struct Verb {
    /// Every full name, the management form first (`container ls`, `ps`).
    pub(crate) names: &'static [&'static str],
    /// What follows the name in the usage line.
    pub(crate) usage: &'static str,
    pub(crate) about: &'static str,
    pub(crate) arity: Arity,
    /// Flags end at the first word that is none (`run`, `exec`, `top`).
    pub(crate) stops_at_words: bool,
    pub(crate) hidden: bool,
    augment: fn(Command) -> Command,
    run: for<'a> fn(ArgMatches, &'a Context) -> Running<'a>,
}

impl Verb {
    pub(crate) const fn new<T: Execute>(
        names: &'static [&'static str],
        usage: &'static str,
        about: &'static str,
        arity: Arity,
    ) -> Self {
        Self {
            names,
            usage,
            about,
            arity,
            stops_at_words: false,
            hidden: false,
            augment: T::augment_args,
            run: execute::<T>,
        }
    }

    /// Flags end at the first word.
    pub(crate) const fn stopping(mut self) -> Self {
        self.stops_at_words = true;
        self
    }

    /// Left out of help and completion.
    pub(crate) const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    pub(super) fn augment(&self, command: Command) -> Command {
        (self.augment)(command)
    }

    pub(super) fn run<'a>(&self, matches: ArgMatches, cx: &'a Context) -> Running<'a> {
        (self.run)(matches, cx)
    }
}

fn execute<T: Execute>(mut matches: ArgMatches, cx: &Context) -> Running<'_> {
    Box::pin(async move { T::from_arg_matches_mut(&mut matches)?.execute(cx).await })
}

/// A word that only holds other commands (`container`, `system`).
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
}

impl Group {
    pub(crate) const fn new(name: &'static str, about: &'static str) -> Self {
        Self { name, about }
    }
}
