//! An error with its causes on one line.

use std::error::Error;
use std::fmt;

/// Displays an error and its sources as `a: b: c`.
///
/// A source whose text its parent already ends with is not repeated (transparent wrappers).
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a>(&'a (dyn Error + 'a));

/// The whole story of `error`, from what was tried to why it failed.
#[must_use]
pub fn chain<'a>(error: &'a (dyn Error + 'a)) -> Chain<'a> {
    Chain(error)
}

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = self.0.to_string();
        f.write_str(&last)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            let text = error.to_string();
            if !text.is_empty() && !last.ends_with(&text) {
                write!(f, ": {text}")?;
                last = text;
            }
            next = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::chain;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("mount the root of {id}")]
    struct Outer {
        id: String,
        #[source]
        source: Middle,
    }

    #[derive(Debug, thiserror::Error)]
    enum Middle {
        #[error(transparent)]
        Io(io::Error),
        #[error("open the tree")]
        Open(#[source] io::Error),
    }

    fn outer(source: Middle) -> Outer {
        let id = "c1".into();
        Outer { id, source }
    }

    #[test]
    fn causes_follow_in_order() {
        let error = outer(Middle::Open(io::Error::other("no such device")));
        assert_eq!(
            chain(&error).to_string(),
            "mount the root of c1: open the tree: no such device"
        );
    }

    #[test]
    fn a_transparent_wrapper_is_told_once() {
        let error = outer(Middle::Io(io::Error::other("no such device")));
        assert_eq!(
            chain(&error).to_string(),
            "mount the root of c1: no such device"
        );
    }
}
