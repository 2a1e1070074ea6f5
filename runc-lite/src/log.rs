//! The log, in runc's two forms.
//!
//! Callers read it: containerd's shim shows the last `error` line of a JSON log as the reason of a
//! failure. So exactly one error line is written, at the end, by `main`.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use jiff::Timestamp;

/// Where to and how.
#[derive(Debug)]
struct Log {
    file: Option<File>,
    json: bool,
    debug: bool,
}

static LOG: OnceLock<Log> = OnceLock::new();

/// A log that cannot be opened or a format that does not exist.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    #[error("open {path}", path = path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("unknown log-format {format:?}")]
    Format { format: String },
}

/// Opens the log; called once, before anything is logged.
pub(crate) fn init(path: Option<&Path>, format: &str, debug: bool) -> Result<(), LogError> {
    let json = match format {
        "json" => true,
        "text" => false,
        _ => {
            return Err(LogError::Format {
                format: format.to_owned(),
            });
        }
    };
    let open = |path: &Path| {
        File::options()
            .create(true)
            .append(true)
            .open(path)
            .map_err(|source| LogError::Open {
                path: path.to_owned(),
                source,
            })
    };
    let file = path.map(open).transpose()?;
    let _second_call = LOG.set(Log { file, json, debug });
    Ok(())
}

/// Something that the user should know, though it went on.
pub(crate) fn warning(text: &str) {
    write("warning", text);
}

/// For whoever asked with `--debug`.
pub(crate) fn debug(text: &str) {
    if LOG.get().is_some_and(|log| log.debug) {
        write("debug", text);
    }
}

/// The one line that says why it failed: in the log, and on stderr if the log is elsewhere.
pub(crate) fn error(text: &str) {
    write("error", text);
    if LOG.get().is_some_and(|log| log.file.is_some()) {
        let _closed = writeln!(io::stderr(), "{text}");
    }
}

fn write(level: &str, text: &str) {
    let json = LOG.get().is_some_and(|log| log.json);
    let now = Timestamp::now();
    let line = if json {
        let text = serde_json::Value::from(text);
        format!("{{\"level\":\"{level}\",\"msg\":{text},\"time\":\"{now:.0}\"}}\n")
    } else {
        format!("time=\"{now:.0}\" level={level} msg={text:?}\n")
    };
    // Nobody is left to tell about a log that cannot be written.
    let _full_disk = match LOG.get().and_then(|log| log.file.as_ref()) {
        Some(mut file) => file.write_all(line.as_bytes()),
        None => io::stderr().write_all(line.as_bytes()),
    };
}
