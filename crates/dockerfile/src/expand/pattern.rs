//! Shell patterns of modifiers: `*` and `?`; matched in bounded time.

use std::ops::Range;

use crate::error::Expansion;

/// How many steps the patterns of one expansion may take.
const STEPS: usize = 64 << 20;

/// What is left of an expansion's steps.
#[derive(Debug)]
pub(super) struct Fuel(usize);

impl Fuel {
    pub(super) const fn new() -> Self {
        Self(STEPS)
    }

    const fn burn(&mut self, steps: usize) -> Result<(), Expansion> {
        match self.0.checked_sub(steps) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => Err(Expansion::TooCostly),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Letter(char),
    Any,
    Star,
}

/// A pattern in parts.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Part>);

impl Pattern {
    /// Reads a pattern; `\` escapes `*`, `?` and itself, and before `}` and `/` means nothing.
    pub(super) fn parse(text: &str) -> Result<Self, Expansion> {
        let mut parts = Vec::new();
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            parts.push(match letter {
                '*' if parts.last() == Some(&Part::Star) => continue,
                '*' => Part::Star,
                '?' => Part::Any,
                '\\' => match letters.peek() {
                    Some('}' | '/') => continue,
                    Some(&escaped @ ('*' | '?' | '\\')) => {
                        letters.next();
                        Part::Letter(escaped)
                    }
                    other => {
                        return Err(Expansion::Pattern {
                            pattern: text.to_owned(),
                            escape: other.copied().unwrap_or(char::REPLACEMENT_CHARACTER),
                        });
                    }
                },
                other => Part::Letter(other),
            });
        }
        Ok(Self(parts))
    }

    /// Where the shortest or longest match at the start ends.
    pub(super) fn prefix(
        &self,
        value: &str,
        longest: bool,
        fuel: &mut Fuel,
    ) -> Result<Option<usize>, Expansion> {
        let letters = value
            .char_indices()
            .map(|(at, letter)| (at + letter.len_utf8(), letter));
        ends(&self.0, 0, letters, longest, fuel)
    }

    /// Where the shortest or longest match at the end starts.
    pub(super) fn suffix(
        &self,
        value: &str,
        longest: bool,
        fuel: &mut Fuel,
    ) -> Result<Option<usize>, Expansion> {
        let parts: Vec<Part> = self.0.iter().rev().copied().collect();
        ends(
            &parts,
            value.len(),
            value.char_indices().rev(),
            longest,
            fuel,
        )
    }

    /// The first match at or behind a place, as long as it can be.
    pub(super) fn find(
        &self,
        value: &str,
        from: usize,
        fuel: &mut Fuel,
    ) -> Result<Option<Range<usize>>, Expansion> {
        let Some(rest) = value.get(from..) else {
            return Ok(None);
        };
        let starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
        for start in starts {
            if let Some(end) = self.prefix(&rest[start..], true, fuel)? {
                return Ok(Some(from + start..from + start + end));
            }
        }
        Ok(None)
    }
}

/// Walks over letters with all states at once; a state is the number of parts matched.
fn ends(
    parts: &[Part],
    origin: usize,
    letters: impl Iterator<Item = (usize, char)>,
    longest: bool,
    fuel: &mut Fuel,
) -> Result<Option<usize>, Expansion> {
    let mut states = vec![false; parts.len() + 1];
    states[0] = true;
    skip_stars(parts, &mut states);
    let mut found = states[parts.len()].then_some(origin);
    if found.is_some() && !longest {
        return Ok(found);
    }
    let mut next = vec![false; parts.len() + 1];
    for (place, letter) in letters {
        fuel.burn(parts.len() + 1)?;
        next.fill(false);
        let mut alive = false;
        for (state, part) in parts.iter().enumerate() {
            if !states[state] {
                continue;
            }
            // As in Go's regexp, a wildcard does not match the end of a line.
            match part {
                Part::Letter(wanted) if *wanted == letter => next[state + 1] = true,
                Part::Any if letter != '\n' => next[state + 1] = true,
                Part::Star if letter != '\n' => next[state] = true,
                _ => continue,
            }
            alive = true;
        }
        if !alive {
            break;
        }
        skip_stars(parts, &mut next);
        std::mem::swap(&mut states, &mut next);
        if states[parts.len()] {
            found = Some(place);
            if !longest {
                break;
            }
        }
    }
    Ok(found)
}

fn skip_stars(parts: &[Part], states: &mut [bool]) {
    for (state, part) in parts.iter().enumerate() {
        if states[state] && *part == Part::Star {
            states[state + 1] = true;
        }
    }
}
