//! `gantry create`, and making a container for `run`: pulling a missing image on the way.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use gantry_engine_api::CreateRequest;
use gantry_engine_api::container::CreateResponse;

use crate::client::ClientError;
use crate::context::Context;
use crate::diagnostics;
use crate::dispatch::Execute;
use crate::exit::{Exit, Failure};
use crate::flags::{CreateFlags, reference};
use crate::progress;

/// Create a new container
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    #[command(flatten)]
    flags: CreateFlags,
    #[arg(value_name = "IMAGE")]
    args: Vec<String>,
}

impl Execute for Create {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let request = self.flags.request(&self.args[0], &self.args[1..]);
        let request = request.map_err(|error| refuse(cx, ("create", 125), &error))?;
        let id = create(cx, &self.flags, &request).await?;
        cx.printer.line(id)?;
        Ok(Exit::SUCCESS)
    }
}

/// docker's form of a refused `run` or `create`: its words, its exit code, where to read more.
pub(crate) fn refuse(
    cx: &Context,
    (verb, code): (&str, u8),
    error: &anyhow::Error,
) -> anyhow::Error {
    if error
        .downcast_ref::<Failure>()
        .is_some_and(|failure| failure.code == 1)
    {
        // Nothing to do with how it was called.
        return Failure::new(1, error.to_string()).into();
    }
    let program = &cx.program;
    let text = diagnostics::text(error);
    let hint = diagnostics::hint(error).map_or(String::new(), |hint| format!("\n\nhint: {hint}"));
    let more = format!("Run '{program} {verb} --help' for more information");
    Failure::new(code, format!("{program}: {text}\n\n{more}{hint}")).into()
}

/// Makes the container and returns its id; warnings are told.
pub(crate) async fn create(
    cx: &Context,
    flags: &CreateFlags,
    request: &CreateRequest,
) -> Result<String> {
    let id_file = flags.cidfile.as_deref().map(IdFile::reserve).transpose()?;
    let image = request.config.image.as_str();
    if flags.pull == "always" {
        pull(cx, flags, image).await?;
    }
    let made = match post(cx, flags, request).await {
        Err(error) if flags.pull == "missing" && is_missing_image(&error) => {
            if !flags.quiet {
                let name = image.parse::<gantry_ids::ImageRef>();
                let name = name.map(|name| name.with_default_tag().familiar());
                let name = name.unwrap_or_else(|_| image.to_owned());
                cx.printer
                    .say(format!("Unable to find image '{name}' locally"));
            }
            pull(cx, flags, image).await?;
            post(cx, flags, request).await
        }
        end => end,
    }?;
    for warning in &made.warnings {
        cx.printer.say(format!("WARNING: {warning}"));
    }
    if let Some(file) = id_file {
        file.write(&made.id)?;
    }
    Ok(made.id)
}

async fn post(
    cx: &Context,
    flags: &CreateFlags,
    request: &CreateRequest,
) -> Result<CreateResponse, ClientError> {
    cx.client()
        .post("/containers/create")
        .maybe("name", flags.name.clone())
        .maybe("platform", flags.platform.clone())
        .json(request)
        .fetch()
        .await
}

fn is_missing_image(error: &ClientError) -> bool {
    error.is_not_found() && error.to_string().to_lowercase().contains("no such image")
}

async fn pull(cx: &Context, flags: &CreateFlags, image: &str) -> Result<()> {
    let name = reference::parse(image)?.with_default_tag();
    progress::pull(
        cx,
        &name,
        flags.platform.as_deref(),
        flags.quiet,
        progress::To::Stderr,
    )
    .await
}

/// `--cidfile`: reserved before the container is made, so that two never share one; removed
/// again if none is made.
struct IdFile {
    path: PathBuf,
    written: bool,
}

impl IdFile {
    fn reserve(path: &str) -> Result<Self> {
        let path = PathBuf::from(path);
        if path.exists() {
            bail!(
                "container ID file found, make sure the other container isn't running or delete {}",
                path.display()
            );
        }
        fs::File::create(&path).context("failed to create the container ID file")?;
        Ok(Self {
            path,
            written: false,
        })
    }

    fn write(mut self, id: &str) -> Result<()> {
        let mut file = fs::File::create(&self.path)?;
        file.write_all(id.as_bytes())
            .context("failed to write the container ID to the file")?;
        self.written = true;
        Ok(())
    }
}

impl Drop for IdFile {
    fn drop(&mut self) {
        if !self.written {
            let _ = fs::remove_file(&self.path);
        }
    }
}
