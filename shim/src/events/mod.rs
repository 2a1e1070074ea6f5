//! The way of events to the supervisor: in order, each at least once. While the supervisor is away
//! or slow they wait as files in the bundle (`events/<number>`), so that they cost no memory, and go
//! out as soon as it answers.

mod spool;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gantry_proto::containerd::services::events::v1::ForwardRequest;
use gantry_proto::containerd::services::events::v1::events_client::EventsClient;
use gantry_proto::containerd::types::Envelope;
use gantry_proto::convert::{any, time};
use gantry_proto::{metadata, uds};
use prost::{Message, Name};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tonic::Code;
use tonic::transport::Channel;

use spool::Spool;

/// How long the supervisor may take for one event.
const DEADLINE: Duration = Duration::from_secs(5);
/// How often an absent supervisor is looked for: from the first pause to the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));
/// How long a connection is kept that has nothing to carry.
const IDLE: Duration = Duration::from_secs(1);
/// How many events wait in memory before they go to files.
const MEMORY: usize = 16;

/// The publisher of one shim.
#[derive(Debug)]
pub(crate) struct Events {
    namespace: String,
    address: PathBuf,
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Debug)]
struct Queue {
    /// The oldest first. Empty while the spool is in use.
    memory: Vec<Vec<u8>>,
    spool: Spool,
    /// The supervisor did not answer: what comes goes to the spool.
    absent: bool,
    /// An event was taken out and is on its way.
    sending: bool,
}

impl Events {
    /// Starts forwarding to the supervisor at `address`. Without one, events go nowhere.
    pub(crate) fn start(namespace: String, address: PathBuf, bundle: &Path) -> Arc<Self> {
        let queue = Queue {
            memory: Vec::new(),
            spool: Spool::at(bundle.join("events")),
            absent: false,
            sending: false,
        };
        let changed = Notify::new();
        let events = Arc::new(Self {
            namespace,
            address,
            queue: Mutex::new(queue),
            changed,
        });
        if !events.address.as_os_str().is_empty() {
            tokio::spawn(forward(events.clone()));
        }
        events
    }

    /// Queues an event; it is on its way, or on disk, when this returns.
    pub(crate) fn publish<M: Message + Name>(&self, topic: &str, event: &M) {
        if self.address.as_os_str().is_empty() {
            return;
        }
        let envelope = Envelope {
            timestamp: Some(time::now()),
            namespace: self.namespace.clone(),
            topic: topic.to_owned(),
            event: Some(any::pack(event)),
        };
        self.queue().push(envelope.encode_to_vec());
        self.changed.notify_waiters();
        self.changed.notify_one();
    }

    /// Waits until every event has been taken by the supervisor, or is on disk.
    pub(crate) async fn settled(&self) {
        loop {
            let changed = self.changed.notified();
            {
                let queue = self.queue();
                if queue.absent || (queue.memory.is_empty() && !queue.sending) {
                    return;
                }
            }
            changed.await;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self, client: &mut EventsClient<Channel>, event: &[u8]) -> Result<(), ()> {
        // What is not an envelope (a torn file) cannot be sent by anybody: it is passed over.
        let Ok(envelope) = Envelope::decode(event) else {
            return Ok(());
        };
        let message = ForwardRequest {
            envelope: Some(envelope),
        };
        let request = metadata::in_namespace(message, &self.namespace).map_err(drop)?;
        match timeout(DEADLINE, client.forward(request)).await {
            Ok(Ok(_)) => Ok(()),
            // A supervisor that will never take it must not keep those behind it waiting.
            Ok(Err(status)) if is_final(status.code()) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(()),
        }
    }
}

impl Queue {
    fn push(&mut self, event: Vec<u8>) {
        if self.absent || !self.spool.is_empty() || self.memory.len() >= MEMORY {
            self.spill();
            self.spool.push(&event);
        } else {
            self.memory.push(event);
        }
    }

    /// Moves what is in memory to files.
    fn spill(&mut self) {
        for event in std::mem::take(&mut self.memory) {
            self.spool.push(&event);
        }
    }

    fn front(&self) -> Option<Vec<u8>> {
        self.memory.first().cloned().or_else(|| self.spool.front())
    }

    fn pop(&mut self) {
        if self.memory.is_empty() {
            self.spool.pop();
        } else {
            self.memory.remove(0);
        }
    }
}

/// Whether asking again would give the same answer.
fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unimplemented
    )
}

async fn forward(events: Arc<Events>) {
    let mut pause = PAUSES.0;
    loop {
        wait_for_event(&events).await;
        let Ok(Ok(channel)) = timeout(DEADLINE, uds::connect(&events.address)).await else {
            absent(&events);
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
            continue;
        };
        let mut client = EventsClient::new(channel);
        while timeout(IDLE, wait_for_event(&events)).await.is_ok() {
            let Some(event) = events.queue().front() else {
                break;
            };
            events.queue().sending = true;
            let sent = events.send(&mut client, &event).await;
            events.queue().sending = false;
            if sent.is_err() {
                absent(&events);
                break;
            }
            pause = PAUSES.0;
            {
                let mut queue = events.queue();
                queue.pop();
                queue.absent &= !queue.spool.is_empty();
            }
            events.changed.notify_waiters();
        }
        if events.queue().absent {
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}

fn absent(events: &Events) {
    let mut queue = events.queue();
    queue.absent = true;
    queue.spill();
    drop(queue);
    events.changed.notify_waiters();
}

async fn wait_for_event(events: &Events) {
    while events.queue().front().is_none() {
        events.changed.notified().await;
    }
}
