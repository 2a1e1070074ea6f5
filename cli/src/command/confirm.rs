//! Asks before something is destroyed.

use std::io::{self, BufRead, Write as _};

use anyhow::Result;

use crate::context::Context;
use crate::exit::Failure;

/// Shows `warning` and asks; anything but `y` ends the command.
pub(crate) fn confirm(cx: &Context, warning: &str) -> Result<()> {
    cx.printer
        .raw(format!("{warning}\nAre you sure you want to continue? [y/N] ").as_bytes())?;
    cx.printer.flush()?;
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if answer.trim().eq_ignore_ascii_case("y") {
        return Ok(());
    }
    Err(Failure::new(1, "operation cancelled").into())
}
