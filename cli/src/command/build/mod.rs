//! `gantry build`: a folder, a tar or a Dockerfile alone, sent to the engine's classic door (ADR 36).
//!
//! The engine is asked for events, which are shown as they come; one that does not know the question
//! answers with the classic builder's text, which is shown as it is. `--check` and `--graph` need no
//! engine: the language is known here.

mod flags;
mod output;
mod questions;
mod screen;
mod source;
mod watch;

use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::client::upload;
use crate::command::output::write_archive;
use crate::context::Context;
use crate::credentials::{header_for, header_for_all};
use crate::dispatch::{Arity, Execute, Verb};
use crate::exit::Exit;
use crate::progress::{To, show};
pub(crate) use flags::Build;
use output::Output;
use screen::Progress;
use source::Source;

pub(super) const VERBS: &[Verb] = &[Verb::new::<Build>(
    &["image build", "build", "builder build"],
    "[OPTIONS] PATH | URL | -",
    "Build an image from a Dockerfile",
    Arity::Exactly(1),
)];

impl Execute for Build {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        self.refuse()?;
        let outputs = self.outputs()?;
        let source = Source::find(&self.args[0], self.file.as_deref())?;
        if self.check {
            return questions::check(cx, &self, &source);
        }
        if let Some(form) = &self.graph {
            return questions::graph(cx, &self, &source, form);
        }
        if let Some(path) = &self.iidfile {
            // A file that is left after a failure would lie.
            match fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("remove {path}"));
                }
                _ => {}
            }
        }
        let built = self.send(cx, source, &outputs).await?;
        let Some(id) = built else {
            return Ok(Exit::SUCCESS);
        };
        if let Some(path) = &self.iidfile {
            fs::write(path, &id).with_context(|| format!("write {path}"))?;
        }
        if let Some(Output::Archive(path)) = outputs.first() {
            let mut call = cx.client().get("/images/get");
            let names: &[String] = match self.tag.as_slice() {
                [] => std::slice::from_ref(&id),
                names => names,
            };
            for name in names {
                call = call.query("names", name.as_str());
            }
            write_archive(cx, call, path.as_deref()).await?;
        }
        if self.push {
            self.push(cx).await?;
        }
        if self.is_quiet() && !matches!(outputs.first(), Some(Output::Archive(None))) {
            cx.printer.line(&id)?;
        }
        Ok(Exit::SUCCESS)
    }
}

impl Build {
    /// Sends the build and shows how it goes; the image's id, if one was made.
    async fn send(
        &self,
        cx: &Context,
        source: Source,
        outputs: &[Output],
    ) -> Result<Option<String>> {
        let mut call = cx
            .client()
            .post("/build")
            .query("dockerfile", source.dockerfile());
        call = self.query(call)?.query("events", "1");
        let files = matches!(outputs.first(), Some(Output::Directory(_) | Output::Tar(_)));
        if files || self.needs_gantry() {
            // Another engine would pass over what it does not know.
            let info = cx.client().get("/version").value().await?;
            if !info.to_string().contains("Gantry") {
                bail!(
                    "--output, --secret, --build-context and --no-cache-filter of this command need a Gantry engine"
                );
            }
        }
        if files {
            call = call.query("outputs", "tar");
        }
        if let Some(header) = self.secrets()? {
            call = call.header(gantry_engine_api::build::SECRETS_HEADER, header);
        }
        call = call.header("x-registry-config", header_for_all(&cx.config)?);
        let body = upload(move |out| source.write(out));
        let reply = call.stream(body, "application/x-tar").send().await?;
        let mut files = output::Files::open(outputs.first())?;
        let mut progress = self.progress();
        let watched = watch::watch(reply, progress.as_mut(), &mut files).await;
        files.finish()?;
        watched
    }

    async fn push(&self, cx: &Context) -> Result<()> {
        for tag in &self.tag {
            let name = tag.parse::<gantry_ids::ImageRef>()?.with_default_tag();
            let reply = cx
                .client()
                .post(format!("/images/{}/push", name.familiar_name()))
                .maybe("tag", name.tag())
                .header("x-registry-auth", header_for(&cx.config, &name)?)
                .send()
                .await?;
            let to = if self.is_quiet() {
                To::Nowhere
            } else {
                To::Stderr
            };
            show(reply, to).await?;
        }
        Ok(())
    }

    fn progress(&self) -> Box<dyn Progress> {
        if self.is_quiet() {
            return Box::new(screen::Quiet::default());
        }
        match self.progress.as_str() {
            "json" | "rawjson" => Box::new(screen::Json),
            "tty" => Box::new(screen::Compact::new()),
            "auto" if screen::is_terminal() => Box::new(screen::Compact::new()),
            _ => Box::new(screen::Plain::default()),
        }
    }
}
