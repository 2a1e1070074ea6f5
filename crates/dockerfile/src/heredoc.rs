//! Here-documents: `<<EOF`, `<<-EOF`, `<<"EOF"`, several in a line.

use crate::expand::Lexer;
use crate::words;

/// A here-document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// The word that ends it, also the file's name.
    pub name: String,
    /// Whether variables in it are expanded: not if the word is quoted.
    pub expand: bool,
    /// Whether leading tabs are removed: `<<-`.
    pub chomp: bool,
    /// The descriptor it is for: `3<<EOF`.
    pub descriptor: u32,
    /// The lines as they stand in the file.
    pub content: String,
}

impl Heredoc {
    /// The content, without leading tabs where that is asked for.
    #[must_use]
    pub fn body(&self) -> String {
        if !self.chomp {
            return self.content.clone();
        }
        self.content
            .split_inclusive('\n')
            .map(|line| line.trim_start_matches('\t'))
            .collect()
    }
}

/// The here-documents a statement announces, without content; only RUN, COPY and ADD can, also
/// behind ONBUILD, and only in their shell form.
pub(crate) fn announced(text: &str) -> Vec<Heredoc> {
    if !text.contains("<<") {
        return Vec::new();
    }
    let mut command = words::command(text);
    if command.keyword.eq_ignore_ascii_case("onbuild") {
        command = words::command(command.rest);
    }
    let holds = ["run", "copy", "add"]
        .iter()
        .any(|name| command.keyword.eq_ignore_ascii_case(name));
    if !holds || words::json(words::flags(command.rest).rest).is_ok_and(|list| list.is_some()) {
        return Vec::new();
    }
    let lexer = Lexer {
        raw_quotes: true,
        raw_escapes: true,
        keep_unset: true,
        ..Lexer::new('\\')
    };
    let words = lexer.expand(text, &()).map(|expanded| expanded.words);
    words
        .unwrap_or_default()
        .iter()
        .filter_map(|word| parse(word))
        .collect()
}

/// A word that announces a here-document.
pub(crate) fn parse(word: &str) -> Option<Heredoc> {
    let digits = word.len()
        - word
            .trim_start_matches(|digit: char| digit.is_ascii_digit())
            .len();
    let rest = word[digits..].strip_prefix("<<")?;
    let (chomp, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let rest = rest.trim_start();
    if rest.is_empty() || rest.contains('<') {
        return None;
    }
    let plain = Lexer {
        keep_unset: true,
        ..Lexer::new('\\')
    };
    let raw = Lexer {
        raw_quotes: true,
        ..plain
    };
    let mut words = plain.expand(rest, &()).ok()?.words;
    let quoted = raw.expand(rest, &()).ok()?.words;
    if words.len() != 1 || quoted.len() != 1 {
        return None;
    }
    let quotes = |text: &str| text.matches(['\'', '"']).count();
    let name = words.pop()?;
    Some(Heredoc {
        expand: quotes(&name) == quotes(&quoted[0]),
        name,
        chomp,
        descriptor: word[..digits].parse().unwrap_or(0),
        content: String::new(),
    })
}
