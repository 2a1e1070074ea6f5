//! How many words a command takes besides its flags, and docker's refusals.

/// The number of positional words of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arity {
    Exactly(usize),
    AtLeast(usize),
    AtMost(usize),
    Between(usize, usize),
    Any,
}

impl Arity {
    /// What is wrong with `count` words; `None` if nothing is.
    pub(crate) fn refuse(self, count: usize) -> Option<String> {
        let plural = |n: usize| if n == 1 { "argument" } else { "arguments" };
        match self {
            Self::Exactly(0) if count > 0 => Some("accepts no arguments".to_owned()),
            Self::Exactly(n) if count != n => Some(format!("requires {n} {}", plural(n))),
            Self::AtLeast(n) if count < n => Some(format!("requires at least {n} {}", plural(n))),
            Self::AtMost(n) if count > n => Some(format!("requires at most {n} {}", plural(n))),
            Self::Between(low, high) if count < low || count > high => Some(format!(
                "requires at least {low} and at most {high} {}",
                plural(high)
            )),
            Self::Exactly(_)
            | Self::AtLeast(_)
            | Self::AtMost(_)
            | Self::Between(..)
            | Self::Any => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_dockers_words() {
        let table = [
            (Arity::Exactly(0), 1, Some("accepts no arguments")),
            (Arity::Exactly(2), 1, Some("requires 2 arguments")),
            (Arity::AtLeast(1), 0, Some("requires at least 1 argument")),
            (Arity::AtMost(1), 2, Some("requires at most 1 argument")),
            (
                Arity::Between(1, 2),
                3,
                Some("requires at least 1 and at most 2 arguments"),
            ),
            (Arity::Between(1, 2), 2, None),
            (Arity::Any, 9, None),
        ];
        for (arity, count, want) in table {
            assert_eq!(arity.refuse(count).as_deref(), want, "{arity:?} {count}");
        }
    }
}
