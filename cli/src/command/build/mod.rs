//! `gantry build`: a folder, a tar or a Dockerfile alone, sent to the engine's classic door (ADR 36).
//!
//! The engine is asked for events, which are shown as they come; one that does not know the question
//! answers with the classic builder's text, which is shown as it is. `--check` and `--graph` need no
//! engine: the language is known here.

mod flags;
mod output;
mod pack;
mod questions;
mod screen;
mod secret;
mod shell;
mod source;
mod verify;
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
use verify::Saved;

pub(super) const VERBS: &[Verb] = &[Verb::new::<Build>(
    &["image build", "build", "builder build"],
    "[OPTIONS] PATH | URL | -",
    "Build an image from a Dockerfile",
    Arity::Exactly(1),
)];

/// Which results of earlier builds may be used.
#[derive(Clone, Copy)]
enum Reuse<'a> {
    Everything,
    Nothing,
    AllBut(&'a [String]),
}

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
        if self.verify {
            self.verify(cx, &source).await?;
        }
        let (files, images): (Vec<_>, Vec<_>) = outputs.into_iter().partition(Output::is_files);
        let mut reuse = self.reuse();
        if !files.is_empty() {
            self.send(cx, &source, (reuse, &[], &files)).await?;
            // What was built for one output is there for the next.
            reuse = Reuse::Everything;
        }
        if !files.is_empty() && images.is_empty() && !self.push {
            return Ok(Exit::SUCCESS);
        }
        let built = self.send(cx, &source, (reuse, &self.tag, &[])).await?;
        let Some(id) = built else {
            return Ok(Exit::SUCCESS);
        };
        if let Some(path) = &self.iidfile {
            fs::write(path, &id).with_context(|| format!("write {path}"))?;
        }
        for output in &images {
            if let Output::Archive(path) = output {
                self.save(cx, &id, path.as_deref()).await?;
            }
        }
        if self.push {
            self.push(cx).await?;
        }
        if self.is_quiet() && !images.iter().any(Output::is_on_stdout) {
            cx.printer.line(&id)?;
        }
        Ok(Exit::SUCCESS)
    }
}

impl Build {
    /// Which results of earlier builds the flags allow.
    fn reuse(&self) -> Reuse<'_> {
        match (self.verify, self.no_cache) {
            // It has just been built from nothing, twice.
            (true, _) => Reuse::Everything,
            (false, true) => Reuse::Nothing,
            (false, false) => Reuse::AllBut(&self.no_cache_filter),
        }
    }

    /// Sends the build and shows how it goes; the image's id, if one was made. Files are wanted
    /// instead of an image where there is an output for them.
    async fn send(
        &self,
        cx: &Context,
        source: &Source,
        (reuse, names, outputs): (Reuse<'_>, &[String], &[Output]),
    ) -> Result<Option<String>> {
        let mut call = cx
            .client()
            .post("/build")
            .query("dockerfile", source.dockerfile())
            .maybe("remote", source.remote());
        call = self.query(call)?.query("events", "1");
        match reuse {
            Reuse::Everything | Reuse::AllBut([]) => {}
            Reuse::Nothing => call = call.query("nocache", "1"),
            Reuse::AllBut(stages) => {
                call = call.query("nocachefilter", serde_json::to_string(stages)?);
            }
        }
        for name in names {
            call = call.query("t", name.as_str());
        }
        if !outputs.is_empty() || self.needs_gantry() {
            // Another engine would pass over what it does not know.
            let info = cx.client().get("/version").value().await?;
            if !info.to_string().contains("Gantry") {
                bail!(
                    "--output, --secret, --build-context, --no-cache-filter, --on-fail, --reproducible and --verify of this command need a Gantry engine"
                );
            }
        }
        if !outputs.is_empty() {
            call = call.query("outputs", "tar");
        }
        if let Some(header) = self.secrets()? {
            call = call.header(gantry_engine_api::build::SECRETS_HEADER, header);
        }
        call = call.header("x-registry-config", header_for_all(&cx.config)?);
        let source = source.again()?;
        let body = upload(move |out| source.write(out));
        let reply = call.stream(body, "application/x-tar").send().await?;
        let mut files = output::Files::open(outputs)?;
        let mut progress = self.progress();
        let watched = watch::watch(cx, reply, progress.as_mut(), &mut files).await;
        files.finish()?;
        watched
    }

    /// Builds twice without any earlier result.
    ///
    /// # Errors
    /// With the first file that differs.
    async fn verify(&self, cx: &Context, source: &Source) -> Result<()> {
        let mut ids = Vec::new();
        for _ in 0..2 {
            let built = self.send(cx, source, (Reuse::Nothing, &[], &[])).await?;
            ids.push(built.context("the engine told no image's id")?);
        }
        if ids[0] == ids[1] {
            return Ok(());
        }
        let saved = |id: &String| cx.client().get("/images/get").query("names", id.as_str());
        let one = Saved::receive(saved(&ids[0])).await?;
        let other = Saved::receive(saved(&ids[1])).await?;
        for id in ids {
            // One that somebody uses meanwhile stays.
            let _ = cx.client().delete(format!("/images/{id}")).done().await;
        }
        let found = verify::difference(&one, &other)?;
        let found = found.unwrap_or_else(|| "the images' identities differ".to_owned());
        bail!("two builds of the same files are not the same: {found}")
    }

    async fn save(&self, cx: &Context, id: &str, path: Option<&str>) -> Result<()> {
        let mut call = cx.client().get("/images/get");
        let id = [id.to_owned()];
        let names: &[String] = match self.tag.as_slice() {
            [] => &id,
            names => names,
        };
        for name in names {
            call = call.query("names", name.as_str());
        }
        write_archive(cx, call, path).await.map(drop)
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
