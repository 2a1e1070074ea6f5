//! One run of the machine: shared folders, qemu, the command's output as it comes, its exit code.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::build::Parts;
use super::{Order, guest};
use crate::{command, peers, workspace};

/// How long the machine may take to start the command, emulated on a busy host.
const BOOT: Duration = Duration::from_secs(180);
const MEMORY_MIB: u32 = 2048;

/// Processes that end with the run, whatever happens.
struct Running(Vec<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        for child in self.0.iter_mut().rev() {
            // Gone already is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Boots, runs the command and gives its exit code.
pub(super) fn run(home: &Path, parts: &Parts, order: &Order) -> Result<u8> {
    fs::create_dir_all(home.join("run"))?;
    let job = tempfile::Builder::new()
        .prefix("job-")
        .tempdir_in(home.join("run"))?;
    let shares = shares(order)?;
    write_job(job.path(), order, &shares)?;
    let disk = match &order.disk {
        Some(name) => kept_disk(home, parts, name)?,
        None => parts.disk.clone(),
    };
    let mut running = Running(Vec::new());
    let mut sockets = Vec::new();
    let mut all = vec![("job".to_owned(), job.path().to_path_buf())];
    all.extend(shares);
    for (tag, path) in &all {
        // Sockets have short names: the path of one is limited to 108 bytes.
        let socket = std::env::temp_dir().join(format!("gantry-vm-{}-{tag}", std::process::id()));
        let _ = fs::remove_file(&socket);
        running.0.push(share(parts, &socket, path)?);
        sockets.push((tag.clone(), socket));
    }
    let console = job.path().join("console");
    let qemu = boot(parts, order, &disk, &sockets, &console)?;
    running.0.push(qemu);
    let outcome = follow(job.path(), order, &mut running);
    for (_, socket) in sockets {
        let _ = fs::remove_file(socket);
    }
    outcome.with_context(|| {
        let text = fs::read_to_string(&console).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        format!(
            "its console ended with:\n{}",
            lines[lines.len().saturating_sub(20)..].join("\n")
        )
    })
}

/// The folders shared with the guest, each at its own path, none inside another.
fn shares(order: &Order) -> Result<Vec<(String, PathBuf)>> {
    let mut paths = vec![
        workspace::root(),
        workspace::target()?,
        std::env::current_dir()?,
    ];
    paths.extend(order.shares.clone());
    paths.extend(std::env::var_os("GANTRY_PEERS").map(PathBuf::from));
    let mut paths: Vec<PathBuf> = paths
        .iter()
        .map(fs::canonicalize)
        .collect::<Result<_, _>>()
        .context("a shared folder")?;
    paths.sort();
    let mut kept: Vec<PathBuf> = Vec::new();
    for path in paths {
        if !kept.iter().any(|k| path.starts_with(k)) {
            kept.push(path);
        }
    }
    Ok(kept
        .into_iter()
        .enumerate()
        .map(|(n, p)| (format!("share{n}"), p))
        .collect())
}

fn write_job(job: &Path, order: &Order, shares: &[(String, PathBuf)]) -> Result<()> {
    let lines: Vec<String> = shares
        .iter()
        .map(|(tag, path)| format!("{tag} {}\n", path.display()))
        .collect();
    fs::write(job.join("shares"), lines.concat())?;
    fs::write(
        job.join("directory"),
        std::env::current_dir()?.display().to_string(),
    )?;
    let quoted: Vec<String> = order
        .command
        .iter()
        .map(|a| format!("'{}'", a.replace('\'', r"'\''")))
        .collect();
    fs::write(job.join("command"), format!("exec {}\n", quoted.join(" ")))?;
    for name in ["out", "err"] {
        File::create(job.join(name))?;
    }
    if order.systemd {
        File::create(job.join("systemd"))?;
    }
    if order.disk.is_some() {
        File::create(job.join("keep"))?;
    }
    guest::write_script(&job.join("init"), guest::TINY_INIT)?;
    guest::write_script(&job.join("agent"), guest::AGENT)?;
    fs::write(job.join("command.service"), guest::UNIT)?;
    Ok(())
}

/// Where the disk kept under `name` is.
pub(super) fn disk_path(home: &Path, name: &str) -> Result<PathBuf> {
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') || name.is_empty() {
        bail!("--disk: letters, digits and - only, not {name:?}");
    }
    Ok(home.join(format!("disk-{name}.ext4")))
}

/// The disk kept under `name`; the clean one is copied at its first use.
fn kept_disk(home: &Path, parts: &Parts, name: &str) -> Result<PathBuf> {
    let disk = disk_path(home, name)?;
    if !disk.exists() {
        let mut copy = Command::new("cp");
        copy.args(["--sparse=always", "--reflink=auto"])
            .arg(&parts.disk)
            .arg(&disk);
        command::output(&mut copy)?;
    }
    Ok(disk)
}

/// A tool of the unpacked root, run by the loader and with the libraries it came with.
fn tool(parts: &Parts, name: &str) -> Result<Command> {
    let mut files = Vec::new();
    for dir in ["usr/bin", "usr/lib/qemu", "usr/libexec"] {
        let dir = parts.tools.join(dir);
        if dir.exists() {
            peers::walk(&dir, &mut files)?;
        }
    }
    let program = files
        .iter()
        .find(|f| f.file_name().is_some_and(|n| n == name));
    let program = program.with_context(|| format!("the unpacked tools hold no {name}"))?;
    let libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"]
        .map(|d| parts.tools.join(d).display().to_string());
    let loader = [
        "lib64",
        "usr/lib64",
        "lib/x86_64-linux-gnu",
        "usr/lib/x86_64-linux-gnu",
    ]
    .map(|d| parts.tools.join(d).join("ld-linux-x86-64.so.2"));
    let loader = loader
        .iter()
        .find(|l| l.exists())
        .context("the unpacked tools hold no loader")?;
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    command
        .arg(loader)
        .arg("--library-path")
        .arg(libraries.join(":"))
        .arg(program);
    Ok(command)
}

fn share(parts: &Parts, socket: &Path, path: &Path) -> Result<Child> {
    let mut daemon = tool(parts, "virtiofsd")?;
    daemon.arg(format!("--socket-path={}", socket.display()));
    daemon.arg("-o").arg(format!("source={}", path.display()));
    daemon.args([
        "-o",
        "cache=auto",
        "-o",
        "xattr",
        "-o",
        "sandbox=chroot",
        "--thread-pool-size=0",
    ]);
    daemon
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = daemon.spawn().context("virtiofsd")?;
    let start = Instant::now();
    while !socket.exists() {
        if child.try_wait()?.is_some() || start.elapsed() > Duration::from_secs(10) {
            bail!("virtiofsd did not start for {}", path.display());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(child)
}

fn boot(
    parts: &Parts,
    order: &Order,
    disk: &Path,
    sockets: &[(String, PathBuf)],
    console: &Path,
) -> Result<Child> {
    let mut qemu = tool(parts, "qemu-system-x86_64")?;
    qemu.env(
        "QEMU_MODULE_DIR",
        parts.tools.join("usr/lib/x86_64-linux-gnu/qemu"),
    );
    let firmware = ["usr/share/seabios", "usr/share/qemu"].map(|d| parts.tools.join(d));
    for dir in firmware {
        qemu.arg("-L").arg(dir);
    }
    qemu.args([
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
    ]);
    let kvm = usable_kvm();
    qemu.args([
        "-M",
        "q35,usb=off,sata=off,smbus=off,vmport=off,memory-backend=mem",
    ]);
    qemu.args(if kvm {
        ["-accel", "kvm", "-cpu", "host"]
    } else {
        ["-accel", "tcg,thread=multi", "-cpu", "max"]
    });
    qemu.args(["-smp", "2", "-m", &MEMORY_MIB.to_string(), "-object"]);
    qemu.arg(format!(
        "memory-backend-memfd,id=mem,size={MEMORY_MIB}M,share=on"
    ));
    qemu.arg("-kernel")
        .arg(&parts.kernel)
        .arg("-initrd")
        .arg(&parts.initrd);
    qemu.args([
        "-append",
        "console=ttyS0 quiet loglevel=4 panic=-1 reboot=t no_timer_check \
        mitigations=off nokaslr apparmor=1 lsm=landlock,yama,apparmor,bpf random.trust_cpu=on \
        systemd.unified_cgroup_hierarchy=1 systemd.show_status=false cgroup_no_v1=all",
    ]);
    qemu.arg("-chardev")
        .arg(format!("file,id=console,path={}", console.display()));
    qemu.args(["-serial", "chardev:console", "-drive"]);
    let snapshot = if order.disk.is_some() { "off" } else { "on" };
    let disk = disk.display();
    qemu.arg(format!(
        "if=virtio,file={disk},format=raw,cache=unsafe,snapshot={snapshot}"
    ));
    for (tag, socket) in sockets {
        qemu.arg("-chardev")
            .arg(format!("socket,id={tag},path={}", socket.display()));
        qemu.arg("-device")
            .arg(format!("vhost-user-fs-pci,chardev={tag},tag={tag}"));
    }
    qemu.stdin(Stdio::null()).stdout(Stdio::null());
    qemu.spawn().context("qemu")
}

/// A /dev/kvm on a processor that does not show the feature does not boot.
fn usable_kvm() -> bool {
    let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let shown = flags.split_whitespace().any(|w| w == "vmx" || w == "svm");
    shown
        && File::options()
            .read(true)
            .write(true)
            .open("/dev/kvm")
            .is_ok()
}

/// Copies what the command writes as it comes, until its exit code is there.
fn follow(job: &Path, order: &Order, running: &mut Running) -> Result<u8> {
    let start = Instant::now();
    let mut out = File::open(job.join("out"))?;
    let mut err = File::open(job.join("err"))?;
    loop {
        let ended = running
            .0
            .last_mut()
            .is_some_and(|q| q.try_wait().is_ok_and(|s| s.is_some()));
        let code = fs::read_to_string(job.join("exit")).ok();
        pass(&mut out, &mut std::io::stdout())?;
        pass(&mut err, &mut std::io::stderr())?;
        if let Some(code) = code {
            if order.disk.is_some() && !ended && start.elapsed() < order.timeout + BOOT {
                // Its disk is whole only once it has powered off.
                std::thread::sleep(Duration::from_millis(50));
                continue;
            }
            return code
                .trim()
                .parse()
                .with_context(|| format!("the exit code {code:?}"));
        }
        if ended {
            bail!("the machine ended before the command did");
        }
        if !job.join("state").exists() && start.elapsed() > BOOT {
            bail!("the machine did not start the command within {BOOT:?}");
        }
        if start.elapsed() > order.timeout {
            bail!("the command did not end within {:?}", order.timeout);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn pass(from: &mut File, to: &mut dyn Write) -> Result<()> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes)?;
    to.write_all(&bytes)?;
    to.flush()?;
    Ok(())
}
