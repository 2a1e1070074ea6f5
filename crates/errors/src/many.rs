//! Errors collected by a teardown that goes on after a failure.

use std::error::Error;
use std::fmt;

use crate::chain;

/// All failures of a teardown whose every step was tried.
#[derive(Debug)]
pub struct Many<E>(Vec<E>);

impl<E> Default for Many<E> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<E> Many<E> {
    /// Nothing has failed yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a step's failure and gives its value on success.
    pub fn note<T>(&mut self, step: Result<T, E>) -> Option<T> {
        step.map_err(|error| self.0.push(error)).ok()
    }

    /// `Ok` when every step succeeded.
    ///
    /// # Errors
    /// All that was noted, in order.
    pub fn finish(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    /// What failed, in order.
    #[must_use]
    pub fn errors(&self) -> &[E] {
        &self.0
    }
}

impl<E: Error> fmt::Display for Many<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{}", chain(error))?;
        }
        Ok(())
    }
}

impl<E: Error> Error for Many<E> {}

#[cfg(test)]
mod tests {
    use super::Many;
    use std::io;

    #[test]
    fn every_failure_is_kept() {
        let mut many = Many::new();
        assert_eq!(many.note(Ok::<_, io::Error>(1)), Some(1));
        assert_eq!(many.note(Err::<u8, _>(io::Error::other("a"))), None);
        many.note(Err::<(), _>(io::Error::other("b")));
        let many = many.finish().expect_err("two failures");
        assert_eq!(many.to_string(), "a; b");
        assert_eq!(many.errors().len(), 2);
    }

    #[test]
    fn nothing_noted_is_success() {
        assert!(Many::<io::Error>::new().finish().is_ok());
    }
}
