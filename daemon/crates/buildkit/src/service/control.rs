//! `Control`: the calls of a client that builds.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, Stream};
use gantry_build::HostNetwork;
use hyper_util::rt::TokioIo;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tonic::{Request, Response, Status, Streaming};

use super::jobs::{Registration, Returned};
use super::{Service, cache, capabilities, check_frontend, no_operations};
use crate::build::{Attributes, CANCELLED, Exporter, Finished, Job};
use crate::session::{Offer, Session, carry};
use crate::wire::control::control_server::Control;
use crate::wire::control::{
    BuildHistoryEvent, BuildHistoryRequest, BytesMessage, DiskUsageRequest, DiskUsageResponse,
    InfoRequest, InfoResponse, ListWorkersRequest, ListWorkersResponse, PruneRequest, SolveRequest,
    SolveResponse, StatusRequest, StatusResponse, UpdateBuildHistoryRequest,
    UpdateBuildHistoryResponse, UsageRecord,
};

/// How long a build waits for the session it names.
const PATIENCE: Duration = Duration::from_secs(5);

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Control for Service {
    type PruneStream = Answers<UsageRecord>;
    type StatusStream = Answers<StatusResponse>;
    type SessionStream = Answers<BytesMessage>;
    type ListenBuildHistoryStream = Answers<BuildHistoryEvent>;

    async fn solve(
        &self,
        request: Request<SolveRequest>,
    ) -> Result<Response<SolveResponse>, Status> {
        let request = request.into_inner();
        let wanted = Wanted {
            exporters: read(&request)?,
            inline_cache: inline_cache(&request)?,
            host_network: entitled(&request.entitlements)?,
        };
        let session = self.session(&request.session).await?;
        let (registration, returned) = self.jobs.begin(&request.r#ref, session.clone())?;
        let solved = async {
            let attributes = asked(&request, returned).await?;
            match attributes {
                Some(attributes) => self.build(&registration, attributes, wanted).await,
                None => Ok(Finished::new()),
            }
        };
        let exporter_response = tokio::select! {
            solved = solved => solved?,
            () = session.closed() => return Err(Status::cancelled(CANCELLED)),
        };
        Ok(Response::new(SolveResponse { exporter_response }))
    }

    async fn status(
        &self,
        request: Request<StatusRequest>,
    ) -> Result<Response<Self::StatusStream>, Status> {
        let entry = self.jobs.get(&request.into_inner().r#ref).await?;
        let told = entry.journal.follow().map(Ok);
        Ok(Response::new(Box::pin(told)))
    }

    async fn list_workers(
        &self,
        _: Request<ListWorkersRequest>,
    ) -> Result<Response<ListWorkersResponse>, Status> {
        let (platform, gateway) = (self.host.platform(), self.host.host_gateway());
        let record = vec![capabilities::worker(&platform, gateway)];
        Ok(Response::new(ListWorkersResponse { record }))
    }

    async fn info(&self, _: Request<InfoRequest>) -> Result<Response<InfoResponse>, Status> {
        let buildkit_version = Some(capabilities::version());
        Ok(Response::new(InfoResponse { buildkit_version }))
    }

    async fn disk_usage(
        &self,
        request: Request<DiskUsageRequest>,
    ) -> Result<Response<DiskUsageResponse>, Status> {
        cache::no_filter(&request.into_inner().filter)?;
        let host = self.host.clone();
        let usage = blocking(move || host.usage()).await??;
        let record = usage.iter().map(cache::record).collect();
        Ok(Response::new(DiskUsageResponse { record }))
    }

    async fn prune(
        &self,
        request: Request<PruneRequest>,
    ) -> Result<Response<Self::PruneStream>, Status> {
        let wipe = cache::wipe(&request.into_inner())?;
        let (host, places) = (self.host.clone(), self.places.clone());
        let wiped = blocking(move || {
            let wiped = host.wipe(&wipe)?;
            if let Err(error) = places.prune() {
                tracing::warn!(%error, "files of clients are left");
            }
            Ok::<_, Status>(wiped)
        })
        .await??;
        let records: Vec<_> = wiped.iter().map(|usage| Ok(cache::record(usage))).collect();
        Ok(Response::new(Box::pin(stream::iter(records))))
    }

    async fn session(
        &self,
        request: Request<Streaming<BytesMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let (metadata, _, messages) = request.into_parts();
        let offer = Offer::from_headers(metadata.as_ref())
            .ok_or_else(|| Status::invalid_argument("the call names no session"))?;
        let (connection, answers) = carry(messages);
        let sessions = Arc::clone(&self.sessions);
        tokio::spawn(async move {
            let id = offer.id.clone();
            if let Err(error) = sessions.serve(offer, TokioIo::new(connection)).await {
                let error = gantry_errors::chain(&error);
                tracing::debug!(session.id = %id, %error, "a session was refused");
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn listen_build_history(
        &self,
        _: Request<BuildHistoryRequest>,
    ) -> Result<Response<Self::ListenBuildHistoryStream>, Status> {
        Err(Status::unimplemented("no history of builds is kept"))
    }

    async fn update_build_history(
        &self,
        _: Request<UpdateBuildHistoryRequest>,
    ) -> Result<Response<UpdateBuildHistoryResponse>, Status> {
        Err(Status::unimplemented("no history of builds is kept"))
    }
}

/// What a client asks of a build beside the frontend's attributes.
struct Wanted {
    exporters: Vec<Exporter>,
    inline_cache: bool,
    host_network: HostNetwork,
}

/// Whether the cache goes into the image; other exports of it are refused.
fn inline_cache(request: &SolveRequest) -> Result<bool, Status> {
    let exports = request.cache.iter().flat_map(|cache| &cache.exports);
    let mut is_inline = false;
    for export in exports {
        if export.r#type != "inline" {
            let text = format!("cache export {:?} is not supported yet", export.r#type);
            return Err(Status::unimplemented(text));
        }
        // How much goes in: a stage's own steps are all there is to tell either way.
        if let Some((name, value)) = export.attrs.iter().find(|(name, _)| *name != "mode") {
            let text = format!("the option {name}={value:?} of the cache export is not supported");
            return Err(Status::unimplemented(text));
        }
        is_inline = true;
    }
    Ok(is_inline)
}

/// What the client allows (`--allow`), in BuildKit's words.
fn entitled(names: &[String]) -> Result<HostNetwork, Status> {
    let mut network = HostNetwork::Refused;
    for name in names {
        if name == "network.host" {
            network = HostNetwork::Granted;
            continue;
        }
        let plain = name.split_once('=').map_or(name.as_str(), |(kind, _)| kind);
        return Err(match plain {
            "security.insecure" | "device" => Status::unknown(format!(
                "granting entitlement {plain} is not allowed by build daemon configuration"
            )),
            _ => Status::invalid_argument(format!("unknown entitlement {name}")),
        });
    }
    Ok(network)
}

impl Service {
    async fn session(&self, name: &str) -> Result<Session, Status> {
        let found = self.sessions.get(name, PATIENCE).await;
        found.ok_or_else(|| Status::failed_precondition(format!("no active session for {name}")))
    }

    /// The sessions beside a build's own that its directories come from: builds of one folder share
    /// the session that has it.
    pub(super) async fn lenders(
        &self,
        own: &Session,
        attributes: &Attributes,
    ) -> Result<BTreeMap<String, Session>, Status> {
        let mut lenders = BTreeMap::new();
        for (directory, id) in attributes.foreign(&own.offer().id) {
            lenders.insert(directory.to_owned(), self.session(id).await?);
        }
        Ok(lenders)
    }

    async fn build(
        &self,
        registration: &Registration,
        attributes: Attributes,
        wanted: Wanted,
    ) -> Result<Finished, Status> {
        let entry = &registration.entry;
        let job = Job {
            host: self.host.clone(),
            session: entry.session.clone(),
            lenders: self.lenders(&entry.session, &attributes).await?,
            attributes,
            exporters: wanted.exporters,
            inline_cache: wanted.inline_cache,
            host_network: wanted.host_network,
            journal: entry.journal.clone(),
            cancel: entry.cancel.clone(),
            places: self.places.clone(),
            runtime: Handle::current(),
        };
        blocking(move || job.run()).await?
    }
}

/// The exporters; whatever else a build cannot be asked for is refused.
fn read(request: &SolveRequest) -> Result<Vec<Exporter>, Status> {
    let has_operations = request
        .definition
        .as_ref()
        .is_some_and(|it| !it.def.is_empty());
    if has_operations || !request.frontend_inputs.is_empty() {
        return Err(no_operations());
    }
    if request.source_policy.is_some() {
        return Err(Status::unimplemented("source policies are not supported"));
    }
    let invalid = |error: crate::build::ExporterError| Status::invalid_argument(error.to_string());
    if request.exporters.is_empty() && !request.exporter_deprecated.is_empty() {
        let options = &request.exporter_attrs_deprecated;
        let one = Exporter::read(&request.exporter_deprecated, options);
        return Ok(vec![one.map_err(invalid)?]);
    }
    let exporters = request.exporters.iter();
    exporters
        .map(|exporter| Exporter::read(&exporter.r#type, &exporter.attrs).map_err(invalid))
        .collect()
}

/// What is to be built: said in the request, or by the client meanwhile.
async fn asked(request: &SolveRequest, returned: oneshot::Receiver<Returned>) -> Returned {
    if request.frontend.is_empty() {
        let gone = |_| Err(Status::cancelled(CANCELLED));
        return returned.await.unwrap_or_else(gone);
    }
    check_frontend(&request.frontend)?;
    let attributes = Attributes::read(&request.frontend_attrs);
    let invalid =
        |error: crate::build::AttributesError| Status::invalid_argument(error.to_string());
    attributes.map(Some).map_err(invalid)
}

/// Runs something that blocks.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Status::internal("a task of the build panicked"))
}
