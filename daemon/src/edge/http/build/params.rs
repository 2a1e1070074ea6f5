//! The query of `POST /build` as a request to the solver. What this engine does not do is refused by
//! name.

use std::collections::BTreeMap;

use gantry_build::{Export, Limits, NamedContext, Pull, Request, Reuse, Ulimit};
use gantry_dockerfile::{Options, Platform, Source};
use gantry_errors::chain;
use gantry_ids::ImageRef;
use serde::Deserialize;
use serde_json::Value;

use crate::edge::http::error::ApiError;
use crate::edge::http::extract::Params;

/// Parameters that change what is built and that this engine does not know.
const REFUSED: [(&str, &str); 5] = [
    ("cacheto", "exporting a build's cache but into its image"),
    ("platform", "a build for several platforms"),
    ("squash", "squashing an image's layers"),
    ("securityopt", "security options of a build"),
    ("isolation", "isolation of a build"),
];

/// What a classic client asks, but for the files.
#[derive(Debug)]
pub(super) struct Asked {
    /// Where the context lies, if the client does not send it.
    pub(super) remote: Option<String>,
    /// The Dockerfile's path in the context.
    pub(super) dockerfile: String,
    pub(super) names: Vec<ImageRef>,
    pub(super) is_quiet: bool,
    /// Whether the client is told of containers that are taken away.
    pub(super) removes: bool,
    /// Whether the client is told events instead of the classic text.
    pub(super) wants_events: bool,
    /// Whether the client wants the target's files as a tar; it is told events then.
    pub(super) wants_files: bool,
    /// Whether the client enters the places of failed programs; it is told events then.
    pub(super) enters: bool,
    /// What the client calls the build, to cancel it.
    pub(super) id: String,
    language: Options,
    network: String,
    extra_hosts: Vec<String>,
    limits: Limits,
    reuse: Reuse,
    pull: Pull,
    contexts: BTreeMap<String, NamedContext>,
    cache_from: Vec<String>,
}

impl Asked {
    /// Reads the query.
    ///
    /// # Errors
    /// 400 for what cannot be read, 501 for what is not built.
    pub(super) fn read(params: &Params) -> Result<Self, ApiError> {
        refuse(params)?;
        let host = host_platform();
        let mut language = Options::new(host.clone());
        if let Some(text) = params.get("platform").filter(|text| !text.is_empty()) {
            language.target_platform = Platform::parse(text, &host).map_err(ApiError::invalid)?;
        }
        language.build_args = json::<BTreeMap<String, Option<String>>>(params, "buildargs")?
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        language.labels = json(params, "labels")?;
        language.target = Some(params.text("target").to_owned()).filter(|name| !name.is_empty());
        let wants_events = params.flag("events");
        Ok(Self {
            remote: remote(params.text("remote"))?,
            dockerfile: match params.text("dockerfile") {
                "" => "Dockerfile".to_owned(),
                path => path.to_owned(),
            },
            names: names(params.all("t"))?,
            is_quiet: params.flag("q"),
            removes: params.flag_or("rm", true),
            cache_from: json(params, "cachefrom")?,
            wants_events,
            wants_files: wants_files(params, wants_events)?,
            enters: enters(params, wants_events)?,
            id: params.text("buildid").to_owned(),
            language,
            network: network(params.text("networkmode")),
            extra_hosts: params.all("extrahosts").to_vec(),
            limits: limits(params)?,
            reuse: reuse(params)?,
            contexts: contexts(params)?,
            pull: if params.flag("pull") {
                Pull::Always
            } else {
                Pull::Missing
            },
        })
    }

    /// The build arguments.
    pub(super) fn arguments(&self) -> &BTreeMap<String, String> {
        &self.language.build_args
    }

    /// The request, once the files are known.
    pub(super) fn request(&self, dockerfile: Source, ignore: String) -> Request {
        let mut request = Request::new(dockerfile, self.language.clone());
        request.ignore = ignore;
        request.network.clone_from(&self.network);
        request.extra_hosts.clone_from(&self.extra_hosts);
        request.limits = self.limits.clone();
        request.reuse = self.reuse.clone();
        request.pull = self.pull;
        request.contexts.clone_from(&self.contexts);
        request.cache_from.clone_from(&self.cache_from);
        request.exports = if self.wants_files {
            vec![Export::Files]
        } else {
            vec![Export::Image {
                names: self.names.clone(),
            }]
        };
        request
    }
}

/// `outputs`: the target's files, which travel as events. Other outputs need BuildKit's doors.
fn wants_files(params: &Params, wants_events: bool) -> Result<bool, ApiError> {
    match params.text("outputs") {
        "" | "[]" | "null" => Ok(false),
        "tar" if wants_events => Ok(true),
        _ => Err(ApiError::not_built("outputs of a build without BuildKit")),
    }
}

/// `onfail`: what becomes of the place of a failed program.
fn enters(params: &Params, wants_events: bool) -> Result<bool, ApiError> {
    match params.text("onfail") {
        "" => Ok(false),
        "shell" if wants_events => Ok(true),
        _ => Err(ApiError::not_built(
            "what is to be done on a failure, but for onfail=shell with events",
        )),
    }
}

/// `nocache`, and `nocachefilter` with the stages that are built anew.
fn reuse(params: &Params) -> Result<Reuse, ApiError> {
    let stages: Vec<String> = json(params, "nocachefilter")?;
    Ok(match (params.flag("nocache"), stages.is_empty()) {
        (true, _) => Reuse::Nothing,
        (false, true) => Reuse::All,
        (false, false) => Reuse::AllBut(stages),
    })
}

/// `buildcontexts`: images and addresses that stand for names.
fn contexts(params: &Params) -> Result<BTreeMap<String, NamedContext>, ApiError> {
    let all: BTreeMap<String, String> = json(params, "buildcontexts")?;
    let each = all.into_iter().map(|(name, place)| {
        if gantry_build::is_address(&place) {
            return Ok((name, NamedContext::Address(place)));
        }
        let image = place.strip_prefix("docker-image://").ok_or_else(|| {
            ApiError::not_built("a named build context of files of the client, without BuildKit")
        })?;
        Ok((name, NamedContext::Image(image.to_owned())))
    });
    each.collect()
}

/// The platform that builds.
fn host_platform() -> Platform {
    let host = gantry_ids::Platform::of_this_machine();
    Platform::new(&host.os, &host.architecture, &host.variant).normalized()
}

fn refuse(params: &Params) -> Result<(), ApiError> {
    for (name, what) in REFUSED {
        let is_set = match name {
            "squash" => params.flag(name),
            "platform" => params.text(name).contains(','),
            "isolation" => !matches!(params.text(name), "" | "default"),
            _ => !matches!(params.text(name), "" | "[]" | "null"),
        };
        if is_set {
            return Err(ApiError::not_built(what));
        }
    }
    if !matches!(params.text("version"), "" | "1") {
        return Err(ApiError::not_built("POST /build with BuildKit (version=2)"));
    }
    Ok(())
}

/// `remote`: the address of a repository, an archive or a Dockerfile.
fn remote(place: &str) -> Result<Option<String>, ApiError> {
    match place {
        "" => Ok(None),
        "client-session" => Err(ApiError::not_built("a build context from a session")),
        place if gantry_build::is_address(place) => Ok(Some(place.to_owned())),
        place => Err(ApiError::invalid(format!(
            "the build context {place:?} is no address of a repository, an archive or a Dockerfile"
        ))),
    }
}

/// A parameter that is JSON; its default without one.
fn json<T: for<'de> Deserialize<'de> + Default>(
    params: &Params,
    name: &str,
) -> Result<T, ApiError> {
    let text = params.text(name);
    if text.is_empty() {
        return Ok(T::default());
    }
    let read = serde_json::from_str::<Option<T>>(text);
    let read = read.map_err(|error| ApiError::invalid(format!("error reading {name}: {error}")))?;
    Ok(read.unwrap_or_default())
}

fn names(all: &[String]) -> Result<Vec<ImageRef>, ApiError> {
    let mut names: Vec<ImageRef> = Vec::new();
    for text in all.iter().filter(|text| !text.is_empty()) {
        let name: ImageRef = text
            .parse()
            .map_err(|error| ApiError::invalid(chain(&error).to_string()))?;
        if name.digest().is_some() {
            let text = "build tag cannot contain a digest";
            return Err(ApiError::invalid(text));
        }
        let name = name.with_default_tag();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

fn network(mode: &str) -> String {
    match mode {
        "" | "default" => "default".to_owned(),
        mode => mode.to_owned(),
    }
}

fn limits(params: &Params) -> Result<Limits, ApiError> {
    let number = |name| Ok::<i64, ApiError>(params.number(name)?.unwrap_or(0));
    let ulimits: Vec<Value> = json(params, "ulimits")?;
    Ok(Limits {
        shm_bytes: u64::try_from(number("shmsize")?).unwrap_or(0),
        ulimits: ulimits.iter().map(ulimit).collect::<Result<_, _>>()?,
        memory_bytes: number("memory")?,
        memory_swap_bytes: number("memswap")?,
        cpu_shares: number("cpushares")?,
        cpu_period_us: number("cpuperiod")?,
        cpu_quota_us: number("cpuquota")?,
        cpuset_cpus: params.text("cpusetcpus").to_owned(),
        cpuset_mems: params.text("cpusetmems").to_owned(),
        cgroup_parent: params.text("cgroupparent").to_owned(),
    })
}

fn ulimit(value: &Value) -> Result<Ulimit, ApiError> {
    let invalid = || ApiError::invalid("error reading ulimit settings");
    Ok(Ulimit {
        name: value["Name"].as_str().ok_or_else(invalid)?.to_owned(),
        hard: value["Hard"].as_i64().ok_or_else(invalid)?,
        soft: value["Soft"].as_i64().ok_or_else(invalid)?,
    })
}
