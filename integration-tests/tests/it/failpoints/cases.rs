//! Each instant, what is cut short there, and what must be true afterwards.

use integration_tests::Client;

use super::checks::*;

/// One way to die.
pub(super) struct Case {
    pub(super) failpoint: &'static str,
    /// Before the engine is armed; arguments of the command line, in words.
    pub(super) before: &'static [&'static str],
    /// What the death cuts short.
    pub(super) cut: &'static str,
    /// What must be true afterwards.
    pub(super) check: fn(&Client),
}

const RUN_ON: &[&str] = &["run -d --name vv IMAGE sleep 1000"];
const ENDS: &[&str] = &["create --name vv IMAGE sh -c exit\\ 5"];
/// Ends with 7 once it is told to, in this and each further run.
const ENDS_WHEN_TOLD: &[&str] =
    &["run -d --name vv IMAGE sh -c until\\ [\\ -e\\ /go\\ ];do\\ usleep\\ 9999;done;exit\\ 7"];
const TELL: &str = "exec vv touch /go";
/// An archive of an image whose last layer is its own, which the engine does not have.
const ARCHIVED: &[&str] = &[
    "run --name vv IMAGE sh -c echo\\ kept\\ >/new",
    "commit vv made",
    "rm vv",
    "save -o ARCHIVE made",
    "rmi made",
];

pub(super) const CASES: &[Case] = &[
    Case {
        failpoint: "container.create.reserved",
        before: &[],
        cut: "create --name vv IMAGE true",
        check: is_gone,
    },
    Case {
        failpoint: "container.create.rootfs",
        before: &[],
        cut: "create --name vv -v /anonymous IMAGE true",
        check: is_gone,
    },
    Case {
        failpoint: "container.create.persisted",
        before: &[],
        cut: "create --name vv IMAGE sh -c exit\\ 5",
        check: can_be_started,
    },
    Case {
        failpoint: "container.start.sandbox",
        before: ENDS,
        cut: "start vv",
        check: can_be_started,
    },
    Case {
        failpoint: "container.start.created",
        before: ENDS,
        cut: "start vv",
        check: can_be_started,
    },
    Case {
        failpoint: "container.start.created",
        before: &["create --rm --name vv IMAGE true"],
        cut: "start vv",
        check: goes,
    },
    Case {
        failpoint: "container.start.started",
        before: ENDS,
        cut: "start vv",
        check: has_ended_with_5,
    },
    Case {
        failpoint: "container.start.started",
        before: &["create --name vv IMAGE sleep 1000"],
        cut: "start vv",
        check: runs,
    },
    Case {
        failpoint: "container.start.persisted",
        before: ENDS,
        cut: "start vv",
        check: has_ended_with_5,
    },
    Case {
        failpoint: "container.start.announced",
        before: &["create --name vv IMAGE sleep 1000"],
        cut: "start vv",
        check: runs,
    },
    Case {
        failpoint: "container.exit.seen",
        before: ENDS_WHEN_TOLD,
        cut: TELL,
        check: has_ended_with_7,
    },
    Case {
        failpoint: "container.exit.persisted",
        before: ENDS_WHEN_TOLD,
        cut: TELL,
        check: has_ended_with_7,
    },
    Case {
        failpoint: "container.exit.persisted",
        before: &[
            "run -d --rm --name vv IMAGE sh -c until\\ [\\ -e\\ /go\\ ];do\\ usleep\\ 9999;done",
        ],
        cut: TELL,
        check: goes,
    },
    Case {
        failpoint: "container.exit.persisted",
        before: &[
            "run -d --restart on-failure:1 --name vv IMAGE sh -c until\\ [\\ -e\\ /go\\ ];do\\ usleep\\ 9999;done;exit\\ 7",
        ],
        cut: TELL,
        check: was_restarted,
    },
    Case {
        failpoint: "container.stop.persisted",
        before: &["run -d --restart always --name vv IMAGE sleep 1000"],
        cut: "stop -t 0 vv",
        check: runs,
    },
    Case {
        failpoint: "container.pause.frozen",
        before: RUN_ON,
        cut: "pause vv",
        check: is_paused,
    },
    Case {
        failpoint: "container.unpause.thawed",
        before: &["run -d --name vv IMAGE sleep 1000", "pause vv"],
        cut: "unpause vv",
        check: runs,
    },
    Case {
        failpoint: "container.rename.persisted",
        before: &["run -d --name old IMAGE sleep 1000"],
        cut: "rename old vv",
        check: runs,
    },
    Case {
        failpoint: "container.update.applied",
        before: &["run -d -m 32m --name vv IMAGE sleep 1000"],
        cut: "update -m 64m --memory-swap 128m vv",
        check: can_be_updated,
    },
    Case {
        failpoint: "container.exec.started",
        before: RUN_ON,
        cut: "exec -d vv sleep 1000",
        check: runs,
    },
    Case {
        failpoint: "container.remove.persisted",
        before: ENDS,
        cut: "rm vv",
        check: is_gone,
    },
    Case {
        failpoint: "container.remove.persisted",
        before: RUN_ON,
        cut: "rm -f vv",
        check: is_gone,
    },
    Case {
        failpoint: "container.teardown.half",
        before: &["create --name vv -v /anonymous IMAGE true"],
        cut: "rm -v vv",
        check: is_gone,
    },
    Case {
        failpoint: "image.layers.placed",
        before: ARCHIVED,
        cut: "load -i ARCHIVE",
        check: is_loaded_again,
    },
    Case {
        failpoint: "image.recorded",
        before: ARCHIVED,
        cut: "load -i ARCHIVE",
        check: is_loaded,
    },
    Case {
        failpoint: "image.recorded",
        before: &[
            "run --name vv IMAGE sh -c echo\\ kept\\ >/new",
            "commit vv made",
            "rm vv",
            "save -o ARCHIVE made",
        ],
        cut: "rmi made",
        check: is_loaded_again,
    },
    Case {
        failpoint: "volume.recorded",
        before: &[],
        cut: "volume create vv",
        check: volume_is_there,
    },
    Case {
        failpoint: "volume.emptied",
        before: &["volume create vv"],
        cut: "volume rm vv",
        check: volume_can_be_removed,
    },
    Case {
        failpoint: "network.recorded",
        before: &[],
        cut: "network create vv",
        check: network_is_there,
    },
    Case {
        failpoint: "network.deleted",
        before: &["network create vv"],
        cut: "network rm vv",
        check: network_is_gone,
    },
];
