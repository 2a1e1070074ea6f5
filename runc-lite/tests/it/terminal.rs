//! Terminals.

use std::fs::File;
use std::io::{IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::json;

use crate::harness::{Bundle, Runtime, on_both};

/// Accepts one connection and takes the master that comes over it.
fn receive(listener: &UnixListener) -> (OwnedFd, String) {
    let (socket, _) = listener.accept().unwrap();
    let mut text = [0; 256];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let length = recvmsg(
        &socket,
        &mut [IoSliceMut::new(&mut text)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )
    .unwrap()
    .bytes;
    let text = String::from_utf8_lossy(&text[..length]).into_owned();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
            return (descriptors.next().unwrap(), text);
        }
    }
    panic!("no descriptor came");
}

/// Everything until the other side hangs up.
fn read_all(master: OwnedFd) -> String {
    let mut text = Vec::new();
    // A terminal without a slave answers EIO.
    let _hung_up = File::from(master).read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

on_both! {
    fn the_master_comes_over_the_socket(bundle: &mut Bundle) {
        bundle.config["process"]["terminal"] = json!(true);
        bundle.config["process"]["consoleSize"] = json!({"height": 33, "width": 77});
        bundle.script("tty; stty size; test -c /dev/console && echo console; test -t 0 && test -t 1 && test -t 2 && echo all; exit 4");
        bundle.write_config();
        let listener = UnixListener::bind(bundle.path().join("console.sock")).unwrap();
        let mut child = bundle
            .command(&["create", "--console-socket", "console.sock", &bundle.id])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let (master, _) = receive(&listener);
        assert!(child.wait().unwrap().success());
        bundle.verb("start").ok();
        assert_eq!(read_all(master), "/dev/pts/0\r\n33 77\r\nconsole\r\nall\r\n");
        bundle.wait_for_status("stopped");
    }
}

on_both! {
    fn exec_has_terminals_too(bundle: &mut Bundle) {
        bundle.start_sleeping();
        let listener = UnixListener::bind(bundle.path().join("console.sock")).unwrap();
        let mut child = bundle
            .command(&["exec", "--tty", "--detach", "--console-socket", "console.sock", "--user", "1000", &bundle.id,
                "sh", "-c", "tty; stat -c %u $(tty)"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let (master, _) = receive(&listener);
        assert!(child.wait().unwrap().success());
        assert_eq!(read_all(master), "/dev/pts/0\r\n1000\r\n");
    }
}

/// runc wants a terminal of its own for that; ours makes do with a pipe.
#[test]
fn run_shows_the_terminal_itself() {
    Bundle::with(Runtime::RuncLite, |bundle| {
        bundle.config["process"]["terminal"] = json!(true);
        bundle.script("tty; exit 3");
        let output = bundle.run();
        assert_eq!((output.code, output.stdout.as_str()), (3, "/dev/pts/0\r\n"));
    });
}
