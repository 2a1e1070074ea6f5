//! The calls of buildx, answered.
//!
//! A client builds by three calls under one name (`ref`) that it draws: `Control/Solve` says what is
//! made of the result, `Control/Status` watches, and `LLBBridge/Solve` with `LLBBridge/Return` says
//! meanwhile what the result is. They come in any order over one connection.
//!
//! ```text
//!   Control/Solve ref ─────────────── waits ────────────── builds ── answered
//!   Control/Status ref ──────────────────── told ─────────────────── ends
//!   LLBBridge/Solve ref ─ answered: a promise
//!   LLBBridge/Return ref ───────────── keeps it
//! ```
//!
//! Raw LLB and frontends other than `dockerfile.v0` are refused by name.

mod cache;
mod capabilities;
mod control;
mod gateway;
mod jobs;

use std::sync::Arc;

use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::build::{Host, Places};
use crate::session::Sessions;
use crate::wire::control::control_server::ControlServer;
use crate::wire::gateway::llb_bridge_server::LlbBridgeServer;
use crate::wire::grpc::health::v1::health_check_response::ServingStatus;
use crate::wire::grpc::health::v1::health_server::{Health, HealthServer};
use crate::wire::grpc::health::v1::{HealthCheckRequest, HealthCheckResponse};
pub use cache::{Usage, Wipe};
use jobs::Jobs;

/// The frontend that is built in.
const FRONTEND: &str = "dockerfile.v0";

/// The largest message a client may send, bytes.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// What answers the calls of all clients.
#[derive(Debug, Clone)]
pub struct Service {
    host: Arc<dyn Host>,
    sessions: Arc<Sessions>,
    places: Arc<Places>,
    jobs: Arc<Jobs>,
}

impl Service {
    /// Answers for an engine.
    #[must_use]
    pub fn new(host: Arc<dyn Host>, sessions: Arc<Sessions>, places: Arc<Places>) -> Self {
        Self {
            host,
            sessions,
            places,
            jobs: Arc::default(),
        }
    }

    /// The calls, to be served on a connection.
    #[must_use]
    pub fn routes(&self) -> Routes {
        let control = ControlServer::new(self.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let gateway =
            LlbBridgeServer::new(self.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        Routes::new(control)
            .add_service(gateway)
            .add_service(HealthServer::new(self.clone()))
    }
}

#[tonic::async_trait]
impl Health for Service {
    async fn check(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse {
            status: ServingStatus::Serving.into(),
        }))
    }
}

/// A frontend is the built-in one, or refused.
fn check_frontend(name: &str) -> Result<(), Status> {
    match name {
        FRONTEND => Ok(()),
        _ => Err(Status::unimplemented(format!(
            "the frontend {name:?} is not supported: only {FRONTEND} is, and it is built in"
        ))),
    }
}

/// The refusal of operations that a client made itself.
fn no_operations() -> Status {
    Status::unimplemented(
        "builds from LLB are not supported: the engine builds Dockerfiles (dockerfile.v0) only",
    )
}
