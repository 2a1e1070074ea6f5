//! Statements to typed instructions: arguments and flags of each, and their faults.

mod flags;
mod health;
mod run;
mod transfer;

use crate::ast::{Argument, CommandLine, FromLine, Instruction, Kind, Onbuild, Pairs, Text};
use crate::error::{Error, Fault, Layout, Syntax};
use crate::source::Span;
use crate::statement::Statement;
use crate::{suggest, words};
use flags::FlagSet;

/// The instructions' names.
pub(crate) const NAMES: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// A parsed statement: `FROM` or another instruction.
#[derive(Debug)]
pub(crate) enum Parsed {
    From(FromLine),
    Other(Instruction),
}

/// A statement taken apart.
struct Request<'a> {
    statement: &'a Statement,
    keyword: &'a str,
    flags: FlagSet<'a>,
    /// What follows the flags.
    rest: &'a str,
    escape: char,
}

/// Parses a statement.
pub(crate) fn parse(statement: &Statement, escape: char) -> Result<Parsed, Error> {
    let command = words::command(&statement.text);
    let flags = words::flags(command.rest);
    let request = Request {
        statement,
        keyword: command.keyword,
        rest: flags.rest,
        flags: FlagSet::new(statement, command.rest, flags.list),
        escape,
    };
    request.parse().map_err(|problem| Error {
        kind: Box::new(problem.fault),
        lines: vec![statement.lines],
        span: problem.span,
    })
}

/// A fault within a statement.
struct Problem {
    fault: Fault,
    span: Option<Span>,
}

impl<T: Into<Fault>> From<T> for Problem {
    fn from(fault: T) -> Self {
        Self {
            fault: fault.into(),
            span: None,
        }
    }
}

type Outcome<T> = Result<T, Problem>;

impl Request<'_> {
    fn parse(mut self) -> Outcome<Parsed> {
        let upper = self.keyword.to_uppercase();
        let Some(name) = NAMES.into_iter().find(|name| *name == upper) else {
            return Err(self.unknown());
        };
        if name == "FROM" {
            return self.from().map(Parsed::From);
        }
        let kind = match name {
            "ADD" => Kind::Add(self.transfer("ADD")?),
            "ARG" => Kind::Arg(self.arguments()?),
            "CMD" => Kind::Cmd(self.bare()?.command_line()?),
            "COPY" => Kind::Copy(self.transfer("COPY")?),
            "ENTRYPOINT" => Kind::Entrypoint(self.bare()?.command_line()?),
            "ENV" => Kind::Env(self.pairs("ENV")?),
            "EXPOSE" => Kind::Expose(self.ports()?),
            "HEALTHCHECK" => Kind::Healthcheck(self.healthcheck()?),
            "LABEL" => Kind::Label(self.pairs("LABEL")?),
            "MAINTAINER" => Kind::Maintainer(self.one("MAINTAINER")?),
            "ONBUILD" => Kind::Onbuild(self.onbuild()?),
            "RUN" => Kind::Run(self.run()?),
            "SHELL" => Kind::Shell(self.shell()?),
            "STOPSIGNAL" => Kind::Stopsignal(self.one("STOPSIGNAL")?),
            "USER" => Kind::User(self.one("USER")?),
            "VOLUME" => Kind::Volume(self.volumes()?),
            _ => Kind::Workdir(self.one("WORKDIR")?),
        };
        Ok(Parsed::Other(Instruction {
            text: self.text(),
            kind,
        }))
    }

    fn text(&self) -> Text {
        Text {
            keyword: self.keyword.to_owned(),
            code: self.statement.text.trim().to_owned(),
            lines: self.statement.lines,
            span: self.statement.span.clone(),
            comments: self.statement.comments.clone(),
        }
    }

    fn unknown(&self) -> Problem {
        let hint = suggest::hint(self.keyword, NAMES, true);
        let written_small = self.keyword.chars().all(|letter| !letter.is_uppercase());
        let fault = Syntax::UnknownInstruction {
            name: self.keyword.to_owned(),
            hint: if written_small {
                hint.to_lowercase()
            } else {
                hint
            },
        };
        let text = &self.statement.text;
        let start = text.len() - text.trim_start().len();
        Problem {
            fault: fault.into(),
            span: Some(self.statement.locate(&(start..start + self.keyword.len()))),
        }
    }

    /// Refuses all flags.
    fn bare(&mut self) -> Outcome<&mut Self> {
        self.flags.finish(&[])?;
        Ok(self)
    }

    /// The rest as it stands, which must not be empty.
    fn one(&mut self, name: &'static str) -> Outcome<String> {
        if self.rest.is_empty() {
            return Err(Syntax::ExactlyOneArgument(name).into());
        }
        self.bare()?;
        Ok(self.rest.to_owned())
    }

    /// Shell form or JSON form.
    fn command_line(&self) -> Outcome<CommandLine> {
        command_line(self.rest)
    }

    fn from(&mut self) -> Outcome<FromLine> {
        let words = words::plain(self.rest);
        let (separator, written_name) = match words.as_slice() {
            [_] => (None, None),
            [_, separator, name] if separator.eq_ignore_ascii_case("as") => {
                (Some(separator.clone()), Some(name.clone()))
            }
            _ => return Err(Syntax::FromArguments.into()),
        };
        let name = written_name.as_ref().map(|name| name.to_lowercase());
        if name.as_ref().is_some_and(|name| !is_stage_name(name)) {
            return Err(Syntax::StageName(written_name.unwrap_or_default()).into());
        }
        let platform = self.flags.text("platform")?;
        self.flags.finish(&["platform"])?;
        Ok(FromLine {
            text: self.text(),
            base: words[0].clone(),
            separator,
            written_name,
            name,
            platform,
        })
    }

    fn arguments(&mut self) -> Outcome<Vec<Argument>> {
        let words = words::quoted(self.rest, self.escape);
        if words.is_empty() {
            return Err(Syntax::AtLeastOneArgument("ARG").into());
        }
        self.bare()?;
        let argument = |word: String| match word.split_once('=') {
            Some(("", _)) => Err(Syntax::BlankName("ARG").into()),
            Some((name, value)) => Ok(Argument {
                name: name.to_owned(),
                value: Some(value.to_owned()),
            }),
            None => Ok(Argument {
                name: word,
                value: None,
            }),
        };
        words.into_iter().map(argument).collect()
    }

    /// `NAME=value …`, or the old form `NAME value`.
    fn pairs(&mut self, name: &'static str) -> Outcome<Pairs> {
        let words = words::quoted(self.rest, self.escape);
        let Some(first) = words.first() else {
            self.bare()?;
            return Err(Syntax::AtLeastOneArgument(name).into());
        };
        if !first.contains('=') {
            let (key, value) = words::halves(self.rest).ok_or(Layout::TwoArguments(name))?;
            self.flags.finish(&[])?;
            return Ok(Pairs {
                list: vec![(key.to_owned(), value.to_owned())],
                legacy: true,
            });
        }
        let mut list = Vec::with_capacity(words.len());
        for word in words {
            let Some((key, value)) = word.split_once('=') else {
                return Err(Layout::NoEquals(word).into());
            };
            list.push((key.to_owned(), value.to_owned()));
        }
        self.bare()?;
        if list.iter().any(|(key, _)| key.is_empty()) {
            return Err(Syntax::BlankName(name).into());
        }
        Ok(Pairs {
            list,
            legacy: false,
        })
    }

    fn ports(&mut self) -> Outcome<Vec<String>> {
        let mut ports = words::plain(self.rest);
        if ports.is_empty() {
            return Err(Syntax::AtLeastOneArgument("EXPOSE").into());
        }
        self.bare()?;
        ports.sort();
        Ok(ports)
    }

    fn shell(&mut self) -> Outcome<Vec<String>> {
        self.bare()?;
        match words::json(self.rest)? {
            Some(words) if !words.is_empty() => Ok(words),
            None if !self.rest.is_empty() => Err(Syntax::ShellNotJson.into()),
            _ => Err(Syntax::AtLeastOneArgument("SHELL").into()),
        }
    }

    fn volumes(&mut self) -> Outcome<Vec<String>> {
        let list = match words::json(self.rest)? {
            Some(list) => list,
            None => words::plain(self.rest),
        };
        if list.is_empty() {
            return Err(Syntax::AtLeastOneArgument("VOLUME").into());
        }
        self.bare()?;
        let volumes: Vec<String> = list.iter().map(|path| path.trim().to_owned()).collect();
        if volumes.iter().any(String::is_empty) {
            return Err(Syntax::EmptyVolume.into());
        }
        Ok(volumes)
    }

    fn onbuild(&mut self) -> Outcome<Onbuild> {
        if self.rest.is_empty() {
            return Err(Syntax::AtLeastOneArgument("ONBUILD").into());
        }
        self.bare()?;
        let trigger = words::command(self.rest).keyword.to_uppercase();
        match trigger.as_str() {
            "ONBUILD" => return Err(Syntax::OnbuildChain.into()),
            "MAINTAINER" | "FROM" => return Err(Syntax::OnbuildTrigger(trigger).into()),
            _ => {}
        }
        let mut trigger = self.rest.to_owned();
        for heredoc in &self.statement.heredocs {
            trigger.push('\n');
            trigger.push_str(&heredoc.content);
            trigger.push_str(&heredoc.name);
        }
        Ok(Onbuild { trigger })
    }
}

fn command_line(rest: &str) -> Outcome<CommandLine> {
    Ok(match words::json(rest)? {
        Some(words) => CommandLine::Exec(words),
        None => CommandLine::Shell(rest.to_owned()),
    })
}

/// `[a-z][a-z0-9-_.]*`
fn is_stage_name(name: &str) -> bool {
    let rest = |letter: char| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_.".contains(letter)
    };
    name.starts_with(|letter: char| letter.is_ascii_lowercase()) && name.chars().all(rest)
}
