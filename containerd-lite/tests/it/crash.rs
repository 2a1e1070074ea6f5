//! The supervisor is killed by SIGKILL: at random instants under load, and at each boundary between
//! writing down and telling.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use gantry_proto::containerd::v1::types::Status as Phase;
use tokio::sync::watch;
use tonic::{Code, Status};

use crate::engine::{Engine, eventually};
use crate::subscriber::{Step, Told};

/// How often the supervisor is killed under load: with shims that play containers, with shims that run
/// them, and where a quick answer is asked for.
const KILLS: u32 = 60;
const KILLS_REAL: u32 = 20;
const QUICK_KILLS: u32 = 10;
/// How many containers live at a time.
const LANES: u64 = 4;

fn kills(usual: u32) -> u32 {
    let quick = std::env::var_os("GANTRY_TEST_QUICK").is_some();
    if quick { QUICK_KILLS } else { usual }
}

/// A client that does not give up: what a daemon that reconciles does. Every operation is tried until
/// the supervisor has said yes, or says that it is done already.
struct Client<'a>(&'a Engine);

impl Client<'_> {
    async fn insist<T>(
        &self,
        done_already: Code,
        mut operation: impl AsyncFnMut() -> Result<T, Status>,
    ) -> Option<T> {
        loop {
            match operation().await {
                Ok(value) => return Some(value),
                Err(status) if status.code() == done_already => return None,
                Err(status) => assert!(passing(&status), "{status:?}"),
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }

    /// Makes sure that a task is started, whatever an earlier attempt achieved.
    async fn run(&self, id: &str) {
        loop {
            self.insist(Code::AlreadyExists, async || self.0.create(id).await)
                .await;
            let started = self.0.begin(id).await;
            let Err(status) = started else { return };
            match status.code() {
                // The creation was not acknowledged, and the next supervisor took it back.
                Code::NotFound => {}
                // An earlier attempt had started it.
                Code::FailedPrecondition | Code::Unknown => return,
                _ => assert!(passing(&status), "{status:?}"),
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }
}

/// The supervisor went away, or is just back.
fn passing(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::Cancelled | Code::Unknown | Code::Internal
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_the_supervisor_is_killed_at_random_instants() {
    kill_at_random_instants(Engine::new(), kills(KILLS)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_is_anything_lost_of_containers_that_really_run() {
    kill_at_random_instants(Engine::with_real_shim(), kills(KILLS_REAL)).await;
}

async fn kill_at_random_instants(mut engine: Engine, kills: u32) {
    let seed = std::env::var("GANTRY_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    eprintln!("GANTRY_SEED={seed} replays this");
    let mut random = Random(seed);
    engine.start(&[]).await;
    let told = Told::follow(engine.channel());
    eventually("the subscriber is on", async || {
        engine.define("probe", "{}").await.is_ok()
    })
    .await;
    let phases = Phases::default();
    let mut killed = 0;
    let mut round = 0;
    let missed = || kills >= KILLS && phases.hit.borrow().len() < PHASES.len();
    while killed < kills || (missed() && killed < 10 * kills) {
        round += 1;
        let ids: Vec<String> = (0..LANES).map(|lane| format!("c{round}-{lane}")).collect();
        for id in &ids {
            let status = random.below(200);
            let after = random.below(40);
            let play = format!(r#"{{"exit":{status},"after_ms":{after}}}"#);
            engine.define(id, &play).await.expect("defined");
            let expected = u32::try_from(status).expect("small");
            let mut kills = [(); 3].map(|()| Kill {
                in_phase: usize::try_from(random.below(4)).expect("small"),
                // A third of them at once: some phases last less than a millisecond.
                after: Duration::from_millis(random.below(3).min(1) * random.below(25)),
            });
            kills.sort_by_key(|kill| kill.in_phase);
            killed += life_under_fire(&mut engine, id, (expected, &kills), &phases).await;
            let end = [Step::Exit(expected), Step::Delete(expected)];
            eventually(
                &format!("{id} is told to its end: {:?}", told.of(id)),
                async || told.of(id).ends_with(&end),
            )
            .await;
            assert_eq!(told.of(id)[..2], [Step::Create, Step::Start], "{id}");
        }
    }
    assert_eq!(engine.list().await, Vec::<String>::new());
    engine.clean().await;
    let hit = phases.hit.borrow();
    eprintln!("kills by what the client was doing: {hit:?}");
    assert!(!missed(), "every phase was hit: {hit:?}");
}

/// What a client does with a container, in order.
const PHASES: [&str; 4] = ["create and start", "wait", "delete", "over"];

/// When the supervisor is killed.
struct Kill {
    /// Not before the client does this (an index of [`PHASES`]).
    in_phase: usize,
    /// And then so much later.
    after: Duration,
}

/// What the client was doing at each kill.
#[derive(Default)]
struct Phases {
    now: watch::Sender<usize>,
    hit: RefCell<BTreeMap<&'static str, u32>>,
}

impl Phases {
    fn set(&self, phase: usize) {
        self.now.send_replace(phase);
    }

    async fn reached(&self, phase: usize) {
        let mut now = self.now.subscribe();
        let reached = now.wait_for(|now| *now >= phase).await;
        drop(reached.expect("the phases are still here"));
    }

    fn killed(&self) {
        let phase = PHASES[*self.now.borrow()];
        *self.hit.borrow_mut().entry(phase).or_default() += 1;
    }
}

/// One container's life, with kills; gives their number.
async fn life_under_fire(
    engine: &mut Engine,
    id: &str,
    (expected, kills): (u32, &[Kill]),
    phases: &Phases,
) -> u32 {
    let ended = Cell::new(false);
    for kill in kills {
        {
            let life = async {
                live(engine, id, (expected, &ended), phases).await;
                std::future::pending::<()>().await;
            };
            let killer = async {
                phases.reached(kill.in_phase).await;
                if !kill.after.is_zero() {
                    tokio::time::sleep(kill.after).await;
                }
            };
            phases.set(0);
            tokio::select! {
                () = life => {}
                () = killer => phases.killed(),
            }
        }
        engine.kill();
        engine.start(&[]).await;
    }
    live(engine, id, (expected, &ended), phases).await;
    u32::try_from(kills.len()).expect("few")
}

/// Lives the life to its end, from wherever an earlier attempt got to.
async fn live(engine: &Engine, id: &str, (expected, ended): (u32, &Cell<bool>), phases: &Phases) {
    let client = Client(engine);
    if !ended.get() {
        client.run(id).await;
        phases.set(1);
        let exit = client.insist(Code::Ok, async || engine.wait(id).await);
        assert_eq!(exit.await, Some(expected), "{id}");
        let task = client.insist(Code::Ok, async || engine.get(id).await);
        let task = task.await.expect("kept until deleted");
        assert_eq!(
            (task.status(), task.exit_status),
            (Phase::Stopped, expected),
            "{id}"
        );
        ended.set(true);
    }
    phases.set(2);
    let deleted = client.insist(Code::NotFound, async || engine.delete(id).await);
    if let Some(deleted) = deleted.await {
        assert_eq!(deleted.exit_status, expected, "{id}");
    }
    phases.set(3);
}

/// What holds after a kill at each boundary, whichever operation it was in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_boundary_can_be_the_last_thing_a_supervisor_passes() {
    for point in [
        "store.committed",
        "create.bundle",
        "create.shim",
        "create.task",
        "task.recorded",
        "journal.appended",
        "delete.task",
        "delete.shim",
        "delete.cleaned",
    ] {
        let mut engine = Engine::running().await;
        let told = Told::follow(engine.channel());
        eventually("the subscriber is on", async || {
            engine.define("probe", "{}").await.is_ok()
        })
        .await;
        engine.kill();
        let arm = format!("{point}=kill");
        engine.start(&[("GANTRY_FAILPOINT", &arm)]).await;
        // One of these reaches the point.
        let life = async {
            let _ = engine.define("c", r#"{"exit":9,"after_ms":5}"#).await;
            let _ = engine.create("c").await;
            let _ = engine.begin("c").await;
            let _ = engine.wait("c").await;
            let _ = engine.delete("c").await;
        };
        let _ = tokio::time::timeout(Duration::from_secs(10), life).await;
        engine.died().await;
        engine.start(&[]).await;
        let client = Client(&engine);
        client
            .insist(Code::AlreadyExists, async || {
                engine.define("c", r#"{"exit":9,"after_ms":5}"#).await
            })
            .await;
        if !told.of("c").contains(&Step::Delete(9)) && !point.starts_with("delete") {
            client.run("c").await;
            assert_eq!(engine.wait("c").await.expect("ends"), 9, "{point}");
        }
        client
            .insist(Code::NotFound, async || engine.delete("c").await)
            .await;
        engine.clean().await;
        let end = [Step::Exit(9), Step::Delete(9)];
        eventually(point, async || told.of("c").ends_with(&end)).await;
        assert_eq!(engine.list().await, Vec::<String>::new(), "{point}");
    }
}

/// xorshift: enough to spread instants, and the same everywhere for a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.max(1);
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
