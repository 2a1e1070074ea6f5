//! A build as BuildKit's clients ask for it, put to the solver.
//!
//! [`Attributes`] reads what a frontend is told in words; [`Job`] fetches what the client
//! has, builds, and sends the results; [`Journal`] keeps what the solver tells, for whoever watches.

mod attributes;
mod export;
mod failure;
mod files;
mod journal;
mod layout;
mod load;
mod places;
mod questions;
mod request;
mod run;
mod task;

pub use attributes::{Attributes, AttributesError};
pub use failure::CANCELLED;
pub use journal::Journal;
pub use places::{Place, Places};
pub use request::{Exporter, ExporterError};
pub use run::{Finished, Host, Job};
