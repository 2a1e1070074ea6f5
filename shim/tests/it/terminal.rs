//! Processes with a terminal.

use std::io::{Read, Write};

use gantry_proto::containerd::task::v3::ResizePtyRequest;
use gantry_stdio::Attach;

use crate::shim::Shim;

fn attach(process: &str) -> Attach {
    let process = process.to_owned();
    Attach {
        process,
        stdin: true,
        stdout: true,
        ..Attach::default()
    }
}

fn resize(id: &str, exec_id: &str) -> ResizePtyRequest {
    let (id, exec_id) = (id.to_owned(), exec_id.to_owned());
    ResizePtyRequest {
        id,
        exec_id,
        width: 123,
        height: 45,
    }
}

#[tokio::test]
async fn a_terminal_has_the_size_it_is_given_and_its_log_is_stdout() {
    let script = "read go; tty; stty size; exit 4";
    let mut shim = Shim::start_with(&["/bin/sh", "-c", script], true).await;
    let uri = shim.uri();
    shim.create_with(&uri, true).await;
    let (_control, mut stream) = shim.attach(attach(""));
    shim.run().await;
    let request = resize(&shim.id, "");
    shim.client.resize_pty(request).await.unwrap();
    stream.write_all(b"go\n").unwrap();
    assert_eq!(shim.wait("").await, 4);
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text, "go\r\n/dev/pts/0\r\n45 123\r\n");
    let log = std::fs::read_to_string(shim.log()).unwrap();
    assert!(
        log.contains(r#"{"log":"45 123\r\n","stream":"stdout""#),
        "{log}"
    );
    shim.finish().await;
}

#[tokio::test]
async fn an_execs_terminal_waits_for_what_was_typed_before_it_existed() {
    let mut shim = Shim::start(&["/bin/sleep", "1000"]).await;
    shim.create().await;
    shim.run().await;
    shim.exec(
        "e1",
        &["/bin/sh", "-c", "read word; echo got $word; exit 6"],
        true,
    )
    .await;
    let (_control, mut stream) = shim.attach(attach("e1"));
    stream.write_all(b"early\n").unwrap();
    shim.start_process("e1").await;
    assert_eq!(shim.wait("e1").await, 6);
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.ends_with("got early\r\n"), "{text:?}");
    shim.delete("e1").await;
    shim.kill(9).await;
    shim.wait("").await;
    shim.finish().await;
}
