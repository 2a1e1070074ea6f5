//! Request metadata: the namespace every call belongs to.

use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

/// Metadata key of the namespace (containerd's `namespaces.GRPCHeader`).
pub const NAMESPACE: &str = "containerd-namespace";

/// Metadata key of the lease a call runs under.
pub const LEASE: &str = "containerd-lease";

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
