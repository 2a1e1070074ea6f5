//! Which of the two engines a test talks to.

/// Which engine is under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// gantryd and what it starts.
    Gantry,
    /// The newest dockerd and what it starts: the oracle.
    Stock,
}

impl Kind {
    /// The kind this run of the tests is about.
    #[must_use]
    pub fn under_test() -> Self {
        if std::env::var_os("GANTRY_ORACLE").is_some() {
            Self::Stock
        } else {
            Self::Gantry
        }
    }
}
