//! Which engine to talk to, and the reader's side of `~/.docker/config.json`.

mod endpoint;
mod file;
mod host;

pub(crate) use endpoint::{Endpoint, GlobalFlags, contexts, resolve};
pub(crate) use file::ConfigFile;
pub(crate) use host::{DEFAULT_SOCKET, Host, SshTarget};
