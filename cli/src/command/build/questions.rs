//! `--check` and `--graph`: what can be said of a Dockerfile without building it.

use anyhow::{Result, anyhow, bail};
use gantry_dockerfile::{Dockerfile, Graph, Options, Patterns};

use super::flags::Build;
use super::source::Source;
use crate::context::Context;
use crate::exit::Exit;

/// `--check`: the findings of BuildKit's rules; 1 if there are any.
pub(super) fn check(cx: &Context, build: &Build, source: &Source) -> Result<Exit> {
    let (text, options) = read(build, source)?;
    let report = gantry_dockerfile::check(&text, &options, &|_| None);
    cx.printer.raw(report.to_text(&text).as_bytes())?;
    let is_sound = report.warnings.is_empty() && report.error.is_none();
    Ok(if is_sound { Exit::SUCCESS } else { Exit(1) })
}

/// `--graph`: the stages, what they start from and need.
pub(super) fn graph(cx: &Context, build: &Build, source: &Source, form: &str) -> Result<Exit> {
    let (text, options) = read(build, source)?;
    let told = |error: gantry_dockerfile::Error| anyhow!("{}ERROR: {error}", error.excerpt(&text));
    let file = Dockerfile::parse(&text).map_err(told)?;
    let graph = Graph::new(&file, &options, &mut Vec::new()).map_err(told)?;
    let drawn = match form {
        "text" => graph.to_text(),
        "dot" => graph.to_dot(),
        _ => bail!("invalid value \"{form}\" for --graph: text or dot"),
    };
    cx.printer.raw(drawn.as_bytes())?;
    Ok(Exit::SUCCESS)
}

fn read(build: &Build, source: &Source) -> Result<(gantry_dockerfile::Source, Options)> {
    let (text, ignore) = source.text()?;
    let mut options = build.language()?;
    options.ignored = Patterns::read(ignore)?;
    let text = gantry_dockerfile::Source::new(source.dockerfile(), &text);
    Ok((text, options))
}
