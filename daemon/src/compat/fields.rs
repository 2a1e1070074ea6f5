//! The table of the API's fields of Config, HostConfig (with Resources) and NetworkingConfig.
//!
//! Fields are named as the API's definition does (`Mount.Source`); [`places`] says where in a create
//! body a definition's objects stand. A test compares the table with the list of the API's fields.

use gantry_errors::{Classify, ErrorKind};
use serde_json::Value;

use super::Support;

/// A field and what becomes of it.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// `Definition.Field`.
    pub name: &'static str,
    /// Whether it takes effect.
    pub support: Support,
}

/// A field is set that this engine refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is not supported: {reason}")]
pub struct RefusedField {
    field: String,
    reason: &'static str,
}

impl Classify for RefusedField {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Unimplemented
    }
}

const fn field(name: &'static str, support: Support) -> Field {
    Field { name, support }
}

const fn yes(name: &'static str) -> Field {
    field(name, Support::Honoured)
}

const fn some(name: &'static str, which: &'static str) -> Field {
    field(name, Support::ByValue(which))
}

const fn moot(name: &'static str, why: &'static str) -> Field {
    field(name, Support::Warned(why))
}

const fn no(name: &'static str, why: &'static str) -> Field {
    field(name, Support::Refused(why))
}

const fn answer(name: &'static str) -> Field {
    field(name, Support::Answer)
}

const WINDOWS: &str = "it means something on Windows only";
const HEALTH: &str = "health checks are not built yet: a warning says that health is not watched";

/// Every field.
#[rustfmt::skip]
pub const FIELDS: &[Field] = &[
    moot("ContainerConfig.ArgsEscaped", WINDOWS),
    yes("ContainerConfig.AttachStderr"),
    yes("ContainerConfig.AttachStdin"),
    yes("ContainerConfig.AttachStdout"),
    yes("ContainerConfig.Cmd"),
    yes("ContainerConfig.Domainname"),
    yes("ContainerConfig.Entrypoint"),
    yes("ContainerConfig.Env"),
    yes("ContainerConfig.ExposedPorts"),
    some("ContainerConfig.Healthcheck", HEALTH),
    yes("ContainerConfig.Hostname"),
    yes("ContainerConfig.Image"),
    yes("ContainerConfig.Labels"),
    yes("ContainerConfig.MacAddress"),
    no("ContainerConfig.NetworkDisabled", "use HostConfig.NetworkMode \"none\""),
    yes("ContainerConfig.OnBuild"),
    yes("ContainerConfig.OpenStdin"),
    yes("ContainerConfig.Shell"),
    yes("ContainerConfig.StdinOnce"),
    yes("ContainerConfig.StopSignal"),
    yes("ContainerConfig.StopTimeout"),
    yes("ContainerConfig.Tty"),
    yes("ContainerConfig.User"),
    yes("ContainerConfig.Volumes"),
    yes("ContainerConfig.WorkingDir"),
    yes("DeviceMapping.CgroupPermissions"),
    yes("DeviceMapping.PathInContainer"),
    yes("DeviceMapping.PathOnHost"),
    some("DeviceRequest.Capabilities", "no driver is built yet"),
    some("DeviceRequest.Count", "no driver is built yet"),
    some("DeviceRequest.DeviceIDs", "no driver is built yet"),
    some("DeviceRequest.Driver", "no driver is built yet"),
    some("DeviceRequest.Options", "no driver is built yet"),
    yes("EndpointIPAMConfig.IPv4Address"),
    yes("EndpointIPAMConfig.IPv6Address"),
    yes("EndpointIPAMConfig.LinkLocalIPs"),
    yes("EndpointSettings.Aliases"),
    answer("EndpointSettings.DNSNames"),
    moot("EndpointSettings.DriverOpts", "the bridge driver has no options of an endpoint"),
    answer("EndpointSettings.EndpointID"),
    answer("EndpointSettings.Gateway"),
    answer("EndpointSettings.GlobalIPv6Address"),
    answer("EndpointSettings.GlobalIPv6PrefixLen"),
    yes("EndpointSettings.GwPriority"),
    yes("EndpointSettings.IPAMConfig"),
    answer("EndpointSettings.IPAddress"),
    answer("EndpointSettings.IPPrefixLen"),
    answer("EndpointSettings.IPv6Gateway"),
    yes("EndpointSettings.Links"),
    yes("EndpointSettings.MacAddress"),
    answer("EndpointSettings.NetworkID"),
    some("HealthConfig.Interval", HEALTH),
    some("HealthConfig.Retries", HEALTH),
    some("HealthConfig.StartInterval", HEALTH),
    some("HealthConfig.StartPeriod", HEALTH),
    some("HealthConfig.Test", HEALTH),
    some("HealthConfig.Timeout", HEALTH),
    yes("HostConfig.Annotations"),
    yes("HostConfig.AutoRemove"),
    yes("HostConfig.Binds"),
    yes("HostConfig.CapAdd"),
    yes("HostConfig.CapDrop"),
    moot("HostConfig.Cgroup", "no engine uses it any more"),
    yes("HostConfig.CgroupnsMode"),
    yes("HostConfig.ConsoleSize"),
    yes("HostConfig.ContainerIDFile"),
    yes("HostConfig.Dns"),
    yes("HostConfig.DnsOptions"),
    yes("HostConfig.DnsSearch"),
    yes("HostConfig.ExtraHosts"),
    yes("HostConfig.GroupAdd"),
    yes("HostConfig.IpcMode"),
    some("HostConfig.Isolation", "only \"default\""),
    yes("HostConfig.Links"),
    yes("HostConfig.LogConfig"),
    yes("HostConfig.LogConfig.Config"),
    some("HostConfig.LogConfig.Type", "json-file and none"),
    yes("HostConfig.MaskedPaths"),
    yes("HostConfig.Mounts"),
    yes("HostConfig.NetworkMode"),
    yes("HostConfig.OomScoreAdj"),
    yes("HostConfig.PidMode"),
    yes("HostConfig.PortBindings"),
    yes("HostConfig.Privileged"),
    yes("HostConfig.PublishAllPorts"),
    yes("HostConfig.ReadonlyPaths"),
    yes("HostConfig.ReadonlyRootfs"),
    yes("HostConfig.RestartPolicy"),
    some("HostConfig.Runtime", "one that --add-runtime names"),
    some("HostConfig.SecurityOpt", "labels and AppArmor profiles are warned of"),
    yes("HostConfig.ShmSize"),
    some("HostConfig.StorageOpt", "quotas are not built yet"),
    yes("HostConfig.Sysctls"),
    yes("HostConfig.Tmpfs"),
    yes("HostConfig.UTSMode"),
    no("HostConfig.UsernsMode", "user namespaces for containers are not built yet"),
    some("HostConfig.VolumeDriver", "only local"),
    yes("HostConfig.VolumesFrom"),
    yes("Mount.BindOptions"),
    yes("Mount.BindOptions.CreateMountpoint"),
    yes("Mount.BindOptions.NonRecursive"),
    yes("Mount.BindOptions.Propagation"),
    yes("Mount.BindOptions.ReadOnlyForceRecursive"),
    yes("Mount.BindOptions.ReadOnlyNonRecursive"),
    yes("Mount.Consistency"),
    yes("Mount.ImageOptions"),
    yes("Mount.ImageOptions.Subpath"),
    yes("Mount.ReadOnly"),
    yes("Mount.Source"),
    yes("Mount.Target"),
    yes("Mount.TmpfsOptions"),
    yes("Mount.TmpfsOptions.Mode"),
    yes("Mount.TmpfsOptions.Options"),
    yes("Mount.TmpfsOptions.SizeBytes"),
    some("Mount.Type", "bind, volume, tmpfs, image"),
    yes("Mount.VolumeOptions"),
    some("Mount.VolumeOptions.DriverConfig", "only local"),
    some("Mount.VolumeOptions.DriverConfig.Name", "only local"),
    yes("Mount.VolumeOptions.DriverConfig.Options"),
    yes("Mount.VolumeOptions.Labels"),
    yes("Mount.VolumeOptions.NoCopy"),
    yes("Mount.VolumeOptions.Subpath"),
    yes("NetworkingConfig.EndpointsConfig"),
    yes("PortBinding.HostIp"),
    yes("PortBinding.HostPort"),
    yes("Resources.BlkioDeviceReadBps"),
    yes("Resources.BlkioDeviceReadIOps"),
    yes("Resources.BlkioDeviceWriteBps"),
    yes("Resources.BlkioDeviceWriteIOps"),
    some("Resources.BlkioWeight", "discarded with a warning where the kernel cannot"),
    some("Resources.BlkioWeightDevice", "discarded with a warning where the kernel cannot"),
    yes("Resources.BlkioWeightDevice.Path"),
    yes("Resources.BlkioWeightDevice.Weight"),
    yes("Resources.CgroupParent"),
    moot("Resources.CpuCount", WINDOWS),
    moot("Resources.CpuPercent", WINDOWS),
    yes("Resources.CpuPeriod"),
    yes("Resources.CpuQuota"),
    yes("Resources.CpuRealtimePeriod"),
    yes("Resources.CpuRealtimeRuntime"),
    yes("Resources.CpuShares"),
    yes("Resources.CpusetCpus"),
    yes("Resources.CpusetMems"),
    yes("Resources.DeviceCgroupRules"),
    some("Resources.DeviceRequests", "no driver is built yet"),
    yes("Resources.Devices"),
    moot("Resources.IOMaximumBandwidth", WINDOWS),
    moot("Resources.IOMaximumIOps", WINDOWS),
    yes("Resources.Init"),
    moot("Resources.KernelMemoryTCP", "the kernel has no such limit any more"),
    yes("Resources.Memory"),
    yes("Resources.MemoryReservation"),
    yes("Resources.MemorySwap"),
    some("Resources.MemorySwappiness", "discarded with a warning on cgroup v2"),
    yes("Resources.NanoCpus"),
    some("Resources.OomKillDisable", "discarded with a warning on cgroup v2"),
    yes("Resources.PidsLimit"),
    yes("Resources.Ulimits"),
    yes("Resources.Ulimits.Hard"),
    yes("Resources.Ulimits.Name"),
    yes("Resources.Ulimits.Soft"),
    yes("RestartPolicy.MaximumRetryCount"),
    yes("RestartPolicy.Name"),
    yes("ThrottleDevice.Path"),
    yes("ThrottleDevice.Rate"),
];

/// Where the objects of a definition stand in a create body; `*` is each member of a map or list.
fn places(definition: &str) -> &'static [&'static [&'static str]] {
    match definition {
        "ContainerConfig" => &[&[]],
        "HealthConfig" => &[&["Healthcheck"]],
        "HostConfig" | "Resources" => &[&["HostConfig"]],
        "NetworkingConfig" => &[&["NetworkingConfig"]],
        "EndpointSettings" => &[&["NetworkingConfig", "EndpointsConfig", "*"]],
        "EndpointIPAMConfig" => &[&["NetworkingConfig", "EndpointsConfig", "*", "IPAMConfig"]],
        "Mount" => &[&["HostConfig", "Mounts", "*"]],
        "RestartPolicy" => &[&["HostConfig", "RestartPolicy"]],
        "PortBinding" => &[&["HostConfig", "PortBindings", "*", "*"]],
        "DeviceMapping" => &[&["HostConfig", "Devices", "*"]],
        "DeviceRequest" => &[&["HostConfig", "DeviceRequests", "*"]],
        "ThrottleDevice" => &[
            &["HostConfig", "BlkioDeviceReadBps", "*"],
            &["HostConfig", "BlkioDeviceWriteBps", "*"],
            &["HostConfig", "BlkioDeviceReadIOps", "*"],
            &["HostConfig", "BlkioDeviceWriteIOps", "*"],
        ],
        _ => &[],
    }
}

/// Values that ask for nothing although they are not the type's zero value.
fn is_inert(name: &str, value: &Value) -> bool {
    name == "HostConfig.UsernsMode" && value == "host"
}

/// Applies the table to a create body: the warnings for what is set
/// and has no effect.
///
/// # Errors
/// [`RefusedField`] for the first set field that is refused.
pub fn apply(body: &Value) -> Result<Vec<String>, RefusedField> {
    let mut warnings = Vec::new();
    for field in FIELDS {
        let (refused, reason) = match field.support {
            Support::Refused(reason) => (true, reason),
            Support::Warned(reason) => (false, reason),
            Support::Honoured | Support::ByValue(_) | Support::Answer => continue,
        };
        if !is_set(body, field.name) {
            continue;
        }
        if refused {
            return Err(RefusedField {
                field: field.name.to_owned(),
                reason,
            });
        }
        warnings.push(format!("{} has no effect: {reason}", field.name));
    }
    Ok(warnings)
}

/// The fields of `Resources` that an update changes; the others are a new container's alone, in
/// dockerd too, which says nothing.
pub const UPDATED: &[&str] = &[
    "Resources.BlkioWeight",
    "Resources.CpuPeriod",
    "Resources.CpuQuota",
    "Resources.CpuRealtimePeriod",
    "Resources.CpuRealtimeRuntime",
    "Resources.CpuShares",
    "Resources.CpusetCpus",
    "Resources.CpusetMems",
    "Resources.Memory",
    "Resources.MemoryReservation",
    "Resources.MemorySwap",
    "Resources.NanoCpus",
    "Resources.PidsLimit",
];

/// Applies the table to an update's body: the warnings for what is set and has no effect.
#[must_use]
pub fn apply_update(body: &Value) -> Vec<String> {
    let mut warnings = Vec::new();
    for field in FIELDS {
        let Some(key) = field.name.strip_prefix("Resources.") else {
            continue;
        };
        // Members of a member go with it.
        let unset = key.contains('.') || !any_at(body, &[key], &is_asked_for);
        if unset || UPDATED.contains(&field.name) {
            continue;
        }
        let reason = match field.support {
            Support::Warned(reason) | Support::Refused(reason) => reason,
            Support::Honoured | Support::ByValue(_) | Support::Answer => {
                "an update does not change it"
            }
        };
        warnings.push(format!("{} has no effect: {reason}", field.name));
    }
    warnings
}

fn is_set(body: &Value, name: &str) -> bool {
    let (definition, path) = name.split_once('.').unwrap_or((name, ""));
    let tail: Vec<_> = path.split('.').collect();
    let asks = |value: &Value| is_asked_for(value) && !is_inert(name, value);
    places(definition).iter().any(|place| {
        let path: Vec<_> = place.iter().chain(&tail).copied().collect();
        any_at(body, &path, &asks)
    })
}

/// Whether any value at the path satisfies `asks`; keys match as Go matches them.
fn any_at(value: &Value, path: &[&str], asks: &dyn Fn(&Value) -> bool) -> bool {
    match (path, value) {
        ([], value) => asks(value),
        (["*", rest @ ..], Value::Array(elements)) => {
            elements.iter().any(|element| any_at(element, rest, asks))
        }
        (["*", rest @ ..], Value::Object(entries)) => {
            entries.values().any(|element| any_at(element, rest, asks))
        }
        ([key, rest @ ..], Value::Object(entries)) => entries
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(key))
            .any(|(_, element)| any_at(element, rest, asks)),
        _ => false,
    }
}

/// Whether a value is anything but Go's zero value or an empty collection.
fn is_asked_for(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => elements.iter().any(is_asked_for),
        Value::Object(entries) => !entries.is_empty(),
    }
}
