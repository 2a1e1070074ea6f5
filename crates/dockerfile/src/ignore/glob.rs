//! One pattern, matched by all its states at once: the time grows with pattern times path.

use super::IgnoreError;

#[derive(Debug, Clone)]
pub(super) struct Glob {
    /// A pattern of `**` and plain letters matches every path with that end.
    suffix: Option<String>,
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Letter(char),
    /// `?`
    Any,
    /// `*`
    Star,
    /// `**` at the end.
    All,
    /// `**/`: nothing, or anything up to a slash; this part is before it, the next within it.
    Deep,
    Within,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Glob {
    pub(super) fn parse(text: &str) -> Result<Self, IgnoreError> {
        let fault = || IgnoreError::Syntax(text.to_owned());
        let mut parts = Vec::new();
        let mut letters = text.chars().peekable();
        let mut is_plain = true;
        while let Some(letter) = letters.next() {
            match letter {
                '*' if letters.next_if_eq(&'*').is_some() => {
                    is_plain &= parts.is_empty();
                    let _ = letters.next_if_eq(&'/');
                    if letters.peek().is_none() {
                        parts.push(Part::All);
                    } else {
                        parts.extend([Part::Deep, Part::Within]);
                    }
                    continue;
                }
                '*' => parts.push(Part::Star),
                '?' => parts.push(Part::Any),
                '[' => parts.push(class(&mut letters).ok_or_else(fault)?),
                '\\' => parts.push(Part::Letter(letters.next().ok_or_else(fault)?)),
                other => {
                    parts.push(Part::Letter(other));
                    continue;
                }
            }
            is_plain = false;
        }
        let suffix = text.strip_prefix("**").filter(|_| is_plain);
        Ok(Self {
            suffix: suffix.map(str::to_owned),
            parts,
        })
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        if let Some(suffix) = &self.suffix {
            return path.ends_with(suffix.as_str()) || suffix.strip_prefix('/') == Some(path);
        }
        let count = self.parts.len();
        let mut states = vec![false; count + 1];
        states[0] = true;
        self.skip(&mut states);
        let mut next = vec![false; count + 1];
        for letter in path.chars() {
            next.fill(false);
            for (state, part) in self.parts.iter().enumerate() {
                if states[state] {
                    part.step(letter, state, &mut next);
                }
            }
            self.skip(&mut next);
            std::mem::swap(&mut states, &mut next);
        }
        states[count]
    }

    /// Goes on past parts that may match nothing.
    fn skip(&self, states: &mut [bool]) {
        for (state, part) in self.parts.iter().enumerate() {
            if !states[state] {
                continue;
            }
            match part {
                Part::Star | Part::All => states[state + 1] = true,
                Part::Deep => states[state + 2] = true,
                _ => {}
            }
        }
    }
}

impl Part {
    fn step(&self, letter: char, state: usize, next: &mut [bool]) {
        let is_slash = letter == '/';
        match self {
            Self::Letter(wanted) => next[state + 1] |= *wanted == letter,
            Self::Any => next[state + 1] |= !is_slash,
            Self::Star => next[state] |= !is_slash,
            Self::All => next[state] = true,
            Self::Deep => {
                next[state + 1] = true;
                next[state + 2] |= is_slash;
            }
            Self::Within => {
                next[state] = true;
                next[state + 1] |= is_slash;
            }
            Self::Class { negated, ranges } => {
                let within = ranges
                    .iter()
                    .any(|(low, high)| (*low..=*high).contains(&letter));
                next[state + 1] |= within != *negated;
            }
        }
    }
}

/// A class from behind its `[` to its `]`; none if it is malformed.
fn class(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Part> {
    let negated = letters.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && letters.next_if_eq(&']').is_some() {
            return Some(Part::Class { negated, ranges });
        }
        let low = class_letter(letters)?;
        let high = if letters.next_if_eq(&'-').is_some() {
            class_letter(letters)?
        } else {
            low
        };
        ranges.push((low, high));
    }
}

fn class_letter(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    match letters.next()? {
        '-' | ']' => None,
        '\\' => letters.next(),
        other => Some(other),
    }
}
