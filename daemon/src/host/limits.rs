//! Which limits this machine's control groups can set.

use std::path::Path;

/// The hierarchy's version, as `/info` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupVersion {
    /// One hierarchy a controller.
    V1,
    /// The unified hierarchy.
    V2,
}

/// What can be limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The hierarchy.
    pub version: CgroupVersion,
    /// Memory.
    pub memory: bool,
    /// Swap.
    pub swap: bool,
    /// Quota and period of processor time.
    pub cpu_quota: bool,
    /// Shares of processor time.
    pub cpu_shares: bool,
    /// Which processors.
    pub cpuset: bool,
    /// How many processes.
    pub pids: bool,
    /// Whether the OOM killer can be switched off (v1 only).
    pub oom_kill_disable: bool,
}

impl Limits {
    /// Looks at the hierarchies mounted under /sys/fs/cgroup.
    #[must_use]
    pub fn look() -> Self {
        Self::at(Path::new("/sys/fs/cgroup"))
    }

    fn at(root: &Path) -> Self {
        match std::fs::read_to_string(root.join("cgroup.controllers")) {
            Ok(controllers) => Self::unified(&controllers),
            Err(_) => Self::legacy(root),
        }
    }

    fn unified(controllers: &str) -> Self {
        let has = |name| controllers.split_whitespace().any(|word| word == name);
        Self {
            version: CgroupVersion::V2,
            memory: has("memory"),
            swap: has("memory"),
            cpu_quota: has("cpu"),
            cpu_shares: has("cpu"),
            cpuset: has("cpuset"),
            pids: has("pids"),
            oom_kill_disable: false,
        }
    }

    fn legacy(root: &Path) -> Self {
        let has = |file: &str| root.join(file).exists();
        Self {
            version: CgroupVersion::V1,
            memory: has("memory/memory.limit_in_bytes"),
            swap: has("memory/memory.memsw.limit_in_bytes"),
            cpu_quota: has("cpu/cpu.cfs_quota_us"),
            cpu_shares: has("cpu/cpu.shares"),
            cpuset: has("cpuset/cpuset.cpus"),
            // The root of the pids hierarchy has no limit of its own.
            pids: has("pids/cgroup.procs"),
            oom_kill_disable: has("memory/memory.oom_control"),
        }
    }

    /// dockerd's warnings for what is missing.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let table = [
            (self.memory, "No memory limit support"),
            (self.swap, "No swap limit support"),
            (
                self.oom_kill_disable || self.version == CgroupVersion::V2,
                "No oom kill disable support",
            ),
            (self.cpu_quota, "No cpu cfs quota support"),
            (self.cpu_shares, "No cpu shares support"),
            (self.cpuset, "No cpuset support"),
        ];
        let missing = table.iter().filter(|(there, _)| !there);
        missing
            .map(|(_, text)| format!("WARNING: {text}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_hierarchy_are_told_apart() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("memory")).unwrap();
        std::fs::write(root.path().join("memory/memory.limit_in_bytes"), "").unwrap();
        let legacy = Limits::at(root.path());
        assert_eq!(
            (legacy.version, legacy.memory, legacy.swap),
            (CgroupVersion::V1, true, false)
        );
        assert!(
            legacy
                .warnings()
                .contains(&"WARNING: No swap limit support".to_owned())
        );
        std::fs::write(root.path().join("cgroup.controllers"), "cpu memory pids\n").unwrap();
        let unified = Limits::at(root.path());
        assert_eq!(
            (unified.version, unified.memory, unified.cpuset),
            (CgroupVersion::V2, true, false)
        );
        assert_eq!(unified.warnings(), ["WARNING: No cpuset support"]);
    }
}
