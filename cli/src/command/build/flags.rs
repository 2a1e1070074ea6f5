//! The flags of `gantry build`, docker's with their names, and the request they make.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_engine_api::build::SECRETS_HEADER_BYTES_MAX;
use http::HeaderValue;
use serde_json::{Value, json};

use super::output::Output;
use super::secret::secret;
use super::source::is_address;
use crate::client::Call;
use crate::flags::{Bytes, SwapBytes, UlimitFlag, extra_host, key_values};

/// The build argument and variable that no time of an image is later than, seconds since 1970.
const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// Build an image from a Dockerfile
#[derive(Debug, clap::Args)]
pub(crate) struct Build {
    /// Add a line to /etc/hosts (host:ip)
    #[arg(long, value_name = "list", value_parser = extra_host)]
    add_host: Vec<String>,
    /// Set a build argument (NAME=VALUE, or NAME to take it from the environment)
    #[arg(long, value_name = "list")]
    build_arg: Vec<String>,
    /// Let a name stand for an image or an address (NAME=docker-image://IMAGE, NAME=ADDRESS)
    #[arg(long, value_name = "list")]
    build_context: Vec<String>,
    /// Images whose layers may stand for steps
    #[arg(long, value_name = "strings", value_delimiter = ',')]
    cache_from: Vec<String>,
    /// Set the control group above the build's
    #[arg(long, value_name = "string")]
    cgroup_parent: Option<String>,
    /// Check the Dockerfile and build nothing
    #[arg(long)]
    pub(super) check: bool,
    /// Compress the context (it is not: the engine is near)
    #[arg(long, hide = true)]
    compress: bool,
    /// Limit the CPU's CFS period (microseconds)
    #[arg(long, value_name = "int")]
    cpu_period: Option<i64>,
    /// Limit the CPU's CFS quota (microseconds)
    #[arg(long, value_name = "int")]
    cpu_quota: Option<i64>,
    /// CPU shares (relative weight)
    #[arg(short, long, value_name = "int")]
    cpu_shares: Option<i64>,
    /// CPUs that RUN may use (0-3, 0,1)
    #[arg(long, value_name = "string")]
    cpuset_cpus: Option<String>,
    /// Memory nodes that RUN may use (0-3, 0,1)
    #[arg(long, value_name = "string")]
    cpuset_mems: Option<String>,
    /// Skip image verification (it is not done)
    #[arg(long, hide = true)]
    disable_content_trust: bool,
    /// The Dockerfile (default PATH/Dockerfile; - for STDIN)
    #[arg(short, long, value_name = "string")]
    pub(super) file: Option<String>,
    /// Remove what a failed step leaves (always done)
    #[arg(long, hide = true)]
    force_rm: bool,
    /// Draw the stages and what they need instead of building: text or dot
    #[arg(long, value_name = "form", num_args = 0..=1, default_missing_value = "text", require_equals = true)]
    pub(super) graph: Option<String>,
    /// Write the image's id to a file
    #[arg(long, value_name = "string")]
    pub(super) iidfile: Option<String>,
    /// Isolation (Windows)
    #[arg(long, value_name = "string", hide = true)]
    isolation: Option<String>,
    /// Set a label of the image
    #[arg(long, value_name = "list")]
    label: Vec<String>,
    /// Keep the image in the engine (always done unless --output says otherwise)
    #[arg(long)]
    load: bool,
    /// Memory limit of RUN
    #[arg(short, long, value_name = "bytes")]
    memory: Option<Bytes>,
    /// Limit of memory and swap together: -1 for unlimited swap
    #[arg(long, value_name = "bytes")]
    memory_swap: Option<SwapBytes>,
    /// The network of RUN
    #[arg(long, value_name = "string", default_value = "default")]
    network: String,
    /// Use no result of earlier builds
    #[arg(long)]
    pub(super) no_cache: bool,
    /// Build these stages anew
    #[arg(long, value_name = "strings", value_delimiter = ',')]
    pub(super) no_cache_filter: Vec<String>,
    /// What becomes of a failed RUN: shell enters it
    #[arg(long, value_name = "string")]
    pub(super) on_fail: Option<String>,
    /// What becomes of the result (type=local|tar|docker,dest=PATH; PATH; - for a tar on STDOUT)
    #[arg(short, long, value_name = "list")]
    output: Vec<String>,
    /// Build for this platform (linux/amd64)
    #[arg(long, value_name = "string")]
    pub(super) platform: Option<String>,
    /// How progress is shown: auto, plain, tty, json, quiet
    #[arg(long, value_name = "string", default_value = "auto")]
    pub(super) progress: String,
    /// Ask for base images at their registries although they are here
    #[arg(long)]
    pull: bool,
    /// Push the image by its names
    #[arg(long)]
    pub(super) push: bool,
    /// Print the image's id alone
    #[arg(short, long)]
    quiet: bool,
    /// Make the same image from the same files, whenever it is built: times are not later than
    /// SOURCE_DATE_EPOCH, a build argument or variable (default 1970)
    #[arg(long)]
    reproducible: bool,
    /// Tell of steps' containers as they go (always done)
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    rm: Option<bool>,
    /// Let RUN --mount=type=secret see a secret (id=NAME[,src=FILE|env=VARIABLE])
    #[arg(long, value_name = "list")]
    secret: Vec<String>,
    /// Security options
    #[arg(long, value_name = "strings", value_delimiter = ',')]
    security_opt: Vec<String>,
    /// Size of /dev/shm
    #[arg(long, value_name = "bytes")]
    shm_size: Option<Bytes>,
    /// Squash the image's layers
    #[arg(long, hide = true)]
    squash: bool,
    /// Let RUN --mount=type=ssh reach an agent
    #[arg(long, value_name = "list", hide = true)]
    ssh: Vec<String>,
    /// Name the image (NAME[:TAG])
    #[arg(short, long, value_name = "list")]
    pub(super) tag: Vec<String>,
    /// Build up to this stage
    #[arg(long, value_name = "string")]
    target: Option<String>,
    /// Limit what a process may use (nofile=1024:2048)
    #[arg(long, value_name = "ulimit")]
    ulimit: Vec<UlimitFlag>,
    /// Build twice from nothing, reproducibly, and fail with the first file that differs
    #[arg(long)]
    pub(super) verify: bool,
    #[arg(value_name = "PATH")]
    pub(super) args: Vec<String>,
}

impl Build {
    /// Refuses what is not built, by name.
    pub(super) fn refuse(&self) -> Result<()> {
        if !matches!(
            self.progress.as_str(),
            "auto" | "plain" | "tty" | "json" | "rawjson" | "quiet"
        ) {
            bail!("invalid progress mode {}", self.progress);
        }
        self.refuse_on_fail()?;
        if !self.ssh.is_empty() {
            bail!("--ssh is not built yet: docker buildx build has it");
        }
        if self.squash {
            bail!("--squash is not built yet");
        }
        if self
            .platform
            .as_deref()
            .is_some_and(|text| text.contains(','))
        {
            bail!("multi-platform builds are not built yet");
        }
        if self.push && self.tag.is_empty() {
            bail!("tag is needed when pushing to registry");
        }
        for tag in &self.tag {
            if tag.parse::<gantry_ids::ImageRef>().is_err() {
                bail!(
                    "invalid argument \"{tag}\" for \"-t, --tag\" flag: invalid reference format"
                );
            }
        }
        Ok(())
    }

    /// A failed step can be entered by somebody at a terminal alone.
    fn refuse_on_fail(&self) -> Result<()> {
        match self.on_fail.as_deref() {
            None => return Ok(()),
            Some("shell") => {}
            Some(other) => bail!("invalid value \"{other}\" for --on-fail: shell"),
        }
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            bail!("--on-fail=shell needs a terminal: standard input and output are not both one");
        }
        if self.verify {
            bail!("--on-fail=shell and --verify cannot be given together");
        }
        Ok(())
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.quiet || self.progress == "quiet"
    }

    /// Whether something is asked for that other engines would pass over.
    pub(super) fn needs_gantry(&self) -> bool {
        !self.secret.is_empty()
            || !self.build_context.is_empty()
            || !self.no_cache_filter.is_empty()
            || self.on_fail.is_some()
            || self.reproducible
            || self.verify
    }

    /// What becomes of the result.
    pub(super) fn outputs(&self) -> Result<Vec<Output>> {
        let outputs: Vec<Output> = self
            .output
            .iter()
            .map(|text| Output::parse(text))
            .collect::<Result<_>>()?;
        let on_stdout = outputs.iter().filter(|output| output.is_on_stdout());
        if on_stdout.count() > 1 {
            bail!("only one output can go to standard output");
        }
        Ok(outputs)
    }

    /// `--build-arg`; a name without a value that is not set here is none.
    pub(super) fn arguments(&self) -> BTreeMap<String, Option<String>> {
        let pairs = self
            .build_arg
            .iter()
            .map(|pair| match pair.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (pair.clone(), std::env::var(pair).ok()),
            });
        let mut arguments: BTreeMap<_, _> = pairs.collect();
        if self.reproducible || self.verify {
            let epoch = || std::env::var(EPOCH).unwrap_or_else(|_| "0".to_owned());
            arguments
                .entry(EPOCH.to_owned())
                .or_insert_with(|| Some(epoch()));
        }
        arguments
    }

    /// The language's options, for questions that are answered here.
    pub(super) fn language(&self) -> Result<gantry_dockerfile::Options> {
        use gantry_dockerfile::Platform;
        let machine = gantry_ids::Platform::of_this_machine();
        let host = Platform::new(&machine.os, &machine.architecture, &machine.variant).normalized();
        let mut options = gantry_dockerfile::Options::new(host.clone());
        if let Some(text) = &self.platform {
            options.target_platform = Platform::parse(text, &host).map_err(anyhow::Error::msg)?;
        }
        let given = self.arguments().into_iter();
        options.build_args = given
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        options.labels = key_values(&self.label).into_iter().collect();
        options.target.clone_from(&self.target);
        Ok(options)
    }

    /// The parameters of the call.
    pub(super) fn query<'a>(&self, call: Call<'a>) -> Result<Call<'a>> {
        let number = |number: Option<i64>| number.filter(|n| *n != 0).map(|n| n.to_string());
        let labels: BTreeMap<String, String> = key_values(&self.label).into_iter().collect();
        let contexts = self.contexts()?;
        let some = |value: Value| {
            let is_empty = value.as_array().is_some_and(Vec::is_empty)
                || value.as_object().is_some_and(serde_json::Map::is_empty);
            (!is_empty).then(|| value.to_string())
        };
        let ulimits = self
            .ulimit
            .iter()
            .map(|UlimitFlag(one)| json!({ "Name": one.name, "Hard": one.hard, "Soft": one.soft }));
        let mut call = call
            .maybe("buildargs", some(json!(self.arguments())))
            .maybe("labels", some(json!(labels)))
            .maybe("cachefrom", some(json!(self.cache_from)))
            .maybe("buildcontexts", some(json!(contexts)))
            .maybe("ulimits", some(ulimits.collect()))
            .maybe("securityopt", some(json!(self.security_opt)))
            .maybe("onfail", self.on_fail.as_ref())
            .maybe("cgroupparent", self.cgroup_parent.as_ref())
            .maybe("cpuperiod", number(self.cpu_period))
            .maybe("cpuquota", number(self.cpu_quota))
            .maybe("cpushares", number(self.cpu_shares))
            .maybe("cpusetcpus", self.cpuset_cpus.as_ref())
            .maybe("cpusetmems", self.cpuset_mems.as_ref())
            .maybe("isolation", self.isolation.as_ref())
            .maybe("memory", number(self.memory.map(|size| size.0)))
            .maybe("memswap", number(self.memory_swap.map(|size| size.0)))
            .maybe("shmsize", number(self.shm_size.map(|size| size.0)))
            .maybe("platform", self.platform.as_ref())
            .maybe("target", self.target.as_ref())
            .query("networkmode", self.network.as_str())
            .query("rm", "1")
            .flag("pull", self.pull);
        for host in &self.add_host {
            call = call.query("extrahosts", host.as_str());
        }
        Ok(call)
    }

    fn contexts(&self) -> Result<BTreeMap<&str, &str>> {
        let each = self.build_context.iter().map(|text| {
            let split = text.split_once('=');
            let (name, place) = split.with_context(|| format!("invalid context value: {text}, expected key=value"))?;
            if !place.starts_with("docker-image://") && !is_address(place) {
                bail!("--build-context {name}: docker-image:// and addresses are built, files are not yet; docker buildx build has them");
            }
            Ok((name, place))
        });
        each.collect()
    }

    /// The header with all secrets, if there are any.
    pub(super) fn secrets(&self) -> Result<Option<HeaderValue>> {
        if self.secret.is_empty() {
            return Ok(None);
        }
        let mut all: BTreeMap<String, String> = BTreeMap::new();
        for text in &self.secret {
            let (id, bytes) = secret(text)?;
            all.insert(id, STANDARD.encode(bytes));
        }
        let header = STANDARD.encode(serde_json::to_vec(&all)?);
        if header.len() > SECRETS_HEADER_BYTES_MAX {
            bail!(
                "the secrets are too long: {SECRETS_HEADER_BYTES_MAX} bytes are taken once they are encoded twice"
            );
        }
        let mut header = HeaderValue::try_from(header)?;
        header.set_sensitive(true);
        Ok(Some(header))
    }
}
