//! Spans in Chrome's trace format, appended by several processes to one file.
//!
//! The format's array form needs no closing bracket, so each event is one `O_APPEND` write of one
//! line, and a process may be killed at any instant. Times are microseconds since the epoch. A parent
//! hands the file to its children in the environment ([`VARIABLE`]). Perfetto and `chrome://tracing`
//! open it as it is.
//!
//! Programs with `tracing` get all their spans written by the layer that `gantry-telemetry` installs;
//! programs without, and code that blocks, use [`phase`].

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

/// The environment variable that hands the trace file to child processes.
pub const VARIABLE: &str = "GANTRY_TRACE";

static WRITER: OnceLock<Option<Writer>> = OnceLock::new();

struct Writer {
    program: &'static str,
    path: PathBuf,
    file: File,
}

/// Starts to append to `path`, or to the file the environment names, or does nothing.
///
/// # Errors
/// The file cannot be created or opened.
pub fn open(program: &'static str, path: Option<&Path>) -> io::Result<()> {
    let inherited = std::env::var_os(VARIABLE);
    let path = path.or(inherited.as_deref().map(Path::new));
    let writer = match path.filter(|path| !path.as_os_str().is_empty()) {
        None => None,
        Some(path) => Some(Writer {
            program,
            path: std::path::absolute(path)?,
            file: append(path)?,
        }),
    };
    if WRITER.set(writer).is_ok() {
        name_process();
    }
    Ok(())
}

/// Names the process in the trace; a process that goes on after a fork has to say it again.
pub fn name_process() {
    if let Some(Some(writer)) = WRITER.get() {
        let name = json!({ "name": writer.program });
        let pid = std::process::id();
        write(&json!({ "name": "process_name", "ph": "M", "pid": pid, "tid": 0, "args": name }));
    }
}

/// Whoever creates the file opens its array.
fn append(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.append(true);
    match options.clone().create_new(true).open(path) {
        Ok(mut file) => {
            file.write_all(b"[\n")?;
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(path),
        Err(error) => Err(error),
    }
}

/// Whether spans are written.
#[must_use]
pub fn enabled() -> bool {
    matches!(WRITER.get(), Some(Some(_)))
}

/// The file spans are written to, for children ([`VARIABLE`]).
#[must_use]
pub fn file() -> Option<&'static Path> {
    let writer = WRITER.get()?.as_ref()?;
    Some(&writer.path)
}

/// A phase of this thread from now until the value is dropped.
#[must_use = "a phase ends when it is dropped"]
pub fn phase(name: impl Into<Cow<'static, str>>) -> Phase {
    Phase {
        name: name.into(),
        begin: enabled().then(SystemTime::now),
    }
}

/// A running phase.
#[derive(Debug)]
pub struct Phase {
    name: Cow<'static, str>,
    begin: Option<SystemTime>,
}

impl Drop for Phase {
    fn drop(&mut self) {
        if let Some(begin) = self.begin {
            let elapsed = begin.elapsed().unwrap_or_default();
            complete(&self.name, begin, elapsed, thread(), &Map::new());
        }
    }
}

/// A track for what the calling thread does.
fn thread() -> u64 {
    u64::from(
        rustix::thread::gettid()
            .as_raw_nonzero()
            .get()
            .unsigned_abs(),
    )
}

/// Writes one finished span. `track` keeps spans that overlap in time apart.
pub fn complete(
    name: &str,
    begin: SystemTime,
    duration: Duration,
    track: u64,
    args: &Map<String, Value>,
) {
    let Some(Some(writer)) = WRITER.get() else {
        return;
    };
    let begin = begin.duration_since(UNIX_EPOCH).unwrap_or_default();
    write(&json!({
        "name": name,
        "cat": writer.program,
        "ph": "X",
        "ts": micros(begin),
        "dur": micros(duration),
        "pid": std::process::id(),
        "tid": track,
        "args": args,
    }));
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// A trace that cannot be written is not worth a failure.
fn write(event: &Value) {
    if let Some(Some(writer)) = WRITER.get() {
        let line = format!("{event},\n");
        let _ = (&writer.file).write_all(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::{VARIABLE, open, phase};
    use serde_json::Value;

    /// The only test that opens a trace: the writer is the process's own.
    #[test]
    fn events_of_two_openers_make_one_array() {
        assert!(std::env::var_os(VARIABLE).is_none(), "clean environment");
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("trace.json");
        drop(super::append(&path).expect("first opener"));
        open("test", Some(&path)).expect("second opener");
        drop(phase("mount"));
        let text = std::fs::read_to_string(&path).expect("read");
        let closed = format!("{}]", text.trim_end().trim_end_matches(','));
        let events: Vec<Value> = serde_json::from_str(&closed).expect("an array");
        let names: Vec<_> = events.iter().map(|e| e["name"].as_str()).collect();
        assert_eq!(names, [Some("process_name"), Some("mount")]);
    }
}
