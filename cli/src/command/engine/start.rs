//! `gantry engine start`.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::place::{Place, PlaceFlags};
use crate::client::Client;
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::{Exit, Failure};

/// How long an engine may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is asked meanwhile.
const EVERY: Duration = Duration::from_millis(20);

/// Start a local engine in the background
#[derive(Debug, clap::Args)]
pub(crate) struct Start {
    #[command(flatten)]
    place: PlaceFlags,
    /// The engine's program (gantryd beside this one, or in PATH)
    #[arg(long, value_name = "string")]
    program: Option<PathBuf>,
    /// Say nothing if it runs already or comes up
    #[arg(short, long)]
    quiet: bool,
    #[arg(value_name = "ENGINE FLAG", allow_hyphen_values = true)]
    args: Vec<String>,
}

impl Execute for Start {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let place = self.place.place(cx)?;
        let client = Client::new(place.asked.clone());
        if client.ping().await.is_ok() {
            if !self.quiet {
                cx.printer
                    .say(format!("the engine at {} runs already", place.asked));
            }
            return Ok(Exit::SUCCESS);
        }
        let program = find_engine(self.program.as_deref())?;
        prepare(&place)?;
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&place.log_file);
        let log = log.with_context(|| format!("open {}", place.log_file.display()))?;
        let logged = log.metadata()?.len();
        let mut child = self
            .command(&program, &place, log)?
            .spawn()
            .context("start the engine")?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if client.ping().await.is_ok() {
                break;
            }
            let ended = child.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                let why = match ended {
                    Some(status) => format!("the engine ended at once ({status})"),
                    None => format!("the engine did not answer within {PATIENCE:?}"),
                };
                let tail = place.log_tail(logged);
                let log = place.log_file.display();
                let text = if tail.is_empty() {
                    String::new()
                } else {
                    format!(":\n{tail}")
                };
                return Err(Failure::new(1, format!("{why}; its log is {log}{text}")).into());
            }
            tokio::time::sleep(EVERY).await;
        }
        if !self.quiet {
            cx.printer.say(format!(
                "the engine answers at {} (log: {})",
                place.asked,
                place.log_file.display()
            ));
        }
        Ok(Exit::SUCCESS)
    }
}

impl Start {
    /// `gantry engine detach gantryd …`: this program once more, to become a session's leader
    /// before it becomes the engine.
    fn command(&self, program: &Path, place: &Place, log: File) -> Result<Command> {
        let own = std::env::current_exe().context("find this program")?;
        let mut command = Command::new(own);
        command.args(["engine", "detach", "--"]).arg(program);
        command.arg("--data-root").arg(&place.data_root);
        command.arg("--exec-root").arg(&place.exec_root);
        command.arg("--pidfile").arg(&place.pidfile);
        for host in &place.hosts {
            command.args(["--host", host]);
        }
        command.args(&self.args);
        command
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        Ok(command)
    }
}

fn prepare(place: &Place) -> Result<()> {
    for file in [&place.pidfile, &place.log_file] {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        }
    }
    Ok(())
}

fn find_engine(named: Option<&Path>) -> Result<PathBuf> {
    if let Some(program) = named {
        return Ok(std::path::absolute(program)?);
    }
    let own = std::env::current_exe()?;
    let beside = own.with_file_name("gantryd");
    if beside.is_file() {
        return Ok(beside);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|dir| dir.join("gantryd"))
        .find(|file| file.is_file());
    match found {
        Some(program) => Ok(program),
        None => bail!("no gantryd beside {} and none in PATH", own.display()),
    }
}

/// Run a program in a session of its own
#[derive(Debug, clap::Args)]
pub(crate) struct Detach {
    #[arg(value_name = "PROGRAM", allow_hyphen_values = true)]
    args: Vec<String>,
}

impl Execute for Detach {
    async fn execute(self, _: &Context) -> Result<Exit> {
        rustix::process::setsid()
            .map_err(io::Error::from)
            .context("begin a session")?;
        let error = Command::new(&self.args[0]).args(&self.args[1..]).exec();
        Err(error).with_context(|| format!("run {}", self.args[0]))
    }
}
