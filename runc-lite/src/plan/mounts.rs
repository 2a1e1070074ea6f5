//! The root file system: what is mounted where, in which order.

use std::path::{Path, PathBuf};

use gantry_linux::mount_attr::{PRIVATE, SHARED, SLAVE, UNBINDABLE};
use gantry_linux::user_namespace::IdRange;
use oci_spec::runtime::{LinuxIdMapping, Mount};

use crate::plan::mount_options::{self, ParsedOptions};
use crate::plan::step::{BindMount, CgroupMount, FsMount, Owners, Step};
use crate::plan::{IdMap, NamespacePlan, Options, PlanError, devices};
use crate::spec::Spec;

/// Files of `/proc` that programs such as lxcfs may cover.
const COVERABLE: [&str; 10] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/net/dev",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/uptime",
];

/// Plans everything up to, not including, the change of root.
pub(crate) fn plan(
    spec: &Spec,
    namespaces: &NamespacePlan,
    options: Options,
    steps: &mut Vec<Step>,
) -> Result<(), PlanError> {
    let root = spec
        .root
        .as_ref()
        .map(|root| root.path.clone())
        .unwrap_or_default();
    let (propagation, _) = root_propagation(spec)?;
    // A container that shares its mounts with the host keeps the host's tie; the others hear of the
    // host's unmounts (slave) and tell nothing.
    let host = if propagation == Some(SHARED) {
        None
    } else {
        Some(propagation.unwrap_or(SLAVE))
    };
    match host {
        Some(UNBINDABLE) => steps.push(Step::HostPropagation(PRIVATE)),
        Some(host) => steps.push(Step::HostPropagation(host)),
        None => steps.push(Step::RootParentPrivate(root.clone())),
    }
    steps.push(Step::BindRoot(root));
    let mut binds_dev = false;
    for mount in &spec.mounts {
        let step = mount_step(mount, namespaces, options)?;
        binds_dev |= matches!(&step, Step::Bind(bind) if bind.destination == Path::new("/dev"));
        steps.push(step);
    }
    if !binds_dev {
        devices::plan(spec, namespaces, steps)?;
        steps.push(Step::DeviceLinks);
    }
    if spec
        .process
        .as_ref()
        .is_some_and(|process| process.terminal)
    {
        steps.push(Step::Console);
    }
    steps.push(Step::SealReadonly);
    Ok(())
}

/// Plans the change of root and what follows it.
pub(crate) fn enter_root(
    spec: &Spec,
    namespaces: &NamespacePlan,
    options: Options,
    steps: &mut Vec<Step>,
) -> Result<(), PlanError> {
    debug_assert!(
        namespaces.separate("mount"),
        "the host's own root is never changed"
    );
    if let Some(process) = &spec.process {
        steps.push(Step::MakeDirectory(PathBuf::from(&process.cwd)));
    }
    let shared = root_propagation(spec)?.0 == Some(SHARED);
    steps.push(match (options.no_pivot, shared) {
        (true, _) => Step::MoveRoot,
        (false, true) => Step::PivotSharedRoot,
        (false, false) => Step::PivotRoot,
    });
    if let (Some(kind), recursive) = root_propagation(spec)? {
        steps.push(Step::RootPropagation(kind, recursive));
    }
    if spec.root.as_ref().is_some_and(|root| root.readonly) {
        steps.push(Step::RootReadonly);
    }
    Ok(())
}

fn root_propagation(spec: &Spec) -> Result<(Option<u64>, bool), PlanError> {
    let value = spec.linux.rootfs_propagation.as_str();
    let recursive = value.starts_with('r');
    let kind = match value {
        "" => None,
        "shared" | "rshared" => Some(SHARED),
        "slave" | "rslave" => Some(SLAVE),
        "private" | "rprivate" => Some(PRIVATE),
        "unbindable" | "runbindable" => Some(UNBINDABLE),
        _ => {
            return Err(PlanError::Propagation {
                value: value.to_owned(),
            });
        }
    };
    Ok((kind, recursive))
}

fn mount_step(
    mount: &Mount,
    namespaces: &NamespacePlan,
    options: Options,
) -> Result<Step, PlanError> {
    let destination = absolute(mount.destination())?;
    let mut words = mount.options().clone().unwrap_or_default();
    let owners = owners(mount, &words, namespaces)?;
    words.retain(|word| !matches!(word.as_str(), "" | "idmap" | "ridmap"));
    let ParsedOptions { change, bind, data } = mount_options::parse(&words);
    let fs_type = mount.typ().clone().unwrap_or_default();
    let source = mount.source().clone().unwrap_or_default();
    let bind = bind.or_else(|| (fs_type == "bind").then_some(false));
    let below_proc = destination.starts_with("/proc");
    if let Some(recursive) = bind {
        if source.as_os_str().is_empty() {
            return Err(PlanError::NoSource { destination });
        }
        if below_proc && !COVERABLE.iter().any(|path| destination == Path::new(path)) {
            let whole_proc = destination == Path::new("/proc") && source == Path::new("/proc");
            if !whole_proc {
                return Err(PlanError::InsideProc { destination });
            }
        }
        return Ok(Step::Bind(BindMount {
            destination,
            source,
            recursive,
            change,
            owners,
        }));
    }
    if owners.is_some() {
        return Err(id_mapped(
            &destination,
            "are only supported for bind-mounts",
        ));
    }
    if below_proc && !(fs_type == "proc" && destination == Path::new("/proc")) {
        return Err(PlanError::InsideProc { destination });
    }
    if fs_type == "cgroup" || (fs_type == "cgroup2" && options.cgroup_v2) {
        let own_namespace = namespaces.separate("cgroup");
        return Ok(Step::MountCgroup(CgroupMount {
            destination,
            change,
            own_namespace,
        }));
    }
    let source = source.to_string_lossy().into_owned();
    Ok(Step::Mount(FsMount {
        destination,
        fs_type,
        source,
        change,
        data,
    }))
}

/// `uidMappings` and `gidMappings`, and the options `idmap` and `ridmap` (the runtime specification, "Linux mount
/// options"). A mount with one of the options and without mappings has those of the container's user namespace.
fn owners(
    mount: &Mount,
    words: &[String],
    namespaces: &NamespacePlan,
) -> Result<Option<Owners>, PlanError> {
    let of = |mappings: &Option<Vec<LinuxIdMapping>>| -> Vec<IdRange> {
        let ranges = mappings.iter().flatten().map(|map| IdRange {
            inside: map.container_id(),
            outside: map.host_id(),
            count: map.size(),
        });
        ranges.collect()
    };
    let (mut users, mut groups) = (of(mount.uid_mappings()), of(mount.gid_mappings()));
    let asked = words.iter().rev().find(|word| word.ends_with("idmap"));
    if asked.is_none() && users.is_empty() && groups.is_empty() {
        return Ok(None);
    }
    if users.is_empty() && groups.is_empty() {
        let of = |maps: &[IdMap]| {
            let ranges = maps.iter().map(|map| IdRange {
                inside: map.inside,
                outside: map.outside,
                count: map.count,
            });
            ranges.collect()
        };
        (users, groups) = (of(&namespaces.uid_maps), of(&namespaces.gid_maps));
    }
    if users.is_empty() || groups.is_empty() {
        let why = "must have both uid and gid mappings specified";
        return Err(id_mapped(mount.destination(), why));
    }
    Ok(Some(Owners {
        users,
        groups,
        recursive: asked.is_some_and(|word| word == "ridmap"),
    }))
}

fn id_mapped(destination: &Path, why: &'static str) -> PlanError {
    PlanError::IdMapped {
        destination: destination.to_owned(),
        why,
    }
}

/// Old configurations have destinations without a leading slash; runc warns and takes them so.
fn absolute(destination: &Path) -> Result<PathBuf, PlanError> {
    if destination.as_os_str().is_empty() {
        return Err(PlanError::RelativeDestination {
            destination: destination.to_owned(),
        });
    }
    Ok(Path::new("/").join(destination).components().collect())
}
