//! `cargo xtask vm -- COMMAND`: COMMAND as root in a small virtual machine: Debian, pure cgroup v2,
//! AppArmor, with systemd as init if asked.
//!
//! The guest boots a kernel and a root disk made here once, from Debian's packages, under
//! `target/vm`; nothing is installed on the machine. The working directory and the workspace are
//! shared with it at the same paths. Where the processor cannot virtualise, qemu emulates it, about
//! ten times slower.

mod build;
mod guest;
mod machine;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// What a run was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) systemd: bool,
    /// Folders shared besides the workspace, the target folder and the working directory.
    pub(crate) shares: Vec<PathBuf>,
    /// How long the command may take.
    pub(crate) timeout: Duration,
    /// A name under which the root disk is kept between runs: a machine that reboots.
    pub(crate) disk: Option<String>,
    pub(crate) command: Vec<String>,
}

/// Builds what is missing, runs the command, and gives its exit code.
///
/// # Errors
/// When the machine cannot be built or does not come up, with the end of its console.
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    Ok(ExitCode::from(execute(&parse(args)?)?))
}

/// The same for the project's own tests; the exit code as it is.
///
/// # Errors
/// As `run`.
pub(crate) fn execute(order: &Order) -> Result<u8> {
    let home = home()?;
    let parts = build::all(&home)?;
    machine::run(&home, &parts, order)
}

/// Removes a kept disk, so that the next run with its name begins with a clean one.
///
/// # Errors
/// When it is there and cannot be removed.
pub(crate) fn forget_disk(name: &str) -> Result<()> {
    let disk = machine::disk_path(&home()?, name)?;
    match std::fs::remove_file(&disk) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("cannot remove {}", disk.display()))
        }
        _ => Ok(()),
    }
}

fn home() -> Result<PathBuf> {
    Ok(workspace::target()?.join("vm"))
}

fn parse(args: &[String]) -> Result<Order> {
    let mut order = Order {
        systemd: false,
        shares: Vec::new(),
        timeout: Duration::from_secs(1800),
        disk: None,
        command: Vec::new(),
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--systemd" => order.systemd = true,
            "--share" => order.shares.push(PathBuf::from(value()?)),
            "--timeout" => order.timeout = Duration::from_secs(value()?.parse()?),
            "--disk" => order.disk = Some(value()?.clone()),
            "--" => {
                order.command = args.cloned().collect();
                break;
            }
            other => bail!("`cargo xtask vm` has no {other}; the command goes after --"),
        }
    }
    if order.command.is_empty() {
        bail!("what should the machine run? cargo xtask vm -- COMMAND…");
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options_stop_at_the_command() {
        let order = parse(&words("--systemd --timeout 5 -- ls --systemd")).expect("parses");
        assert!(order.systemd);
        assert_eq!(order.timeout.as_secs(), 5);
        assert_eq!(order.command, ["ls", "--systemd"]);
        assert!(parse(&words("ls")).is_err());
        assert!(parse(&words("--timeout -- ls")).is_err());
        assert!(parse(&[]).is_err());
    }
}
