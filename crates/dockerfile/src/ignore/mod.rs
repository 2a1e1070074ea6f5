//! Patterns of `.dockerignore` and `--exclude`, as moby's patternmatcher reads them.
//!
//! `*` and `?` stop at slashes, `**` does not; a pattern that matches a directory holds for all in
//! it; later patterns win over earlier ones and `!` takes out again.

mod glob;

use glob::Glob;

/// A fault in a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IgnoreError {
    /// An exception without a pattern.
    #[error("illegal exclusion pattern: \"!\"")]
    EmptyException,
    /// A class that does not end, or an escape at the end.
    #[error("syntax error in pattern: {0}")]
    Syntax(String),
}

/// Patterns in order.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    list: Vec<Pattern>,
}

#[derive(Debug, Clone)]
struct Pattern {
    glob: Glob,
    is_exception: bool,
}

impl Patterns {
    /// Reads a `.dockerignore`: a pattern a line, comments behind `#` in the first column.
    ///
    /// # Errors
    /// [`IgnoreError`] for the first malformed pattern.
    pub fn read(text: &str) -> Result<Self, IgnoreError> {
        let patterns = ignore_lines(text);
        Self::new(patterns.iter().map(String::as_str))
    }

    /// Takes patterns as they are.
    ///
    /// # Errors
    /// [`IgnoreError`] for the first malformed pattern.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, IgnoreError> {
        let mut list = Vec::new();
        for text in patterns {
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            let clean = clean(text);
            let (is_exception, text) = match clean.strip_prefix('!') {
                Some("") => return Err(IgnoreError::EmptyException),
                Some(rest) => (true, rest),
                None => (false, clean.as_str()),
            };
            list.push(Pattern {
                glob: Glob::parse(text)?,
                is_exception,
            });
        }
        Ok(Self { list })
    }

    /// Whether there is no pattern.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether something may be left in although a directory above it is left out.
    #[must_use]
    pub fn has_exceptions(&self) -> bool {
        self.list.iter().any(|pattern| pattern.is_exception)
    }

    /// Whether a path is left out; it is relative, with slashes.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let mut matched = false;
        for pattern in &self.list {
            if pattern.is_exception != matched {
                continue;
            }
            let slashes = path.match_indices('/').map(|(at, _)| &path[..at]);
            if std::iter::once(path)
                .chain(slashes)
                .any(|path| pattern.glob.matches(path))
            {
                matched = !pattern.is_exception;
            }
        }
        matched
    }
}

/// The patterns of a `.dockerignore`, cleaned, in order.
#[must_use]
pub fn ignore_lines(text: &str) -> Vec<String> {
    let text = text.trim_start_matches('\u{feff}');
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| match line.strip_prefix('!') {
            Some(rest) => format!("!{}", relative(rest.trim())),
            None => relative(line),
        })
        .collect()
}

/// Whether a name matches a pattern as Go's `filepath.Match` has it: `*`, `?`, classes, escapes.
///
/// # Errors
/// [`IgnoreError::Syntax`] for a malformed pattern.
pub fn matches_name(pattern: &str, name: &str) -> Result<bool, IgnoreError> {
    let mut single = pattern.to_owned();
    while single.contains("**") {
        single = single.replace("**", "*");
    }
    Ok(Glob::parse(&single)?.matches(name))
}

/// A pattern without a slash in front.
fn relative(text: &str) -> String {
    let text = if text.is_empty() {
        String::new()
    } else {
        clean(text)
    };
    match text.strip_prefix('/') {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => text,
    }
}

/// A path without empty parts, `.` and, where possible, `..`, as Go's `filepath.Clean`.
#[must_use]
pub fn clean(path: &str) -> String {
    let is_absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if is_absolute => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (is_absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests;
