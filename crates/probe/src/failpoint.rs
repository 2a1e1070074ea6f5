//! Named instants at which a crash test stops the program.
//!
//! The environment decides, once per process: `GANTRY_FAILPOINT=name=action[;name=action…]` with the
//! actions
//!
//! * `kill`: the process ends by SIGKILL, as in `kill -9`, and nothing after the point happens;
//! * `error`: the point fails with [`Injected`];
//! * `pause:FILE`: FILE is created and the point is passed once somebody removes it.
//!
//! Unset, a point costs one relaxed load.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// The variable that arms points.
const VARIABLE: &str = "GANTRY_FAILPOINT";

const UNREAD: u8 = 0;
const DISARMED: u8 = 1;
const ARMED: u8 = 2;

static STATE: AtomicU8 = AtomicU8::new(UNREAD);
static POINTS: OnceLock<Vec<Point>> = OnceLock::new();

/// The failure of an armed point.
#[derive(Debug, thiserror::Error)]
#[error("failpoint {0}")]
pub struct Injected(&'static str);

#[derive(Debug, PartialEq, Eq)]
struct Point {
    name: String,
    action: Action,
}

#[derive(Debug, PartialEq, Eq)]
enum Action {
    Kill,
    Error,
    Pause(PathBuf),
}

/// Passes the instant `name`, unless the environment arms it.
///
/// # Errors
/// [`Injected`] when it is armed with `error`.
#[inline]
pub fn failpoint(name: &'static str) -> Result<(), Injected> {
    if STATE.load(Ordering::Relaxed) == DISARMED {
        return Ok(());
    }
    reached(name)
}

#[cold]
fn reached(name: &'static str) -> Result<(), Injected> {
    let points = POINTS.get_or_init(|| {
        let points = parse(&std::env::var(VARIABLE).unwrap_or_default());
        let state = if points.is_empty() { DISARMED } else { ARMED };
        STATE.store(state, Ordering::Relaxed);
        points
    });
    match points.iter().find(|point| point.name == name) {
        None => Ok(()),
        Some(point) => act(name, &point.action),
    }
}

fn act(name: &'static str, action: &Action) -> Result<(), Injected> {
    match action {
        Action::Kill => {
            let sent = rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::KILL,
            );
            unreachable!("survived SIGKILL: {sent:?}")
        }
        Action::Error => Err(Injected(name)),
        Action::Pause(file) => {
            if std::fs::write(file, name).is_ok() {
                while file.exists() {
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
            Ok(())
        }
    }
}

fn parse(text: &str) -> Vec<Point> {
    text.split(';')
        .filter(|entry| !entry.is_empty())
        .map(|entry| {
            let (name, action) = entry.split_once('=').unwrap_or((entry, ""));
            let action = match action.split_once(':').unwrap_or((action, "")) {
                ("kill", _) => Action::Kill,
                ("error", _) => Action::Error,
                ("pause", file) => Action::Pause(file.into()),
                _ => panic!("{VARIABLE}: {entry:?} is not NAME=kill|error|pause:FILE"),
            };
            let name = name.to_owned();
            Point { name, action }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Action, act, failpoint, parse};

    #[test]
    fn an_unarmed_point_is_passed() {
        assert!(failpoint("nothing").is_ok());
        assert!(failpoint("nothing").is_ok());
    }

    #[test]
    fn several_points_are_read() {
        let points = parse("a=kill;b.c=error;d=pause:/run/x:y");
        let actions: Vec<_> = points
            .iter()
            .map(|p| (p.name.as_str(), &p.action))
            .collect();
        assert_eq!(
            actions,
            [
                ("a", &Action::Kill),
                ("b.c", &Action::Error),
                ("d", &Action::Pause("/run/x:y".into()))
            ]
        );
    }

    #[test]
    #[should_panic(expected = "is not NAME=")]
    fn a_misspelt_action_is_loud() {
        parse("a=kil");
    }

    #[test]
    fn a_pause_ends_when_its_file_goes() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let file = directory.path().join("paused");
        let action = Action::Pause(file.clone());
        let waiter = std::thread::spawn(move || act("here", &action).is_ok());
        while std::fs::read(&file).unwrap_or_default() != b"here" {
            std::thread::yield_now();
        }
        assert!(!waiter.is_finished());
        std::fs::remove_file(&file).expect("remove");
        assert!(waiter.join().expect("no panic"));
    }
}
