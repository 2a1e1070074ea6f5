//! The flags of an instruction: each asked for by name and type, the rest refused.

use super::{Outcome, Problem};
use crate::error::Syntax;
use crate::source::Span;
use crate::statement::Statement;
use crate::suggest;
use crate::words::Flag;

/// The flags of one statement.
pub(super) struct FlagSet<'a> {
    statement: &'a Statement,
    /// Where the flags' spans count from.
    base: usize,
    list: Vec<Flag>,
}

impl<'a> FlagSet<'a> {
    /// Takes the flags that were read from a part of the statement's text.
    pub(super) fn new(statement: &'a Statement, part: &str, list: Vec<Flag>) -> Self {
        // Both are parts of the same text, unless the part is empty.
        let start = statement.text.as_ptr().addr();
        let base = part.as_ptr().addr().saturating_sub(start);
        Self {
            statement,
            base,
            list,
        }
    }

    fn problem(&self, flag: &Flag, fault: Syntax) -> Problem {
        Problem {
            fault: fault.into(),
            span: Some(self.place(flag)),
        }
    }

    fn place(&self, flag: &Flag) -> Span {
        let part = self.base + flag.span.start..self.base + flag.span.end;
        self.statement.locate(&part)
    }

    /// Name and, behind `=`, value.
    fn split(flag: &Flag) -> (&str, Option<&str>) {
        let text = &flag.text[2..];
        match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        }
    }

    fn named(&self, name: &str) -> impl Iterator<Item = (&Flag, Option<&str>)> {
        self.list.iter().filter_map(move |flag| {
            let (found, value) = Self::split(flag);
            (found == name).then_some((flag, value))
        })
    }

    /// The only flag of a name.
    fn once(&self, name: &str) -> Outcome<Option<(&Flag, Option<&str>)>> {
        let mut found = self.named(name);
        let first = found.next();
        match found.next() {
            Some((second, _)) => Err(self.problem(second, Syntax::FlagTwice(name.to_owned()))),
            None => Ok(first),
        }
    }

    /// A flag with a text.
    pub(super) fn text(&self, name: &str) -> Outcome<Option<String>> {
        match self.once(name)? {
            None => Ok(None),
            Some((_, Some(value))) => Ok(Some(value.to_owned())),
            Some((flag, None)) => {
                Err(self.problem(flag, Syntax::FlagWithoutValue(name.to_owned())))
            }
        }
    }

    /// A flag that may be given several times, each with a text.
    pub(super) fn texts(&self, name: &str) -> Outcome<Vec<(String, Span)>> {
        let one = |(flag, value): (&Flag, Option<&str>)| match value {
            Some(value) => Ok((value.to_owned(), self.place(flag))),
            None => Err(self.problem(flag, Syntax::FlagWithoutValue(name.to_owned()))),
        };
        self.named(name).map(one).collect()
    }

    /// A flag that is `true`, `false` or without value.
    pub(super) fn switch(&self, name: &str) -> Outcome<Option<bool>> {
        let Some((flag, value)) = self.once(name)? else {
            return Ok(None);
        };
        let fault = match value.map(str::to_lowercase).as_deref() {
            None | Some("true") => return Ok(Some(true)),
            Some("false") => return Ok(Some(false)),
            Some("") => Syntax::FlagWithoutValue(name.to_owned()),
            Some(_) => Syntax::NotBoolean {
                flag: name.to_owned(),
                value: value.unwrap_or_default().to_owned(),
            },
        };
        Err(self.problem(flag, fault))
    }

    /// Refuses flags that the instruction does not have.
    pub(super) fn finish(&self, known: &[&'static str]) -> Outcome<()> {
        for flag in &self.list {
            let (name, _) = Self::split(flag);
            if !known.contains(&name) {
                let hint = suggest::hint(name, known.iter().copied(), false);
                let name = name.to_owned();
                return Err(self.problem(flag, Syntax::UnknownFlag { name, hint }));
            }
        }
        Ok(())
    }
}
