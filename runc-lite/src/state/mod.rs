//! What is known of a container between one call of the runtime and the next.
//!
//! `<root>/<id>/` holds `state.json` (this module's record, versioned; written beside and renamed),
//! `config.json` (the bundle's, as it was at `create`) and, until `start`, `exec.fifo`. The root is
//! on a tmpfs: nothing here survives the machine.

mod record;
mod status;
mod store;

pub(crate) use record::Record;
pub(crate) use status::{Status, open_process, process_start_time};
pub(crate) use store::{ContainerDirectory, StateError, Store, write_pid_file};
