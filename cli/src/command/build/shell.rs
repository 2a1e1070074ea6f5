//! `--on-fail=shell`: the place of a failed step, entered with this terminal (ADR 52).

use std::io::{self, Write};

use anyhow::{Result, bail};

use crate::command::container::{Attachment, Left};
use crate::context::Context;

/// Gives this terminal to a shell in the place of a failed step until the shell ends.
pub(super) async fn enter(cx: &Context, place: &str) -> Result<()> {
    writeln!(
        io::stderr(),
        "the step failed: this is a shell in its place; the build ends when you leave it"
    )?;
    let object = format!("/build/shell/{place}");
    let hijacked = cx.client().post(object.clone()).hijack().await?;
    let terminal = Attachment {
        stdin: true,
        stdout: true,
        stderr: true,
        tty: true,
        detach_keys: String::new(),
        redraw: false,
    };
    match terminal.pump(cx, hijacked, Some(&object)).await? {
        Left::Over => Ok(()),
        Left::Detached => bail!("you have left the shell of a failed step, and with it the build"),
    }
}
