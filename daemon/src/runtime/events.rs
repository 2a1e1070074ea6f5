//! The supervisor's events, as a stream that never ends.
//!
//! A lost connection is taken up again where it broke off (the journal's cursor); where the journal
//! does not go back that far, [`Message::Ready`] asks the reader to reconcile by List and Get.

use std::time::Duration;

use gantry_proto::{
    containerd::{
        events::{TaskExit, TaskOom, TaskStart},
        types::Envelope,
    },
    convert::any,
    gantry::supervisor::v1::{
        Cursor, SubscribeRequest, SubscribeResponse, subscribe_response::Message as Wire,
        supervisor_client::SupervisorClient,
    },
    topic,
};
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::{Supervisor, stamp};
use crate::events::Cause;

/// The pause before a broken stream is taken up again.
const RETRY: Duration = Duration::from_millis(50);
/// Events that may wait for the reader.
const QUEUE: usize = 1024;

/// What a container's owner needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskEvent {
    /// A container's own process was started.
    Started {
        container: String,
        pid: u32,
        at: Option<Timestamp>,
    },
    /// A process ended; `exec` is empty for the container's own.
    Exit {
        container: String,
        exec: String,
        pid: u32,
        code: u32,
        at: Option<Timestamp>,
    },
    /// The kernel killed a process of the container for lack of memory.
    Oom { container: String },
}

/// A message of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The stream begins, or begins anew.
    Ready {
        /// The journal's last entry at this moment.
        head: Cause,
        /// Events may have been missed: ask for the state of every task.
        missed: bool,
    },
    /// An entry of the journal; most say nothing to the engine.
    Entry(Cause, Option<TaskEvent>),
}

impl Supervisor {
    /// Subscribes to what comes after an entry; none: to what comes from now on. The first message is
    /// [`Message::Ready`]: once it was sent, nothing that happens later is lost. The stream ends when
    /// the receiver is dropped.
    #[must_use]
    pub fn subscribe(&self, after: Option<Cause>) -> mpsc::Receiver<Message> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let client = self.clone();
        tokio::spawn(async move {
            let mut cursor = after;
            while !sender.is_closed() {
                if let Err(status) = client.follow(&mut cursor, &sender).await {
                    tracing::debug!(error = %status.message(), "event stream broke off");
                }
                tokio::time::sleep(RETRY).await;
            }
        });
        receiver
    }

    async fn follow(
        &self,
        cursor: &mut Option<Cause>,
        sender: &mpsc::Sender<Message>,
    ) -> Result<(), tonic::Status> {
        // All entries, so that the head is among them.
        let request = SubscribeRequest {
            after: cursor.clone().map(|after| Cursor {
                journal: after.journal,
                sequence: after.sequence,
            }),
            filters: Vec::new(),
        };
        let request = gantry_proto::metadata::in_namespace(request, &self.namespace)?;
        let mut stream = SupervisorClient::new(self.channel.clone())
            .subscribe(request)
            .await?
            .into_inner();
        while let Some(SubscribeResponse { message }) = stream.message().await? {
            let message = match message {
                Some(Wire::Ready(ready)) => {
                    let head = cause(ready.head);
                    let missed = cursor.is_none() || !ready.resumed;
                    if missed {
                        *cursor = Some(head.clone());
                    }
                    Message::Ready { head, missed }
                }
                Some(Wire::Entry(entry)) => {
                    let at = cause(entry.cursor);
                    *cursor = Some(at.clone());
                    let envelope = entry
                        .envelope
                        .filter(|envelope| *envelope.namespace == *self.namespace);
                    Message::Entry(at, envelope.and_then(|envelope| read(&envelope)))
                }
                None => continue,
            };
            if sender.send(message).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn cause(cursor: Option<Cursor>) -> Cause {
    let Cursor { journal, sequence } = cursor.unwrap_or_default();
    Cause { journal, sequence }
}

fn read(envelope: &Envelope) -> Option<TaskEvent> {
    let event = envelope.event.as_ref()?;
    match envelope.topic.as_str() {
        topic::TASK_START => {
            let start: TaskStart = any::unpack(event).ok()?;
            Some(TaskEvent::Started {
                container: start.container_id,
                pid: start.pid,
                at: stamp(envelope.timestamp.as_ref()),
            })
        }
        topic::TASK_EXIT => {
            let exit: TaskExit = any::unpack(event).ok()?;
            let exec = if exit.id == exit.container_id {
                String::new()
            } else {
                exit.id
            };
            Some(TaskEvent::Exit {
                container: exit.container_id,
                exec,
                pid: exit.pid,
                code: exit.exit_status,
                at: stamp(exit.exited_at.as_ref()),
            })
        }
        topic::TASK_OOM => {
            let oom: TaskOom = any::unpack(event).ok()?;
            Some(TaskEvent::Oom {
                container: oom.container_id,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(topic: &str, event: prost_types::Any) -> Envelope {
        Envelope {
            topic: topic.to_owned(),
            event: Some(event),
            ..Envelope::default()
        }
    }

    #[test]
    fn exits_say_whose_process_ended() {
        let exit = |id: &str| TaskExit {
            container_id: "c".to_owned(),
            id: id.to_owned(),
            exit_status: 3,
            ..TaskExit::default()
        };
        let own = read(&envelope(topic::TASK_EXIT, any::pack(&exit("c"))));
        assert!(matches!(own, Some(TaskEvent::Exit { exec, code: 3, .. }) if exec.is_empty()));
        let exec = read(&envelope(topic::TASK_EXIT, any::pack(&exit("e"))));
        assert!(matches!(exec, Some(TaskEvent::Exit { exec, .. }) if exec == "e"));
    }

    #[test]
    fn other_topics_are_passed_over() {
        let event = any::pack(&TaskExit::default());
        assert_eq!(read(&envelope(topic::TASK_CREATE, event.clone())), None);
        assert_eq!(read(&envelope(topic::TASK_OOM, event)), None);
    }
}
