//! Makes the machine's parts, once: qemu and its companions, the root disk, kernel and initrd.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::guest;
use crate::{apt, command, peers};

/// Unpacked, not installed: the emulator, the file sharing daemon, the builder of root disks.
const TOOLS: &[&str] = &["qemu-system-x86", "qemu-system-common", "mmdebstrap"];

/// What the guest has besides Debian's minimum.
const GUEST: &[&str] = &[
    "apparmor",
    "busybox-static",
    "ca-certificates",
    "dbus",
    "iproute2",
    "iptables",
    "kmod",
    "linux-image-cloud-amd64",
    "nftables",
    "procps",
    "systemd",
    "systemd-sysv",
];

/// Units that only cost time in a machine without hardware, network or logins.
const MASKED: &[&str] = &[
    "apparmor.service",
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty.target",
    "getty@tty1.service",
    "modprobe@configfs.service",
    "modprobe@dm_mod.service",
    "modprobe@drm.service",
    "modprobe@efi_pstore.service",
    "modprobe@loop.service",
    "nftables.service",
    "remote-fs.target",
    "systemd-binfmt.service",
    "systemd-modules-load.service",
    "systemd-pstore.service",
    "systemd-random-seed.service",
    "systemd-remount-fs.service",
    "systemd-sysusers.service",
    "systemd-tmpfiles-clean.timer",
    "systemd-update-utmp-runlevel.service",
    "systemd-update-utmp.service",
];

/// Modules that find the disk and the shared folders.
const EARLY_MODULES: &[&str] = &["virtio_pci", "virtio_blk", "ext4", "virtiofs"];

/// The finished parts.
pub(super) struct Parts {
    pub(super) tools: PathBuf,
    pub(super) disk: PathBuf,
    pub(super) kernel: PathBuf,
    pub(super) initrd: PathBuf,
}

/// Builds what is missing under `home`.
pub(super) fn all(home: &Path) -> Result<Parts> {
    let parts = Parts {
        tools: home.join("tools"),
        disk: home.join("root.ext4"),
        kernel: home.join("vmlinuz"),
        initrd: home.join("initrd"),
    };
    let mark = home.join("complete");
    let wanted = format!("{TOOLS:?} {GUEST:?} {MASKED:?} {}", guest::INIT);
    if fs::read_to_string(&mark).is_ok_and(|m| m == wanted) {
        return Ok(parts);
    }
    fs::create_dir_all(home)?;
    let lock = fs::File::create(home.join("lock"))?;
    lock.lock().context("another build of the machine")?;
    if fs::read_to_string(&mark).is_ok_and(|m| m == wanted) {
        return Ok(parts);
    }
    command::say("building a virtual machine under target/vm (a minute or two, once)");
    peers::remove(&parts.tools)?;
    apt::unpack(None, TOOLS, &parts.tools)?;
    let root = home.join("root");
    peers::remove(&root)?;
    apt::tree(&parts.tools, GUEST, &root)?;
    boot_files(&parts, &root, home)?;
    prepare(&root)?;
    make_disk(&parts.disk, &root)?;
    peers::remove(&root)?;
    fs::write(&mark, wanted)?;
    Ok(parts)
}

/// Takes the kernel out of the guest's root and packs the initial ram disk.
fn boot_files(parts: &Parts, root: &Path, home: &Path) -> Result<()> {
    let modules = root.join("lib/modules");
    let version = fs::read_dir(&modules)?
        .next()
        .context("the guest has no kernel")??
        .file_name();
    let version = version.to_string_lossy().into_owned();
    fs::copy(root.join(format!("boot/vmlinuz-{version}")), &parts.kernel)?;
    let ram = home.join("initrd.d");
    peers::remove(&ram)?;
    for dir in ["bin", "dev", "modules", "newroot", "proc", "sys"] {
        fs::create_dir_all(ram.join(dir))?;
    }
    let busybox = ["bin/busybox", "usr/bin/busybox"]
        .iter()
        .map(|b| root.join(b));
    let busybox = busybox
        .into_iter()
        .find(|b| b.exists())
        .context("the guest has no busybox")?;
    fs::copy(&busybox, ram.join("bin/busybox"))?;
    guest::write_script(&ram.join("init"), guest::INIT)?;
    let mut modprobe = Command::new("chroot");
    modprobe
        .arg(root)
        .args(["/sbin/modprobe", "-S", &version, "-D", "-a"])
        .args(EARLY_MODULES);
    let mut seen = Vec::new();
    for line in command::output(&mut modprobe)?.lines() {
        let Some(path) = line.strip_prefix("insmod ").map(str::trim) else {
            continue;
        };
        if seen.contains(&path.to_owned()) {
            continue;
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        let to = ram
            .join("modules")
            .join(format!("{:02}-{name}", seen.len()));
        fs::copy(root.join(path.trim_start_matches('/')), &to)
            .with_context(|| format!("the module {path}"))?;
        seen.push(path.to_owned());
    }
    let pack = "find . | \"$0\" cpio -o -H newc >\"$1\"";
    let mut sh = Command::new("sh");
    sh.current_dir(&ram)
        .args(["-c", pack])
        .arg(&busybox)
        .arg(&parts.initrd);
    command::output(&mut sh)?;
    peers::remove(&ram)
}

/// Leaves out what a throw-away machine does not need.
fn prepare(root: &Path) -> Result<()> {
    for (file, text) in [
        ("etc/hostname", "vm\n"),
        ("etc/hosts", "127.0.0.1 localhost vm\n::1 localhost\n"),
        ("etc/fstab", ""),
        ("etc/machine-id", ""),
        ("etc/tmpfiles.d/tmp.conf", "d /tmp 1777 root root -\n"),
    ] {
        fs::write(root.join(file), text).with_context(|| format!("the guest's {file}"))?;
    }
    let units = root.join("etc/systemd/system");
    for unit in MASKED {
        let link = units.join(unit);
        // A unit may be there as a link already.
        let _ = fs::remove_file(&link);
        symlink("/dev/null", &link)?;
    }
    fs::create_dir_all(root.join("etc/systemd/system-generators"))?;
    for generator in ["systemd-getty-generator", "systemd-gpt-auto-generator"] {
        symlink(
            "/dev/null",
            root.join("etc/systemd/system-generators").join(generator),
        )?;
    }
    let target = units.join("default.target");
    let _ = fs::remove_file(&target);
    symlink("/lib/systemd/system/multi-user.target", target)?;
    for dir in ["usr/share/doc", "usr/share/man", "usr/share/locale", "boot"] {
        peers::remove(&root.join(dir))?;
    }
    Ok(())
}

fn make_disk(disk: &Path, root: &Path) -> Result<()> {
    let file = fs::File::create(disk)?;
    file.set_len(10 << 30)?;
    let mut mkfs = Command::new("mkfs.ext4");
    mkfs.args([
        "-q",
        "-F",
        "-m",
        "0",
        "-E",
        "lazy_itable_init=1,lazy_journal_init=1",
        "-d",
    ]);
    command::output(mkfs.arg(root).arg(disk)).map(|_| ())
}
