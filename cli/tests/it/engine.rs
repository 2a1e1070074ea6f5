//! An engine that answers with what it was given, and remembers what it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) body: Vec<u8>,
}

/// A recorded answer: status and body. `@NOW-120@` in a body is 120 seconds ago.
pub(crate) type Answers = BTreeMap<&'static str, (u16, String)>;

/// The engine; its socket goes with it.
#[derive(Debug)]
pub(crate) struct Engine {
    dir: TempDir,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Engine {
    /// Serves `answers`, keyed by method and path without version and query.
    pub(crate) fn serve(answers: Answers) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let listener = UnixListener::bind(dir.path().join("engine.sock")).expect("a socket");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answers = Arc::new(answers);
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, log) = (Arc::clone(&answers), Arc::clone(&log));
                thread::spawn(move || talk(stream, &answers, &log));
            }
        });
        Self { dir, asked }
    }

    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.dir.path().join("engine.sock").display())
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no thread panics").clone()
    }

    /// Our program under docker's name.
    pub(crate) fn as_docker(&self) -> PathBuf {
        let link = self.dir.path().join("docker");
        if !link.exists() {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_gantry"), &link).expect("a link");
        }
        link
    }
}

fn talk(stream: UnixStream, answers: &Answers, log: &Mutex<Vec<Asked>>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut stream = stream;
    while let Some(asked) = read_request(&mut reader) {
        let mut words = asked.line.split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let target = words.next().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        // `/v1.51/x` is `/x`.
        let path = match path
            .strip_prefix("/v1.")
            .and_then(|rest| rest.split_once('/'))
        {
            Some((_, rest)) => format!("/{rest}"),
            None => path.to_owned(),
        };
        log.lock().expect("no thread panics").push(asked.clone());
        let key = format!("{method} {path}");
        let missing = (404, "{\"message\":\"page not found\"}".to_owned());
        let (status, body) = match answers.get(key.as_str()) {
            Some(answer) => answer.clone(),
            None if path == "/_ping" => (200, String::new()),
            None => missing,
        };
        let body = place_times(&body);
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} X\r\nApi-Version: 1.51\r\nOstype: linux\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        let sent = if method == "HEAD" {
            String::new()
        } else {
            body
        };
        if stream
            .write_all(format!("{head}{sent}").as_bytes())
            .is_err()
        {
            return;
        }
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<Asked> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim_end().to_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        chunked |= header == "transfer-encoding: chunked";
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    while chunked {
        let mut size = String::new();
        reader.read_line(&mut size).ok()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).ok()?;
        body.extend_from_slice(&chunk[..size]);
        chunked = size > 0;
    }
    Some(Asked {
        line: line.trim_end().to_owned(),
        body,
    })
}

fn place_times(body: &str) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let mut parts = body.split('@');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part
            .strip_prefix("NOW-")
            .and_then(|ago| ago.parse::<u64>().ok())
        {
            Some(ago) => out.push_str(&(now - ago).to_string()),
            None => out.push_str(part),
        }
    }
    out
}
