//! Making the process: clone, joining and mapping, and the conversation between the runtime and the
//! process until it becomes the user's program.
//!
//! `docs/protocols/init.md` draws it.

mod channel;
mod child;
mod parent;
mod userns;

pub(crate) use channel::{Channel, Message, connect_socket, send_descriptor};
pub(crate) use child::{Birth, Place, Start};
pub(crate) use parent::{LaunchError, Launched, Request, launch};
