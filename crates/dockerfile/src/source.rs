//! The text of a Dockerfile and places in it: byte spans, lines, columns, excerpts.

use std::fmt::Write;
use std::ops::Range;

/// A half-open range of bytes in a [`Source`].
pub type Span = Range<usize>;

/// Lines from the first to the last, both included, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lines {
    /// The first line.
    pub first: usize,
    /// The last line; at least `first`.
    pub last: usize,
}

impl Lines {
    /// One line.
    #[must_use]
    pub const fn one(line: usize) -> Self {
        Self {
            first: line,
            last: line,
        }
    }

    const fn contains(self, line: usize) -> bool {
        self.first <= line && line <= self.last
    }
}

/// A line and a column, both counted from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// A Dockerfile's text with its name.
#[derive(Debug, Clone)]
pub struct Source {
    name: String,
    text: String,
    starts: Vec<usize>,
}

impl Source {
    /// Takes the bytes of a file; what is not UTF-8 becomes U+FFFD.
    #[must_use]
    pub fn new(name: impl Into<String>, bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Self {
            name: name.into(),
            text,
            starts,
        }
    }

    /// What the file is called in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where a byte stands; an offset past the end counts as the end.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[line - 1];
        let column = self.text.as_bytes()[start..offset]
            .iter()
            .filter(|byte| !(0x80..0xc0).contains(*byte))
            .count();
        Position {
            line,
            column: column + 1,
        }
    }

    /// The text of a line counted from 1, without its end; empty past the last.
    #[must_use]
    pub fn line(&self, line: usize) -> &str {
        let Some(start) = line.checked_sub(1).and_then(|at| self.starts.get(at)) else {
            return "";
        };
        let end = self.starts.get(line).copied().unwrap_or(self.text.len());
        self.text[*start..end].trim_end_matches(['\n', '\r'])
    }

    /// The lines around a place, the place marked, as BuildKit prints them.
    ///
    /// With a span, a line of carets stands below its first line. Empty without a place.
    #[must_use]
    pub fn excerpt(&self, places: &[Lines], span: Option<&Span>) -> String {
        let mut out = String::new();
        let (Some(first), Some(last)) = (places.first(), places.last()) else {
            return out;
        };
        let count = self.starts.len();
        if first.first == 0 || first.first > count {
            return out;
        }
        let (start, end) = padded(first.first, last.last.min(count), count);
        let rule = "--------------------";
        let _ = writeln!(out, "{}:{}\n{rule}", self.name, first.first);
        for line in start..=end {
            let marked = places.iter().any(|lines| lines.contains(line));
            let mark = if marked { ">>>" } else { "   " };
            let _ = writeln!(out, " {line:3} | {mark} {}", self.line(line));
            if let Some(carets) = span.and_then(|span| self.carets(span, line)) {
                let _ = writeln!(out, "     |     {carets}");
            }
        }
        let _ = writeln!(out, "{rule}");
        out
    }

    /// Spaces and carets that mark the part of a span in the line where it starts.
    fn carets(&self, span: &Span, line: usize) -> Option<String> {
        let start = self.position(span.start);
        if start.line != line || span.is_empty() {
            return None;
        }
        let text = self.line(line);
        let before: String = text
            .chars()
            .take(start.column - 1)
            .map(|letter| if letter == '\t' { '\t' } else { ' ' })
            .collect();
        let marked = self.text.get(span.clone())?;
        let width = marked.lines().next().unwrap_or("").chars().count();
        Some(format!("{before}{}", "^".repeat(width.max(1))))
    }
}

/// Widens lines by what surrounds them: four lines around one, two around several.
fn padded(mut start: usize, mut end: usize, count: usize) -> (usize, usize) {
    let wanted = if start == end { 4 } else { 2 };
    let mut given = 0;
    while given < wanted {
        if start > 1 {
            start -= 1;
            given += 1;
        }
        if end < count {
            end += 1;
            given += 1;
        }
        given += 1;
    }
    (start, end)
}
