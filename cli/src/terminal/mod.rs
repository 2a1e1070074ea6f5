//! The user's terminal and the byte streams of an attached container: raw mode, size, detach
//! keys, and the two threads that pump bytes between this process and a hijacked connection.

mod detach;
mod output;
mod pump;
mod raw;
mod resize;
mod signals;

pub(crate) use detach::DetachKeys;
pub(crate) use output::Output;
pub(crate) use pump::{Ending, Streams, pump};
pub(crate) use raw::{RawMode, require_terminal, restore_on_panic, without_echo};
pub(crate) use resize::{follow_size, size};
pub(crate) use signals::{Caught, catch, forward};
