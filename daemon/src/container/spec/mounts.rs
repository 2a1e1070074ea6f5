//! The mounts of a container in the order they are made: Docker's own, the user's by depth, the
//! generated files of `/etc`.

use gantry_engine_api::HostConfig;

use super::{
    SpecError, Surroundings,
    namespaces::{Mode, mode},
    oci::Mount,
    process::INIT_TARGET,
};
use crate::container::{
    model::Record,
    mounts::{MountRecord, ReadOnlyDepth, Source},
};

/// Recursive read-only needs `mount_setattr` (Linux 5.12).
const RECURSIVE_READ_ONLY: (u32, u32) = (5, 12);
/// What a tmpfs has unless its options say otherwise.
const TMPFS_DEFAULTS: [&str; 3] = ["noexec", "nosuid", "nodev"];
/// Words of which the last one counts.
const OPPOSITES: [(&str, &str); 6] = [
    ("exec", "noexec"),
    ("suid", "nosuid"),
    ("dev", "nodev"),
    ("rw", "ro"),
    ("atime", "noatime"),
    ("sync", "async"),
];

pub(super) fn of(record: &Record, around: &Surroundings) -> Result<Vec<Mount>, SpecError> {
    let host = &record.host;
    let mut mounts = defaults(host, around);
    // A mount of the user's replaces Docker's own, and one on /dev all that lie beneath it.
    let taken = |target: &str| record.mounts.iter().any(|mount| mount.target == target);
    let all_of_dev = taken("/dev");
    mounts.retain(|mount| {
        let replaced = all_of_dev && mount.destination.starts_with("/dev/");
        !replaced && !taken(&mount.destination)
    });
    if let Some(init) = &around.init {
        mounts.push(mount(
            INIT_TARGET,
            "bind",
            &init.to_string_lossy(),
            &["bind", "ro"],
        ));
    }
    let mut asked: Vec<&MountRecord> = record.mounts.iter().collect();
    asked.sort_by_key(|mount| mount.target.matches('/').count());
    for record in asked {
        mounts.push(user_mount(record, around)?);
    }
    for (target, source) in [
        ("/etc/resolv.conf", &around.resolv_conf),
        ("/etc/hostname", &around.hostname),
        ("/etc/hosts", &around.hosts),
    ] {
        let Some(source) = source.as_ref().filter(|_| !taken(target)) else {
            continue;
        };
        let mut options = vec!["rbind"];
        options.extend(host.readonly_rootfs.then(|| read_only_word(around)));
        options.push("rprivate");
        mounts.push(mount(target, "bind", &source.to_string_lossy(), &options));
    }
    Ok(mounts)
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.to_owned(),
        kind: kind.to_owned(),
        source: source.to_owned(),
        options: options.iter().map(|&option| option.to_owned()).collect(),
    }
}

fn read_only_word(around: &Surroundings) -> &'static str {
    if around.kernel >= RECURSIVE_READ_ONLY {
        "rro"
    } else {
        "ro"
    }
}

/// Docker's own mounts.
fn defaults(host: &HostConfig, around: &Surroundings) -> Vec<Mount> {
    let plain = ["nosuid", "noexec", "nodev"];
    let dev = ["nosuid", "strictatime", "mode=755", "size=65536k"];
    let pts = [
        "nosuid",
        "noexec",
        "newinstance",
        "ptmxmode=0666",
        "mode=0620",
        "gid=5",
    ];
    let sys: &[&str] = if host.privileged {
        &plain
    } else {
        &["nosuid", "noexec", "nodev", "ro"]
    };
    let cgroup: &[&str] = if host.privileged {
        &plain
    } else {
        &["ro", "nosuid", "noexec", "nodev"]
    };
    let mut mounts = vec![
        mount("/proc", "proc", "proc", &plain),
        mount("/dev", "tmpfs", "tmpfs", &dev),
        mount("/dev/pts", "devpts", "devpts", &pts),
        mount("/sys", "sysfs", "sysfs", sys),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", cgroup),
    ];
    // The queues of whichever ipc namespace the container is in.
    mounts.push(mount("/dev/mqueue", "mqueue", "mqueue", &plain));
    if mode(&host.ipc_mode) == Mode::Host {
        mounts.push(mount(
            "/dev/shm",
            "bind",
            "/dev/shm",
            &["rbind", "rprivate"],
        ));
        return mounts;
    }
    if let Some(shm) = &around.shm {
        let shared = mount(
            "/dev/shm",
            "bind",
            &shm.to_string_lossy(),
            &["rbind", "rprivate"],
        );
        mounts.push(shared);
    } else if host.ipc_mode != "none" {
        let size = format!("size={}", host.shm_size);
        let options = ["nosuid", "noexec", "nodev", "mode=1777", size.as_str()];
        mounts.push(mount("/dev/shm", "tmpfs", "shm", &options));
    }
    mounts
}

fn user_mount(record: &MountRecord, around: &Surroundings) -> Result<Mount, SpecError> {
    let mut options: Vec<String> = Vec::new();
    let (kind, source) = match &record.source {
        Source::Tmpfs { options: asked } => {
            options = tmpfs_options(asked)?;
            ("tmpfs", "tmpfs".to_owned())
        }
        Source::Volume { path, subpath, .. } => {
            options.push("rbind".to_owned());
            if !record.writable {
                options.push(read_only_word(around).to_owned());
            }
            let subpath = subpath.trim_matches('/');
            let source = if subpath.is_empty() {
                path.clone()
            } else {
                format!("{path}/{subpath}")
            };
            ("bind", source)
        }
        // By now its content is bound to a place of the engine's.
        Source::Image { reference, .. } => {
            options.extend(["rbind".to_owned(), read_only_word(around).to_owned()]);
            ("bind", reference.clone())
        }
        Source::Bind {
            path,
            propagation,
            flat,
            depth,
            ..
        } => {
            options.push(if *flat { "bind" } else { "rbind" }.to_owned());
            if !record.writable {
                options.push(match depth {
                    ReadOnlyDepth::Flat => "ro".to_owned(),
                    ReadOnlyDepth::Forced => "rro".to_owned(),
                    ReadOnlyDepth::BestEffort if *flat => "ro".to_owned(),
                    ReadOnlyDepth::BestEffort => read_only_word(around).to_owned(),
                });
            }
            options.push(propagation.clone());
            ("bind", path.clone())
        }
    };
    Ok(Mount {
        destination: record.target.clone(),
        kind: kind.to_owned(),
        source,
        options,
    })
}

/// dockerd's defaults and the user's options; of two that contradict each other the last one counts.
fn tmpfs_options(asked: &[String]) -> Result<Vec<String>, SpecError> {
    if let Some(unknown) = asked.iter().find(|option| !is_tmpfs_option(option)) {
        return Err(SpecError::TmpfsOption(unknown.clone()));
    }
    let mut options: Vec<String> = Vec::new();
    let defaults = TMPFS_DEFAULTS.iter().map(|&option| option.to_owned());
    for option in defaults
        .chain(["rprivate".to_owned()])
        .chain(asked.iter().cloned())
    {
        options.retain(|old| !contradicts(old, &option));
        options.push(option);
    }
    Ok(options)
}

fn contradicts(old: &str, new: &str) -> bool {
    let key = |option: &str| option.split_once('=').map(|(key, _)| key.to_owned());
    old == new
        || key(old).is_some_and(|old| key(new) == Some(old))
        || OPPOSITES
            .iter()
            .any(|pair| *pair == (old, new) || *pair == (new, old))
}

fn is_tmpfs_option(option: &str) -> bool {
    const WORDS: [&str; 26] = [
        "ro",
        "rw",
        "exec",
        "noexec",
        "suid",
        "nosuid",
        "dev",
        "nodev",
        "sync",
        "async",
        "dirsync",
        "remount",
        "mand",
        "nomand",
        "atime",
        "noatime",
        "diratime",
        "nodiratime",
        "bind",
        "rbind",
        "relatime",
        "norelatime",
        "strictatime",
        "nostrictatime",
        "private",
        "rprivate",
    ];
    const KEYS: [&str; 8] = [
        "size",
        "mode",
        "uid",
        "gid",
        "nr_inodes",
        "nr_blocks",
        "mpol",
        "huge",
    ];
    match option.split_once('=') {
        Some((key, _)) => KEYS.contains(&key),
        None => WORDS.contains(&option) || option == "noswap",
    }
}

/// What the root's own propagation must be for the binds' to have an effect.
pub(super) fn rootfs_propagation(mounts: &[MountRecord]) -> String {
    let has = |words: [&str; 2]| {
        mounts.iter().any(|mount| {
            matches!(&mount.source, Source::Bind { propagation, .. } if words.contains(&propagation.as_str()))
        })
    };
    if has(["shared", "rshared"]) {
        "shared".to_owned()
    } else if has(["slave", "rslave"]) {
        "rslave".to_owned()
    } else {
        String::new()
    }
}
