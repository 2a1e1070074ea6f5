//! The nodes of `/dev`.

use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::{LinuxDevice, LinuxDeviceType};

use crate::plan::step::{DeviceKind, DeviceNode, Step};
use crate::plan::{NamespacePlan, PlanError};
use crate::spec::Spec;

/// The devices that the specification promises to every container ("Default Devices").
const DEFAULTS: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

/// Plans the default devices and the configured ones.
pub(crate) fn plan(
    spec: &Spec,
    namespaces: &NamespacePlan,
    steps: &mut Vec<Step>,
) -> Result<(), PlanError> {
    let bind = namespaces.separate("user");
    let configured: Vec<DeviceNode> = spec
        .linux
        .devices
        .iter()
        .map(|device| node(device, bind))
        .collect::<Result<_, _>>()?;
    for (path, major, minor) in DEFAULTS {
        let path = PathBuf::from(path);
        if configured.iter().any(|device| device.path == path) {
            continue;
        }
        let kind = DeviceKind::Char;
        let node = DeviceNode {
            path,
            kind,
            major,
            minor,
            mode: 0o666,
            uid: 0,
            gid: 0,
            bind,
        };
        steps.push(Step::Device(node));
    }
    steps.extend(configured.into_iter().map(Step::Device));
    Ok(())
}

fn node(device: &LinuxDevice, bind: bool) -> Result<DeviceNode, PlanError> {
    let path = device.path().clone();
    if !is_plain_absolute(&path) {
        return Err(PlanError::DevicePath { path });
    }
    let number = |number: i64| {
        u32::try_from(number).map_err(|_| PlanError::DeviceNumber {
            path: path.clone(),
            major: device.major(),
            minor: device.minor(),
        })
    };
    Ok(DeviceNode {
        kind: match device.typ() {
            LinuxDeviceType::B => DeviceKind::Block,
            LinuxDeviceType::P => DeviceKind::Fifo,
            LinuxDeviceType::A | LinuxDeviceType::C | LinuxDeviceType::U => DeviceKind::Char,
        },
        major: number(device.major())?,
        minor: number(device.minor())?,
        mode: device.file_mode().map_or(0o666, |mode| mode & 0o7777),
        uid: device.uid().unwrap_or(0),
        gid: device.gid().unwrap_or(0),
        path,
        bind,
    })
}

fn is_plain_absolute(path: &Path) -> bool {
    path.is_absolute()
        && path.file_name().is_some()
        && path.components().all(|part| part != Component::ParentDir)
}
