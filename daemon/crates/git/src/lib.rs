//! Git repositories as sources of builds, fetched by the host's `git` program as BuildKit does.
//!
//! ```text
//! text ── Address ── Repository::resolve ── Commit ── Repository::check_out ── a directory
//! ```
//!
//! An address is hostile: nothing in it can be read as an option, and it names one of four
//! transports. So is a repository: no hook, no filter and no configuration of the host or of the
//! repository runs anything, its submodules use the same transports, and what it becomes on the disk
//! has a limit. `git` gets an environment of its own and asks nobody.
//!
//! A tree depends on its commit alone: modes are 0755 and 0644, and every time is the commit's.
//! Deliberately not here: what a build does with a tree, where secrets and agents come from, and
//! whether something is fetched again.

mod address;
mod command;
mod error;
mod repository;
mod tree;

pub use address::{Address, AddressError};
pub use error::GitError;
pub use repository::{Access, Commit, Keep, Repository};
