//! A command line pointed at an engine: the stock `docker`, or `gantry`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::patience;

/// No command of a test takes longer than this, on a busy machine ([`patience`]).
const LIMIT: Duration = Duration::from_secs(60);

/// What a command answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The exit code; 128 and the signal for a killed one.
    pub code: i32,
    /// stdout, invalid UTF-8 replaced.
    pub out: String,
    /// stderr, invalid UTF-8 replaced.
    pub err: String,
}

impl Answer {
    /// stdout without its last newline, of a command that must have succeeded.
    ///
    /// # Panics
    /// With the whole answer when the exit code is not 0.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out.trim_end_matches('\n').to_owned()
    }
}

/// A command line with the engine's address and a configuration folder of its own.
#[derive(Clone, Debug)]
pub struct Client {
    program: PathBuf,
    host: String,
    home: PathBuf,
}

impl Client {
    /// `program` with the engine at `host`, its configuration in `home`.
    #[must_use]
    pub fn new(program: PathBuf, host: String, home: PathBuf) -> Self {
        Self {
            program,
            host,
            home,
        }
    }

    /// Its home folder, which no other engine's clients have.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The command, not started, for tests that hold its ends themselves.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .env("DOCKER_HOST", &self.host)
            .env("HOME", &self.home);
        command.env("DOCKER_CONFIG", self.home.join(".docker"));
        command
            .env_remove("DOCKER_CONTEXT")
            .env_remove("DOCKER_API_VERSION");
        command
    }

    /// Runs to the end without stdin.
    ///
    /// # Panics
    /// When it does not end in a minute.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Answer {
        self.run_with(args, &[])
    }

    /// Runs to the end with `stdin` written to it.
    ///
    /// # Panics
    /// When it does not end in a minute.
    #[track_caller]
    pub fn run_with(&self, args: &[&str], stdin: &[u8]) -> Answer {
        let mut command = self.command(args);
        command.stdin(if stdin.is_empty() {
            Stdio::null()
        } else {
            Stdio::piped()
        });
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", self.program.display()));
        let writer = child.stdin.take().map(|mut pipe| {
            let bytes = stdin.to_vec();
            std::thread::spawn(move || {
                // The command may end before it has read everything.
                let _ = pipe.write_all(&bytes);
            })
        });
        let answer = finish(child, args);
        if let Some(writer) = writer {
            writer.join().expect("the writer ends");
        }
        answer
    }
}

/// Waits for a started command and collects what it wrote.
///
/// # Panics
/// When it does not end in a minute; it is killed then.
#[track_caller]
pub fn finish(mut child: Child, shown: &[&str]) -> Answer {
    use std::io::Read;
    use std::os::unix::process::ExitStatusExt;
    let read = |pipe: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut pipe) = pipe {
                pipe.read_to_end(&mut bytes)
                    .expect("the output can be read");
            }
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let out = read(child.stdout.take().map(|p| Box::new(p) as _));
    let err = read(child.stderr.take().map(|p| Box::new(p) as _));
    let (start, limit) = (Instant::now(), patience(LIMIT));
    let status = loop {
        if let Some(status) = child.try_wait().expect("the command can be waited for") {
            break status;
        }
        if start.elapsed() > limit {
            child.kill().expect("the command can be killed");
            child.wait().expect("a killed command ends");
            let (out, err) = (out.join(), err.join());
            panic!("{shown:?} did not end in {limit:?}; stdout {out:?}, stderr {err:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let code = status
        .code()
        .or_else(|| status.signal().map(|s| 128 + s))
        .expect("it ended");
    Answer {
        code,
        out: out.join().expect("stdout"),
        err: err.join().expect("stderr"),
    }
}
