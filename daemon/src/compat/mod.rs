//! What becomes of everything a client or an administrator may ask for (invariant 10).
//!
//! Owns the word for it, [`Support`]; the tables are [`fields`] (the API's Config, HostConfig and
//! NetworkingConfig) and `config::options` (flags and `daemon.json`). Checks of values (an unknown
//! network mode, a bad port) are the core's, where the value is used.

pub mod fields;

/// Whether something takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It does what Docker's documentation says.
    Honoured,
    /// It is answered with an error that names it and says this.
    Refused(&'static str),
    /// It has no effect, which is safe; a warning names it and says this.
    Warned(&'static str),
}
