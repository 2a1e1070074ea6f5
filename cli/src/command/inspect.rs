//! `gantry inspect` and the inspect command of each kind of object: the engine's JSON, or a
//! template over it.

use anyhow::{Result, bail};
use serde_json::Value;

use crate::client::{Call, ClientError};
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::{Exit, Failure};
use crate::format::{Missing, Template, go_pretty, plain_compact};

/// Return low-level information on engine objects
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// 'json' or a Go template
    #[arg(short, long, value_name = "string")]
    format: Option<String>,
    /// Show the size of containers
    #[arg(short, long)]
    size: bool,
    /// Only objects of this kind (container, image, network, volume)
    #[arg(long = "type", value_name = "string")]
    kind: Option<String>,
    #[arg(value_name = "NAME|ID")]
    args: Vec<String>,
}

/// The kinds this program asks for, in the order docker tries them.
const KINDS: [&str; 4] = ["container", "image", "network", "volume"];

impl Execute for Inspect {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        const OTHERS: [&str; 6] = ["config", "node", "plugin", "secret", "service", "task"];
        let kind = self.kind.as_deref().unwrap_or_default();
        if !kind.is_empty() && !KINDS.contains(&kind) {
            if OTHERS.contains(&kind) {
                bail!("inspecting a {kind} is not built yet");
            }
            bail!(
                "unknown type: \"{kind}\": must be one of \"config\", \"container\", \"image\", \"network\", \"node\", \"plugin\", \"secret\", \"service\", \"task\", \"volume\""
            );
        }
        let find = async |name: &str| -> Result<Value, Missed> {
            if !kind.is_empty() {
                return Ok(one(cx, kind, name, self.size).value().await?);
            }
            for kind in KINDS {
                match one(cx, kind, name, self.size).value().await {
                    Err(error) if passes(&error) => {}
                    end => return Ok(end?),
                }
            }
            Err(Missed::Nowhere(format!("Error: No such object: {name}")))
        };
        show(cx, self.format.as_deref(), &self.args, find).await
    }
}

/// An object that could not be had.
#[derive(Debug)]
pub(crate) enum Missed {
    Nowhere(String),
    Refused(ClientError),
}

impl From<ClientError> for Missed {
    fn from(error: ClientError) -> Self {
        Self::Refused(error)
    }
}

/// Whether the next kind should be tried: no such object, or a name this kind cannot have.
fn passes(error: &ClientError) -> bool {
    matches!(error.status(), Some(404 | 400 | 501))
}

/// The call that inspects one object.
pub(crate) fn one<'a>(cx: &'a Context, kind: &str, name: &str, size: bool) -> Call<'a> {
    let client = cx.client();
    match kind {
        "container" => client
            .get(format!("/containers/{name}/json"))
            .flag("size", size),
        "image" => client.get(format!("/images/{name}/json")),
        "network" => client.get(format!("/networks/{name}")),
        _ => client.get(format!("/volumes/{name}")),
    }
}

/// Prints all objects that are found; fails with the others' errors.
pub(crate) async fn show(
    cx: &Context,
    format: Option<&str>,
    names: &[String],
    find: impl AsyncFn(&str) -> Result<Value, Missed>,
) -> Result<Exit> {
    let format = format.unwrap_or_default();
    let template = match format {
        "" | "json" => None,
        source => {
            Some(Template::parse(source).map_err(|error| Failure::new(64, error.to_string()))?)
        }
    };
    let mut found = Vec::new();
    let mut errors = Vec::new();
    for name in names {
        match find(name).await {
            Ok(value) => found.push(value),
            Err(Missed::Nowhere(text)) => errors.push(text),
            Err(Missed::Refused(error)) if error.status().is_some() => {
                errors.push(error.to_string());
            }
            Err(Missed::Refused(error)) => return Err(error.into()),
        }
    }
    match &template {
        None if format == "json" => cx.printer.line(plain_compact(&Value::Array(found)))?,
        None => cx.printer.line(go_pretty(&Value::Array(found)))?,
        Some(template) => {
            if found.is_empty() {
                cx.printer.line("")?;
            }
            for value in &found {
                match template.execute(value, Missing::Refuse) {
                    Ok(text) => cx.printer.line(text)?,
                    Err(error) => {
                        cx.printer.line("")?;
                        bail!("template parsing error: {error}");
                    }
                }
            }
        }
    }
    if errors.is_empty() {
        return Ok(Exit::SUCCESS);
    }
    Err(Failure::new(1, errors.join("\n")).into())
}

/// Display detailed information on one or more containers
#[derive(Debug, clap::Args)]
pub(crate) struct InspectContainer {
    /// 'json' or a Go template
    #[arg(short, long, value_name = "string")]
    format: Option<String>,
    /// Show how much disk it takes
    #[arg(short, long)]
    size: bool,
    #[arg(value_name = "CONTAINER")]
    args: Vec<String>,
}

impl Execute for InspectContainer {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let find = async |name: &str| Ok(one(cx, "container", name, self.size).value().await?);
        show(cx, self.format.as_deref(), &self.args, find).await
    }
}

/// Display detailed information on one or more images
#[derive(Debug, clap::Args)]
pub(crate) struct InspectImage {
    /// 'json' or a Go template
    #[arg(short, long, value_name = "string")]
    format: Option<String>,
    /// The platform's variant of the image (linux/amd64)
    #[arg(long, value_name = "string")]
    platform: Option<String>,
    #[arg(value_name = "IMAGE")]
    args: Vec<String>,
}

impl Execute for InspectImage {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let platform = self
            .platform
            .as_deref()
            .map(crate::flags::platform_json)
            .transpose()?;
        let find = async |name: &str| {
            Ok(one(cx, "image", name, false)
                .maybe("platform", platform.clone())
                .value()
                .await?)
        };
        show(cx, self.format.as_deref(), &self.args, find).await
    }
}

/// Display detailed information on one or more networks
#[derive(Debug, clap::Args)]
pub(crate) struct InspectNetwork {
    /// 'json' or a Go template
    #[arg(short, long, value_name = "string")]
    format: Option<String>,
    /// Say more
    #[arg(short, long)]
    verbose: bool,
    #[arg(value_name = "NETWORK")]
    args: Vec<String>,
}

impl Execute for InspectNetwork {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let find = async |name: &str| {
            Ok(one(cx, "network", name, false)
                .flag("verbose", self.verbose)
                .value()
                .await?)
        };
        show(cx, self.format.as_deref(), &self.args, find).await
    }
}

/// Display detailed information on one or more volumes
#[derive(Debug, clap::Args)]
pub(crate) struct InspectVolume {
    /// 'json' or a Go template
    #[arg(short, long, value_name = "string")]
    format: Option<String>,
    #[arg(value_name = "VOLUME")]
    args: Vec<String>,
}

impl Execute for InspectVolume {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let find = async |name: &str| Ok(one(cx, "volume", name, false).value().await?);
        show(cx, self.format.as_deref(), &self.args, find).await
    }
}
