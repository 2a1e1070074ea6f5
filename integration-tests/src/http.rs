//! The Engine API without a client library: one connection, one request after another.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A kept-alive HTTP/1.1 connection to an engine's socket.
#[derive(Debug)]
pub struct Http {
    stream: BufReader<UnixStream>,
}

/// Status code and body.
#[derive(Clone, Debug)]
pub struct Response {
    /// The HTTP status code.
    pub status: u16,
    /// The body, chunks joined.
    pub body: Vec<u8>,
}

impl Response {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// Whether an engine answers a ping. That somebody takes the connection is not enough: a child of a
/// daemon that was killed holds its socket until it executes another program.
pub(crate) fn answers(socket: &Path) -> bool {
    let ping = || -> std::io::Result<bool> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(b"GET /_ping HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n")?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        Ok(head == *b"HTTP/1.1 200")
    };
    ping().unwrap_or(false)
}

impl Http {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens.
    #[must_use]
    pub fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).expect("the engine listens");
        stream
            .set_read_timeout(Some(crate::patience(Duration::from_secs(60))))
            .expect("a timeout");
        Self {
            stream: BufReader::with_capacity(1 << 16, stream),
        }
    }

    /// Sends a request with a JSON body (empty: none) and reads the whole answer.
    ///
    /// # Panics
    /// When the engine does not speak HTTP.
    pub fn call(&mut self, method: &str, path: &str, body: &str) -> Response {
        let json = "Content-Type: application/json\r\n";
        self.send(method, path, json, body.as_bytes())
    }

    /// Sends a request with a body of any kind and reads the whole answer; `head` has further
    /// headers, each with its end of line.
    ///
    /// # Panics
    /// When the engine does not speak HTTP.
    pub fn send(&mut self, method: &str, path: &str, head: &str, body: &[u8]) -> Response {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: engine\r\n{head}Content-Length: {}\r\n\r\n",
            body.len()
        );
        let request = [request.as_bytes(), body].concat();
        self.stream
            .get_mut()
            .write_all(&request)
            .expect("the request is taken");
        self.response()
    }

    fn response(&mut self) -> Response {
        let status = self.line();
        let status = status
            .split(' ')
            .nth(1)
            .and_then(|s| s.parse().ok())
            .expect("a status line");
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
        }
        let mut body = Vec::new();
        if chunked {
            loop {
                let size = usize::from_str_radix(&self.line(), 16).expect("a chunk's size");
                self.take(size, &mut body);
                self.line();
                if size == 0 {
                    break;
                }
            }
        } else {
            self.take(length, &mut body);
        }
        Response { status, body }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream
            .read_line(&mut line)
            .expect("the engine answers");
        line.trim_end().to_owned()
    }

    fn take(&mut self, size: usize, body: &mut Vec<u8>) {
        let start = body.len();
        body.resize(start + size, 0);
        self.stream
            .read_exact(&mut body[start..])
            .expect("the whole body");
    }
}
