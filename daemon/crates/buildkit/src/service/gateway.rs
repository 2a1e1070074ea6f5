//! `LLBBridge`: what a client that drives a build itself asks meanwhile.

use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::jobs::Returned;
use super::{Service, capabilities, check_frontend, no_operations};
use crate::build::{Attributes, Job};
use crate::wire::gateway::llb_bridge_server::LlbBridge;
use crate::wire::gateway::result::Result as Made;
use crate::wire::gateway::{
    PingRequest, PongResponse, Ref, Result as Outcome, ReturnRequest, ReturnResponse, SolveRequest,
    SolveResponse, WarnRequest, WarnResponse,
};
use crate::wire::google::rpc;

/// Names the build a call belongs to.
const BUILD: &str = "buildkit-controlapi-buildid";

#[tonic::async_trait]
impl LlbBridge for Service {
    async fn ping(&self, _: Request<PingRequest>) -> Result<Response<PongResponse>, Status> {
        Ok(Response::new(PongResponse {
            frontend_api_caps: capabilities::frontend(),
            llb_caps: capabilities::operations(),
            workers: vec![capabilities::worker(
                &self.host.platform(),
                self.host.host_gateway(),
            )],
        }))
    }

    async fn solve(
        &self,
        request: Request<SolveRequest>,
    ) -> Result<Response<SolveResponse>, Status> {
        let entry = self.jobs.get(build_of(request.metadata())?).await?;
        let request = request.into_inner();
        if request.frontend.is_empty() {
            return Err(no_operations());
        }
        check_frontend(&request.frontend)?;
        if !request.frontend_inputs.is_empty() {
            return Err(no_operations());
        }
        let attributes = Attributes::read(&request.frontend_opt)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let mut result = Outcome::default();
        let mut id = String::new();
        if let Some(question) = attributes.subrequest.clone() {
            let job = Job {
                host: self.host.clone(),
                session: entry.session.clone(),
                lenders: self.lenders(&entry.session, &attributes).await?,
                attributes,
                exporters: Vec::new(),
                inline_cache: false,
                host_network: gantry_build::HostNetwork::Refused,
                journal: entry.journal.clone(),
                cancel: entry.cancel.clone(),
                places: self.places.clone(),
                runtime: tokio::runtime::Handle::current(),
            };
            let answer = tokio::task::spawn_blocking(move || job.answer(&question)).await;
            result.metadata = answer.map_err(|_| Status::internal("the build panicked"))??;
        } else {
            id = entry.promise(attributes);
        }
        let def = None;
        result.result = Some(Made::Ref(Ref { id, def }));
        Ok(Response::new(SolveResponse {
            result: Some(result),
            ..SolveResponse::default()
        }))
    }

    async fn r#return(
        &self,
        request: Request<ReturnRequest>,
    ) -> Result<Response<ReturnResponse>, Status> {
        let entry = self.jobs.get(build_of(request.metadata())?).await?;
        let ReturnRequest { result, error } = request.into_inner();
        let returned = match error {
            Some(error) => Err(status_of(error)),
            None => returned(result, |id| entry.promised(id)),
        };
        entry.finish(returned);
        Ok(Response::new(ReturnResponse {}))
    }

    async fn warn(&self, _: Request<WarnRequest>) -> Result<Response<WarnResponse>, Status> {
        Err(Status::unimplemented("warnings of clients are not shown"))
    }
}

/// What a client returned, if it is a single result.
fn returned(result: Option<Outcome>, promised: impl Fn(&str) -> Returned) -> Returned {
    match result.and_then(|result| result.result) {
        None => Ok(None),
        Some(Made::Ref(one)) => promised(&one.id),
        Some(Made::RefDeprecated(id)) => promised(&id),
        Some(Made::Refs(many)) => {
            let mut refs = many.refs.into_values();
            match (refs.next(), refs.next()) {
                (None, _) => Ok(None),
                (Some(one), None) => promised(&one.id),
                _ => Err(Status::unimplemented(
                    "multi-platform builds are not supported yet",
                )),
            }
        }
    }
}

fn build_of(metadata: &MetadataMap) -> Result<&str, Status> {
    let build = metadata.get(BUILD).and_then(|build| build.to_str().ok());
    build.ok_or_else(|| Status::invalid_argument("the call names no build"))
}

/// A status that the client passes on, with its details.
fn status_of(error: rpc::Status) -> Status {
    use prost::Message;
    let details = error.encode_to_vec();
    let code = tonic::Code::from_i32(error.code);
    Status::with_details(code, error.message, details.into())
}
