//! The process that stays: one thread, one event loop, until its supervisor says that it is done.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use gantry_linux::allocator;
use gantry_proto::MAX_MESSAGE_BYTES;
use gantry_proto::containerd::task::v3::task_server::TaskServer;
use thiserror::Error;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;

use crate::bootstrap::Inheritance;
use crate::events::Events;
use crate::reaper::Reaper;
use crate::service::Service;
use crate::task::Task;

/// Buffers of a stream are this big, in bytes; what is kept of a call's is smaller.
const MAPPED_FROM: u32 = 32 << 10;
/// How much of the heap's end may rest unused, in bytes.
const TRIM_FROM: u32 = 64 << 10;

/// How long the answers and events under way may take once the shim is to end.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why the server could not serve.
#[derive(Debug, Error)]
pub(crate) enum ServerError {
    #[error("start the event loop")]
    Loop(#[source] io::Error),
    #[error("become the reaper of the container's processes")]
    Reaper(#[source] io::Error),
    #[error("serve the task")]
    Serve(#[source] tonic::transport::Error),
}

/// Serves the task until it is shut down.
pub(crate) fn run(inheritance: Inheritance) -> Result<(), ServerError> {
    // What a burst of output took goes back to the kernel once it is over.
    allocator::map_blocks_from(MAPPED_FROM);
    allocator::trim_from(TRIM_FROM);
    let event_loop = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ServerError::Loop)?;
    event_loop.block_on(serve(inheritance))
}

async fn serve(inheritance: Inheritance) -> Result<(), ServerError> {
    outlive_signals();
    let Inheritance {
        namespace,
        id,
        supervisor,
        bundle,
        listener,
        socket,
    } = inheritance;
    let reaper = Reaper::start().map_err(ServerError::Reaper)?;
    let events = Events::start(namespace.clone(), supervisor, &bundle);
    let sockets = socket.parent().map_or_else(|| bundle.clone(), Into::into);
    let task = Arc::new(Task::new(id, bundle, sockets, events, reaper));
    let service = TaskServer::new(Service::new(namespace, task.clone()))
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let listener = UnixListener::from_std(listener).map_err(ServerError::Loop)?;
    let serving = Server::builder()
        .add_service(service)
        .serve_with_incoming_shutdown(UnixListenerStream::new(listener), task.shutdown.notified());
    tokio::pin!(serving);
    let result = serving.await.map_err(ServerError::Serve);
    task.control.close();
    let _ = timeout(FAREWELL, task.events.settled()).await;
    // Output that a slow client is still owed is nowhere but here.
    task.control.vacated().await;
    let _ = std::fs::remove_file(socket);
    result
}

/// Signals that end other programs are taken and ignored: only `Shutdown` ends a shim. They are not
/// set to "ignore", because the container's process would inherit that.
fn outlive_signals() {
    for kind in [
        SignalKind::terminate(),
        SignalKind::interrupt(),
        SignalKind::hangup(),
    ] {
        let _ = signal(kind);
    }
}
