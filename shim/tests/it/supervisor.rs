//! A supervisor as the shim sees it: a socket that takes events. It can be killed and come back.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use gantry_proto::containerd::services::events::v1::events_server::{Events, EventsServer};
use gantry_proto::containerd::services::events::v1::{
    ForwardRequest, PublishRequest, SubscribeRequest,
};
use gantry_proto::containerd::types::Envelope;
use tokio::sync::oneshot;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status};

use crate::shim::eventually;

type Seen = Arc<Mutex<Vec<Envelope>>>;

pub(crate) struct Supervisor {
    pub(crate) address: PathBuf,
    seen: Seen,
    server: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Supervisor {
    pub(crate) fn start(folder: &Path) -> Self {
        let address = folder.join("ctd.sock");
        let mut supervisor = Self {
            address,
            seen: Seen::default(),
            server: None,
        };
        supervisor.revive();
        supervisor
    }

    /// Ends at once, as by SIGKILL: connections break, the socket's file stays, nobody answers.
    pub(crate) fn kill(&mut self) {
        if let Some((end, server)) = self.server.take() {
            drop(end);
            server.join().unwrap();
        }
    }

    pub(crate) fn revive(&mut self) {
        let (end, ended) = oneshot::channel();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let service = EventsServer::new(Recorder(self.seen.clone()));
        let address = self.address.clone();
        let server = std::thread::spawn(move || {
            let event_loop = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            event_loop.block_on(async {
                let listener = gantry_proto::uds::listen(&address, 0o600).unwrap();
                ready.send(()).unwrap();
                let incoming = UnixListenerStream::new(listener);
                let server = tonic::transport::Server::builder().add_service(service);
                tokio::select! {
                    result = server.serve_with_incoming(incoming) => result.unwrap(),
                    _ = ended => {}
                }
            });
        });
        is_ready.recv().unwrap();
        self.server = Some((end, server));
    }

    pub(crate) fn topics(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .map(|event| event.topic.trim_start_matches("/tasks/").to_owned())
            .collect()
    }

    /// Waits for exactly these topics.
    pub(crate) async fn saw(&self, topics: &[&str]) {
        eventually(&format!("events {topics:?}"), || {
            let seen = self.topics();
            assert!(
                seen.len() <= topics.len(),
                "more events than {topics:?}: {seen:?}"
            );
            (seen == topics).then_some(())
        })
        .await;
    }

    pub(crate) fn events(&self) -> Vec<Envelope> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.kill();
    }
}

struct Recorder(Seen);

#[tonic::async_trait]
impl Events for Recorder {
    type SubscribeStream = tokio_stream::Empty<Result<Envelope, Status>>;

    async fn publish(&self, _: Request<PublishRequest>) -> Result<Response<()>, Status> {
        Err(Status::unimplemented("publish"))
    }

    async fn forward(&self, request: Request<ForwardRequest>) -> Result<Response<()>, Status> {
        let envelope = request
            .into_inner()
            .envelope
            .ok_or(Status::invalid_argument("empty"))?;
        self.0.lock().unwrap().push(envelope);
        Ok(Response::new(()))
    }

    async fn subscribe(
        &self,
        _: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        Err(Status::unimplemented("subscribe"))
    }
}
