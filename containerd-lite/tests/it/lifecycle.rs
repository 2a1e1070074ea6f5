//! One container's life, and many lives side by side.

use std::time::Duration;

use gantry_proto::containerd::services::tasks::v1::MetricsRequest;
use gantry_proto::containerd::v1::types::Status;
use tonic::Code;

use crate::engine::{Engine, eventually, kill_shim, within};
use crate::subscriber::{Step, Told};

#[tokio::test]
async fn a_container_is_created_runs_exits_and_is_deleted() {
    let engine = Engine::running().await;
    let told = Told::follow(engine.channel());
    engine
        .define("c", r#"{"exit":7,"after_ms":20}"#)
        .await
        .expect("defined");
    assert_eq!(
        engine.begin("c").await.expect_err("no task").code(),
        Code::NotFound
    );
    engine.create("c").await.expect("created");
    assert_eq!(
        engine.create("c").await.expect_err("twice").code(),
        Code::AlreadyExists
    );
    assert_eq!(
        engine.get("c").await.expect("task").status(),
        Status::Created
    );
    engine.begin("c").await.expect("started");
    assert_eq!(engine.wait("c").await.expect("exits"), 7);
    let stopped = engine.get("c").await.expect("task");
    assert_eq!(
        (stopped.status(), stopped.exit_status),
        (Status::Stopped, 7)
    );
    assert_eq!(
        engine.signal("c", 9).await.expect_err("over").code(),
        Code::NotFound
    );
    let deleted = engine.delete("c").await.expect("deleted");
    assert_eq!(
        (deleted.exit_status, deleted.exited_at),
        (7, stopped.exited_at)
    );
    assert_eq!(
        engine.get("c").await.expect_err("gone").code(),
        Code::NotFound
    );
    engine.clean().await;
    eventually("all events", async || told.of("c").len() == 4).await;
    assert_eq!(
        told.of("c"),
        [Step::Create, Step::Start, Step::Exit(7), Step::Delete(7)]
    );
}

#[tokio::test]
async fn a_name_can_be_used_again_at_once() {
    let engine = Engine::running().await;
    engine
        .define("c", r#"{"exit":1,"after_ms":0}"#)
        .await
        .expect("defined");
    for _ in 0..10 {
        engine.create("c").await.expect("created");
        engine.begin("c").await.expect("started");
        assert_eq!(engine.wait("c").await.expect("exits"), 1);
        engine.delete("c").await.expect("deleted");
    }
    engine.clean().await;
}

#[tokio::test]
async fn a_stuck_shim_delays_nobody_else() {
    let engine = Engine::running().await;
    engine.run("stuck", r#"{"hang":"kill"}"#).await;
    engine
        .define("born", r#"{"hang":"create"}"#)
        .await
        .expect("defined");
    let (channel, other) = (engine.tasks(), engine.tasks());
    let hanging = [
        tokio::spawn(kill(channel, "stuck")),
        tokio::spawn(create(other, "born")),
    ];
    eventually("the shim of the second is up", async || {
        engine.bundle("born").join("fake.pid").exists()
    })
    .await;
    engine.run("free", r#"{"exit":3,"after_ms":10}"#).await;
    assert_eq!(engine.wait("free").await.expect("exits"), 3);
    assert_eq!(
        engine.get("stuck").await.expect("answers").status(),
        Status::Running
    );
    assert_eq!(engine.list().await, ["born", "free", "stuck"]);
    engine.delete("free").await.expect("deleted");
    assert!(hanging.iter().all(|call| !call.is_finished()));
}

#[tokio::test]
async fn a_task_whose_client_died_while_it_was_made_can_be_found_and_deleted() {
    let engine = Engine::running().await;
    engine
        .define("born", r#"{"hang":"create"}"#)
        .await
        .expect("defined");
    let client = tokio::spawn(create(engine.tasks(), "born"));
    eventually("the shim is up", async || {
        engine.bundle("born").join("fake.pid").exists()
    })
    .await;
    client.abort();
    assert!(client.await.expect_err("it was aborted").is_cancelled());
    // A client that comes next sees it, and has its answers once it is made.
    assert_eq!(engine.list().await, ["born"]);
    let next = kill(engine.tasks(), "born");
    tokio::pin!(next);
    let waited = tokio::time::timeout(Duration::from_millis(50), &mut next).await;
    assert!(waited.is_err(), "a task that is being made was killed");
    std::fs::write(engine.bundle("born").join("go"), "").expect("written");
    next.await;
    assert_eq!(engine.wait("born").await.expect("killed"), 137);
    engine.delete("born").await.expect("deleted");
    engine.clean().await;
}

#[tokio::test]
async fn a_shim_at_rest_costs_no_connection() {
    let engine = Engine::running().await;
    engine.list().await;
    let before = engine.sockets();
    for id in ["a", "b", "c", "d"] {
        engine.run(id, "{}").await;
    }
    eventually("connections are let go", async || {
        engine.sockets() <= before
    })
    .await;
    for id in ["a", "b", "c", "d"] {
        engine.signal(id, 9).await.expect("connected anew");
        assert_eq!(engine.wait(id).await.expect("ends"), 137);
        engine.delete(id).await.expect("deleted");
    }
    engine.clean().await;
}

async fn kill(
    mut tasks: gantry_proto::containerd::services::tasks::v1::tasks_client::TasksClient<
        tonic::transport::Channel,
    >,
    id: &str,
) {
    let request = within(gantry_proto::containerd::services::tasks::v1::KillRequest {
        container_id: id.to_owned(),
        signal: 9,
        ..Default::default()
    });
    let _ = tasks.kill(request).await;
}

async fn create(
    mut tasks: gantry_proto::containerd::services::tasks::v1::tasks_client::TasksClient<
        tonic::transport::Channel,
    >,
    id: &str,
) {
    let request = within(
        gantry_proto::containerd::services::tasks::v1::CreateTaskRequest {
            container_id: id.to_owned(),
            ..Default::default()
        },
    );
    let _ = tasks.create(request).await;
}

#[tokio::test]
async fn metrics_leave_out_who_does_not_answer() {
    let engine = Engine::running().await;
    engine.run("good", "{}").await;
    engine.run("stuck", r#"{"hang":"stats"}"#).await;
    let request = within(MetricsRequest::default());
    let metrics = engine
        .tasks()
        .metrics(request)
        .await
        .expect("metrics")
        .into_inner();
    let ids: Vec<_> = metrics
        .metrics
        .iter()
        .map(|metric| metric.id.as_str())
        .collect();
    assert_eq!(ids, ["good"]);
    let filters = vec!["id==none".to_owned()];
    let request = within(MetricsRequest { filters });
    let none = engine
        .tasks()
        .metrics(request)
        .await
        .expect("metrics")
        .into_inner();
    assert!(none.metrics.is_empty());
}

#[tokio::test]
async fn waiters_are_told_however_the_end_comes() {
    let engine = Engine::running().await;
    engine.run("killed", "{}").await;
    engine.run("orphan", "{}").await;
    let (mut by_signal, mut by_death) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        by_signal.push(waiter(&engine, "killed"));
        by_death.push(waiter(&engine, "orphan"));
    }
    engine.signal("killed", 15).await.expect("killed");
    kill_shim(&engine.bundle("orphan"));
    for waiter in by_signal {
        assert_eq!(waiter.await.expect("no panic"), Ok(143));
    }
    // Only now: one that asks after this is told that there is no such task.
    engine.delete("killed").await.expect("deleted");
    for waiter in by_death {
        assert_eq!(waiter.await.expect("no panic"), Ok(137));
    }
}

fn waiter(engine: &Engine, id: &str) -> tokio::task::JoinHandle<Result<u32, Code>> {
    let mut tasks = engine.tasks();
    let request = within(gantry_proto::containerd::services::tasks::v1::WaitRequest {
        container_id: id.to_owned(),
        exec_id: String::new(),
    });
    tokio::spawn(async move {
        let answer = tasks.wait(request).await.map_err(|status| status.code())?;
        Ok(answer.into_inner().exit_status)
    })
}
