//! The shim's binary, driven over its real sockets with a real OCI runtime beneath it. The tests
//! play the supervisor. They run as root; the runtime is stock runc (`GANTRY_PEERS`), or the one
//! that `GANTRY_TEST_RUNTIME` names.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod attach;
mod bootstrap;
mod bundle;
mod exec;
mod exits;
mod figures;
mod fixtures;
mod logs;
mod resources;
mod shim;
mod supervisor;
mod terminal;
mod trace;
