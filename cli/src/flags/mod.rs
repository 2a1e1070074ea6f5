//! Groups of flags that several commands share, and how each becomes a part of a request.

mod filter;

pub(crate) use filter::{Filter, filters};
