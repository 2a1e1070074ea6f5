//! Debian packages that tests need, installed when they are missing.

use std::process::Command;

use anyhow::{Context, Result};

use crate::command;

/// Everything the tests need from Debian, and why. Never docker.io: its installation starts a
/// daemon and changes the host's firewall.
pub(crate) const PACKAGES: &[(&str, &str)] = &[
    ("busybox-static", "a root filesystem of one file"),
    (
        "iproute2",
        "`ip`, to look at what our netlink messages made",
    ),
    (
        "nftables",
        "`nft`, to look at what our nftables messages made",
    ),
    ("patchelf", "binds the stock engines to their own libraries"),
    ("procps", "`ps`, for top"),
];

/// Installs those that are missing; silent when there is nothing to do.
pub(crate) fn install() -> Result<()> {
    let missing: Vec<&str> = PACKAGES
        .iter()
        .map(|(p, _)| *p)
        .filter(|p| !installed(p))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    command::say(&format!("installing {}", missing.join(" ")));
    let apt = |args: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.args(["-qq", "-o", "Acquire::Retries=3"]).args(args);
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        command::output(&mut apt).map(|_| ())
    };
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(&missing);
    if apt(&install).is_ok() {
        return Ok(());
    }
    apt(&["update"])?;
    apt(&install).with_context(|| format!("the tests need {}", missing.join(", ")))
}

fn installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["-W", "-f=${Status}", package])
        .output()
        .is_ok_and(|o| o.status.success() && o.stdout.ends_with(b"install ok installed"))
}
