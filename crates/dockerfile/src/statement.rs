//! Falls a file into statements: lines joined over continuations, comments left out,
//! here-documents attached.
//!
//! A statement's text is not a slice of the source any more, so it carries a map back to it.

use crate::directive::{Directives, Reader};
use crate::error::{Error, Layout};
use crate::heredoc::{self, Heredoc};
use crate::source::{Lines, Source, Span};

/// The most bytes a Dockerfile may have.
pub const FILE_MAX_BYTES: usize = 2 << 20;
/// The most bytes a line may have, as in BuildKit.
pub const LINE_MAX_BYTES: usize = (64 << 10) - 1;

/// One instruction's text.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    /// The joined lines.
    pub(crate) text: String,
    /// From which byte of `text` on which byte of the source stands there.
    pieces: Vec<(usize, usize)>,
    /// The lines it takes, here-documents included.
    pub(crate) lines: Lines,
    /// The source it takes, here-documents included.
    pub(crate) span: Span,
    /// The comments in the lines before it, without their `#`.
    pub(crate) comments: Vec<String>,
    /// The here-documents in order.
    pub(crate) heredocs: Vec<Heredoc>,
    /// Whether a line within a continuation is empty.
    pub(crate) has_empty_line: bool,
}

impl Statement {
    /// Where a part of the text stands in the source.
    pub(crate) fn locate(&self, part: &Span) -> Span {
        let start = self.offset(part.start);
        let last = part.end.saturating_sub(1).max(part.start);
        let end = if part.is_empty() {
            start
        } else {
            self.offset(last) + 1
        };
        start..end.max(start)
    }

    fn offset(&self, at: usize) -> usize {
        let piece = self.pieces.partition_point(|(text, _)| *text <= at);
        let (text, source) = self.pieces[piece.saturating_sub(1)];
        (source + at - text).min(self.span.end)
    }
}

/// A file in statements.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) directives: Directives,
    pub(crate) list: Vec<Statement>,
}

/// Reads all statements.
pub(crate) fn read(source: &Source) -> Result<Statements, Error> {
    let text = source.text();
    if text.is_empty() {
        return Err(Error::nowhere(Layout::Empty));
    }
    if text.len() > FILE_MAX_BYTES {
        let limit = FILE_MAX_BYTES;
        return Err(Error::nowhere(Layout::TooLong { limit }));
    }
    let mut scan = Scan::new(text);
    let mut list = Vec::new();
    while let Some(statement) = scan.statement()? {
        list.push(statement);
    }
    if list.is_empty() {
        let last = Lines::one(scan.number.max(1));
        return Err(Error::new(Layout::NoInstructions, last));
    }
    Ok(Statements {
        directives: scan.directives.finish(),
        list,
    })
}

/// A line of the source.
#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    number: usize,
    start: usize,
    /// With its end.
    whole: &'a str,
    /// Without its end.
    text: &'a str,
}

impl Line<'_> {
    fn is_comment(&self) -> bool {
        self.text.trim_start().starts_with('#')
    }

    fn is_blank(&self) -> bool {
        self.text.trim_start().is_empty()
    }
}

struct Scan<'a> {
    lines: std::str::SplitInclusive<'a, char>,
    offset: usize,
    number: usize,
    directives: Reader,
    comments: Vec<String>,
}

impl<'a> Scan<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            lines: text.split_inclusive('\n'),
            offset: 0,
            number: 0,
            directives: Reader::default(),
            comments: Vec::new(),
        }
    }

    fn line(&mut self) -> Result<Option<Line<'a>>, Error> {
        let Some(mut whole) = self.lines.next() else {
            return Ok(None);
        };
        self.number += 1;
        let mut start = self.offset;
        self.offset += whole.len();
        if self.number == 1 {
            let marked = whole.len();
            whole = whole.trim_start_matches('\u{feff}');
            start += marked - whole.len();
        }
        let text = whole.trim_end_matches(['\n', '\r']);
        if text.len() > LINE_MAX_BYTES {
            let limit = LINE_MAX_BYTES;
            let place = Lines::one(self.number);
            return Err(Error::new(Layout::LineTooLong { limit }, place));
        }
        let number = self.number;
        Ok(Some(Line {
            number,
            start,
            whole,
            text,
        }))
    }

    /// The next statement, the lines before it that hold none being skipped.
    fn statement(&mut self) -> Result<Option<Statement>, Error> {
        while let Some(line) = self.line()? {
            let is_directive = self.directives.line(line.text, line.number)?;
            if line.is_comment() {
                let comment = line.text.trim_start().trim_start_matches('#').trim();
                if comment.is_empty() {
                    self.comments.clear();
                } else if !is_directive {
                    self.comments.push(comment.to_owned());
                }
                continue;
            }
            if !line.is_blank() {
                return self.joined(line).map(Some);
            }
        }
        Ok(None)
    }

    fn joined(&mut self, first: Line<'a>) -> Result<Statement, Error> {
        let text = first.text.trim_start();
        let start = first.start + first.text.len() - text.len();
        let escape = self.directives.escape();
        let mut statement = Statement {
            text: String::new(),
            pieces: Vec::new(),
            lines: Lines::one(first.number),
            span: start..first.start + first.text.len(),
            comments: std::mem::take(&mut self.comments),
            heredocs: Vec::new(),
            has_empty_line: false,
        };
        let mut open = append(&mut statement, text, start, escape);
        while open {
            let Some(line) = self.line()? else { break };
            statement.lines.last = line.number;
            if line.is_comment() {
                continue;
            }
            if line.is_blank() {
                statement.has_empty_line = true;
                continue;
            }
            statement.span.end = line.start + line.text.len();
            open = append(&mut statement, line.text, line.start, escape);
        }
        let blank = statement.text.len() - statement.text.trim_start().len();
        statement.span.start = statement.offset(blank);
        self.heredocs(&mut statement)?;
        Ok(statement)
    }

    fn heredocs(&mut self, statement: &mut Statement) -> Result<(), Error> {
        for mut heredoc in heredoc::announced(&statement.text) {
            let mut closed = false;
            while let Some(line) = self.line()? {
                statement.lines.last = line.number;
                statement.span.end = line.start + line.text.len();
                let end = if heredoc.chomp {
                    line.text.trim_start_matches('\t')
                } else {
                    line.text
                };
                if end == heredoc.name {
                    closed = true;
                    break;
                }
                heredoc.content.push_str(line.whole);
            }
            if !closed {
                return Err(Error::new(Layout::OpenHeredoc, statement.lines));
            }
            statement.heredocs.push(heredoc);
        }
        Ok(())
    }
}

/// Adds a line; returns whether the next one continues it.
fn append(statement: &mut Statement, line: &str, start: usize, escape: char) -> bool {
    let trimmed = line.trim_end_matches([' ', '\t']);
    let (text, open) = match trimmed.strip_suffix(escape) {
        // Two escape characters are one that was escaped.
        Some(before) if !before.ends_with(escape) => (before, true),
        _ => (line, false),
    };
    statement.pieces.push((statement.text.len(), start));
    statement.text.push_str(text);
    open
}
