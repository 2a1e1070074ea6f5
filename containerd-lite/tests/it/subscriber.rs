//! A subscriber that keeps its cursor, comes back after every outage, and checks the order of what it
//! is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use gantry_proto::containerd::events::{TaskCreate, TaskDelete, TaskExit, TaskStart};
use gantry_proto::convert::any;
use gantry_proto::gantry::supervisor::v1::subscribe_response::Message;
use gantry_proto::gantry::supervisor::v1::supervisor_client::SupervisorClient;
use gantry_proto::gantry::supervisor::v1::{Cursor, SubscribeRequest};
use prost_types::Any;
use tonic::transport::Channel;

/// What was told of each container, repetitions left out.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<BTreeMap<String, Vec<Step>>>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Create,
    Start,
    Exit(u32),
    Delete(u32),
}

impl Told {
    /// Follows the supervisor's journal in the background, from its beginning in this test.
    pub(crate) fn follow(channel: Channel) -> Self {
        let told = Self::default();
        let mine = told.clone();
        tokio::spawn(async move {
            let mut after: Option<Cursor> = None;
            loop {
                let _ = follow_once(channel.clone(), &mut after, &mine).await;
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        });
        told
    }

    pub(crate) fn of(&self, id: &str) -> Vec<Step> {
        let told = self.0.lock().expect("no panic under the lock");
        told.get(id).cloned().unwrap_or_default()
    }

    fn note(&self, event: &Any) {
        let (id, step) = if let Ok(m) = any::unpack::<TaskCreate>(event) {
            (m.container_id, Step::Create)
        } else if let Ok(m) = any::unpack::<TaskStart>(event) {
            (m.container_id, Step::Start)
        } else if let Ok(m) = any::unpack::<TaskExit>(event) {
            (m.container_id, Step::Exit(m.exit_status))
        } else if let Ok(m) = any::unpack::<TaskDelete>(event) {
            (m.container_id, Step::Delete(m.exit_status))
        } else {
            return;
        };
        let mut told = self.0.lock().expect("no panic under the lock");
        let steps = told.entry(id.clone()).or_default();
        if steps.contains(&step) {
            return;
        }
        assert!(
            steps.last().is_none_or(|last| *last < step),
            "{id}: {step:?} after {steps:?}"
        );
        steps.push(step);
    }
}

async fn follow_once(
    channel: Channel,
    after: &mut Option<Cursor>,
    told: &Told,
) -> Result<(), tonic::Status> {
    let request = SubscribeRequest {
        after: after.clone(),
        filters: vec!["topic~=|^/tasks/|".to_owned()],
    };
    let mut stream = SupervisorClient::new(channel)
        .subscribe(request)
        .await?
        .into_inner();
    while let Some(response) = stream.message().await? {
        match response.message.expect("a message") {
            Message::Ready(ready) => {
                assert!(
                    ready.resumed || after.is_none(),
                    "the journal lost its past"
                );
                if after.is_none() {
                    *after = ready.head;
                }
            }
            Message::Entry(entry) => {
                let envelope = entry.envelope.expect("an envelope");
                told.note(&envelope.event.expect("an event"));
                *after = entry.cursor;
            }
        }
    }
    Ok(())
}
