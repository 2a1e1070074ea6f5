//! Request metadata: the namespace every call belongs to.

use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Request, Status};

/// Metadata key of the namespace (containerd's `namespaces.GRPCHeader`).
pub const NAMESPACE: &str = "containerd-namespace";

/// Metadata key of the lease a call runs under.
pub const LEASE: &str = "containerd-lease";

/// Metadata key by which the caller of `Containers/Create` says that it keeps the definition itself and
/// makes it anew after a power cut: the supervisor may answer before it is on disk. Others ignore it.
pub const UNSYNCED: &str = "gantry-unsynced";

/// Marks a request as [`UNSYNCED`].
pub fn set_unsynced<T>(request: &mut Request<T>) {
    let yes = MetadataValue::from_static("1");
    request.metadata_mut().insert(UNSYNCED, yes);
}

/// Whether the caller has said [`UNSYNCED`].
#[must_use]
pub fn is_unsynced(metadata: &MetadataMap) -> bool {
    metadata.contains_key(UNSYNCED)
}

/// A request that carries `namespace`.
///
/// # Errors
/// `INVALID_ARGUMENT` when the namespace cannot be a metadata value.
pub fn in_namespace<T>(message: T, namespace: &str) -> Result<Request<T>, Status> {
    let mut request = Request::new(message);
    let value = namespace.parse().map_err(|_| {
        Status::invalid_argument(format!("namespace {namespace:?} is not printable ASCII"))
    })?;
    request.metadata_mut().insert(NAMESPACE, value);
    Ok(request)
}

/// The namespace a request names.
///
/// # Errors
/// `FAILED_PRECONDITION` in containerd's words when there is none.
pub fn namespace(metadata: &MetadataMap) -> Result<&str, Status> {
    metadata
        .get(NAMESPACE)
        .and_then(|value| value.to_str().ok())
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Status::failed_precondition("namespace is required: failed precondition"))
}
