//! One run of `git`: its environment, what it says, its end before its time.
//!
//! Nothing of the host's configuration and of the daemon's environment reaches it but `PATH` and the
//! proxies that the caller names. It leads a process group, which ends as one.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, prlimit};

use crate::address::Address;
use crate::{Access, GitError};

/// How often it is asked whether the caller still wants it.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// The most bytes of one file that `git` writes: a pack that does not end.
const FILE_BYTES_MAX: u64 = 64 << 30;

/// The most bytes that are kept of what `git` says.
const SAID_BYTES_MAX: usize = 64 << 10;

/// The most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// What `git` is configured with instead of the host's files: nothing runs by itself, and a
/// transport that says nothing for a minute is over.
const CONFIG: &str = "[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n\tautocrlf = false\n\
    [gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[advice]\n\tdetachedHead = false\n\
    [init]\n\tdefaultBranch = master\n[fetch]\n\trecurseSubmodules = false\n\
    [http]\n\tlowSpeedLimit = 1\n\tlowSpeedTime = 60\n";

/// `ssh` asks nothing. A host that the engine's own list knows has to have the key that is in it;
/// others are believed, as by BuildKit.
const SSH: &str = "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=accept-new \
    -o UserKnownHostsFile=/dev/null -o ConnectTimeout=60";

/// What runs `git` for one repository.
#[derive(Clone, Copy)]
pub(crate) struct Runner<'a> {
    pub(crate) address: &'a Address,
    pub(crate) access: &'a Access<'a>,
    /// A directory of the caller's own.
    pub(crate) root: &'a Path,
}

impl Runner<'_> {
    /// Writes what every run reads.
    pub(crate) fn prepare(&self) -> Result<(), GitError> {
        let path = self.root.join("config");
        std::fs::write(&path, CONFIG).map_err(|source| GitError::File { path, source })
    }

    /// Runs it in a directory; answers what it wrote.
    pub(crate) fn answer(&self, dir: &Path, args: &[&str]) -> Result<String, GitError> {
        let mut answer = Vec::new();
        self.run(dir, args, &mut |bytes| {
            if answer.len() + bytes.len() > ANSWER_BYTES_MAX {
                return Err(self.too_much("16 MiB of names"));
            }
            answer.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Runs it in a directory; `each` is given what it writes, and ends it by an error.
    pub(crate) fn run(
        &self,
        dir: &Path,
        args: &[&str],
        each: &mut dyn FnMut(&[u8]) -> Result<(), GitError>,
    ) -> Result<(), GitError> {
        let child = self.command(dir, args).spawn();
        let mut running = Running(child.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => GitError::NotInstalled {
                remote: self.address.shown(),
            },
            _ => self.failed(source),
        })?);
        let limit = Rlimit {
            current: Some(FILE_BYTES_MAX),
            maximum: Some(FILE_BYTES_MAX),
        };
        // It may have ended already.
        let _ = prlimit(running.pid(), Resource::Fsize, limit);
        let said = self.follow(&mut running.0, each)?;
        let status = running.wait(self.access.is_stopped);
        let status = status.map_err(|source| self.failed(source))?;
        if !status.is_some_and(|status| status.success()) {
            if (self.access.is_stopped)() {
                return Err(GitError::Stopped);
            }
            return Err(GitError::Failed {
                remote: self.address.shown(),
                said: self.tidy(&said),
            });
        }
        Ok(())
    }

    pub(crate) fn too_much(&self, limit: &'static str) -> GitError {
        GitError::TooMuch {
            remote: self.address.shown(),
            limit,
        }
    }

    fn failed(&self, source: io::Error) -> GitError {
        GitError::Run {
            remote: self.address.shown(),
            source,
        }
    }

    /// What `git` said, in a line, without what it was given to keep to itself.
    fn tidy(&self, said: &[u8]) -> String {
        let text = String::from_utf8_lossy(said);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let line = lines.collect::<Vec<_>>().join("; ");
        line.replace(&self.address.remote, &self.address.shown())
    }

    fn command(&self, dir: &Path, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.args(args).current_dir(dir);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.env_clear().process_group(0);
        let path = std::env::var_os("PATH");
        command.env(
            "PATH",
            path.as_deref().unwrap_or(OsStr::new("/usr/bin:/bin")),
        );
        for (name, value) in [
            ("GIT_ALLOW_PROTOCOL", self.access.protocols()),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_SSH_COMMAND", SSH),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("LC_ALL", "C"),
        ] {
            command.env(name, value);
        }
        command.env("HOME", self.root);
        command.env("GIT_CEILING_DIRECTORIES", self.root);
        command.env("GIT_CONFIG_GLOBAL", self.root.join("config"));
        command.envs(
            self.access
                .proxies
                .iter()
                .map(|(name, value)| (name, value)),
        );
        if let Some(agent) = self.access.agent {
            command.env("SSH_AUTH_SOCK", agent);
        }
        if let Some(authorization) = self.access.authorization {
            // Not among the arguments, which everybody on the host can read.
            let scheme = self.address.remote.split("://").next().unwrap_or("https");
            let scope = format!("http.{scheme}://{}/.extraHeader", self.address.host);
            command.env("GIT_CONFIG_COUNT", "1");
            command.env("GIT_CONFIG_KEY_0", scope);
            command.env(
                "GIT_CONFIG_VALUE_0",
                format!("Authorization: {authorization}"),
            );
        }
        command
    }

    /// Reads both of a child's outputs to their ends; answers what it said.
    fn follow(
        &self,
        child: &mut Child,
        each: &mut dyn FnMut(&[u8]) -> Result<(), GitError>,
    ) -> Result<Vec<u8>, GitError> {
        let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
        let mut said = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        let wait = Timespec::try_from(ASK_EVERY).expect("a short time");
        while out.is_some() || err.is_some() {
            if (self.access.is_stopped)() {
                return Err(GitError::Stopped);
            }
            let (has_out, has_err) =
                ready(out.as_ref(), err.as_ref(), &wait).map_err(|source| self.failed(source))?;
            if has_out {
                let length = read(&mut out, &mut buffer).map_err(|source| self.failed(source))?;
                each(&buffer[..length])?;
            }
            if has_err {
                let length = read(&mut err, &mut buffer).map_err(|source| self.failed(source))?;
                (self.access.told)(&buffer[..length]);
                let room = SAID_BYTES_MAX - said.len();
                said.extend_from_slice(&buffer[..length.min(room)]);
            }
        }
        Ok(said)
    }
}

/// Which of two outputs can be read.
fn ready(
    out: Option<&impl AsFd>,
    err: Option<&impl AsFd>,
    wait: &Timespec,
) -> io::Result<(bool, bool)> {
    let mut fds = Vec::new();
    fds.extend(out.map(|out| PollFd::new(out, PollFlags::IN)));
    fds.extend(err.map(|err| PollFd::new(err, PollFlags::IN)));
    match poll(&mut fds, Some(wait)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut is_ready = fds.iter().map(|fd| !fd.revents().is_empty());
    let has_out = out.is_some() && is_ready.next().unwrap_or(false);
    Ok((has_out, is_ready.next().unwrap_or(false)))
}

/// Reads once; at its end the output is gone.
fn read(from: &mut Option<impl Read>, buffer: &mut [u8]) -> io::Result<usize> {
    let Some(open) = from else { return Ok(0) };
    let length = match open.read(buffer) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(0),
        read => read?,
    };
    if length == 0 {
        *from = None;
    }
    Ok(length)
}

/// A child that does not outlive its owner.
struct Running(Child);

impl Running {
    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.0.id()).ok()?)
    }

    /// Waits for its end; none if the caller does not want it any more.
    fn wait(
        &mut self,
        is_stopped: &dyn Fn() -> bool,
    ) -> io::Result<Option<std::process::ExitStatus>> {
        // Both outputs are closed: it ends at once, or never.
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(Some(status));
            }
            if is_stopped() {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(Some(_))) {
            return;
        }
        if let Some(pid) = self.pid() {
            // Its helpers too; it may have ended meanwhile.
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}
