//! Wire values ↔ the values programs work with.

pub mod any;
pub mod status;
pub mod time;
