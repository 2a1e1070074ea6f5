//! A session over a connection, with a client made here.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use gantry_buildkit::fsutil::{Packet, PacketType};
use gantry_buildkit::session::{Fetch, Offer, Sessions};
use gantry_buildkit::wire::moby::filesync::v1::file_sync_server::{FileSync, FileSyncServer};
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tonic::{Request, Response, Status, Streaming};
use tower::ServiceExt;

use crate::{open, packet, stat, told};

const ENTRIES: u32 = 60_000;

/// Tells very many entries that need no contents, as fast as it can.
struct Many;

#[tonic::async_trait]
impl FileSync for Many {
    type DiffCopyStream = Pin<Box<dyn Stream<Item = Result<Packet, Status>> + Send>>;

    async fn diff_copy(
        &self,
        _: Request<Streaming<Packet>>,
    ) -> Result<Response<Self::DiffCopyStream>, Status> {
        let socket = (1 << 24) | 0o600;
        let entries = (0..ENTRIES).map(move |number| told(stat(&format!("{number:06}"), socket)));
        let ends = [
            packet(PacketType::PacketStat),
            packet(PacketType::PacketFin),
        ];
        let all = entries.chain(ends).map(Ok);
        Ok(Response::new(Box::pin(stream::iter(all))))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn very_many_small_files_are_no_attack() {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let routes = tonic::service::Routes::new(FileSyncServer::new(Many));
    let answer = hyper::service::service_fn(move |request| routes.clone().oneshot(request));
    let client =
        http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(theirs), answer);
    tokio::spawn(client);

    let sessions = Arc::new(Sessions::default());
    let offer = Offer {
        id: "it".to_owned(),
        shared_key: String::new(),
        methods: ["/moby.filesync.v1.FileSync/DiffCopy".to_owned()].into(),
    };
    let serving = tokio::spawn({
        let sessions = Arc::clone(&sessions);
        async move { sessions.serve(offer, TokioIo::new(ours)).await }
    });
    let session = sessions.get("it", Duration::from_secs(30)).await.unwrap();
    assert!(sessions.get("other", Duration::ZERO).await.is_none());
    let root = tempfile::tempdir().unwrap();
    let (root, runtime) = (open(root.path()), tokio::runtime::Handle::current());
    let received = tokio::task::spawn_blocking(move || {
        runtime.block_on(session.fetch(&Fetch::default(), root, &|_| ()))
    });
    let received = received.await.unwrap().unwrap();
    assert_eq!((received.entries, received.asked), (ENTRIES, 0));
    serving.abort();
}
