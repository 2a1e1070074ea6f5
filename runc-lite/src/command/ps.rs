//! `ps`: the processes of a container.

use std::process::Command;

use crate::cli::{Flag, Global, Parsed};
use crate::command::state::print;
use crate::command::{Count, HELP, Verb, container};
use crate::error::RunError;

pub(crate) const PS: Verb = Verb {
    name: "ps",
    help: "display the processes running inside a container",
    arguments: "<container-id> [ps options]",
    flags: &[
        Flag::value(
            "format",
            "select one of: table or json (default: \"table\")",
        )
        .short('f'),
        HELP,
    ],
    count: Count::AtLeast(1),
    enters: false,
    run: |global, parsed| Ok(ps(global, parsed).map(|()| 0)?),
};

fn ps(global: &Global, parsed: &Parsed) -> Result<(), RunError> {
    let (_, record) = container::find(global, parsed.id())?;
    let mut pids: Vec<i32> = record
        .cgroup()
        .pids()?
        .iter()
        .map(|pid| pid.as_raw_nonzero().get())
        .collect();
    pids.sort_unstable();
    match parsed.get("format").unwrap_or("table") {
        "json" => {
            let text = serde_json::to_string(&pids).expect("numbers always become JSON");
            print(&format!("{text}\n"))
        }
        "table" => table(&pids, &parsed.rest[1..]),
        other => Err(RunError::Value {
            flag: "--format",
            value: other.to_owned(),
        }),
    }
}

/// What `ps` prints (`-ef` if nothing else is asked for), without the lines of others.
fn table(pids: &[i32], options: &[String]) -> Result<(), RunError> {
    let failed = |source| RunError::Io {
        step: "run ps",
        source,
    };
    let mut command = Command::new("ps");
    if options.is_empty() {
        command.arg("-ef");
    }
    let output = command.args(options).output().map_err(failed)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default();
    let column = head.split_whitespace().position(|name| name == "PID");
    let Some(column) = column else {
        let message = "couldn't find PID field in ps output";
        return Err(failed(std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            message,
        )));
    };
    let ours = lines.filter(|line| {
        let pid = line
            .split_whitespace()
            .nth(column)
            .and_then(|word| word.parse().ok());
        pid.is_some_and(|pid: i32| pids.contains(&pid))
    });
    print(
        &std::iter::once(head)
            .chain(ours)
            .map(|line| format!("{line}\n"))
            .collect::<String>(),
    )
}
