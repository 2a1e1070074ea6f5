//! Turns an error into what the user reads: docker's words first, a hint where one helps.

use std::io::{self, IsTerminal, Write};

use crate::client::ClientError;
use crate::exit::Failure;

/// The exit code of an error, after telling the user.
pub(crate) fn report(error: &anyhow::Error) -> u8 {
    if is_broken_pipe(error) {
        return 0;
    }
    if let Some(failure) = error.downcast_ref::<Failure>() {
        if !failure.text.is_empty() {
            say(&failure.text);
        }
        return failure.code;
    }
    say(&text(error));
    if let Some(hint) = hint(error) {
        say_hint(hint);
    }
    1
}

/// The whole chain of causes in one line; the system's errors in lower case and without number.
pub(crate) fn text(error: &anyhow::Error) -> String {
    let parts: Vec<String> = error
        .chain()
        .map(|cause| match cause.downcast_ref::<io::Error>() {
            Some(error) => system_words(error),
            None => cause.to_string(),
        })
        .collect();
    parts.join(": ")
}

fn system_words(error: &io::Error) -> String {
    let text = error.to_string();
    let Some((words, _)) = text.split_once(" (os error ") else {
        return text;
    };
    let mut letters = words.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_lowercase().chain(letters).collect()
    })
}

pub(crate) fn hint(error: &anyhow::Error) -> Option<&'static str> {
    match error.downcast_ref::<ClientError>()? {
        ClientError::Connect { .. } => Some(
            "start a local engine with `gantry engine start`, or name another with -H or DOCKER_HOST",
        ),
        ClientError::ConnectDenied { .. } => {
            Some("become a member of the group that owns the socket (docker), or be root")
        }
        _ => None,
    }
}

/// stdout's reader went away: nothing is wrong, there is just nobody to tell.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    })
}

fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{}", text.trim_end_matches('\n'));
}

fn say_hint(hint: &str) {
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (on, off) = if colour {
        ("\u{1b}[36m", "\u{1b}[0m")
    } else {
        ("", "")
    };
    say(&format!("{on}hint:{off} {hint}"));
}
