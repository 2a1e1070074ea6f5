//! Flags on privileges, namespaces and devices.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context as _, bail};
use gantry_engine_api::HostConfig;

use super::devices::{devices, rule};
use super::env::key_values;

#[derive(Debug, clap::Args)]
pub(crate) struct SecurityFlags {
    /// Add a Linux capability
    #[arg(long, value_name = "list")]
    cap_add: Vec<String>,
    /// Drop a Linux capability
    #[arg(long, value_name = "list")]
    cap_drop: Vec<String>,
    /// Parent control group of the container
    #[arg(long, value_name = "string")]
    cgroup_parent: Option<String>,
    /// Control group namespace (host|private)
    #[arg(long, value_name = "string")]
    cgroupns: Option<String>,
    /// Add a host device to the container
    #[arg(long, value_name = "list")]
    device: Vec<String>,
    /// Add a rule to the list of allowed devices
    #[arg(long, value_name = "list", value_parser = rule)]
    device_cgroup_rule: Vec<String>,
    /// GPU devices to add to the container ('all' to pass all of them)
    #[arg(long, value_name = "gpu-request")]
    gpus: Option<String>,
    /// IPC mode to use
    #[arg(long, value_name = "string")]
    ipc: Option<String>,
    /// Container isolation technology (Windows)
    #[arg(long, value_name = "string")]
    isolation: Option<String>,
    /// PID namespace to use
    #[arg(long, value_name = "string")]
    pid: Option<String>,
    /// Give extended privileges to the container
    #[arg(long)]
    privileged: bool,
    /// OCI runtime to use for this container
    #[arg(long, value_name = "string")]
    runtime: Option<String>,
    /// Security options
    #[arg(long, value_name = "list")]
    security_opt: Vec<String>,
    /// Sysctl options
    #[arg(long, value_name = "map", value_parser = sysctl)]
    sysctl: Vec<String>,
    /// User namespace to use
    #[arg(long, value_name = "string")]
    userns: Option<String>,
    /// UTS namespace to use
    #[arg(long, value_name = "string")]
    uts: Option<String>,
}

impl SecurityFlags {
    pub(crate) fn apply(&self, host: &mut HostConfig) -> anyhow::Result<()> {
        if self.gpus.is_some() {
            bail!("--gpus is not built yet; pass the devices with --device");
        }
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        check_mode("--pid: invalid PID mode", &text(&self.pid), &["host"], true)?;
        check_mode(
            "--uts: invalid UTS mode",
            &text(&self.uts),
            &["host"],
            false,
        )?;
        check_mode(
            "--userns: invalid USER mode",
            &text(&self.userns),
            &["host"],
            false,
        )?;
        let cgroupns = text(&self.cgroupns);
        check_mode(
            "--cgroupns: invalid CGROUP mode",
            &cgroupns,
            &["host", "private"],
            false,
        )?;
        let (mappings, requests) = devices(&self.device)?;
        host.cap_add = capabilities(&self.cap_add).into_iter().collect();
        host.cap_drop = capabilities(&self.cap_drop).into_iter().collect();
        host.cgroup_parent = text(&self.cgroup_parent);
        host.cgroupns_mode = cgroupns;
        host.devices = mappings.into();
        host.device_requests = requests.into();
        host.device_cgroup_rules = self.device_cgroup_rule.clone().into();
        host.ipc_mode = text(&self.ipc);
        host.isolation = text(&self.isolation);
        host.pid_mode = text(&self.pid);
        host.privileged = self.privileged;
        host.runtime = text(&self.runtime);
        host.sysctls = key_values(&self.sysctl).into_iter().collect();
        host.userns_mode = text(&self.userns);
        host.uts_mode = text(&self.uts);
        self.security_options(host)
    }

    /// `seccomp=FILE` carries the file's content; `systempaths=unconfined` unmasks paths.
    fn security_options(&self, host: &mut HostConfig) -> anyhow::Result<()> {
        let mut options = Vec::new();
        for option in &self.security_opt {
            if option == "systempaths=unconfined" {
                host.masked_paths = Vec::new().into();
                host.readonly_paths = Vec::new().into();
                continue;
            }
            let pair = option.split_once('=').or_else(|| option.split_once(':'));
            match pair {
                None if option != "no-new-privileges" => {
                    bail!("Invalid --security-opt: \"{option}\"")
                }
                Some(("seccomp", profile)) if !matches!(profile, "builtin" | "unconfined") => {
                    options.push(format!("seccomp={}", seccomp_profile(profile)?));
                }
                _ => options.push(option.clone()),
            }
        }
        host.security_opt = options.into();
        Ok(())
    }
}

/// Names in one form, each once; what they mean together is the engine's to say.
fn capabilities(given: &[String]) -> BTreeSet<String> {
    given
        .iter()
        .map(|name| name.trim().to_uppercase())
        .map(|name| match name.as_str() {
            "ALL" | "RESET" => name,
            full if full.starts_with("CAP_") => name,
            short => format!("CAP_{short}"),
        })
        .collect()
}

/// The sysctls that have a namespace of their own.
fn sysctl(text: &str) -> Result<String, String> {
    const NAMED: [&str; 8] = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
    ];
    let name = text.split('=').next().unwrap_or_default();
    let known = NAMED.contains(&name) || name.starts_with("net.") || name.starts_with("fs.mqueue.");
    if known && text.contains('=') {
        Ok(text.to_owned())
    } else {
        Err(format!("sysctl '{text}' is not allowed"))
    }
}

fn seccomp_profile(file: &str) -> anyhow::Result<String> {
    let text =
        fs::read(file).with_context(|| format!("opening seccomp profile ({file}) failed"))?;
    let profile: serde_json::Value = serde_json::from_slice(&text)
        .with_context(|| format!("compacting json for seccomp profile ({file}) failed"))?;
    Ok(profile.to_string())
}

fn check_mode(refusal: &str, mode: &str, words: &[&str], container: bool) -> anyhow::Result<()> {
    let of_container = container
        && mode
            .strip_prefix("container:")
            .is_some_and(|name| !name.is_empty());
    if mode.is_empty() || words.contains(&mode) || of_container {
        return Ok(());
    }
    bail!("{refusal}")
}
