//! Takes statements apart: keyword, flags, words, JSON lists.

use crate::error::Layout;
use crate::source::Span;

/// A keyword and what follows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Command<'a> {
    pub(crate) keyword: &'a str,
    /// Empty if nothing follows.
    pub(crate) rest: &'a str,
}

/// Splits a statement behind its keyword.
pub(crate) fn command(text: &str) -> Command<'_> {
    let text = text.trim();
    match text.find(is_blank) {
        Some(at) => Command {
            keyword: &text[..at],
            rest: text[at..].trim_start_matches(is_blank),
        },
        None => Command {
            keyword: text,
            rest: "",
        },
    }
}

const fn is_blank(letter: char) -> bool {
    matches!(letter, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ')
}

/// A flag as written, quotes and escapes resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flag {
    /// `--name` or `--name=value`.
    pub(crate) text: String,
    /// Where it stands in the text that was given to [`flags`].
    pub(crate) span: Span,
}

/// The flags of a statement and what follows them.
#[derive(Debug)]
pub(crate) struct Flags<'a> {
    pub(crate) list: Vec<Flag>,
    pub(crate) rest: &'a str,
}

/// Takes the flags from the front; `--` ends them.
pub(crate) fn flags(text: &str) -> Flags<'_> {
    let mut list: Vec<Flag> = Vec::new();
    let mut at = 0;
    loop {
        let start = at + text[at..].len() - text[at..].trim_start().len();
        if !text[start..].starts_with("--") {
            return Flags {
                list,
                rest: text[start..].trim(),
            };
        }
        let (word, end) = flag_word(text, start);
        if word == "--" {
            return Flags {
                list,
                rest: text[end..].trim(),
            };
        }
        list.push(Flag {
            text: word,
            span: start..end,
        });
        at = end;
    }
}

/// A word up to the next space outside quotes, quotes and backslashes resolved.
fn flag_word(text: &str, start: usize) -> (String, usize) {
    let mut word = String::new();
    let mut quote = None;
    let mut letters = text[start..].char_indices();
    while let Some((at, letter)) = letters.next() {
        match quote {
            None if letter.is_whitespace() => return (word, start + at),
            None if letter == '\'' || letter == '"' => quote = Some(letter),
            Some(open) if open == letter => quote = None,
            _ if letter == '\\' => {
                if let Some((_, escaped)) = letters.next() {
                    word.push(escaped);
                }
            }
            _ => word.push(letter),
        }
    }
    (word, text.len())
}

/// Words as ENV, LABEL and ARG have them: quotes and escapes stay in them.
pub(crate) fn quoted(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut blank_counts = false;
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let in_single = quote == Some('\'');
        if letter == escape && !in_single {
            // An escape character at the very end is dropped.
            let Some(escaped) = letters.next() else { break };
            word.push(letter);
            word.push(escaped);
            continue;
        }
        match quote {
            None if letter.is_whitespace() => {
                if blank_counts || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                blank_counts = false;
                continue;
            }
            None if letter == '\'' || letter == '"' => {
                quote = Some(letter);
                blank_counts = true;
            }
            Some(open) if open == letter => quote = None,
            _ => {}
        }
        word.push(letter);
    }
    if blank_counts || !word.is_empty() {
        words.push(word);
    }
    words
}

/// Words as FROM, EXPOSE, COPY, ADD and VOLUME have them: split at spaces, nothing more.
pub(crate) fn plain(text: &str) -> Vec<String> {
    text.split(is_blank)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// A list of strings in JSON; none if the text is no JSON list at all.
pub(crate) fn json(text: &str) -> Result<Option<Vec<String>>, Layout> {
    let text = text.trim_start();
    if !text.starts_with('[') {
        return Ok(None);
    }
    let Ok(values) = serde_json::from_str::<Vec<serde_json::Value>>(text) else {
        return Ok(None);
    };
    let strings = values.into_iter().map(|value| match value {
        serde_json::Value::String(text) => Ok(text),
        _ => Err(Layout::JsonNotStrings),
    });
    strings.collect::<Result<Vec<_>, _>>().map(Some)
}

/// Splits at the first run of spaces: the old form `ENV name value`.
pub(crate) fn halves(text: &str) -> Option<(&str, &str)> {
    let at = text.find(is_blank)?;
    Some((&text[..at], text[at..].trim_start_matches(is_blank)))
}
