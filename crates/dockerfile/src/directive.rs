//! Parser directives in the first lines: `# syntax=`, `# escape=`, `# check=`.

use crate::error::{Error, Layout};
use crate::source::{Lines, Source};

/// What the directives say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    /// The frontend that shall read the file, with its arguments.
    pub syntax: Option<String>,
    /// The escape character: `\` or a backtick.
    pub escape: char,
    /// Options of the checks.
    pub check: Option<String>,
}

/// Reads directives line by line.
#[derive(Debug)]
pub(crate) struct Reader {
    found: Directives,
    seen: Vec<&'static str>,
    done: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            found: Directives {
                syntax: None,
                escape: '\\',
                check: None,
            },
            seen: Vec::new(),
            done: false,
        }
    }
}

impl Reader {
    pub(crate) const fn escape(&self) -> char {
        self.found.escape
    }

    pub(crate) fn finish(self) -> Directives {
        self.found
    }

    /// Takes a line; returns whether it is a directive. The first line that is none ends them.
    pub(crate) fn line(&mut self, text: &str, number: usize) -> Result<bool, Error> {
        if self.done {
            return Ok(false);
        }
        // A line that runs the file as a script is no directive and ends none.
        if number == 1 && text.starts_with("#!") {
            return Ok(false);
        }
        let Some((name, value)) = parse(text, "#") else {
            self.done = true;
            return Ok(false);
        };
        if self.seen.contains(&name) {
            return Err(Error::new(Layout::DirectiveTwice(name), Lines::one(number)));
        }
        self.seen.push(name);
        match name {
            "syntax" => self.found.syntax = Some(value.to_owned()),
            "check" => self.found.check = Some(value.to_owned()),
            _ => match value {
                "\\" => self.found.escape = '\\',
                "`" => self.found.escape = '`',
                other => {
                    let fault = Layout::EscapeToken(other.to_owned());
                    return Err(Error::new(fault, Lines::one(number)));
                }
            },
        }
        Ok(true)
    }
}

/// A directive's name and value.
fn parse<'a>(text: &'a str, comment: &str) -> Option<(&'static str, &'a str)> {
    let rest = text.strip_prefix(comment)?.trim_start();
    let (name, value) = rest.split_once('=')?;
    let name = ["syntax", "escape", "check"]
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(name.trim_end()))?;
    let value = value.trim();
    (!value.is_empty()).then_some((name, value))
}

/// The frontend a file asks for, wherever BuildKit looks: `# syntax=`, `// syntax=` or a JSON
/// object's `syntax`. The file need not be a Dockerfile.
#[must_use]
pub fn requested_frontend(source: &Source) -> Option<String> {
    let text = source.text().trim_start_matches('\u{feff}');
    for comment in ["#", "//"] {
        let lines = text.lines().skip_while(|line| line.starts_with("#!"));
        for (name, value) in lines.map_while(|line| parse(line, comment)) {
            if name == "syntax" {
                return value.split(' ').next().map(str::to_owned);
            }
        }
    }
    let object: serde_json::Value = serde_json::from_str(text).ok()?;
    object.get("syntax")?.as_str().map(str::to_owned)
}
