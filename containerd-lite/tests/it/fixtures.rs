//! Directories that an earlier supervisor wrote, opened by this one: a change of a format needs a
//! migration.

use std::path::Path;
use std::process::Command;

use gantry_proto::containerd::events::TaskExit;
use gantry_proto::containerd::services::containers::v1::ListContainersRequest;
use gantry_proto::containerd::services::containers::v1::containers_client::ContainersClient;
use gantry_proto::convert::any;
use gantry_proto::gantry::supervisor::v1::subscribe_response::Message;
use gantry_proto::gantry::supervisor::v1::supervisor_client::SupervisorClient;
use gantry_proto::gantry::supervisor::v1::{Cursor, SubscribeRequest};
use gantry_proto::{metadata, topic};

use crate::engine::Engine;

/// The namespace of the fixture's containers.
const NAMESPACE: &str = "moby";

fn unpack(to: &Path) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1.tar.gz");
    let mut tar = Command::new("tar");
    let status = tar.arg("-xzf").arg(fixture).arg("-C").arg(to).status();
    assert!(status.expect("tar runs").success());
}

#[tokio::test]
async fn definitions_of_an_earlier_version_are_known() {
    let mut engine = Engine::new();
    unpack(engine.path());
    engine.start(&[]).await;
    let request = ListContainersRequest::default();
    let request = metadata::in_namespace(request, NAMESPACE).expect("a namespace");
    let answer = ContainersClient::new(engine.channel()).list(request).await;
    let containers = answer.expect("listed").into_inner().containers;
    let [container] = containers.as_slice() else {
        panic!("one definition: {containers:?}");
    };
    assert_eq!(container.image, "fixture:1");
    let runtime = container.runtime.as_ref().expect("a runtime");
    assert_eq!(runtime.name, "io.containerd.lite.v2");
    let spec = container.spec.as_ref().expect("a specification");
    let spec: serde_json::Value = serde_json::from_slice(&spec.value).expect("JSON");
    assert_eq!(spec["process"]["args"][0], "/bin/slow");
}

#[tokio::test]
async fn events_of_an_earlier_version_are_told_to_who_comes_back() {
    let mut engine = Engine::new();
    unpack(engine.path());
    let journal = std::fs::read_to_string(engine.path().join("state/events/id"));
    engine.start(&[]).await;
    let after = Some(Cursor {
        journal: journal.expect("the journal's name").trim().to_owned(),
        sequence: 0,
    });
    let request = SubscribeRequest {
        after,
        filters: Vec::new(),
    };
    let request = metadata::in_namespace(request, NAMESPACE).expect("a namespace");
    let answer = SupervisorClient::new(engine.channel())
        .subscribe(request)
        .await;
    let mut stream = answer.expect("subscribed").into_inner();
    let mut exits = Vec::new();
    let mut topics = Vec::new();
    while exits.len() < 2 {
        let message = stream.message().await.expect("a message");
        match message.expect("no end").message {
            Some(Message::Ready(ready)) => assert!(ready.resumed, "the journal goes on"),
            Some(Message::Entry(entry)) => {
                let envelope = entry.envelope.expect("an envelope");
                if envelope.topic == topic::TASK_EXIT {
                    let event = envelope.event.as_ref().expect("an event");
                    exits.push(any::unpack::<TaskExit>(event).expect("an exit").exit_status);
                }
                topics.push(envelope.topic);
            }
            None => {}
        }
    }
    assert_eq!(exits, [5, 7]);
    let first = [
        topic::CONTAINER_CREATE,
        topic::TASK_CREATE,
        topic::TASK_START,
        topic::TASK_EXIT,
    ];
    assert_eq!(topics[..4], first);
}
