//! Go's flag syntax: `-name`, `--name`, `--name=value`, `--name value`; a switch may have `=true` or
//! `=false`; the first word that is no flag ends the flags, and so does `--`.

/// One flag that is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    pub(crate) short: Option<char>,
    /// A switch takes no value.
    pub(crate) takes_value: bool,
    pub(crate) help: &'static str,
}

impl Flag {
    /// A flag without a value.
    pub(crate) const fn switch(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            short: None,
            takes_value: false,
            help,
        }
    }

    /// A flag with a value.
    pub(crate) const fn value(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            short: None,
            takes_value: true,
            help,
        }
    }

    /// The same with a letter.
    pub(crate) const fn short(self, letter: char) -> Self {
        Self {
            short: Some(letter),
            ..self
        }
    }

    fn is(&self, name: &str) -> bool {
        let mut letters = name.chars();
        self.name == name
            || (letters.next() == self.short && letters.next().is_none() && self.short.is_some())
    }
}

/// A command line that is not understood. The words are Go's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum UsageError {
    #[error("flag provided but not defined: -{name}")]
    Undefined { name: String },
    #[error("flag needs an argument: -{name}")]
    NeedsArgument { name: String },
    #[error("invalid boolean value {value:?} for -{name}: parse error")]
    NotBoolean { name: String, value: String },
    #[error("No help topic for '{verb}'\n")]
    NoVerb { verb: String },
    #[error("runc-lite: {verb:?} requires {wanted} argument(s)")]
    Arguments {
        verb: &'static str,
        wanted: &'static str,
    },
}

/// What was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    given: Vec<(&'static str, String)>,
    /// What came after the flags.
    pub(crate) rest: Vec<String>,
}

impl Parsed {
    /// The last value given.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.given
            .iter()
            .rev()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }

    /// All values given, in order.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.given
            .iter()
            .filter(move |(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether a switch is on.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// The first word after the flags, which every verb about one container has.
    pub(crate) fn id(&self) -> &str {
        self.rest.first().map_or("", String::as_str)
    }
}

/// Parses until the first word that is no flag.
pub(crate) fn parse(flags: &[Flag], args: &[String]) -> Result<Parsed, UsageError> {
    let mut parsed = Parsed::default();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let Some(text) = word.strip_prefix('-').filter(|text| !text.is_empty()) else {
            parsed.rest.push(word.clone());
            break;
        };
        if text == "-" {
            break;
        }
        let text = text.strip_prefix('-').unwrap_or(text);
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        let Some(flag) = flags.iter().find(|flag| flag.is(name)) else {
            return Err(UsageError::Undefined {
                name: name.to_owned(),
            });
        };
        let name = name.to_owned();
        let value = match (flag.takes_value, value) {
            (true, Some(value)) => value,
            (true, None) => words
                .next()
                .cloned()
                .ok_or(UsageError::NeedsArgument { name })?,
            (false, None) => "true".to_owned(),
            (false, Some(value)) => match value.as_str() {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => "true".to_owned(),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => "false".to_owned(),
                _ => return Err(UsageError::NotBoolean { name, value }),
            },
        };
        parsed.given.push((flag.name, value));
    }
    parsed.rest.extend(words.cloned());
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: [Flag; 2] = [
        Flag::value("root", "").short('r'),
        Flag::switch("force", "").short('f'),
    ];

    fn parse_words(words: &[&str]) -> Result<Parsed, UsageError> {
        parse(
            &FLAGS,
            &words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn go_s_forms() {
        for words in [
            &["-root", "x", "-f"][..],
            &["--root=x", "--force=1"],
            &["-r", "x", "-force"],
        ] {
            let parsed = parse_words(words).unwrap();
            assert_eq!(parsed.get("root"), Some("x"));
            assert!(parsed.has("force"));
        }
    }

    #[test]
    fn flags_end_at_the_first_word() {
        let parsed = parse_words(&["--force", "id", "--root", "y"]).unwrap();
        assert_eq!(parsed.get("root"), None);
        assert_eq!(parsed.rest, ["id", "--root", "y"]);
        assert_eq!(parse_words(&["--", "-f"]).unwrap().rest, ["-f"]);
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(
            parse_words(&["--foo"]),
            Err(UsageError::Undefined { name: "foo".into() })
        );
        assert_eq!(
            parse_words(&["-r"]),
            Err(UsageError::NeedsArgument { name: "r".into() })
        );
        assert!(matches!(
            parse_words(&["-f=x"]),
            Err(UsageError::NotBoolean { .. })
        ));
    }
}
