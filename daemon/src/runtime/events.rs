//! The supervisor's events, as a stream that never ends.
//!
//! A lost connection is taken up again where it broke off (the journal's cursor); where the journal
//! does not go back that far, [`TaskEvent::Missed`] asks the reader to reconcile by List and Get.

use std::time::Duration;

use gantry_proto::{
    containerd::{
        events::{TaskExit, TaskOom},
        types::Envelope,
    },
    convert::any,
    gantry::supervisor::v1::{
        Cursor, SubscribeRequest, SubscribeResponse, subscribe_response::Message,
        supervisor_client::SupervisorClient,
    },
    topic,
};
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::{Supervisor, stamp};

/// The pause before a broken stream is taken up again.
const RETRY: Duration = Duration::from_millis(50);
/// Events that may wait for the reader.
const QUEUE: usize = 1024;

/// What a container's owner needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskEvent {
    /// A process ended; `exec` is empty for the container's own.
    Exit {
        container: String,
        exec: String,
        code: u32,
        at: Option<Timestamp>,
    },
    /// The kernel killed a process of the container for lack of memory.
    Oom { container: String },
    /// The stream begins, or events may have been missed: ask for the state of every task.
    Missed,
}

impl Supervisor {
    /// Subscribes. The first event is [`TaskEvent::Missed`]: once it was sent, nothing that happens
    /// later is lost. The stream ends when the receiver is dropped.
    #[must_use]
    pub fn subscribe(&self) -> mpsc::Receiver<TaskEvent> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let client = self.clone();
        tokio::spawn(async move {
            let mut cursor = None;
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
        cursor: &mut Option<Cursor>,
        sender: &mpsc::Sender<TaskEvent>,
    ) -> Result<(), tonic::Status> {
        let filters = vec![format!("namespace=={},topic~=|^/tasks/|", self.namespace)];
        let request = SubscribeRequest {
            after: cursor.clone(),
            filters,
        };
        let request = gantry_proto::metadata::in_namespace(request, &self.namespace)?;
        let mut stream = SupervisorClient::new(self.channel.clone())
            .subscribe(request)
            .await?
            .into_inner();
        while let Some(SubscribeResponse { message }) = stream.message().await? {
            let event = match message {
                Some(Message::Ready(ready)) => {
                    let gap = cursor.is_none() || !ready.resumed;
                    if gap {
                        *cursor = ready.head;
                    }
                    gap.then_some(TaskEvent::Missed)
                }
                Some(Message::Entry(entry)) => {
                    *cursor = entry.cursor;
                    entry.envelope.and_then(|envelope| read(&envelope))
                }
                None => None,
            };
            if let Some(event) = event
                && sender.send(event).await.is_err()
            {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn read(envelope: &Envelope) -> Option<TaskEvent> {
    let event = envelope.event.as_ref()?;
    match envelope.topic.as_str() {
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
        assert_eq!(read(&envelope(topic::TASK_START, event.clone())), None);
        assert_eq!(read(&envelope(topic::TASK_OOM, event)), None);
    }
}
