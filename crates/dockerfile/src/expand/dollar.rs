//! What follows a `$`.

use super::pattern::Pattern;
use super::{MAX_BYTES, Run};
use crate::error::Expansion;

impl Run<'_> {
    /// A reference to a variable, from its `$` on; a `$` that refers to nothing stays.
    pub(super) fn dollar(&mut self) -> Result<String, Expansion> {
        self.at += 1;
        if self.peek() != Some('{') {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".to_owned());
            }
            return Ok(match self.value(&name) {
                Some(value) => value,
                None if self.lexer.keep_unset => format!("${name}"),
                None => String::new(),
            });
        }
        self.at += 1;
        match self.peek() {
            None => return Err(Expansion::OpenBrace),
            Some('{' | '}' | ':') => return Err(Expansion::BadSubstitution),
            Some(_) => {}
        }
        let name = self.name();
        match self.next() {
            None => Err(Expansion::OpenBrace),
            Some('}') => {
                let value = self.value(&name);
                Ok(value.unwrap_or_else(|| self.unset(&name, "")))
            }
            Some(':') => {
                let modifier = self.next().ok_or(Expansion::OpenBrace)?;
                self.modified(&name, modifier, true)
            }
            Some('/') => self.replaced(&name),
            Some(modifier) => self.modified(&name, modifier, false),
        }
    }

    /// What stands for a variable without a value.
    fn unset(&self, name: &str, rest: &str) -> String {
        if self.lexer.keep_unset {
            format!("${{{name}{rest}}}")
        } else {
            String::new()
        }
    }

    /// A name, a number or one of the special parameters; empty if there is none.
    fn name(&mut self) -> String {
        let mut name = String::new();
        let Some(first) = self.peek() else {
            return name;
        };
        if matches!(first, '@' | '*' | '#' | '?' | '-' | '$' | '!' | '0') {
            self.at += 1;
            return if first == '0' {
                self.digits('0')
            } else {
                first.to_string()
            };
        }
        if first.is_numeric() {
            self.at += 1;
            return self.digits(first);
        }
        while let Some(letter) = self.peek() {
            if !letter.is_alphanumeric() && letter != '_' {
                break;
            }
            name.push(letter);
            self.at += 1;
        }
        name
    }

    fn digits(&mut self, first: char) -> String {
        let mut name = first.to_string();
        while let Some(digit) = self.peek().filter(|letter| letter.is_numeric()) {
            name.push(digit);
            self.at += 1;
        }
        name
    }

    fn modified(
        &mut self,
        name: &str,
        modifier: char,
        empty_is_unset: bool,
    ) -> Result<String, Expansion> {
        let shown = if empty_is_unset {
            format!(":{modifier}")
        } else {
            modifier.to_string()
        };
        if !matches!(modifier, '+' | '-' | '?' | '#' | '%') && !empty_is_unset {
            return Err(Expansion::Modifier(shown));
        }
        let word = self.word('}', matches!(modifier, '#' | '%'), Expansion::OpenBrace)?;
        let value = self.value(name);
        if self.lexer.keep_unset && value.is_none() {
            return Ok(self.unset(name, &format!("{shown}{word}")));
        }
        let given = value.filter(|value| !(empty_is_unset && value.is_empty()));
        match modifier {
            '-' => Ok(given.unwrap_or(word)),
            '+' => Ok(given.map(|_| word).unwrap_or_default()),
            '?' => given.ok_or_else(|| {
                let is_set = self.variables.value(name).is_some();
                let default = if is_set {
                    "is not allowed to be empty"
                } else {
                    "is not allowed to be unset"
                };
                let message = if word.is_empty() {
                    default.to_owned()
                } else {
                    word
                };
                let name = name.to_owned();
                Expansion::Required { name, message }
            }),
            '#' | '%' => self.trimmed(&given.unwrap_or_default(), modifier, &word),
            _ => Err(Expansion::Modifier(shown)),
        }
    }

    /// Reads a word of a modifier.
    fn word(&mut self, stop: char, raw: bool, missing: Expansion) -> Result<String, Expansion> {
        match self.until(Some(stop), raw) {
            Ok((word, _)) => Ok(word),
            Err(limit @ (Expansion::TooDeep { .. } | Expansion::TooLong { .. })) => Err(limit),
            Err(_) if self.peek().is_none() => Err(missing),
            Err(error) => Err(error),
        }
    }

    /// `${v#p}`, `${v##p}`, `${v%p}`, `${v%%p}`.
    fn trimmed(&mut self, value: &str, modifier: char, word: &str) -> Result<String, Expansion> {
        let longest = word.starts_with(modifier);
        let pattern = Pattern::parse(if longest { &word[1..] } else { word })?;
        if modifier == '#' {
            let end = pattern.prefix(value, longest, &mut self.fuel)?;
            return Ok(value[end.unwrap_or(0)..].to_owned());
        }
        let start = pattern.suffix(value, longest, &mut self.fuel)?;
        Ok(value[..start.unwrap_or(value.len())].to_owned())
    }

    /// `${v/p/r}` and `${v//p/r}`.
    fn replaced(&mut self, name: &str) -> Result<String, Expansion> {
        let all = self.peek() == Some('/');
        self.at += usize::from(all);
        let text = self.word('/', true, Expansion::NoSlash)?;
        let replacement = self.word('}', true, Expansion::OpenBrace)?;
        let Some(value) = self.value(name) else {
            let slash = if all { "//" } else { "/" };
            return Ok(self.unset(name, &format!("{slash}{text}/{replacement}")));
        };
        let pattern = Pattern::parse(&text)?;
        let mut result = String::new();
        let mut kept = 0;
        let mut from = 0;
        while let Some(found) = pattern.find(&value, from, &mut self.fuel)? {
            // An empty match right behind the last one is none, as in Go's regexp.
            if !(found.is_empty() && found.start == kept && kept > 0) {
                result.push_str(&value[kept..found.start]);
                result.push_str(&replacement);
                kept = found.end;
            }
            let step = value[found.end..].chars().next().map_or(1, char::len_utf8);
            from = if found.is_empty() {
                found.end + step
            } else {
                found.end
            };
            if result.len() > MAX_BYTES {
                return Err(Expansion::TooLong { limit: MAX_BYTES });
            }
            if !all || from > value.len() {
                break;
            }
        }
        result.push_str(&value[kept..]);
        Ok(result)
    }
}
