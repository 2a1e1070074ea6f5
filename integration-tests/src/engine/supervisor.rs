//! Stock's containerd on a slow machine.
//!
//! dockerd waits 15 s for the containerd that it starts itself and gives up then; an emulated machine needs longer.
//! There the test starts it, and waits as long as it has to.

use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;

use super::{Engine, Kind, stock_path};
use crate::{eventually, process, programs, wait};

impl Engine {
    fn supervised_apart(&self) -> bool {
        self.kind == Kind::Stock && wait::is_slow()
    }

    fn supervisor_socket(&self) -> PathBuf {
        self.dir().join("containerd.sock")
    }

    /// What the daemon is told of it.
    pub(super) fn supervisor_flags(&self) -> Option<String> {
        let socket = self.supervisor_socket();
        self.supervised_apart()
            .then(|| format!("--containerd={}", socket.display()))
    }

    /// Starts it, unless it runs or is the daemon's to start.
    ///
    /// # Panics
    /// When it does not answer.
    pub(super) fn start_supervisor(&mut self) {
        if !self.supervised_apart() || self.supervisor.is_some() {
            return;
        }
        let log = File::create(self.dir().join("containerd.log")).expect("a log file");
        let config = self.dir().join("containerd.toml");
        std::fs::write(&config, "version = 3\ndisabled_plugins = [\"io.containerd.cri.v1.images\", \"io.containerd.cri.v1.runtime\", \"io.containerd.grpc.v1.cri\"]\n")
            .expect("a configuration");
        let containerd = programs::stock("containerd");
        let socket = self.supervisor_socket();
        let mut command = self.on_host(&containerd.to_string_lossy());
        command
            .env("PATH", stock_path())
            .arg(format!("--config={}", config.display()))
            .arg(format!("--address={}", socket.display()))
            .arg(format!(
                "--root={}",
                self.data_root().join("containerd").display()
            ))
            .arg(format!(
                "--state={}",
                self.exec_root().join("containerd").display()
            ))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.supervisor = Some(command.spawn().expect("containerd starts"));
        eventually("containerd answers", Duration::from_secs(30), || {
            UnixStream::connect(&socket).ok()
        });
    }

    /// Ends it, if it is ours to end.
    pub(super) fn stop_supervisor(&mut self) {
        let Some(mut supervisor) = self.supervisor.take() else {
            return;
        };
        process::signal(supervisor.id(), Signal::TERM);
        let ended = || supervisor.try_wait().expect("containerd can be asked for");
        eventually("containerd ends", Duration::from_secs(30), ended);
    }
}
