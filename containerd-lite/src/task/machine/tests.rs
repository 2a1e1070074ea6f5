//! The life of a task: its corners by example, its invariants by random histories.

use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_assert, prop_oneof, proptest};

use super::{Effect, Input, Op, Outcome, Rejected, Sight, State, step};
use crate::names::ExecId;
use crate::task::process::{Exit, Phase, Process, ProcessId, Processes, Stdio};

fn exit(status: u32) -> Exit {
    let at = UNIX_EPOCH + Duration::from_secs(u64::from(status) + 1);
    Exit { status, at }
}

fn exec() -> ExecId {
    ExecId::parse("e").expect("exec id")
}

fn saw_exit(process: ProcessId, status: u32) -> Input {
    let exit = exit(status);
    Input::Saw(Sight::Exited { process, exit })
}

fn saw_start(process: ProcessId, pid: u32) -> Input {
    Input::Saw(Sight::Started { process, pid })
}

/// All inputs must be taken; gives the last state and all effects.
fn run(mut state: State, inputs: impl IntoIterator<Item = Input>) -> (State, Vec<Effect>) {
    let mut all = Vec::new();
    for input in inputs {
        let (next, effects) =
            step(state, input.clone()).unwrap_or_else(|rejected| panic!("{input:?}: {rejected}"));
        state = next;
        all.extend(effects);
    }
    (state, all)
}

fn created() -> State {
    let op = || Op::Create(Stdio::default());
    run(
        State::Creating,
        [Input::Asked(op()), Input::Did(op(), Outcome::Done(7))],
    )
    .0
}

fn running() -> State {
    let op = || Op::Start(ProcessId::Init);
    let inputs = [Input::Asked(op()), Input::Did(op(), Outcome::Done(7))];
    run(created(), inputs).0
}

fn phase(state: &State) -> Option<Phase> {
    state.processes().map(|processes| processes.init.phase)
}

#[test]
fn an_exit_seen_before_the_answer_to_start_is_not_undone() {
    let start = Op::Start(ProcessId::Init);
    let (state, _) = run(
        created(),
        [
            Input::Asked(start.clone()),
            saw_start(ProcessId::Init, 7),
            saw_exit(ProcessId::Init, 3),
            Input::Did(start, Outcome::Done(7)),
        ],
    );
    assert_eq!(phase(&state), Some(Phase::Stopped(exit(3))));
}

#[test]
fn the_shim_decides_whether_a_running_task_can_be_deleted() {
    let asked = || Input::Asked(Op::Delete);
    let did = |outcome| Input::Did(Op::Delete, outcome);
    let (state, effects) = run(running(), [asked(), did(Outcome::Failed)]);
    assert_eq!((state, effects), (running(), vec![Effect::Call]));
    let (state, _) = run(running(), [asked(), did(Outcome::Done(7))]);
    assert_eq!(state, State::Cleaning);
}

#[test]
fn a_failed_delete_leaves_the_task() {
    let (state, _) = run(
        running(),
        [
            saw_exit(ProcessId::Init, 0),
            Input::Asked(Op::Delete),
            Input::Did(Op::Delete, Outcome::Failed),
        ],
    );
    assert_eq!(phase(&state), Some(Phase::Stopped(exit(0))));
    let again = step(state.clone(), Input::Asked(Op::Delete)).expect("once more");
    let meanwhile = step(again.0, Input::Asked(Op::Delete)).expect_err("under way");
    assert_eq!(meanwhile, Rejected::Deleting);
}

#[test]
fn a_dead_shims_task_stays_stopped_until_deleted() {
    let op = Op::Exec(exec(), Stdio::default());
    let (state, effects) = run(
        running(),
        [
            Input::Asked(op.clone()),
            Input::Did(op, Outcome::Done(0)),
            saw_start(ProcessId::Exec(exec()), 9),
            Input::ShimGone,
            Input::Interred(Some(exit(5))),
        ],
    );
    let announced: Vec<_> = effects
        .iter()
        .filter(|effect| matches!(effect, Effect::AnnounceExit(..)))
        .collect();
    let killed = Exit {
        status: 137,
        ..exit(5)
    };
    assert_eq!(
        announced,
        [
            &Effect::AnnounceExit(ProcessId::Exec(exec()), 9, killed),
            &Effect::AnnounceExit(ProcessId::Init, 7, exit(5)),
        ]
    );
    assert_eq!(phase(&state), Some(Phase::Stopped(exit(5))));
    let (state, effects) = run(state, [Input::Asked(Op::Delete), Input::Cleaned]);
    assert_eq!(effects, [Effect::AnnounceDelete(7, exit(5)), Effect::Clean]);
    assert_eq!(state, State::Gone);
}

#[test]
fn an_exit_that_was_seen_is_not_announced_again_when_the_shim_dies() {
    let (state, effects) = run(
        running(),
        [
            saw_exit(ProcessId::Init, 4),
            Input::ShimGone,
            Input::Interred(None),
        ],
    );
    assert_eq!(phase(&state), Some(Phase::Stopped(exit(4))));
    assert!(
        !effects
            .iter()
            .any(|e| matches!(e, Effect::AnnounceExit(..)))
    );
}

#[test]
fn a_shim_that_dies_after_its_delete_leaves_no_tombstone() {
    let (state, effects) = run(
        running(),
        [
            saw_exit(ProcessId::Init, 0),
            Input::Asked(Op::Delete),
            Input::ShimGone,
            Input::Did(Op::Delete, Outcome::Done(7)),
            Input::Interred(None),
            Input::Cleaned,
        ],
    );
    assert_eq!(state, State::Gone);
    assert!(effects.contains(&Effect::Clean));
}

#[test]
fn recovery_takes_the_shims_word() {
    let known = Processes::new(Process::created(7, Stdio::default()));
    let mut told = known.clone();
    told.init.phase = Phase::Stopped(exit(2));
    let recovering = State::Recovering(known.clone());
    let refused = step(recovering.clone(), Input::Asked(Op::Delete)).expect_err("not yet");
    assert_eq!(refused, Rejected::Recovering);
    let (state, _) = run(recovering.clone(), [Input::Reached(Some(told.clone()))]);
    assert_eq!(state, State::Live(told));
    let (state, effects) = run(recovering, [Input::Reached(None)]);
    assert_eq!((state, effects), (State::Cleaning, vec![Effect::Clean]));
    for input in [Input::Reached(Some(known)), Input::ShimGone] {
        let (state, effects) = run(State::Abandoned, [input]);
        assert_eq!((state, effects), (State::Cleaning, vec![Effect::Clean]));
    }
}

fn process() -> impl Strategy<Value = ProcessId> {
    prop_oneof![Just(ProcessId::Init), Just(ProcessId::Exec(exec()))]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        Just(Op::Create(Stdio::default())),
        process().prop_map(Op::Start),
        Just(Op::Exec(exec(), Stdio::default())),
        Just(Op::Pause),
        Just(Op::Resume),
        Just(Op::Delete),
        Just(Op::DeleteExec(exec())),
    ]
}

fn input() -> impl Strategy<Value = Input> {
    let outcome = prop_oneof![(1..100_u32).prop_map(Outcome::Done), Just(Outcome::Failed)];
    let report = any::<Option<bool>>().prop_map(|stopped| {
        stopped.map(|stopped| {
            let mut processes = Processes::new(Process::created(7, Stdio::default()));
            if stopped {
                processes.init.phase = Phase::Stopped(exit(1));
            }
            processes
        })
    });
    prop_oneof![
        8 => op().prop_map(Input::Asked),
        8 => (op(), outcome).prop_map(|(op, outcome)| Input::Did(op, outcome)),
        4 => (process(), 1..100_u32).prop_map(|(p, pid)| saw_start(p, pid)),
        4 => (process(), 0..256_u32).prop_map(|(p, status)| saw_exit(p, status)),
        1 => Just(Input::Saw(Sight::Paused)),
        1 => Just(Input::Saw(Sight::Resumed)),
        1 => report.prop_map(Input::Reached),
        1 => Just(Input::ShimGone),
        2 => any::<Option<u8>>().prop_map(|s| Input::Interred(s.map(|s| exit(s.into())))),
        1 => Just(Input::Cleaned),
    ]
}

fn beginning() -> impl Strategy<Value = State> {
    let processes = Processes::new(Process::created(7, Stdio::default()));
    prop_oneof![
        3 => Just(State::Creating),
        1 => Just(State::Abandoned),
        1 => Just(State::Recovering(processes)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever happens in whatever order: an exit once known never changes, is announced by the
    /// supervisor at most once and never after the deletion; the record precedes the announcement; the
    /// end is final; only what clients ask is ever refused.
    #[test]
    fn invariants_hold_in_all_histories(
        start in beginning(),
        inputs in proptest::collection::vec(input(), 0..60),
    ) {
        let mut state = start;
        let mut known: Option<Exit> = None;
        let (mut exits, mut deletes, mut recorded) = (0, 0, false);
        for input in inputs {
            let before = state.clone();
            let Ok((next, effects)) = step(state, input.clone()) else {
                prop_assert!(matches!(input, Input::Asked(_)));
                state = before;
                continue;
            };
            for effect in &effects {
                match effect {
                    Effect::Record => recorded = true,
                    Effect::AnnounceExit(ProcessId::Init, ..) => {
                        prop_assert!(recorded && deletes == 0);
                        exits += 1;
                    }
                    Effect::AnnounceDelete(..) => deletes += 1,
                    Effect::AnnounceExit(..) | Effect::Call | Effect::Bury | Effect::Clean => {}
                }
            }
            // A recovered shim's report replaces what a record guessed.
            let replaced = matches!(input, Input::Reached(_));
            let now = next.processes().and_then(|processes| processes.init.exit());
            if let (Some(known), Some(now), false) = (known, now, replaced) {
                prop_assert!(known == now, "an exit changed: {:?}", input);
            }
            if let (Some(_), None, false) = (known, now, replaced) {
                prop_assert!(next.processes().is_none(), "an exit was forgotten: {:?}", input);
            }
            known = now;
            if before == State::Gone {
                prop_assert!(next == State::Gone && effects.is_empty());
            }
            prop_assert!(exits <= 1 && deletes <= 1);
            state = next;
        }
    }
}
