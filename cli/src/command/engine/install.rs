//! `gantry engine install`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::units::{Choice, GROUP, units};
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;

/// Where a unit that an administrator installs lives.
const FOLDER: &str = "etc/systemd/system";

/// Write the engine's systemd units
#[derive(Debug, clap::Args)]
pub(crate) struct Install {
    /// Folder whose bin/ holds the programs (the folder this program is in, if none is named)
    #[arg(long, value_name = "string")]
    prefix: Option<PathBuf>,
    /// Write beneath this folder instead of /
    #[arg(long, value_name = "string", default_value = "/")]
    root: PathBuf,
    /// Serve docker's own socket, /run/docker.sock, too; only where no Docker is installed
    #[arg(long)]
    docker_socket: bool,
    /// Print the units and write nothing
    #[arg(long)]
    dry_run: bool,
}

impl Execute for Install {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let bin = match &self.prefix {
            Some(prefix) => std::path::absolute(prefix)?.join("bin"),
            None => {
                let own = std::env::current_exe()?;
                own.parent().map(Path::to_owned).unwrap_or_default()
            }
        };
        let docker = docker_at(&self.root);
        if let (true, Some(found)) = (self.docker_socket, &docker) {
            bail!(
                "Docker is installed ({}); /run/docker.sock stays its own",
                found.display()
            );
        }
        let folder = self.root.join(FOLDER);
        let choice = Choice {
            docker_socket: self.docker_socket,
            has_group: has_group(&self.root),
        };
        for (name, text) in units(&bin, choice) {
            let path = folder.join(name);
            if self.dry_run {
                cx.printer.line(format!("# {}\n{text}", path.display()))?;
                continue;
            }
            write(&path, &text)?;
            cx.printer.say(format!("wrote {}", path.display()));
        }
        if !self.dry_run {
            cx.printer.say("next: systemctl daemon-reload && systemctl enable --now gantryd.socket gantryd.service gantry-shutdown.service");
        }
        if !choice.has_group {
            cx.printer.say(format!("there is no group {GROUP} here, so only root may use the engine; for others: groupadd --system {GROUP}, and install again"));
        }
        if docker.is_none() && !self.docker_socket {
            cx.printer.say("no Docker is installed here: with --docker-socket its clients find Gantry at /run/docker.sock without any setting");
        }
        Ok(Exit::SUCCESS)
    }
}

/// Whether the machine has the group the socket is to belong to.
fn has_group(root: &Path) -> bool {
    let groups = fs::read_to_string(root.join("etc/group")).unwrap_or_default();
    groups
        .lines()
        .any(|line| line.split(':').next() == Some(GROUP))
}

/// A sign of an installed Docker.
fn docker_at(root: &Path) -> Option<PathBuf> {
    const SIGNS: [&str; 6] = [
        "usr/bin/dockerd",
        "usr/sbin/dockerd",
        "usr/local/bin/dockerd",
        "lib/systemd/system/docker.socket",
        "etc/systemd/system/docker.socket",
        "run/docker.sock",
    ];
    SIGNS
        .iter()
        .map(|sign| root.join(sign))
        .find(|path| path.exists())
}

/// Written beside and renamed: systemd never reads half a unit.
fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().context("a unit has a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    let draft = path.with_extension("draft");
    fs::write(&draft, text).with_context(|| format!("write {}", draft.display()))?;
    fs::rename(&draft, path).with_context(|| format!("rename to {}", path.display()))
}
