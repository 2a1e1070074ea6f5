//! Processes executed in a running container.

use gantry_proto::containerd::task::v3::{
    ExecProcessRequest, KillRequest, PidsRequest, StartRequest,
};
use gantry_proto::convert::any;
use gantry_stdio::{Attach, StdioUri};
use std::io::Read;

use crate::bundle;
use crate::shim::Shim;

impl Shim {
    pub(crate) async fn exec(&mut self, exec_id: &str, command: &[&str], terminal: bool) {
        let uri = StdioUri {
            log: None,
            ..self.uri()
        }
        .to_string();
        let spec = bundle::process(command, terminal).to_string().into_bytes();
        let request = ExecProcessRequest {
            id: self.id.clone(),
            exec_id: exec_id.to_owned(),
            terminal,
            stdin: uri.clone(),
            stdout: uri.clone(),
            stderr: uri,
            spec: Some(any::pack_json(any::PROCESS, spec)),
        };
        self.client.exec(request).await.unwrap();
    }
}

#[tokio::test]
async fn an_exec_has_its_own_output_code_and_events() {
    let mut shim = Shim::start(&["/bin/sleep", "1000"]).await;
    shim.create().await;
    shim.run().await;
    shim.exec("e1", &["/bin/sh", "-c", "echo from exec; exit 5"], false)
        .await;
    let (_control, mut stream) = shim.attach(Attach {
        process: "e1".to_owned(),
        stdout: true,
        ..Attach::default()
    });
    let pid = shim.start_process("e1").await;
    assert!(pid > 0);
    assert_eq!(shim.wait("e1").await, 5);
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text, "from exec\n");
    let deleted = shim.delete("e1").await;
    assert_eq!((deleted.exit_status, deleted.pid), (5, pid));
    let events = [
        "create",
        "start",
        "exec-added",
        "exec-started",
        "exit",
        "delete",
    ];
    shim.supervisor.saw(&events).await;
    shim.kill(9).await;
    shim.wait("").await;
    shim.finish().await;
}

#[tokio::test]
async fn a_running_exec_is_listed_and_killed_alone() {
    let mut shim = Shim::start(&["/bin/sleep", "1000"]).await;
    let init = shim.create().await;
    shim.run().await;
    shim.exec("e1", &["/bin/sleep", "1000"], false).await;
    let pid = shim.start_process("e1").await;
    let request = PidsRequest {
        id: shim.id.clone(),
    };
    let pids = shim
        .client
        .pids(request)
        .await
        .unwrap()
        .into_inner()
        .processes;
    let mut numbers: Vec<u32> = pids.iter().map(|process| process.pid).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [init.min(pid), init.max(pid)]);
    assert!(
        pids.iter()
            .any(|process| process.pid == pid && process.info.is_some())
    );
    let exec_id = "e1".to_owned();
    let kill = KillRequest {
        id: shim.id.clone(),
        exec_id,
        signal: 15,
        all: false,
    };
    shim.client.kill(kill).await.unwrap();
    assert_eq!(shim.wait("e1").await, 143);
    shim.delete("e1").await;
    shim.kill(9).await;
    shim.wait("").await;
    shim.finish().await;
}

#[tokio::test]
async fn a_command_that_is_not_there_fails_and_can_be_deleted() {
    let mut shim = Shim::start(&["/bin/sleep", "1000"]).await;
    shim.create().await;
    shim.run().await;
    shim.exec("e1", &["nosuch"], false).await;
    let request = StartRequest {
        id: shim.id.clone(),
        exec_id: "e1".to_owned(),
    };
    let error = shim.client.start(request).await.unwrap_err();
    let text = error.message();
    assert!(text.starts_with("OCI runtime exec failed: "), "{text}");
    assert!(
        text.contains("executable file not found in $PATH"),
        "{text}"
    );
    shim.delete("e1").await;
    shim.kill(9).await;
    shim.wait("").await;
    shim.finish().await;
}
