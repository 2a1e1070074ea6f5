//! BuildKit's checks: rules, warnings, and the checks that need only the parsed file.
//!
//! Checks that need values of variables are made while stages are evaluated.

mod rule;
mod syntax;

pub use rule::Rule;
pub(crate) use syntax::check;

use crate::csv;
use crate::error::{Error, Layout, Meaning};
use crate::source::Lines;

/// A rule that a Dockerfile breaks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// The rule.
    pub rule: Rule,
    /// What breaks it.
    pub message: String,
    /// Where.
    pub lines: Lines,
}

impl Warning {
    pub(crate) fn new(rule: Rule, message: impl Into<String>, lines: Lines) -> Self {
        Self {
            rule,
            message: message.into(),
            lines,
        }
    }
}

/// `# check=skip=RULE,…;error=true;experimental=RULE,…`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckOptions {
    skip: Choice,
    experimental: Choice,
    error: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Choice {
    #[default]
    None,
    Some(Vec<String>),
    All,
}

impl Choice {
    fn parse(text: &str) -> Self {
        if text == "all" {
            return Self::All;
        }
        Self::Some(text.split(',').map(|name| name.trim().to_owned()).collect())
    }

    fn holds(&self, rule: Rule) -> bool {
        match self {
            Self::None => false,
            Self::Some(names) => names.iter().any(|name| name == rule.name()),
            Self::All => true,
        }
    }
}

impl CheckOptions {
    /// Reads the options of a `check` directive.
    ///
    /// # Errors
    /// [`Layout::CheckOptions`] for an option that does not exist or has no sense.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let fault = |text: String| Error::nowhere(Layout::CheckOptions(text));
        let mut options = Self::default();
        let text = text.trim();
        if text.is_empty() {
            return Ok(options);
        }
        for part in text.split(';') {
            let invalid = |what: &str| fault(format!("invalid check option {what:?}"));
            let (key, value) = part.split_once('=').ok_or_else(|| invalid(part))?;
            let value = value.trim();
            match key.trim() {
                "skip" => options.skip = Choice::parse(value),
                "experimental" => options.experimental = Choice::parse(value),
                "error" => {
                    options.error = csv::boolean(value).ok_or_else(|| {
                        fault(format!(
                            "failed to parse check option {part:?}: strconv.ParseBool: parsing {value:?}: invalid syntax"
                        ))
                    })?;
                }
                other => return Err(invalid(other)),
            }
        }
        Ok(options)
    }

    /// Leaves out what is not to be told.
    #[must_use]
    pub fn select(&self, warnings: Vec<Warning>) -> Vec<Warning> {
        let told = |warning: &Warning| {
            let rule = warning.rule;
            !self.skip.holds(rule) && (!rule.is_experimental() || self.experimental.holds(rule))
        };
        warnings.into_iter().filter(told).collect()
    }

    /// The fault that warnings are, where they shall be one.
    ///
    /// # Errors
    /// [`Meaning::Lint`] if there are warnings and `error=true` was said.
    pub fn judge(&self, warnings: &[Warning]) -> Result<(), Error> {
        if !self.error || warnings.is_empty() {
            return Ok(());
        }
        let mut rules: Vec<&str> = Vec::new();
        for warning in warnings {
            if !rules.contains(&warning.rule.name()) {
                rules.push(warning.rule.name());
            }
        }
        Err(Error::nowhere(Meaning::Lint(rules.join(", "))))
    }
}

/// Whether a variable's name sounds like a secret.
pub(crate) fn sounds_secret(name: &str) -> bool {
    const WORDS: [&str; 10] = [
        "apikey",
        "auth",
        "credential",
        "credentials",
        "key",
        "password",
        "pword",
        "passwd",
        "secret",
        "token",
    ];
    let lower = name.to_lowercase();
    let mut parts = lower.split('_');
    parts.clone().any(|part| WORDS.contains(&part)) && !parts.any(|part| part == "public")
}
