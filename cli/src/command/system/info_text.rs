//! `gantry info` without `--format`: docker's text.

use std::fmt::{Display, Write as _};

use serde_json::Value;

use crate::format::binary_size;

/// The client's part.
pub(super) fn client(info: &Value) -> String {
    format!(
        "Client:\n Version:    {}\n Context:    {}\n Debug Mode: {}\n",
        text(&info["Version"]),
        text(&info["Context"]),
        info["Debug"]
    )
}

/// The engine's part.
pub(super) fn server(info: &Value) -> String {
    let mut page = Page {
        info,
        text: String::from("\nServer:\n"),
    };
    page.counts();
    page.storage();
    page.plugins();
    page.runtimes();
    page.security();
    page.machine();
    page.settings();
    page.text.push('\n');
    page.text
}

struct Page<'a> {
    info: &'a Value,
    text: String,
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

impl Page<'_> {
    fn line(&mut self, title: &str, value: impl Display) {
        let _ = writeln!(self.text, " {title}: {value}");
    }

    fn get(&self, key: &str) -> String {
        text(&self.info[key])
    }

    fn field(&mut self, title: &str, key: &str) {
        let value = self.get(key);
        self.line(title, value);
    }

    /// A line that is left out where the engine says nothing.
    fn optional(&mut self, title: &str, key: &str) {
        let value = self.get(key);
        if !value.is_empty() {
            self.line(title, value);
        }
    }

    fn counts(&mut self) {
        self.field("Containers", "Containers");
        self.field(" Running", "ContainersRunning");
        self.field(" Paused", "ContainersPaused");
        self.field(" Stopped", "ContainersStopped");
        self.field("Images", "Images");
        self.optional("Server Version", "ServerVersion");
    }

    fn storage(&mut self) {
        self.optional("Storage Driver", "Driver");
        for pair in self.info["DriverStatus"].as_array().into_iter().flatten() {
            let _ = writeln!(self.text, "  {}: {}", text(&pair[0]), text(&pair[1]));
        }
        self.optional("Logging Driver", "LoggingDriver");
        self.optional("Cgroup Driver", "CgroupDriver");
        self.optional("Cgroup Version", "CgroupVersion");
    }

    fn plugins(&mut self) {
        let plugins = &self.info["Plugins"];
        let _ = writeln!(self.text, " Plugins:");
        for kind in ["Volume", "Network", "Authorization", "Log"] {
            let names: Vec<String> = plugins[kind]
                .as_array()
                .into_iter()
                .flatten()
                .map(text)
                .collect();
            if kind != "Authorization" || !names.is_empty() {
                let _ = writeln!(self.text, "  {kind}: {}", names.join(" "));
            }
        }
        self.block("CDI spec directories", "CDISpecDirs");
        let swarm = text(&self.info["Swarm"]["LocalNodeState"]);
        if !swarm.is_empty() {
            self.line("Swarm", swarm);
        }
    }

    fn runtimes(&mut self) {
        let names = self.info["Runtimes"].as_object().into_iter().flatten();
        let mut names: Vec<&str> = names.map(|(name, _)| name.as_str()).collect();
        if !names.is_empty() {
            names.sort_unstable();
            self.line("Runtimes", names.join(" "));
            self.field("Default Runtime", "DefaultRuntime");
        }
        if self.info["OSType"] != "linux" {
            return;
        }
        self.field("Init Binary", "InitBinary");
        for (title, key) in [
            ("containerd", "ContainerdCommit"),
            ("runc", "RuncCommit"),
            ("init", "InitCommit"),
        ] {
            let id = text(&self.info[key]["ID"]);
            self.line(&format!("{title} version"), id);
        }
    }

    fn security(&mut self) {
        let options: Vec<String> = self.info["SecurityOptions"]
            .as_array()
            .into_iter()
            .flatten()
            .map(text)
            .collect();
        if options.is_empty() {
            return;
        }
        let _ = writeln!(self.text, " Security Options:");
        for option in options {
            for pair in option.split(',') {
                match pair.split_once('=') {
                    Some(("name", name)) => {
                        let _ = writeln!(self.text, "  {name}");
                    }
                    Some((key, value)) => {
                        let mut letters = key.chars();
                        let first = letters.next().map(|c| c.to_ascii_uppercase());
                        let key: String = first.into_iter().chain(letters).collect();
                        let _ = writeln!(self.text, "   {key}: {value}");
                    }
                    None => {}
                }
            }
        }
    }

    fn machine(&mut self) {
        self.optional("Kernel Version", "KernelVersion");
        self.optional("Operating System", "OperatingSystem");
        self.optional("OSType", "OSType");
        self.optional("Architecture", "Architecture");
        self.field("CPUs", "NCPU");
        let memory = self.info["MemTotal"].as_f64().unwrap_or(0.0);
        self.line("Total Memory", binary_size(memory));
        self.optional("Name", "Name");
        self.optional("ID", "ID");
        self.optional("Docker Root Dir", "DockerRootDir");
    }

    fn settings(&mut self) {
        self.field("Debug Mode", "Debug");
        for (title, key) in [
            ("HTTP Proxy", "HttpProxy"),
            ("HTTPS Proxy", "HttpsProxy"),
            ("No Proxy", "NoProxy"),
        ] {
            self.optional(title, key);
        }
        self.block("Labels", "Labels");
        self.field("Experimental", "ExperimentalBuild");
        let registries = &self.info["RegistryConfig"];
        let insecure = registries["InsecureRegistryCIDRs"]
            .as_array()
            .into_iter()
            .flatten();
        let mut insecure: Vec<String> = insecure.map(text).collect();
        let named = registries["IndexConfigs"].as_object().into_iter().flatten();
        let named = named.filter(|(_, index)| index["Secure"] == false);
        insecure.splice(0..0, named.map(|(name, _)| name.clone()));
        if !insecure.is_empty() {
            let _ = writeln!(
                self.text,
                " Insecure Registries:\n  {}",
                insecure.join("\n  ")
            );
        }
        let mirrors: Vec<String> = registries["Mirrors"]
            .as_array()
            .into_iter()
            .flatten()
            .map(text)
            .collect();
        if !mirrors.is_empty() {
            let _ = writeln!(self.text, " Registry Mirrors:\n  {}", mirrors.join("\n  "));
        }
        self.field("Live Restore Enabled", "LiveRestoreEnabled");
        self.optional("Product License", "ProductLicense");
        let firewall = text(&self.info["FirewallBackend"]["Driver"]);
        if !matches!(firewall.as_str(), "" | "iptables") {
            self.line("Firewall Backend", firewall);
        }
    }

    fn block(&mut self, title: &str, key: &str) {
        let lines: Vec<String> = self.info[key]
            .as_array()
            .into_iter()
            .flatten()
            .map(text)
            .collect();
        if !lines.is_empty() {
            let _ = writeln!(self.text, " {title}:\n  {}", lines.join("\n  "));
        }
    }
}
