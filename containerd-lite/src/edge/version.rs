//! `containerd.services.version.v1`.

use gantry_proto::containerd::services::version::v1::{VersionResponse, version_server};
use tonic::{Request, Response, Status};

pub(super) struct Service;

#[tonic::async_trait]
impl version_server::Version for Service {
    async fn version(&self, _: Request<()>) -> Result<Response<VersionResponse>, Status> {
        Ok(Response::new(VersionResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: "containerd-lite".to_owned(),
        }))
    }
}
