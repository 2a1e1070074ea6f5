//! The shim that users get, killed at each boundary between what it does and what it tells: the
//! supervisor finds out, takes down what is left, and knows the exit if the shim had written it.

use std::time::Duration;

use tonic::Code;

use crate::engine::{Engine, eventually};
use crate::subscriber::{Step, Told};

/// A container that ends by itself.
const PLAY: &str = r#"{"exit":9,"after_ms":20}"#;
/// The exit of a container whose shim died without having seen one.
const UNKNOWN: u32 = 137;

/// One life; whatever the shim's death makes of it. Gives the exit that was told.
async fn live(engine: &Engine, id: &str) -> Option<u32> {
    engine.create(id).await.ok()?;
    // Its answer may be lost with the shim.
    let _ = engine.begin(id).await;
    let exit = engine.wait(id).await.ok();
    let _ = engine.delete(id).await;
    exit
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shim_may_die_at_each_of_its_boundaries() {
    for (point, exit) in [
        ("shim.create.mounted", None),
        ("shim.create.made", None),
        ("shim.start.started", Some(UNKNOWN)),
        ("shim.exit.seen", Some(UNKNOWN)),
        ("shim.exit.kept", Some(9)),
        ("shim.exit.told", Some(9)),
        ("shim.delete.runtime", Some(9)),
        ("shim.delete.unmounted", Some(9)),
    ] {
        let mut engine = Engine::with_real_shim();
        let arm = format!("{point}=kill");
        engine.start(&[("GANTRY_FAILPOINT", &arm)]).await;
        let told = Told::follow(engine.channel());
        eventually("the subscriber is on", async || {
            engine.define("probe", "{}").await.is_ok()
        })
        .await;
        engine.define("c", PLAY).await.expect("defined");
        let lived = tokio::time::timeout(Duration::from_secs(20), live(&engine, "c")).await;
        let lived = lived.unwrap_or_else(|_| panic!("{point}: a call did not return"));
        assert_eq!(lived, exit, "{point}");
        // Whatever the last answer said, a deletion that is asked for again succeeds or was done.
        eventually("it is deleted", async || match engine.delete("c").await {
            Ok(deleted) => {
                assert_eq!(Some(deleted.exit_status), exit, "{point}");
                true
            }
            // A call that the shim's death cuts off is unknown to have been done.
            Err(status) if matches!(status.code(), Code::Unavailable | Code::Unknown) => false,
            Err(status) => {
                assert_eq!(status.code(), Code::NotFound, "{point}: {status:?}");
                true
            }
        })
        .await;
        engine.clean().await;
        if let Some(exit) = exit {
            let end = [Step::Exit(exit), Step::Delete(exit)];
            eventually(point, async || told.of("c").ends_with(&end)).await;
        }
        // The next one lives as if nothing had been.
        engine.kill();
        engine.start(&[]).await;
        engine.define("d", PLAY).await.expect("defined");
        assert_eq!(live(&engine, "d").await, Some(9), "{point}");
        engine.clean().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shim_and_its_supervisor_may_die_together() {
    for (point, exit) in [("shim.start.started", UNKNOWN), ("shim.exit.kept", 9)] {
        let mut engine = Engine::with_real_shim();
        let arm = format!("{point}=kill");
        engine.start(&[("GANTRY_FAILPOINT", &arm)]).await;
        engine.define("c", PLAY).await.expect("defined");
        engine.create("c").await.expect("created");
        let (_begun, ()) = tokio::join!(engine.begin("c"), async {
            let real = engine.real();
            eventually("the shim dies", async || real.shims(&engine).is_empty()).await;
        });
        engine.kill();
        engine.start(&[]).await;
        assert_eq!(engine.wait("c").await.expect("known"), exit, "{point}");
        assert_eq!(engine.delete("c").await.expect("deleted").exit_status, exit);
        engine.clean().await;
    }
}
