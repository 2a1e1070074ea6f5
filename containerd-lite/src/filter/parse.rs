//! The filter grammar.

use regex_lite::Regex;

use super::{FilterError, Selector, Test};

/// Longest filter that is looked at, in bytes.
const MAX_LENGTH: usize = 16 << 10;

pub(super) fn selectors(text: &str) -> Result<Vec<Selector>, FilterError> {
    let mut input = Input { text, at: 0 };
    if text.len() > MAX_LENGTH {
        return Err(input.error("at most 16 KiB"));
    }
    let mut all = Vec::new();
    if text.is_empty() {
        return Ok(all);
    }
    loop {
        all.push(selector(&mut input)?);
        if input.rest().is_empty() {
            return Ok(all);
        }
        if !input.eat(",") {
            return Err(input.error("a comma"));
        }
    }
}

fn selector(input: &mut Input<'_>) -> Result<Selector, FilterError> {
    let mut path = vec![name(input)?];
    while input.eat(".") {
        path.push(if input.rest().starts_with('"') {
            quoted(input, '"')?
        } else {
            name(input)?
        });
    }
    let test = if input.eat("==") {
        Test::Equal(value(input)?)
    } else if input.eat("!=") {
        Test::NotEqual(value(input)?)
    } else if input.eat("~=") {
        Test::Matches(pattern(input)?)
    } else {
        Test::Present
    };
    Ok(Selector { path, test })
}

fn name(input: &mut Input<'_>) -> Result<String, FilterError> {
    let name = input.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        Ok(name.to_owned())
    } else {
        Err(input.error("a field name"))
    }
}

fn value(input: &mut Input<'_>) -> Result<String, FilterError> {
    if input.rest().starts_with('"') {
        return quoted(input, '"');
    }
    let value = input.take_while(|c| c != ',' && !c.is_whitespace() && c != '"');
    if value.is_empty() {
        Err(input.error("a value"))
    } else {
        Ok(value.to_owned())
    }
}

fn pattern(input: &mut Input<'_>) -> Result<Regex, FilterError> {
    let pattern = match input.rest().chars().next() {
        Some(delimiter @ ('|' | '/')) => raw(input, delimiter)?,
        _ => value(input)?,
    };
    Regex::new(&pattern).map_err(|source| FilterError::Pattern { pattern, source })
}

/// Between delimiters; a backslash before the delimiter stands for it, others stay as they are.
fn raw(input: &mut Input<'_>, delimiter: char) -> Result<String, FilterError> {
    let mut inside = input.rest()[1..].char_indices();
    let mut text = String::new();
    while let Some((at, c)) = inside.next() {
        if c == delimiter {
            input.at += 1 + at + 1;
            return Ok(text);
        }
        if c == '\\' {
            match inside.next() {
                Some((_, escaped)) if escaped == delimiter => text.push(escaped),
                Some((_, escaped)) => text.extend(['\\', escaped]),
                None => break,
            }
        } else {
            text.push(c);
        }
    }
    Err(input.error("a closing delimiter"))
}

/// A Go string: the escapes that matter are `\"` and `\\`; others keep their letter.
fn quoted(input: &mut Input<'_>, quote: char) -> Result<String, FilterError> {
    let mut inside = input.rest()[1..].char_indices();
    let mut text = String::new();
    while let Some((at, c)) = inside.next() {
        if c == quote {
            input.at += 1 + at + 1;
            return Ok(text);
        }
        if c == '\\' {
            let Some((_, escaped)) = inside.next() else {
                break;
            };
            text.push(match escaped {
                'n' => '\n',
                't' => '\t',
                other => other,
            });
        } else {
            text.push(c);
        }
    }
    Err(input.error("a closing quote"))
}

struct Input<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Input<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn error(&self, expected: &'static str) -> FilterError {
        FilterError::Syntax {
            text: self.text.chars().take(256).collect(),
            at: self.at,
            expected,
        }
    }
}
