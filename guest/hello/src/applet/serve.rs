//! `serve PORT`: answers every HTTP/1 request with a line about the container and the caller.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::time::Duration;

use super::fail;

/// A request's head is read up to this many bytes.
const HEAD_LIMIT: u64 = 16 * 1024;

pub(super) fn serve(args: &[String]) -> u8 {
    let Some(port) = args.first().and_then(|a| a.parse::<u16>().ok()) else {
        return fail("serve", "which port? (serve 80)");
    };
    // The v6 wildcard takes v4 as well; a container without IPv6 has only v4.
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))
        .or_else(|_| TcpListener::bind(("0.0.0.0", port)));
    let listener = match listener {
        Ok(listener) => listener,
        Err(e) => return fail("serve", &format!("port {port}: {e}")),
    };
    let _ = writeln!(io::stdout(), "serving on port {port}");
    for stream in listener.incoming() {
        match stream {
            // A caller that went away is his own affair.
            Ok(stream) => drop(std::thread::spawn(move || answer(stream))),
            Err(e) => {
                let _ = writeln!(io::stderr(), "serve: {e}");
            }
        }
    }
    0
}

fn answer(stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let caller = stream.peer_addr()?;
    let mut head = BufReader::new(io::Read::take(stream.try_clone()?, HEAD_LIMIT));
    let mut request = String::new();
    head.read_line(&mut request)?;
    let mut line = String::new();
    while head.read_line(&mut line)? > 2 {
        line.clear();
    }
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let body = format!(
        "Hello from container {host}!\nYou are {}, and asked: {}\n",
        caller.ip().to_canonical(),
        request.trim_end()
    );
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    stream.flush()
}
