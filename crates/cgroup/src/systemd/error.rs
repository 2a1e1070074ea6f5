//! What can fail on the way through systemd.

use crate::dbus::BusError;

/// What can go wrong with systemd.
#[derive(Debug, thiserror::Error)]
pub enum SystemdError {
    /// Another init.
    #[error("systemd not running on this host, cannot use systemd cgroups manager")]
    NotRunning,
    /// Not three parts.
    #[error(
        "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got {path:?} instead"
    )]
    Path {
        /// As configured.
        path: String,
    },
    /// No name of a slice.
    #[error("invalid slice name: {name}")]
    Slice {
        /// As configured.
        name: String,
    },
    /// A property in an annotation that cannot be read.
    #[error("annotation org.systemd.property.{name}={value:?} is not understood")]
    Property {
        /// After the prefix.
        name: String,
        /// As configured.
        value: String,
    },
    /// A value of `unified` that has no meaning for systemd.
    #[error("unified resource {key:?} has a value that is not understood: {value:?}")]
    Unified {
        /// The file.
        key: String,
        /// As configured.
        value: String,
    },
    /// A list of processors or memory nodes that is none.
    #[error("cannot parse the list {list:?}")]
    List {
        /// As configured.
        list: String,
    },
    /// The conversation failed, or systemd said no.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// systemd took the order and did not carry it out.
    #[error("unable to {verb} unit {unit:?}: job result is {result}")]
    Job {
        /// `start` or `stop`.
        verb: &'static str,
        /// The unit.
        unit: String,
        /// systemd's word for how it ended.
        result: String,
    },
}
