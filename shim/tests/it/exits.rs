//! How processes end, and who is told when.

use std::fs;

use gantry_proto::containerd::events::TaskExit;
use gantry_proto::containerd::task::v3::StateRequest;
use gantry_proto::containerd::v1::types::Status;
use gantry_proto::convert::any;

use crate::shim::{Shim, eventually};

#[tokio::test]
async fn an_exit_code_is_known_to_all_who_ask_and_events_are_in_order() {
    let mut shim = Shim::start(&["/bin/sh", "-c", "echo out; echo err >&2; exit 7"]).await;
    let pid = shim.create().await;
    shim.run().await;
    assert_eq!(shim.wait("").await, 7);
    let request = StateRequest {
        id: shim.id.clone(),
        exec_id: String::new(),
    };
    let state = shim.client.state(request).await.unwrap().into_inner();
    assert_eq!(
        (state.status(), state.exit_status, state.pid),
        (Status::Stopped, 7, pid)
    );
    let record = fs::read_to_string(shim.bundle().join(format!("exits/{}.json", shim.id))).unwrap();
    assert!(record.contains("\"exit_status\":7"), "{record}");
    let deleted = shim.delete("").await;
    assert_eq!(
        (deleted.exit_status, deleted.pid, deleted.exited_at),
        (7, pid, state.exited_at)
    );
    shim.supervisor
        .saw(&["create", "start", "exit", "delete"])
        .await;
    let exit: TaskExit = any::unpack(shim.supervisor.events()[2].event.as_ref().unwrap()).unwrap();
    assert_eq!((exit.id, exit.exit_status), (shim.id.clone(), 7));
    assert_eq!(shim.cleanup().exit_status, 7, "the delete call still knows");
    let request = gantry_proto::containerd::task::v3::ShutdownRequest::default();
    shim.client.shutdown(request).await.unwrap();
    shim.expect_nothing_left().await;
}

#[tokio::test]
async fn a_signal_is_128_and_its_number() {
    let mut shim = Shim::start(&["/bin/sleep", "1000"]).await;
    shim.create().await;
    shim.run().await;
    shim.kill(9).await;
    assert_eq!(shim.wait("").await, 137);
    let error = shim
        .client
        .kill(gantry_proto::containerd::task::v3::KillRequest {
            id: shim.id.clone(),
            signal: 9,
            ..Default::default()
        })
        .await
        .unwrap_err();
    assert_eq!(error.code(), tonic::Code::NotFound);
    shim.finish().await;
}

#[tokio::test]
async fn a_container_that_never_started_can_be_killed_and_deleted() {
    let mut shim = Shim::start(&["/bin/true"]).await;
    shim.create().await;
    shim.kill(9).await;
    assert_eq!(shim.wait("").await, 137);
    shim.finish().await;
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_told_in_the_runtimes_words() {
    let mut shim = Shim::start(&["/no/such/program"]).await;
    let uri = shim.uri().to_string();
    let request = shim.request(["", &uri, &uri]);
    let created = shim.client.create(request).await;
    // Some runtimes find out at create, others at start.
    let error = match created {
        Err(error) => error,
        Ok(_) => {
            let request = gantry_proto::containerd::task::v3::StartRequest {
                id: shim.id.clone(),
                ..Default::default()
            };
            shim.client.start(request).await.unwrap_err()
        }
    };
    assert_eq!(error.code(), tonic::Code::Unknown);
    let text = error.message();
    assert!(text.starts_with("OCI runtime create failed: "), "{text}");
    assert!(text.contains("no such file or directory"), "{text}");
    let request = gantry_proto::containerd::task::v3::ShutdownRequest::default();
    shim.client.shutdown(request).await.unwrap();
    shim.expect_nothing_left().await;
}

#[tokio::test]
async fn events_of_a_time_without_supervisor_arrive_afterwards_in_order() {
    let mut shim = Shim::start(&["/bin/sh", "-c", "exit 3"]).await;
    shim.create().await;
    shim.supervisor.saw(&["create"]).await;
    shim.supervisor.kill();
    shim.run().await;
    assert_eq!(shim.wait("").await, 3);
    let spool = shim.bundle().join("events");
    eventually("spooled events", || {
        (fs::read_dir(&spool).ok()?.count() == 2).then_some(())
    })
    .await;
    shim.supervisor.revive();
    shim.supervisor.saw(&["create", "start", "exit"]).await;
    eventually("an empty spool", || {
        (fs::read_dir(&spool).ok()?.count() == 0).then_some(())
    })
    .await;
    shim.finish().await;
}

#[tokio::test]
async fn a_killed_shim_is_cleaned_up_by_the_delete_call() {
    let mut shim = Shim::start(&["/bin/sleep", "1000"]).await;
    let pid = shim.create().await;
    shim.run().await;
    let shim_pid = rustix::process::Pid::from_raw(shim.pid.cast_signed()).unwrap();
    rustix::process::kill_process(shim_pid, rustix::process::Signal::KILL).unwrap();
    let deleted = shim.cleanup();
    assert_eq!((deleted.exit_status, deleted.pid), (137, pid));
    let process = std::path::PathBuf::from(format!("/proc/{pid}"));
    eventually("the container's end", || {
        let status = fs::read_to_string(process.join("status")).unwrap_or_default();
        (status.is_empty() || status.contains("State:\tZ")).then_some(())
    })
    .await;
    shim.expect_nothing_left().await;
}
