//! Archives that a command fetches: to a file, whole or not at all, or to stdout.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::client::Call;
use crate::context::Context;
use crate::exit::Exit;

/// Streams the answer of `call` to `target`, or to stdout where there is none.
pub(crate) async fn write_archive(
    cx: &Context,
    call: Call<'_>,
    target: Option<&str>,
) -> Result<Exit> {
    let Some(target) = target.filter(|target| !target.is_empty()) else {
        if cx.printer.stdout_is_terminal() {
            bail!("cowardly refusing to save to a terminal. Use the -o flag or redirect");
        }
        let mut reply = call.send().await?;
        while let Some(chunk) = reply.chunk().await? {
            cx.printer.raw(&chunk)?;
        }
        return Ok(Exit::SUCCESS);
    };
    let target = Path::new(target);
    let folder = target
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    if !folder.is_dir() {
        bail!(
            "failed to save: invalid output path: directory \"{}\" does not exist",
            folder.display()
        );
    }
    let mut reply = call.send().await?;
    let draft = folder.join(format!(".gantry-save-{}", std::process::id()));
    let end = async {
        let mut file = BufWriter::new(File::create(&draft)?);
        while let Some(chunk) = reply.chunk().await? {
            file.write_all(&chunk)?;
        }
        file.into_inner()?.sync_all()?;
        anyhow::Ok(fs::rename(&draft, target)?)
    }
    .await;
    if end.is_err() {
        let _ = fs::remove_file(&draft);
    }
    end.with_context(|| format!("failed to save {}", target.display()))?;
    Ok(Exit::SUCCESS)
}
