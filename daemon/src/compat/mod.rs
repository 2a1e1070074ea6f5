//! What becomes of everything a client or an administrator may ask for (invariant 10).
//!
//! Owns the word for it, [`Support`]; the tables are [`fields`] (the API's Config, HostConfig and
//! NetworkingConfig) and `config::options` (flags and `daemon.json`). [`document`] writes both, and
//! the operations that are not built, as `docs/compatibility.md`. Checks of values (an unknown
//! network mode, a bad port) are the core's, where the value is used.

pub mod document;
pub mod fields;
#[cfg(test)]
mod tests;

/// Whether something takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It does what Docker's documentation says.
    Honoured,
    /// Honoured, but for values that are refused or warned of where they are used; this says which.
    ByValue(&'static str),
    /// It is answered with an error that names it and says this.
    Refused(&'static str),
    /// It has no effect, which is safe; a warning names it and says this.
    Warned(&'static str),
    /// The engine sets it in answers; in requests it means nothing, to dockerd neither.
    Answer,
}
