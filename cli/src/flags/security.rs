//! Flags on privileges, namespaces and devices.

use std::fs;

use anyhow::{Context as _, Result, bail};
use gantry_engine_api::HostConfig;

use super::devices::{check_rule, devices};
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
    #[arg(long, value_name = "list")]
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
    #[arg(long, value_name = "map")]
    sysctl: Vec<String>,
    /// User namespace to use
    #[arg(long, value_name = "string")]
    userns: Option<String>,
    /// UTS namespace to use
    #[arg(long, value_name = "string")]
    uts: Option<String>,
}

impl SecurityFlags {
    pub(crate) fn apply(&self, host: &mut HostConfig) -> Result<()> {
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
        for rule in &self.device_cgroup_rule {
            check_rule(rule)?;
        }
        host.cap_add = self.cap_add.clone().into();
        host.cap_drop = self.cap_drop.clone().into();
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
    fn security_options(&self, host: &mut HostConfig) -> Result<()> {
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
                    bail!("invalid --security-opt: \"{option}\"")
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

fn seccomp_profile(file: &str) -> Result<String> {
    let text =
        fs::read(file).with_context(|| format!("opening seccomp profile ({file}) failed"))?;
    let profile: serde_json::Value = serde_json::from_slice(&text)
        .with_context(|| format!("compacting json for seccomp profile ({file}) failed"))?;
    Ok(profile.to_string())
}

fn check_mode(refusal: &str, mode: &str, words: &[&str], container: bool) -> Result<()> {
    let of_container = container
        && mode
            .strip_prefix("container:")
            .is_some_and(|name| !name.is_empty());
    if mode.is_empty() || words.contains(&mode) || of_container {
        return Ok(());
    }
    bail!("{refusal}")
}
