//! Chooses the engine: `-H`, then `--context`, `GANTRY_HOST`, `DOCKER_HOST`, `DOCKER_CONTEXT`, the current context
//! of `config.json`, and last the default socket.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail};
use serde_json::Value;

use super::file::ConfigFile;
use super::host::{DEFAULT_SOCKET, Host};
use crate::exit::Failure;

/// The flags before the command.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct GlobalFlags {
    /// Folder of the client's configuration
    #[arg(long, value_name = "string")]
    pub(crate) config: Option<String>,
    /// Name of the context to use (overrides DOCKER_HOST and the current context)
    #[arg(short, long, value_name = "string")]
    pub(crate) context: Option<String>,
    /// Enable debug mode
    #[arg(short = 'D', long)]
    pub(crate) debug: bool,
    /// Address of the engine to talk to
    #[arg(short = 'H', long, value_name = "list")]
    pub(crate) host: Vec<String>,
    /// Logging level (debug, info, warn, error, fatal)
    #[arg(short, long, value_name = "string", default_value = "info")]
    pub(crate) log_level: String,
    /// Use TLS (not built yet)
    #[arg(long)]
    pub(crate) tls: bool,
    /// Use TLS and verify the remote (not built yet)
    #[arg(long)]
    pub(crate) tlsverify: bool,
    /// Print version information and quit
    #[arg(short, long)]
    pub(crate) version: bool,
}

/// An engine and the context that named it.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) host: Host,
    pub(crate) context: String,
}

/// Finds the engine that the flags, the environment and the configuration name.
pub(crate) fn resolve(flags: &GlobalFlags, config: &ConfigFile) -> Result<Endpoint> {
    if flags.tls || flags.tlsverify || var("DOCKER_TLS_VERIFY").is_some() {
        bail!("TLS is not built yet; use a unix socket or ssh://");
    }
    match flags.host.as_slice() {
        [] => {}
        [_] if flags.context.is_some() => {
            bail!("conflicting options: cannot specify both --host and --context")
        }
        [host] => return direct(host),
        _ => {
            let text = "invalid argument for \"-H, --host\" flag: specify only one -H";
            return Err(Failure::new(125, text).into());
        }
    }
    if let Some(name) = &flags.context {
        return from_context(name, config);
    }
    if let Some(host) = var("GANTRY_HOST").or_else(|| var("DOCKER_HOST")) {
        return direct(&host);
    }
    if let Some(name) = var("DOCKER_CONTEXT") {
        return from_context(&name, config);
    }
    from_context(&config.current_context, config)
}

fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn direct(host: &str) -> Result<Endpoint> {
    Ok(Endpoint {
        host: Host::parse(host)?,
        context: "default".to_owned(),
    })
}

fn from_context(name: &str, config: &ConfigFile) -> Result<Endpoint> {
    if name.is_empty() || name == "default" {
        return direct(&format!("unix://{DEFAULT_SOCKET}"));
    }
    let Some(meta) = contexts(config).into_iter().find(|meta| meta.name == name) else {
        bail!("context \"{name}\": context not found");
    };
    Ok(Endpoint {
        host: Host::parse(&meta.host)?,
        context: meta.name,
    })
}

/// One stored context.
#[derive(Clone, Debug)]
pub(crate) struct StoredContext {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) host: String,
}

/// All contexts of docker's store (`contexts/meta/<digest>/meta.json`), by name.
pub(crate) fn contexts(config: &ConfigFile) -> Vec<StoredContext> {
    let root: PathBuf = config.dir().join("contexts/meta");
    let Ok(entries) = fs::read_dir(root) else {
        return Vec::new();
    };
    let mut found: Vec<StoredContext> = entries
        .flatten()
        .filter_map(|entry| fs::read(entry.path().join("meta.json")).ok())
        .filter_map(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
        .map(|meta| StoredContext {
            name: text(&meta["Name"]),
            description: text(&meta["Metadata"]["Description"]),
            host: text(&meta["Endpoints"]["docker"]["Host"]),
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
