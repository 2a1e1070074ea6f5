//! What an engine may leave behind, and how it is found: by the word in its names and by the
//! folder it lives in.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Pid, Signal, kill_process};

use crate::patience;

/// How long the kernel's objects may take to go after their container (DESIGN: teardown queue).
const GONE_WITHIN: Duration = Duration::from_secs(2);

/// Stock dockerd keeps one mount for `--network host`; it belongs to the engine.
const HOST_NETNS: &str = "/netns/default";

/// What stood on the machine before an engine was started.
#[derive(Debug)]
pub struct Snapshot {
    mounts: BTreeSet<String>,
    links: BTreeSet<String>,
}

impl Snapshot {
    /// The state now.
    #[must_use]
    pub fn take() -> Self {
        Self {
            mounts: mounts(),
            links: entries(Path::new("/sys/class/net")),
        }
    }

    /// What an engine that has ended left: lines for people, empty when clean. Only what bears its
    /// name counts: other tests run beside it.
    #[must_use]
    pub fn left_since(&self, name: &str, dir: &Path) -> String {
        let mut left = String::new();
        let ours = dir.to_string_lossy();
        for mount in mounts()
            .difference(&self.mounts)
            .filter(|m| m.contains(&*ours))
        {
            let _ = writeln!(left, "mount {mount}");
        }
        for link in entries(Path::new("/sys/class/net")).difference(&self.links) {
            if link.contains(name) {
                let _ = writeln!(left, "link {link}");
            }
        }
        for group in cgroups(name) {
            let _ = writeln!(left, "cgroup {}", group.display());
        }
        for (pid, command) in processes(dir) {
            let _ = writeln!(left, "process {pid} {command}");
        }
        left
    }
}

/// Waits until an engine without containers holds nothing of one any more; gives what is left.
#[must_use]
pub fn eventually_clean(name: &str, dir: &Path, exec_root: &Path) -> String {
    let start = Instant::now();
    loop {
        let left = of_containers(name, dir, exec_root);
        if left.is_empty() || start.elapsed() > patience(GONE_WITHIN) {
            return left;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What an engine without containers holds of one at this moment.
#[must_use]
pub fn of_containers(name: &str, dir: &Path, exec_root: &Path) -> String {
    let mut left = String::new();
    let exec = exec_root.to_string_lossy();
    for mount in mounts() {
        if mount.contains(&*exec)
            && ["/rootfs", "/netns/", "/shm/"]
                .iter()
                .any(|part| mount.contains(part))
            && !mount.ends_with(HOST_NETNS)
        {
            let _ = writeln!(left, "mount {mount}");
        }
    }
    for group in cgroups(name) {
        if group
            .file_name()
            .is_some_and(|n| n.to_string_lossy().len() == 64)
        {
            let _ = writeln!(left, "cgroup {}", group.display());
        }
    }
    for (pid, command) in processes(dir) {
        if command.contains("shim") {
            let _ = writeln!(left, "process {pid} {command}");
        }
    }
    for sub in ["io", "netns", "shm"] {
        for file in entries(&exec_root.join(sub))
            .iter()
            .filter(|f| !HOST_NETNS.ends_with(*f))
        {
            let _ = writeln!(left, "file {sub}/{file}");
        }
    }
    let netns = Path::new("/run/netns").join(name);
    let links = std::process::Command::new("ip")
        .args([
            "-n",
            &netns.file_name().unwrap_or_default().to_string_lossy(),
            "-o",
            "link",
            "show",
        ])
        .args(["type", "veth"])
        .output();
    if let Ok(links) = links {
        for link in String::from_utf8_lossy(&links.stdout).lines() {
            let _ = writeln!(left, "veth {link}");
        }
    }
    left
}

/// How many processes have these words as their command line.
#[must_use]
pub fn commands(words: &str) -> usize {
    let all = processes(Path::new(words)).into_iter();
    all.filter(|(_, command)| command == words).count()
}

/// Processes of the named program whose command line names the folder.
#[must_use]
pub fn processes_of(dir: &Path, program: &str) -> Vec<u32> {
    let ours = |(_, command): &(u32, String)| {
        let first = command.split(' ').next().unwrap_or_default();
        first.rsplit('/').next() == Some(program)
    };
    processes(dir)
        .into_iter()
        .filter(ours)
        .map(|(pid, _)| pid)
        .collect()
}

fn processes(dir: &Path) -> Vec<(u32, String)> {
    let needle = dir.to_string_lossy().into_owned();
    let own = std::process::id();
    let pids = entries(Path::new("/proc"))
        .into_iter()
        .filter_map(|n| n.parse::<u32>().ok());
    pids.filter(|pid| *pid != own)
        .filter_map(|pid| {
            let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            command
                .contains(&needle)
                .then(|| (pid, command.trim_end().to_owned()))
        })
        .collect()
}

/// Kills what still runs on behalf of an engine, so that a failed test leaves nothing either.
pub fn end_processes(dir: &Path) {
    let start = Instant::now();
    loop {
        let left = processes(dir);
        if left.is_empty() || start.elapsed() > patience(GONE_WITHIN) {
            return;
        }
        for (pid, _) in left {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                // One that just ended needs no signal.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Unmounts everything below the folder, the deepest first.
pub fn unmount_below(dir: &Path) {
    let prefix = dir.to_string_lossy().into_owned();
    for mount in mounts()
        .into_iter()
        .rev()
        .filter(|m| m.starts_with(&prefix))
    {
        // What is gone already needs no unmounting.
        let _ = unmount(&mount, UnmountFlags::DETACH);
    }
}

/// Removes the cgroups that bear the name, the deepest first.
pub fn remove_cgroups(name: &str) {
    let start = Instant::now();
    while start.elapsed() < patience(GONE_WITHIN) {
        let groups = cgroups(name);
        if groups.is_empty() {
            return;
        }
        for group in groups.iter().rev() {
            for pid in std::fs::read_to_string(group.join("cgroup.procs"))
                .unwrap_or_default()
                .lines()
            {
                if let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) {
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
            // A group with a dying process goes at the next try.
            let _ = std::fs::remove_dir(group);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Mount points, sorted, so that a mount stands behind the one it is on.
fn mounts() -> BTreeSet<String> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    text.lines()
        .filter_map(|l| l.split(' ').nth(4))
        .map(str::to_owned)
        .collect()
}

fn entries(dir: &Path) -> BTreeSet<String> {
    let Ok(found) = std::fs::read_dir(dir) else {
        return BTreeSet::new();
    };
    found
        .filter_map(|e| Some(e.ok()?.file_name().to_string_lossy().into_owned()))
        .collect()
}

/// Folders in all cgroup hierarchies at or below one of that name.
fn cgroups(name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let root = Path::new("/sys/fs/cgroup");
    let mut tops: Vec<PathBuf> = entries(root).iter().map(|h| root.join(h)).collect();
    tops.push(root.to_path_buf());
    for top in tops {
        let group = top.join(name);
        if group.is_dir() {
            below(&group, &mut found);
        }
    }
    found
}

fn below(group: &Path, found: &mut Vec<PathBuf>) {
    found.push(group.to_path_buf());
    for name in entries(group) {
        let sub = group.join(name);
        if sub.is_dir() {
            below(&sub, found);
        }
    }
}
