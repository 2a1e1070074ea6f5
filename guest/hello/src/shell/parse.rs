//! Text to a list of pipelines. Pure; expansion of variables happens when a command runs.

use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

/// When the pipeline runs, by the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Always,
    Succeeded,
    Failed,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pipeline {
    pub(super) when: When,
    pub(super) commands: Vec<Command>,
    pub(super) background: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) words: Vec<Word>,
    pub(super) redirects: Vec<Redirect>,
}

/// Pieces that stand together without a blank between them.
pub(super) type Word = Vec<Piece>;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// A quoted variable stays one word; an unquoted one is split at blanks.
    Variable {
        name: String,
        quoted: bool,
    },
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Redirect {
    In(Word),
    Out {
        fd: u8,
        file: Word,
        append: bool,
    },
    /// `2>&1`
    ErrorsToOut,
    /// `1>&2`, `>&2`
    OutToErrors,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Error {
    Unclosed(char),
    Expected(&'static str),
    NotBuilt(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unclosed(quote) => write!(f, "a {quote} is not closed"),
            Self::Expected(what) => write!(f, "expected {what}"),
            Self::NotBuilt(what) => write!(f, "{what}: this small shell does not have it"),
        }
    }
}

/// Words that begin what this shell does not have.
const RESERVED: &[&str] = &[
    "if", "then", "else", "fi", "for", "while", "until", "do", "done", "case", "function", "{",
];

/// The pipelines of `script`, in order.
pub(super) fn parse(script: &str) -> Result<Vec<Pipeline>, Error> {
    let mut parser = Parser {
        chars: script.chars().peekable(),
    };
    let mut list = Vec::new();
    let mut when = When::Always;
    loop {
        parser.skip_separators();
        if parser.chars.peek().is_none() {
            return if when == When::Always {
                Ok(list)
            } else {
                Err(Error::Expected("a command"))
            };
        }
        let mut pipeline = parser.pipeline(when)?;
        when = parser.connector(&mut pipeline)?;
        list.push(pipeline);
    }
}

struct Parser<'a> {
    chars: Peekable<Chars<'a>>,
}

impl Parser<'_> {
    fn eat(&mut self, c: char) -> bool {
        self.chars.next_if_eq(&c).is_some()
    }

    fn skip_blanks(&mut self) {
        while self
            .chars
            .next_if(|c| matches!(c, ' ' | '\t' | '\r'))
            .is_some()
        {}
        if self.chars.peek() == Some(&'#') {
            while self.chars.next_if(|c| *c != '\n').is_some() {}
        }
    }

    fn skip_separators(&mut self) {
        loop {
            self.skip_blanks();
            if self.chars.next_if(|c| matches!(c, '\n' | ';')).is_none() {
                return;
            }
        }
    }

    fn pipeline(&mut self, when: When) -> Result<Pipeline, Error> {
        let mut commands = vec![self.command()?];
        loop {
            let mut ahead = self.chars.clone();
            if ahead.next() != Some('|') || ahead.next() == Some('|') {
                return Ok(Pipeline {
                    when,
                    commands,
                    background: false,
                });
            }
            self.eat('|');
            commands.push(self.command()?);
        }
    }

    /// What follows a pipeline: `;`, a new line, `&`, `&&`, `||` or the end.
    fn connector(&mut self, pipeline: &mut Pipeline) -> Result<When, Error> {
        self.skip_blanks();
        match self.chars.next() {
            None | Some('\n' | ';') => Ok(When::Always),
            Some('&') if self.eat('&') => Ok(When::Succeeded),
            Some('&') => {
                pipeline.background = true;
                Ok(When::Always)
            }
            Some('|') if self.eat('|') => Ok(When::Failed),
            Some(c) => Err(Error::NotBuilt(c.to_string())),
        }
    }

    fn command(&mut self) -> Result<Command, Error> {
        let mut command = Command::default();
        loop {
            self.skip_blanks();
            match self.chars.peek().copied() {
                None | Some('\n' | ';' | '|' | '&') => break,
                Some(c @ ('(' | ')' | '`')) => return Err(Error::NotBuilt(c.to_string())),
                Some('<') => {
                    self.chars.next();
                    command.redirects.push(Redirect::In(self.target()?));
                }
                Some('>') => command.redirects.push(self.output(1)?),
                Some(c @ ('1' | '2')) if self.second() == Some('>') => {
                    self.chars.next();
                    command
                        .redirects
                        .push(self.output(if c == '1' { 1 } else { 2 })?);
                }
                Some(_) => command.words.push(self.word()?),
            }
        }
        match command.words.first().map(Vec::as_slice) {
            Some([Piece::Text(word)]) if RESERVED.contains(&word.as_str()) => {
                Err(Error::NotBuilt(word.clone()))
            }
            None if command.redirects.is_empty() => Err(Error::Expected("a command")),
            _ => Ok(command),
        }
    }

    fn second(&self) -> Option<char> {
        self.chars.clone().nth(1)
    }

    fn output(&mut self, fd: u8) -> Result<Redirect, Error> {
        self.eat('>');
        let append = self.eat('>');
        if self.eat('&') {
            return match (fd, self.chars.next()) {
                (2, Some('1')) => Ok(Redirect::ErrorsToOut),
                (1, Some('2')) => Ok(Redirect::OutToErrors),
                _ => Err(Error::Expected("2>&1 or >&2")),
            };
        }
        Ok(Redirect::Out {
            fd,
            file: self.target()?,
            append,
        })
    }

    fn target(&mut self) -> Result<Word, Error> {
        self.skip_blanks();
        match self.chars.peek() {
            None | Some('\n' | ';' | '|' | '&' | '<' | '>') => Err(Error::Expected("a file name")),
            Some(_) => self.word(),
        }
    }

    fn word(&mut self) -> Result<Word, Error> {
        let mut word = Vec::new();
        let mut text = String::new();
        let mut quoted_empty = false;
        while let Some(c) = self.chars.peek().copied() {
            match c {
                ' ' | '\t' | '\r' | '\n' | ';' | '|' | '&' | '<' | '>' | '(' | ')' => break,
                '\'' => {
                    self.chars.next();
                    quoted_empty = true;
                    text.push_str(&self.single_quoted()?);
                }
                '"' => {
                    self.chars.next();
                    quoted_empty = true;
                    self.double_quoted(&mut word, &mut text)?;
                }
                '\\' => {
                    self.chars.next();
                    text.extend(self.chars.next());
                }
                '$' => self.variable(&mut word, &mut text, false)?,
                '`' => return Err(Error::NotBuilt("`".into())),
                c => {
                    self.chars.next();
                    text.push(c);
                }
            }
        }
        if !text.is_empty() || (word.is_empty() && quoted_empty) {
            word.push(Piece::Text(text));
        }
        Ok(word)
    }

    fn single_quoted(&mut self) -> Result<String, Error> {
        let mut text = String::new();
        loop {
            match self.chars.next() {
                Some('\'') => return Ok(text),
                Some(c) => text.push(c),
                None => return Err(Error::Unclosed('\'')),
            }
        }
    }

    fn double_quoted(&mut self, word: &mut Word, text: &mut String) -> Result<(), Error> {
        loop {
            match self.chars.peek().copied() {
                Some('"') => {
                    self.chars.next();
                    return Ok(());
                }
                Some('\\') => {
                    self.chars.next();
                    match self.chars.next() {
                        Some(c @ ('"' | '\\' | '$' | '`')) => text.push(c),
                        Some(c) => text.extend(['\\', c]),
                        None => return Err(Error::Unclosed('"')),
                    }
                }
                Some('$') => self.variable(word, text, true)?,
                Some(c) => {
                    self.chars.next();
                    text.push(c);
                }
                None => return Err(Error::Unclosed('"')),
            }
        }
    }

    /// `$NAME`, `${NAME}`, `$?`, `$$`; a lone `$` is itself.
    fn variable(&mut self, word: &mut Word, text: &mut String, quoted: bool) -> Result<(), Error> {
        self.chars.next();
        let mut name = String::new();
        match self.chars.peek().copied() {
            Some('(') => return Err(Error::NotBuilt("$(".into())),
            Some(c @ ('?' | '$')) => {
                self.chars.next();
                name.push(c);
            }
            Some('{') => {
                self.chars.next();
                while let Some(c) = self.chars.next_if(|c| *c != '}') {
                    name.push(c);
                }
                if !self.eat('}') {
                    return Err(Error::Unclosed('{'));
                }
                if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                    return Err(Error::NotBuilt(format!("${{{name}}}")));
                }
            }
            _ => {
                while let Some(c) = self
                    .chars
                    .next_if(|c| c.is_ascii_alphanumeric() || *c == '_')
                {
                    name.push(c);
                }
            }
        }
        if name.is_empty() {
            text.push('$');
            return Ok(());
        }
        if !text.is_empty() {
            word.push(Piece::Text(std::mem::take(text)));
        }
        word.push(Piece::Variable { name, quoted });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
