//! A thin client of the Engine API: HTTP/1.1 by hyper over a unix socket, TCP, or the stdio of
//! `ssh … docker system dial-stdio`.
//!
//! Bodies stream in both directions. A hijacked connection leaves hyper and becomes a plain
//! blocking socket. The API's version is negotiated once, before the first call, as docker does.

mod call;
mod connect;
mod error;
mod hijack;
mod reply;
mod upload;

pub(crate) use call::{Call, Client};
pub(crate) use connect::Body;
pub(crate) use error::{ClientError, refusal};
pub(crate) use hijack::{Hijacked, Socket};
pub(crate) use reply::Reply;
pub(crate) use upload::upload;
