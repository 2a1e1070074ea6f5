//! Variables in words: `$v`, `${v}` and all modifiers; quotes, escapes and word splitting.
//!
//! Follows BuildKit's shell lexer, which follows POSIX `sh` where it can. Results, nesting and
//! the cost of patterns are limited, so that every expansion ends soon: see [`MAX_BYTES`] and
//! [`MAX_DEPTH`].

mod dollar;
mod pattern;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Expansion;
use pattern::Fuel;
use words::Words;

/// The most bytes an expanded word may have.
pub const MAX_BYTES: usize = 1 << 20;
/// How deep `${a:-${b:-…}}` may be nested.
pub const MAX_DEPTH: usize = 32;

/// Where values come from.
pub trait Variables {
    /// The value of a variable, if it is set.
    fn value(&self, name: &str) -> Option<&str>;
}

impl Variables for BTreeMap<String, String> {
    fn value(&self, name: &str) -> Option<&str> {
        self.get(name).map(String::as_str)
    }
}

impl Variables for () {
    fn value(&self, _name: &str) -> Option<&str> {
        None
    }
}

/// How words are read; the default is how Dockerfile arguments are.
#[derive(Debug, Clone, Copy)]
pub struct Lexer {
    /// The escape character: `\` or a backtick.
    pub escape: char,
    /// Whether quotes stay in the result.
    pub raw_quotes: bool,
    /// Whether escape characters stay in the result.
    pub raw_escapes: bool,
    /// Whether quotes mean nothing, as in here-documents.
    pub plain_quotes: bool,
    /// Whether references to variables that are not set stay as they are.
    pub keep_unset: bool,
}

impl Lexer {
    /// A lexer with an escape character.
    #[must_use]
    pub const fn new(escape: char) -> Self {
        Self {
            escape,
            raw_quotes: false,
            raw_escapes: false,
            plain_quotes: false,
            keep_unset: false,
        }
    }

    /// Expands a text.
    ///
    /// # Errors
    /// [`Expansion`] if the text is malformed, asks for a missing value (`${v:?}`) or passes a
    /// limit.
    pub fn expand(&self, text: &str, variables: &dyn Variables) -> Result<Expanded, Expansion> {
        let mut run = Run {
            lexer: *self,
            variables,
            letters: text.chars().collect(),
            at: 0,
            raw_escapes: self.raw_escapes,
            depth: 0,
            fuel: Fuel::new(),
            matched: BTreeSet::new(),
            unmatched: Vec::new(),
        };
        let (text, words) = run.until(None, self.raw_escapes)?;
        Ok(Expanded {
            text,
            words,
            matched: run.matched,
            unmatched: run.unmatched,
        })
    }
}

/// An expanded text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expanded {
    /// The text as one word.
    pub text: String,
    /// The text split at spaces outside quotes.
    pub words: Vec<String>,
    /// The variables that had a value.
    pub matched: BTreeSet<String>,
    /// The variables that had none, each once, in order.
    pub unmatched: Vec<String>,
}

/// One expansion under way.
struct Run<'a> {
    lexer: Lexer,
    variables: &'a dyn Variables,
    letters: Vec<char>,
    at: usize,
    raw_escapes: bool,
    depth: usize,
    fuel: Fuel,
    matched: BTreeSet<String>,
    unmatched: Vec<String>,
}

impl Run<'_> {
    fn peek(&self) -> Option<char> {
        self.letters.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += 1;
        Some(letter)
    }

    fn value(&mut self, name: &str) -> Option<String> {
        let value = self.variables.value(name).map(str::to_owned);
        if value.is_some() {
            self.matched.insert(name.to_owned());
        } else if !self.unmatched.iter().any(|known| known == name) {
            self.unmatched.push(name.to_owned());
        }
        value
    }

    /// Reads up to a letter, which is consumed, or up to the end.
    fn until(
        &mut self,
        stop: Option<char>,
        raw_escapes: bool,
    ) -> Result<(String, Vec<String>), Expansion> {
        if self.depth >= MAX_DEPTH {
            return Err(Expansion::TooDeep { limit: MAX_DEPTH });
        }
        let outer = std::mem::replace(&mut self.raw_escapes, raw_escapes);
        self.depth += 1;
        let read = self.read(stop);
        self.depth -= 1;
        self.raw_escapes = outer;
        read
    }

    fn read(&mut self, stop: Option<char>) -> Result<(String, Vec<String>), Expansion> {
        let mut words = Words::default();
        while let Some(letter) = self.peek() {
            if Some(letter) == stop {
                self.at += 1;
                return Ok(words.finish());
            }
            match letter {
                '$' => words.push_split(&self.dollar()?)?,
                '\'' if !self.lexer.plain_quotes => words.push_whole(&self.single()?)?,
                '"' if !self.lexer.plain_quotes => words.push_whole(&self.double()?)?,
                '<' => words.push_whole(&self.angle())?,
                _ => self.letter(&mut words)?,
            }
        }
        match stop {
            Some(stop) => Err(Expansion::Open(stop)),
            None => Ok(words.finish()),
        }
    }

    fn letter(&mut self, words: &mut Words) -> Result<(), Expansion> {
        let Some(letter) = self.next() else {
            return Ok(());
        };
        if letter != self.lexer.escape {
            return words.push(letter);
        }
        if self.raw_escapes {
            words.push_raw(letter)?;
        }
        match self.next() {
            Some(escaped) => words.push_raw(escaped),
            None => Ok(()),
        }
    }

    /// `<<` with the spaces after it, which belong to the word of a here-document.
    fn angle(&mut self) -> String {
        self.at += 1;
        if self.peek() != Some('<') {
            return "<".to_owned();
        }
        self.at += 1;
        let mut text = "<<".to_owned();
        while let Some(space) = self.peek().filter(|next| matches!(next, ' ' | '\t' | '\r')) {
            text.push(space);
            self.at += 1;
        }
        text
    }

    fn single(&mut self) -> Result<String, Expansion> {
        let mut text = String::new();
        self.at += 1;
        if self.lexer.raw_quotes {
            text.push('\'');
        }
        while let Some(letter) = self.next() {
            if letter != '\'' {
                text.push(letter);
                continue;
            }
            if self.lexer.raw_quotes {
                text.push('\'');
            }
            return Ok(text);
        }
        Err(Expansion::OpenQuote("single"))
    }

    fn double(&mut self) -> Result<String, Expansion> {
        let mut text = String::new();
        self.at += 1;
        if self.lexer.raw_quotes {
            text.push('"');
        }
        while let Some(letter) = self.peek() {
            match letter {
                '"' => {
                    self.at += 1;
                    if self.lexer.raw_quotes {
                        text.push('"');
                    }
                    return Ok(text);
                }
                '$' => text.push_str(&self.dollar()?),
                _ => self.quoted_letter(&mut text),
            }
            if text.len() > MAX_BYTES {
                return Err(Expansion::TooLong { limit: MAX_BYTES });
            }
        }
        Err(Expansion::OpenQuote("double"))
    }

    /// Within double quotes only `"`, `$` and the escape character itself can be escaped.
    fn quoted_letter(&mut self, text: &mut String) {
        let Some(letter) = self.next() else { return };
        if letter != self.lexer.escape {
            text.push(letter);
            return;
        }
        if self.raw_escapes {
            text.push(letter);
        }
        match self.peek() {
            None => {}
            Some(next) if next == '"' || next == '$' || next == self.lexer.escape => {
                self.at += 1;
                text.push(next);
            }
            Some(_) => text.push(letter),
        }
    }
}

#[cfg(test)]
mod tests;
