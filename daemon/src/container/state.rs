//! The life of a container as a pure state machine.
//!
//! ```text
//!            started                paused
//! Created ───────────▶ Running ◀──────────────▶ Paused
//!    │  start failed     │  │ exited                │ exited
//!    ▼                   │  ▼                       │
//! Exited ◀───────────────┘  Restarting ◀────────────┘
//!    │ ▲                        │ started (after the back-off)
//!    │ └──── given up ──────────┘
//!    ▼ remove            remove failed
//! Removing ───────────▶ Dead
//! ```
//!
//! Nothing here waits, persists or talks to anyone: [`step`] says what the next state is, or why an
//! event does not fit. The task that owns the container persists the outcome before it announces it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a container is in its life. Data lives in the variant it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Life {
    /// Never started.
    Created,
    /// Its process runs.
    Running { pid: u32, started: Timestamp },
    /// Its process is frozen.
    Paused { pid: u32, started: Timestamp },
    /// It ended and is started again after a back-off.
    Restarting { exit: Exit },
    /// It ended, or could not be started.
    Exited { exit: Exit },
    /// It is being removed.
    Removing,
    /// Its removal failed half-way; only a further removal is possible.
    Dead,
}

/// How the container's process ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit status, 128+n for a signal, 125–127 where the start failed.
    pub code: u32,
    /// The kernel's out-of-memory killer struck.
    pub oom: bool,
    /// When; absent where the process never ran.
    pub finished: Option<Timestamp>,
    /// Why it could not be started; empty otherwise.
    pub error: String,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The process was started.
    Started { pid: u32, at: Timestamp },
    /// The start failed.
    StartFailed { exit: Exit },
    /// The process was frozen.
    Paused,
    /// The process was thawed.
    Resumed,
    /// The process ended; `restart` where the policy starts it again.
    Exited { exit: Exit, restart: bool },
    /// A waiting restart was called off.
    RestartCancelled,
    /// Removal begins.
    RemoveBegun,
    /// Removal failed.
    RemoveFailed,
}

/// An event that does not fit the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    #[error("is already running")]
    Running,
    #[error("is not running")]
    NotRunning,
    #[error("is already paused")]
    Paused,
    #[error("is not paused")]
    NotPaused,
    #[error("is marked for removal and cannot be started")]
    Removing,
    #[error("is dead and cannot be started")]
    Dead,
    #[error("is not waiting for a restart")]
    NotRestarting,
}

impl Life {
    /// Docker's word for the state.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running { .. } => "running",
            Self::Paused { .. } => "paused",
            Self::Restarting { .. } => "restarting",
            Self::Exited { .. } => "exited",
            Self::Removing => "removing",
            Self::Dead => "dead",
        }
    }

    /// The process, while there is one.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        match self {
            Self::Running { pid, .. } | Self::Paused { pid, .. } => Some(*pid),
            Self::Created
            | Self::Restarting { .. }
            | Self::Exited { .. }
            | Self::Removing
            | Self::Dead => None,
        }
    }

    /// Whether a process exists, frozen or not.
    #[must_use]
    pub fn has_process(&self) -> bool {
        self.pid().is_some()
    }

    /// Docker's notion of "running", which counts a waiting restart.
    #[must_use]
    pub fn counts_as_running(&self) -> bool {
        self.has_process() || matches!(self, Self::Restarting { .. })
    }

    /// How it last ended, while that is the state.
    #[must_use]
    pub fn exit(&self) -> Option<&Exit> {
        match self {
            Self::Restarting { exit } | Self::Exited { exit } => Some(exit),
            Self::Created
            | Self::Running { .. }
            | Self::Paused { .. }
            | Self::Removing
            | Self::Dead => None,
        }
    }
}

/// The state after `event`.
///
/// # Errors
/// [`Rejected`] when the event does not fit; the state is then unchanged.
pub fn step(life: &Life, event: Event) -> Result<Life, Rejected> {
    match event {
        Event::Started { pid, at } => {
            may_start(life)?;
            Ok(Life::Running { pid, started: at })
        }
        Event::StartFailed { exit } => {
            may_start(life)?;
            Ok(Life::Exited { exit })
        }
        Event::Paused => match life {
            Life::Running { pid, started } => Ok(Life::Paused {
                pid: *pid,
                started: *started,
            }),
            Life::Paused { .. } => Err(Rejected::Paused),
            Life::Created
            | Life::Restarting { .. }
            | Life::Exited { .. }
            | Life::Removing
            | Life::Dead => Err(Rejected::NotRunning),
        },
        Event::Resumed => match life {
            Life::Paused { pid, started } => Ok(Life::Running {
                pid: *pid,
                started: *started,
            }),
            Life::Running { .. } => Err(Rejected::NotPaused),
            Life::Created
            | Life::Restarting { .. }
            | Life::Exited { .. }
            | Life::Removing
            | Life::Dead => Err(Rejected::NotRunning),
        },
        Event::Exited { exit, restart } => match life {
            Life::Running { .. } | Life::Paused { .. } if restart => Ok(Life::Restarting { exit }),
            Life::Running { .. } | Life::Paused { .. } => Ok(Life::Exited { exit }),
            Life::Created
            | Life::Restarting { .. }
            | Life::Exited { .. }
            | Life::Removing
            | Life::Dead => Err(Rejected::NotRunning),
        },
        Event::RestartCancelled => match life {
            Life::Restarting { exit } => Ok(Life::Exited { exit: exit.clone() }),
            Life::Created
            | Life::Running { .. }
            | Life::Paused { .. }
            | Life::Exited { .. }
            | Life::Removing
            | Life::Dead => Err(Rejected::NotRestarting),
        },
        Event::RemoveBegun => match life {
            Life::Created | Life::Exited { .. } | Life::Dead => Ok(Life::Removing),
            Life::Removing => Err(Rejected::Removing),
            Life::Running { .. } | Life::Paused { .. } | Life::Restarting { .. } => {
                Err(Rejected::Running)
            }
        },
        Event::RemoveFailed => match life {
            Life::Removing => Ok(Life::Dead),
            Life::Created
            | Life::Running { .. }
            | Life::Paused { .. }
            | Life::Restarting { .. }
            | Life::Exited { .. }
            | Life::Dead => Err(Rejected::NotRunning),
        },
    }
}

/// Whether a start fits.
///
/// # Errors
/// [`Rejected`] says why not.
pub fn may_start(life: &Life) -> Result<(), Rejected> {
    match life {
        Life::Created | Life::Exited { .. } | Life::Restarting { .. } => Ok(()),
        Life::Running { .. } => Err(Rejected::Running),
        Life::Paused { .. } => Err(Rejected::Paused),
        Life::Removing => Err(Rejected::Removing),
        Life::Dead => Err(Rejected::Dead),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn lives() -> Vec<Life> {
        vec![
            Life::Created,
            Life::Running {
                pid: 1,
                started: at(),
            },
            Life::Paused {
                pid: 1,
                started: at(),
            },
            Life::Restarting {
                exit: Exit::default(),
            },
            Life::Exited {
                exit: Exit::default(),
            },
            Life::Removing,
            Life::Dead,
        ]
    }

    #[test]
    fn a_whole_life() {
        let mut life = Life::Created;
        for (event, word) in [
            (Event::Started { pid: 7, at: at() }, "running"),
            (Event::Paused, "paused"),
            (Event::Resumed, "running"),
            (
                Event::Exited {
                    exit: Exit {
                        code: 3,
                        ..Exit::default()
                    },
                    restart: true,
                },
                "restarting",
            ),
            (Event::Started { pid: 8, at: at() }, "running"),
            (
                Event::Exited {
                    exit: Exit {
                        code: 4,
                        ..Exit::default()
                    },
                    restart: false,
                },
                "exited",
            ),
            (Event::RemoveBegun, "removing"),
            (Event::RemoveFailed, "dead"),
            (Event::RemoveBegun, "removing"),
        ] {
            life = step(&life, event).unwrap();
            assert_eq!(life.word(), word);
        }
    }

    #[test]
    fn rejections_name_the_reason() {
        let running = Life::Running {
            pid: 1,
            started: at(),
        };
        assert_eq!(step(&running, Event::RemoveBegun), Err(Rejected::Running));
        assert_eq!(step(&running, Event::Resumed), Err(Rejected::NotPaused));
        assert_eq!(
            step(&Life::Removing, Event::Started { pid: 1, at: at() }),
            Err(Rejected::Removing)
        );
        assert_eq!(
            step(&Life::Created, Event::Paused),
            Err(Rejected::NotRunning)
        );
    }

    #[test]
    fn records_of_every_state_can_be_read_again() {
        for life in lives() {
            let json = serde_json::to_string(&life).unwrap();
            assert_eq!(serde_json::from_str::<Life>(&json).unwrap(), life);
        }
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (1..9u32).prop_map(|pid| Event::Started {
                pid,
                at: Timestamp::UNIX_EPOCH
            }),
            Just(Event::StartFailed {
                exit: Exit {
                    code: 127,
                    ..Exit::default()
                }
            }),
            Just(Event::Paused),
            Just(Event::Resumed),
            any::<bool>().prop_map(|restart| Event::Exited {
                exit: Exit::default(),
                restart
            }),
            Just(Event::RestartCancelled),
            Just(Event::RemoveBegun),
            Just(Event::RemoveFailed),
        ]
    }

    proptest! {
        /// Whatever happens, a process is only there between a start and an exit, and a container
        /// that is being removed never runs again.
        #[test]
        fn no_life_after_removal(events in proptest::collection::vec(any_event(), 0..60)) {
            let mut life = Life::Created;
            let mut removed = false;
            for event in events {
                let starts = matches!(event, Event::Started { .. });
                let before = life.has_process();
                if let Ok(next) = step(&life, event) {
                    prop_assert!(!(starts && before), "started twice");
                    life = next;
                }
                removed |= matches!(life, Life::Removing);
                prop_assert!(!(removed && life.counts_as_running()));
            }
        }
    }
}
