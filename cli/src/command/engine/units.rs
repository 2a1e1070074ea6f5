//! The systemd units of the engine.
//!
//! `KillMode=process`: stopping the service ends gantryd alone, the supervisor and the shims of
//! running containers stay. `Delegate=yes`: the control groups beneath the service are the
//! engine's. The socket unit holds the API's address, so that a client that comes while gantryd is
//! restarted waits instead of being refused.

use std::path::Path;

/// The group whose members may use the engine, as docker's.
pub(super) const GROUP: &str = "docker";

/// What differs from machine to machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    /// Docker's address is served too.
    pub(super) docker_socket: bool,
    /// The machine has [`GROUP`]: systemd refuses a socket of a group that is not there.
    pub(super) has_group: bool,
}

/// The units' names and texts, for programs in `bin`.
pub(super) fn units(bin: &Path, choice: Choice) -> [(&'static str, String); 3] {
    [
        ("gantryd.service", service(bin)),
        ("gantryd.socket", socket(choice)),
        ("gantry-shutdown.service", shutdown(bin)),
    ]
}

fn service(bin: &Path) -> String {
    format!(
        "[Unit]
Description=Gantry container engine
Wants=network-online.target
After=network-online.target nss-lookup.target firewalld.service time-set.target
Requires=gantryd.socket
StartLimitBurst=3
StartLimitIntervalSec=60

[Service]
Type=simple
ExecStart={bin}/gantryd -H fd:// --pidfile /run/gantry/gantryd.pid
ExecReload=/bin/kill -s HUP $MAINPID
Restart=always
RestartSec=2
# Only gantryd itself: containers and their supervisor run on.
KillMode=process
Delegate=yes
OOMScoreAdjust=-500
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity

[Install]
WantedBy=multi-user.target
",
        bin = bin.display()
    )
}

fn socket(choice: Choice) -> String {
    let second = if choice.docker_socket {
        "ListenStream=/run/docker.sock\n"
    } else {
        ""
    };
    let group = if choice.has_group { GROUP } else { "root" };
    format!(
        "[Unit]
Description=Gantry engine API socket

[Socket]
ListenStream=/run/gantry/gantry.sock
{second}SocketMode=0660
SocketUser=root
SocketGroup={group}

[Install]
WantedBy=sockets.target
"
    )
}

/// Goes down before the engine does, and stops containers by their stop signals. It does not
/// require the engine, else a restart of the engine would stop every container.
fn shutdown(bin: &Path) -> String {
    format!(
        "[Unit]
Description=Stop Gantry's containers when the machine goes down
After=gantryd.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop={bin}/gantry -H unix:///run/gantry/gantry.sock engine stop --all
TimeoutStopSec=120

[Install]
WantedBy=multi-user.target
",
        bin = bin.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Choice = Choice {
        docker_socket: false,
        has_group: true,
    };

    #[test]
    fn a_restart_of_the_engine_leaves_containers_alone() {
        let [service, _, shutdown] = units(Path::new("/opt/g/bin"), PLAIN);
        assert!(service.1.contains("\nKillMode=process\nDelegate=yes\n"));
        assert!(service.1.contains("ExecStart=/opt/g/bin/gantryd -H fd://"));
        assert!(!shutdown.1.contains("Requires="));
        assert!(!shutdown.1.contains("PartOf="));
        assert!(!shutdown.1.contains("BindsTo="));
    }

    #[test]
    fn dockers_socket_is_added_only_when_asked_for() {
        let with = Choice {
            docker_socket: true,
            ..PLAIN
        };
        assert!(!socket(PLAIN).contains("docker.sock"));
        assert!(socket(with).contains("ListenStream=/run/docker.sock\n"));
    }

    #[test]
    fn the_socket_is_roots_where_the_group_is_not() {
        let without = Choice {
            has_group: false,
            ..PLAIN
        };
        assert!(socket(PLAIN).contains("SocketGroup=docker\n"));
        assert!(socket(without).contains("SocketGroup=root\n"));
    }
}
