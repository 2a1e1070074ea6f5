//! Progress of loads, imports and pulls, from the API's JSON messages.
//!
//! On a terminal each layer has a line that is rewritten in place, with its speed and what is left;
//! else each new status is a line of its own, without the bars.

mod messages;
mod pull;
mod rate;
mod split;

pub(crate) use messages::{To, show};
pub(crate) use pull::pull;
pub(crate) use split::Messages;
