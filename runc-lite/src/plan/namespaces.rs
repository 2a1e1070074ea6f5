//! Which namespaces are made and which joined.

use std::path::PathBuf;

use gantry_linux::namespace::Namespaces;
use oci_spec::runtime::LinuxIdMapping;

use crate::plan::PlanError;
use crate::spec::Spec;

/// Names of the specification, in the order in which namespaces are joined: the user namespace first,
/// since it gives the right to join the others; the mounts last, since they take the paths away.
const KINDS: [(&str, Namespaces); 7] = [
    ("user", Namespaces::USER),
    ("ipc", Namespaces::IPC),
    ("uts", Namespaces::UTS),
    ("network", Namespaces::NETWORK),
    ("pid", Namespaces::PID),
    ("cgroup", Namespaces::CGROUP),
    ("mount", Namespaces::MOUNT),
];

/// The kind with this name.
pub(crate) fn kind_of(name: &str) -> Option<Namespaces> {
    KINDS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, kind)| *kind)
}

/// One extent of user or group numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdMap {
    pub(crate) inside: u32,
    pub(crate) outside: u32,
    pub(crate) count: u32,
}

/// What is made and what is joined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NamespacePlan {
    /// Made by `clone3`; the cgroup namespace is not among them.
    pub(crate) make: Namespaces,
    /// Joined, in this order.
    pub(crate) join: Vec<(Namespaces, PathBuf)>,
    /// For a new user namespace.
    pub(crate) uid_maps: Vec<IdMap>,
    pub(crate) gid_maps: Vec<IdMap>,
    makes_cgroup: bool,
}

impl NamespacePlan {
    /// Whether the container does not share the host's namespace of this kind.
    pub(crate) fn separate(&self, name: &str) -> bool {
        let Some(kind) = kind_of(name) else {
            return false;
        };
        self.make.contains(kind)
            || self.join.iter().any(|(joined, _)| *joined == kind)
            || (kind == Namespaces::CGROUP && self.makes_cgroup)
    }

    /// A new cgroup namespace: made by the process itself, once it is in its group.
    pub(crate) fn makes_cgroup(&self) -> bool {
        self.makes_cgroup
    }

    /// A new network namespace, whose loopback device is down.
    pub(crate) fn makes_network(&self) -> bool {
        self.make.contains(Namespaces::NETWORK)
    }

    /// A new user namespace.
    pub(crate) fn makes_user(&self) -> bool {
        self.make.contains(Namespaces::USER)
    }

    /// Whether some of the joined namespaces must be joined before the process is cloned: a pid
    /// namespace takes effect for children only, and new namespaces belong to the user namespace that
    /// their maker is in.
    pub(crate) fn joins_before_clone(&self) -> bool {
        let joins = |kind| self.join.iter().any(|(joined, _)| *joined == kind);
        joins(Namespaces::PID)
            || joins(Namespaces::USER)
            || (self.makes_user() && !self.join.is_empty())
    }
}

/// Plans the namespaces of a container.
pub(crate) fn plan(spec: &Spec) -> Result<NamespacePlan, PlanError> {
    let mut plan = NamespacePlan::default();
    let mut seen = Namespaces::empty();
    let mut joined = Vec::new();
    for namespace in &spec.linux.namespaces {
        let (kind, path) = (namespace.kind.clone(), namespace.path.clone());
        if kind == "time" {
            return Err(PlanError::Unsupported {
                field: "a time namespace",
            });
        }
        let Some(bit) = kind_of(&kind) else {
            return Err(PlanError::UnknownNamespace { kind, path });
        };
        if seen.contains(bit) {
            return Err(PlanError::DuplicateNamespace { kind, path });
        }
        seen = seen.with(bit);
        if !path.is_empty() {
            joined.push((bit, PathBuf::from(path)));
        } else if bit == Namespaces::CGROUP {
            plan.makes_cgroup = true;
        } else {
            plan.make = plan.make.with(bit);
        }
    }
    joined.sort_by_key(|(bit, _)| KINDS.iter().position(|(_, kind)| kind == bit));
    plan.join = joined;
    plan.uid_maps = maps(&spec.linux.uid_mappings);
    plan.gid_maps = maps(&spec.linux.gid_mappings);
    if plan.makes_user() && (plan.uid_maps.is_empty() || plan.gid_maps.is_empty()) {
        return Err(PlanError::NeedsNamespace {
            what: "no uid or gid mapping, and each",
            namespace: "user",
        });
    }
    if !seen.contains(Namespaces::MOUNT) {
        return Err(PlanError::NeedsNamespace {
            what: "a root file system",
            namespace: "mount",
        });
    }
    Ok(plan)
}

fn maps(mappings: &[LinuxIdMapping]) -> Vec<IdMap> {
    mappings
        .iter()
        .map(|map| IdMap {
            inside: map.container_id(),
            outside: map.host_id(),
            count: map.size(),
        })
        .collect()
}
