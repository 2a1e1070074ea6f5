//! One `-v` specification, one `--mount`.

use std::collections::BTreeMap;

use gantry_engine_api::mount::{BindOptions, Mount};
use gantry_ids::VolumeName;

use super::{MountError, MountRecord, ReadOnlyDepth, Source, clean};
use crate::volume::subpath;

const PROPAGATIONS: [&str; 6] = [
    "private", "rprivate", "shared", "rshared", "slave", "rslave",
];
const CONSISTENCIES: [&str; 4] = ["consistent", "cached", "delegated", "default"];

/// Options of a `-v` specification.
#[derive(Debug, Default)]
struct Mode<'a> {
    read_only: Option<&'a str>,
    propagation: &'a str,
    label: &'a str,
    no_copy: bool,
    consistency: &'a str,
}

impl<'a> Mode<'a> {
    /// Each kind of option at most once; `None` for anything else.
    fn parse(text: &'a str) -> Option<Self> {
        let mut mode = Self::default();
        for option in text.split(',') {
            let fresh = match option {
                "ro" | "rw" | "readonly" => mode.read_only.replace(option).is_none(),
                "z" | "Z" => replace(&mut mode.label, option),
                "nocopy" => !std::mem::replace(&mut mode.no_copy, true),
                _ if PROPAGATIONS.contains(&option) => replace(&mut mode.propagation, option),
                _ if CONSISTENCIES.contains(&option) => replace(&mut mode.consistency, option),
                _ => false,
            };
            if !fresh {
                return None;
            }
        }
        Some(mode)
    }
}

fn replace<'a>(slot: &mut &'a str, value: &'a str) -> bool {
    std::mem::replace(slot, value).is_empty()
}

/// `[source:]target[:mode]`.
///
/// # Errors
/// [`MountError`] in dockerd's words.
pub fn parse_bind(spec: &str, volume_driver: &str) -> Result<MountRecord, MountError> {
    let parts: Vec<&str> = spec.split(':').collect();
    let (source, target, mode) = match parts.as_slice() {
        [target] => ("", *target, ""),
        [source, target] if !source.is_empty() => (*source, *target, ""),
        [source, target, mode] if !source.is_empty() => (*source, *target, *mode),
        _ => return Err(MountError::Specification(spec.to_owned())),
    };
    if target.is_empty() {
        return Err(MountError::Specification(spec.to_owned()));
    }
    let options = if mode.is_empty() {
        Mode::default()
    } else {
        Mode::parse(mode).ok_or_else(|| MountError::Mode(mode.to_owned()))?
    };
    let is_bind = source.starts_with('/');
    let named = !is_bind && !source.is_empty();
    let kind = if is_bind { "bind" } else { "volume" };
    let refuse = |why: MountError| MountError::SpecificationWhy {
        spec: spec.to_owned(),
        why: Box::new(MountError::Config {
            kind: kind.to_owned(),
            why: why.to_string(),
        }),
    };
    let refuse_text = |why: &str| MountError::SpecificationWhy {
        spec: spec.to_owned(),
        why: Box::new(MountError::Config {
            kind: kind.to_owned(),
            why: why.to_owned(),
        }),
    };
    if !target.starts_with('/') {
        return Err(refuse(MountError::NotAbsolute(target.to_owned())));
    }
    if clean(target) == "/" {
        return Err(refuse_text(
            "invalid specification: destination can't be '/'",
        ));
    }
    let source = if is_bind {
        if options.no_copy {
            return Err(refuse_text("field VolumeOptions must not be specified"));
        }
        Source::Bind {
            path: clean(source),
            propagation: or(options.propagation, "rprivate"),
            flat: false,
            depth: ReadOnlyDepth::BestEffort,
            create: true,
            owner: None,
        }
    } else {
        if !options.propagation.is_empty() {
            return Err(refuse_text("field BindOptions must not be specified"));
        }
        volume(source, volume_driver, options.no_copy)?
    };
    Ok(MountRecord {
        target: clean(target),
        source,
        writable: !matches!(options.read_only, Some("ro" | "readonly")),
        // dockerd shares a named volume's label, and says so.
        mode: if mode.is_empty() && named { "z" } else { mode }.to_owned(),
    })
}

fn or(text: &str, default: &str) -> String {
    if text.is_empty() {
        default.to_owned()
    } else {
        text.to_owned()
    }
}

fn volume(name: &str, driver: &str, no_copy: bool) -> Result<Source, MountError> {
    if !name.is_empty() {
        name.parse::<VolumeName>()
            .map_err(|source| MountError::VolumeName {
                name: name.to_owned(),
                source,
            })?;
    }
    Ok(Source::Volume {
        name: name.to_owned(),
        driver: or(driver, "local"),
        path: String::new(),
        anonymous: name.is_empty(),
        no_copy,
        subpath: String::new(),
        options: BTreeMap::new(),
        labels: BTreeMap::new(),
    })
}

/// One `--mount`.
///
/// # Errors
/// [`MountError`] in dockerd's words.
pub(super) fn parse_mount(mount: &Mount) -> Result<MountRecord, MountError> {
    let kind = mount.kind.as_str();
    let config = |why: &str| MountError::Config {
        kind: kind.to_owned(),
        why: why.to_owned(),
    };
    foreign_options(mount)?;
    match kind {
        "bind" | "volume" | "tmpfs" | "image" => {}
        _ => return Err(config("mount type unknown")),
    }
    if mount.target.is_empty() {
        return Err(config("field Target must not be empty"));
    }
    if !mount.target.starts_with('/') {
        return Err(config(
            &MountError::NotAbsolute(mount.target.clone()).to_string(),
        ));
    }
    if clean(&mount.target) == "/" {
        return Err(config("invalid specification: destination can't be '/'"));
    }
    let source = match kind {
        "bind" => bind_source(mount, &config)?,
        "volume" => volume_source(mount, &config)?,
        "image" => image_source(mount, &config)?,
        _ => tmpfs_source(mount, &config)?,
    };
    Ok(MountRecord {
        target: clean(&mount.target),
        source,
        writable: !mount.read_only && kind != "image",
        mode: String::new(),
    })
}

/// Options of another type of mount.
fn foreign_options(mount: &Mount) -> Result<(), MountError> {
    let given = [
        ("bind", "BindOptions", mount.bind_options.is_some()),
        ("volume", "VolumeOptions", mount.volume_options.is_some()),
        ("image", "ImageOptions", mount.image_options.is_some()),
        ("tmpfs", "TmpfsOptions", mount.tmpfs_options.is_some()),
    ];
    let foreign = given
        .into_iter()
        .find(|(kind, _, given)| *given && *kind != mount.kind);
    foreign.map_or(Ok(()), |(_, option, _)| {
        Err(MountError::Option {
            option,
            kind: mount.kind.clone(),
        })
    })
}

fn bind_source(mount: &Mount, config: &dyn Fn(&str) -> MountError) -> Result<Source, MountError> {
    if mount.source.is_empty() {
        return Err(config("field Source must not be empty"));
    }
    if !mount.source.starts_with('/') {
        return Err(config(
            &MountError::NotAbsolute(mount.source.clone()).to_string(),
        ));
    }
    let options = mount.bind_options.clone().unwrap_or_default();
    if !options.propagation.is_empty() && !PROPAGATIONS.contains(&options.propagation.as_str()) {
        return Err(config(&format!(
            "invalid propagation mode: {}",
            options.propagation
        )));
    }
    if options.read_only_force_recursive && options.read_only_non_recursive {
        return Err(config(
            "mount options conflict: ReadOnlyNonRecursive && ReadOnlyForceRecursive",
        ));
    }
    Ok(Source::Bind {
        path: clean(&mount.source),
        propagation: or(&options.propagation, "rprivate"),
        flat: options.non_recursive,
        depth: if options.read_only_force_recursive {
            ReadOnlyDepth::Forced
        } else if options.read_only_non_recursive {
            ReadOnlyDepth::Flat
        } else {
            ReadOnlyDepth::BestEffort
        },
        create: options.create_mountpoint,
        owner: owner(&options, config)?,
    })
}

/// `UID:GID`. What is mounted with mapped owners is a mount of its own, to which nothing propagates.
fn owner(
    options: &BindOptions,
    config: &dyn Fn(&str) -> MountError,
) -> Result<Option<(u32, u32)>, MountError> {
    let text = options.id_map.as_str();
    if text.is_empty() {
        return Ok(None);
    }
    let ids = text.split_once(':');
    let ids = ids.and_then(|(uid, gid)| Some((uid.parse().ok()?, gid.parse().ok()?)));
    let Some(ids) = ids else {
        return Err(config(&format!("invalid idmap: {text} is not UID:GID")));
    };
    if !matches!(options.propagation.as_str(), "" | "private" | "rprivate") {
        return Err(config(&format!(
            "idmap and propagation mode {} exclude each other",
            options.propagation
        )));
    }
    Ok(Some(ids))
}

fn volume_source(mount: &Mount, config: &dyn Fn(&str) -> MountError) -> Result<Source, MountError> {
    let asked = mount.volume_options.clone().unwrap_or_default();
    if !subpath::is_within(&asked.subpath) {
        return Err(config("subpath must be a relative path within the volume"));
    }
    let driver = asked.driver_config.unwrap_or_default();
    let mut source = volume(&mount.source, &driver.name, asked.no_copy)?;
    if let Source::Volume {
        subpath,
        options,
        labels,
        ..
    } = &mut source
    {
        *subpath = asked.subpath;
        *options = driver.options.into_inner();
        *labels = asked.labels.into_inner();
    }
    Ok(source)
}

fn image_source(mount: &Mount, config: &dyn Fn(&str) -> MountError) -> Result<Source, MountError> {
    if mount.source.is_empty() {
        return Err(config("field Source must not be empty"));
    }
    let asked = mount.image_options.clone().unwrap_or_default();
    if !subpath::is_within(&asked.subpath) {
        return Err(config("subpath must be a relative path within the volume"));
    }
    Ok(Source::Image {
        reference: mount.source.clone(),
        id: String::new(),
        subpath: asked.subpath,
    })
}

fn tmpfs_source(mount: &Mount, config: &dyn Fn(&str) -> MountError) -> Result<Source, MountError> {
    if !mount.source.is_empty() {
        return Err(config("field Source must not be specified"));
    }
    let asked = mount.tmpfs_options.clone().unwrap_or_default();
    let mut options = Vec::new();
    if asked.mode != 0 {
        options.push(format!("mode={:o}", asked.mode));
    }
    if asked.size_bytes != 0 {
        options.push(format!("size={}", size(asked.size_bytes)));
    }
    for option in asked.options.iter() {
        options.push(option.join("="));
    }
    if mount.read_only {
        options.push("ro".to_owned());
    }
    Ok(Source::Tmpfs { options })
}

/// In the largest unit that divides it, as dockerd writes it.
fn size(bytes: i64) -> String {
    [(1 << 30, "g"), (1 << 20, "m"), (1 << 10, "k")]
        .into_iter()
        .find(|(unit, _)| bytes % unit == 0)
        .map_or_else(
            || bytes.to_string(),
            |(unit, letter)| format!("{}{letter}", bytes / unit),
        )
}
