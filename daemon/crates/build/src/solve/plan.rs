//! From the request's text to a plan: parsing, checks, base images.

use std::collections::BTreeMap;

use gantry_dockerfile::{
    Base as FromBase, CheckOptions, Dockerfile, Graph, Patterns, Plan, Settings, ignore_lines,
    requested_frontend,
};
use gantry_ids::Digest;
use jiff::Timestamp;

use super::Solver;
use super::arguments::Arguments;
use super::base::{Base, Finder};
use super::config;
use super::inline::Imported;
use super::tell::Work;
use crate::fault::{BuildError, Fault};
use crate::port::Client;
use crate::progress::{Ending, Event, Progress, Warning};
use crate::{Cancel, Request};

/// A build that is ready to go.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) plan: Plan,
    /// What nodes start from that are no stages.
    pub(super) bases: BTreeMap<usize, Base>,
    /// The nodes that each node needs.
    pub(super) needs: BTreeMap<usize, Vec<usize>>,
    /// The stage of each node; none for an image that is only copied from.
    pub(super) stages: BTreeMap<usize, Option<usize>>,
    /// The patterns of what is not in the context.
    pub(super) ignored: Vec<String>,
    pub(super) epoch: Option<Timestamp>,
    pub(super) arguments: Arguments,
    /// What the images of `--cache-from` have.
    pub(super) imported: Imported,
}

/// Reads the Dockerfile, finds the base images, plans.
pub(super) fn prepare(
    solver: &Solver,
    request: &Request,
    client: &Client,
    (progress, cancel): (&dyn Progress, &Cancel),
) -> Result<Prepared, BuildError> {
    let name = format!(
        "[internal] load build definition from {}",
        request.dockerfile.name()
    );
    let work = Work::new(progress, &name);
    let (since, vertex) = (Timestamp::now(), work.vertex());
    let arguments = Arguments::read(request).map_err(BuildError::new);
    let read = arguments.and_then(|arguments| Ok((read(request)?, arguments)));
    let length = request.dockerfile.text().len() as u64;
    work.complete("transferring dockerfile:", length, since);
    let ((file, language, ignored), arguments) = match read {
        Ok(read) => read,
        Err(error) => {
            work.end(Ending::Failed(error.to_string()));
            return Err(error);
        }
    };
    work.end(Ending::Done);
    let mut warnings = file.lint();
    let mut graph = Graph::new(&file, &language, &mut warnings).map_err(BuildError::new)?;
    let finder = Finder {
        solver,
        request,
        client,
        progress,
        cancel,
    };
    let bases = bases(&mut graph, &finder)?;
    let plan = graph.plan(&settings(&bases), &mut warnings);
    let check = arguments.check.as_ref().or(file.directives.check.as_ref());
    judge(check, warnings, vertex, progress)?;
    let plan = plan.map_err(BuildError::new)?;
    let needed = graph.needed();
    Ok(Prepared {
        plan,
        bases,
        needs: needed
            .iter()
            .map(|node| (*node, graph.dependencies(*node)))
            .collect(),
        stages: needed
            .iter()
            .map(|node| (*node, graph.nodes()[*node].stage))
            .collect(),
        ignored,
        epoch: epoch(request).map_err(BuildError::new)?,
        arguments,
        imported: finder.import(&gantry_ids::Platform {
            os: language.target_platform.os.clone(),
            architecture: language.target_platform.architecture.clone(),
            variant: language.target_platform.variant.clone(),
        }),
    })
}

type Read = (Dockerfile, gantry_dockerfile::Options, Vec<String>);

fn read(request: &Request) -> Result<Read, BuildError> {
    let given = request.language.build_args.get("BUILDKIT_SYNTAX");
    let frontend = given
        .cloned()
        .or_else(|| requested_frontend(&request.dockerfile));
    if let Some(frontend) = frontend.filter(|name| !is_ours(name)) {
        return Err(BuildError::new(Fault::Frontend(frontend)));
    }
    let file = Dockerfile::parse(&request.dockerfile).map_err(BuildError::new)?;
    let mut language = request.language.clone();
    language.ignored = Patterns::read(&request.ignore).map_err(BuildError::new)?;
    Ok((file, language, ignore_lines(&request.ignore)))
}

/// Whether docker's own frontend is named, by any tag or digest.
fn is_ours(frontend: &str) -> bool {
    let Ok(reference) = frontend.trim().parse::<gantry_ids::ImageRef>() else {
        return false;
    };
    ["docker/dockerfile", "docker/dockerfile-upstream"]
        .contains(&reference.familiar_name().as_str())
}

/// What each base image sets for its stage.
fn settings(bases: &BTreeMap<usize, Base>) -> BTreeMap<usize, Settings> {
    let each = bases.iter().map(|(node, base)| {
        let settings = match base {
            Base::Image { config, .. } => config::settings(config),
            Base::Files(_) => Settings::scratch(),
        };
        (*node, settings)
    });
    each.collect()
}

/// Finds what all needed nodes start from. The triggers of an image that is found may need further
/// nodes, whose images are found then.
fn bases(graph: &mut Graph<'_>, finder: &Finder<'_>) -> Result<BTreeMap<usize, Base>, BuildError> {
    let mut bases = BTreeMap::new();
    loop {
        let known = |node: &usize| bases.contains_key(node);
        let wanted: Vec<usize> = graph
            .needed()
            .into_iter()
            .filter(|node| !known(node))
            .collect();
        let found = found(&wanted, graph, finder)?;
        if found.is_empty() {
            return Ok(bases);
        }
        for (node, base) in &found {
            if let Base::Image { config, .. } = base {
                let triggers = &config.run().on_build;
                graph.trigger(*node, triggers).map_err(BuildError::new)?;
            }
        }
        bases.extend(found);
    }
}

/// What those of some nodes start from that start from no stage.
fn found(
    wanted: &[usize],
    graph: &Graph<'_>,
    finder: &Finder<'_>,
) -> Result<Vec<(usize, Base)>, BuildError> {
    let mut bases = Vec::new();
    for node in wanted {
        let found = &graph.nodes()[*node];
        let FromBase::Image(name) = &found.base else {
            continue;
        };
        if finder.cancel.is_cancelled() {
            return Err(BuildError::new(Fault::Cancelled));
        }
        let language = &finder.request.language;
        let platform = found.platform.as_ref().unwrap_or(&language.target_platform);
        let platform = gantry_ids::Platform {
            os: platform.os.clone(),
            architecture: platform.architecture.clone(),
            variant: platform.variant.clone(),
        };
        let base = finder.find(name, &platform);
        let base = base.map_err(|fault| BuildError::at(fault, found.lines))?;
        bases.push((*node, base));
    }
    Ok(bases)
}

/// Tells what the checks found; some are faults if the file says so.
fn judge(
    check: Option<&String>,
    warnings: Vec<gantry_dockerfile::Warning>,
    vertex: Digest,
    progress: &dyn Progress,
) -> Result<(), BuildError> {
    let options = CheckOptions::parse(check.map_or("", String::as_str)).map_err(BuildError::new)?;
    let warnings = options.select(warnings);
    for lint in &warnings {
        progress.tell(Event::Warning(Warning {
            vertex,
            lint: lint.clone(),
        }));
    }
    options.judge(&warnings).map_err(BuildError::new)
}

/// `SOURCE_DATE_EPOCH`, seconds since 1970.
fn epoch(request: &Request) -> Result<Option<Timestamp>, Fault> {
    let Some(text) = request.language.build_args.get("SOURCE_DATE_EPOCH") else {
        return Ok(None);
    };
    if text.is_empty() {
        return Ok(None);
    }
    let seconds = text.parse().ok();
    let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    let time = time.filter(|time| time.as_second() >= 0);
    time.map(Some).ok_or_else(|| Fault::Epoch(text.clone()))
}
