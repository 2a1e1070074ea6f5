//! containerd's services over gRPC: parse, ask the core, translate back. No decisions.

mod containers;
mod events;
mod introspection;
mod leases;
mod namespaces;
mod supervisor;
mod tasks;
mod version;

use std::sync::Arc;

use gantry_errors::Classify;
use gantry_proto::convert::status::to_status;
use gantry_proto::metadata;
use gantry_proto::{MAX_MESSAGE_BYTES, containerd::services, gantry};
use tonic::Status;
use tonic::metadata::MetadataMap;
use tonic::service::Routes;

use crate::names::{ContainerId, Key, Namespace};
use crate::supervisor::Supervisor;

pub(crate) use introspection::Identity;

type Shared = Arc<Supervisor>;

macro_rules! sized {
    ($server:expr) => {
        $server
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
    };
}

/// All services of `supervisor`, ready to be served.
pub(crate) async fn routes(supervisor: Shared, identity: Identity) -> Routes {
    use gantry::supervisor::v1::supervisor_server::SupervisorServer;
    use services::containers::v1::containers_server::ContainersServer;
    use services::events::v1::events_server::EventsServer;
    use services::introspection::v1::introspection_server::IntrospectionServer;
    use services::leases::v1::leases_server::LeasesServer;
    use services::namespaces::v1::namespaces_server::NamespacesServer;
    use services::tasks::v1::tasks_server::TasksServer;
    use services::version::v1::version_server::VersionServer;

    let (health, health_service) = tonic_health::server::health_reporter();
    health
        .set_service_status("", tonic_health::ServingStatus::Serving)
        .await;
    let of = || Arc::clone(&supervisor);
    let mut routes = Routes::new(health_service);
    routes = routes
        .add_service(VersionServer::new(version::Service))
        .add_service(sized!(NamespacesServer::new(namespaces::Service(of()))))
        .add_service(sized!(ContainersServer::new(containers::Service(of()))))
        .add_service(sized!(TasksServer::new(tasks::Service(of()))))
        .add_service(sized!(EventsServer::new(events::Service(of()))))
        .add_service(sized!(LeasesServer::new(leases::Service(of()))))
        .add_service(IntrospectionServer::new(introspection::Service(identity)))
        .add_service(SupervisorServer::new(supervisor::Service(of())));
    routes.prepare()
}

/// An error of the core as the answer to a call.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it stands in map_err, which gives errors by value"
)]
fn status<E: Classify>(error: E) -> Status {
    to_status(&error)
}

/// The namespace a call is made in.
fn namespace(metadata: &MetadataMap) -> Result<Namespace, Status> {
    Namespace::parse(metadata::namespace(metadata)?).map_err(status)
}

/// A container in the namespace of a call.
fn key(metadata: &MetadataMap, id: &str) -> Result<Key, Status> {
    let namespace = namespace(metadata)?;
    let id = ContainerId::parse(id).map_err(status)?;
    Ok(Key { namespace, id })
}

/// A message's part that must be there.
fn required<T>(part: Option<T>, name: &str) -> Result<T, Status> {
    part.ok_or_else(|| Status::invalid_argument(format!("{name} is required: invalid argument")))
}
