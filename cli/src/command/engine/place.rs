//! Where a local engine keeps its files, and what they say about it.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::config::Host;
use crate::context::Context;

/// The folders of an engine, chosen alike by `start`, `status` and `stop`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct PlaceFlags {
    /// Folder of what must survive a power cut
    #[arg(long, value_name = "string", default_value = "/var/lib/gantry")]
    pub(crate) data_root: PathBuf,
    /// Folder of run-time state
    #[arg(long, value_name = "string", default_value = "/run/gantry")]
    pub(crate) exec_root: PathBuf,
    /// The engine's pid file (EXEC-ROOT/gantryd.pid if none is named)
    #[arg(short, long, value_name = "string")]
    pub(crate) pidfile: Option<PathBuf>,
    /// The engine's log file (DATA-ROOT/gantryd.log if none is named)
    #[arg(long, value_name = "string")]
    pub(crate) log_file: Option<PathBuf>,
    /// Address to serve (repeatable); the first one is asked whether the engine is up
    #[arg(short = 'H', long, value_name = "list")]
    pub(crate) host: Vec<String>,
}

/// An engine's place.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) data_root: PathBuf,
    pub(crate) exec_root: PathBuf,
    pub(crate) pidfile: PathBuf,
    pub(crate) log_file: PathBuf,
    pub(crate) hosts: Vec<String>,
    pub(crate) asked: Host,
}

impl PlaceFlags {
    /// All of it settled: `-H` here, else the one before the command, else `EXEC-ROOT/gantry.sock`.
    pub(crate) fn place(&self, cx: &Context) -> Result<Place> {
        let data_root = std::path::absolute(&self.data_root)?;
        let exec_root = std::path::absolute(&self.exec_root)?;
        let own = format!("unix://{}", exec_root.join("gantry.sock").display());
        let default_place = self.exec_root == Path::new("/run/gantry");
        let named = &cx.endpoint.host;
        let hosts = match self.host.as_slice() {
            [] if default_place && matches!(named, Host::Unix(_) | Host::Tcp(_)) => {
                vec![named.to_string()]
            }
            [] => vec![own],
            given => given.to_vec(),
        };
        let asked = Host::parse(&hosts[0])?;
        if matches!(asked, Host::Ssh(_)) {
            bail!("a local engine does not listen on ssh://");
        }
        let settle = |file: &Option<PathBuf>, default: PathBuf| -> Result<PathBuf> {
            Ok(std::path::absolute(file.clone().unwrap_or(default))?)
        };
        Ok(Place {
            pidfile: settle(&self.pidfile, exec_root.join("gantryd.pid"))?,
            log_file: settle(&self.log_file, data_root.join("gantryd.log"))?,
            data_root,
            exec_root,
            hosts,
            asked,
        })
    }
}

impl Place {
    /// The engine's process, if the pid file names one that lives and is a gantryd.
    pub(crate) fn process(&self) -> Option<Pid> {
        let text = fs::read_to_string(&self.pidfile).ok()?;
        let number: i32 = text.trim().parse().ok()?;
        let pid = Pid::from_raw(number)?;
        test_kill_process(pid).ok()?;
        // The number may be another program's by now.
        let name = fs::read_to_string(format!("/proc/{number}/comm")).ok()?;
        name.trim().starts_with("gantryd").then_some(pid)
    }

    pub(crate) fn signal(pid: Pid, signal: Signal) -> Result<()> {
        kill_process(pid, signal)
            .with_context(|| format!("signal engine process {}", pid.as_raw_nonzero()))
    }

    /// The last lines of the log, at most 4 KiB of them.
    pub(crate) fn log_tail(&self, from: u64) -> String {
        const TAIL: u64 = 4096;
        let read = || -> std::io::Result<String> {
            let mut file = fs::File::open(&self.log_file)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(TAIL).max(from)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
        };
        read().unwrap_or_default()
    }
}
