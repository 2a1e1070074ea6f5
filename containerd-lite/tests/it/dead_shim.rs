//! Shims that die, while the supervisor lives and while it does not.

use gantry_proto::containerd::v1::types::Status;
use tonic::Code;

use crate::engine::{Engine, eventually, kill_shim};
use crate::subscriber::{Step, Told};

#[tokio::test]
async fn a_killed_shim_leaves_a_stopped_task_until_it_is_deleted() {
    let mut engine = Engine::running().await;
    let told = Told::follow(engine.channel());
    engine.run("c", "{}").await;
    kill_shim(&engine.bundle("c"));
    assert_eq!(engine.wait("c").await.expect("told"), 137);
    eventually("the exit is published", async || told.of("c").len() == 3).await;
    engine.kill();
    engine.start(&[]).await;
    let task = engine.get("c").await.expect("still there");
    assert_eq!((task.status(), task.exit_status), (Status::Stopped, 137));
    assert_eq!(engine.delete("c").await.expect("deleted").exit_status, 137);
    assert_eq!(
        engine.get("c").await.expect_err("gone").code(),
        Code::NotFound
    );
    engine.clean().await;
    let all = [
        Step::Create,
        Step::Start,
        Step::Exit(137),
        Step::Delete(137),
    ];
    eventually("all events", async || told.of("c") == all).await;
}

#[tokio::test]
async fn an_exit_that_the_shim_wrote_down_is_the_truth_even_when_it_died_undelivered() {
    let mut engine = Engine::running().await;
    let told = Told::follow(engine.channel());
    engine.run("c", r#"{"exit":42,"after_ms":50}"#).await;
    engine.kill();
    eventually("the container has ended", async || {
        engine.bundle("c").join("exit").exists()
    })
    .await;
    eventually("the exit waits in the spool", async || {
        std::fs::read_dir(engine.bundle("c").join("events")).is_ok_and(|all| all.count() > 0)
    })
    .await;
    kill_shim(&engine.bundle("c"));
    engine.start(&[]).await;
    assert_eq!(engine.wait("c").await.expect("known"), 42);
    assert_eq!(engine.delete("c").await.expect("deleted").exit_status, 42);
    engine.clean().await;
    let all = [Step::Create, Step::Start, Step::Exit(42), Step::Delete(42)];
    eventually("all events", async || told.of("c") == all).await;
}

#[tokio::test]
async fn a_shim_that_does_not_answer_a_new_supervisor_is_told_from_the_record() {
    let mut engine = Engine::running().await;
    engine.run("good", "{}").await;
    engine.run("stuck", r#"{"hang":"state"}"#).await;
    engine.kill();
    engine.start(&[]).await;
    assert_eq!(engine.list().await, ["good", "stuck"]);
    assert_eq!(
        engine.get("stuck").await.expect("record").status(),
        Status::Running
    );
    assert_eq!(
        engine.signal("stuck", 9).await.expect_err("not yet").code(),
        Code::Unavailable
    );
    eventually("the other is back", async || {
        engine.signal("good", 9).await.is_ok()
    })
    .await;
    assert_eq!(engine.wait("good").await.expect("exits"), 137);
}
