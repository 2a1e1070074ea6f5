//! `--mount type=bind,source=…,target=…`: one line of CSV.

use std::str::FromStr;

use anyhow::{Result, anyhow, bail};
use gantry_engine_api::mount::{
    BindOptions, DriverConfig, ImageOptions, Mount, TmpfsOptions, VolumeOptions,
};

use super::path::absolute;
use super::units::Bytes;

/// One `--mount`.
#[derive(Clone, Debug)]
pub(super) struct MountFlag(pub(super) Mount);

impl FromStr for MountFlag {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        parse(text).map(Self).map_err(|error| error.to_string())
    }
}

fn parse(text: &str) -> Result<Mount> {
    let mut mount = Mount {
        kind: "volume".to_owned(),
        ..Mount::default()
    };
    for field in csv(text)? {
        let (key, value) = field
            .split_once('=')
            .map_or((field.as_str(), None), |(k, v)| (k, Some(v)));
        let key = key.to_lowercase();
        match (key.as_str(), value) {
            ("readonly" | "ro", None) => mount.read_only = true,
            ("volume-nocopy", None) => volume(&mut mount).no_copy = true,
            ("bind-nonrecursive", None) => bind(&mut mount).non_recursive = true,
            ("idmap", None) => bind(&mut mount).id_map = caller(),
            ("bind-create-src", None) => bind(&mut mount).create_mountpoint = true,
            (_, None) => bail!("invalid field '{field}' must be a key=value pair"),
            (key, Some(value)) => set(&mut mount, key, value, &field)?,
        }
    }
    check(mount)
}

fn set(mount: &mut Mount, key: &str, value: &str, field: &str) -> Result<()> {
    let flag = || match value.to_lowercase().as_str() {
        "1" | "t" | "true" => Ok(true),
        "0" | "f" | "false" => Ok(false),
        _ => Err(anyhow!("invalid value for {key}: {value}")),
    };
    match key {
        "type" => mount.kind = value.to_lowercase(),
        "source" | "src" => {
            mount.source = if value == "." || value.starts_with("./") || value.starts_with("..") {
                absolute(value)?
            } else {
                value.to_owned()
            };
        }
        "target" | "dst" | "destination" => value.clone_into(&mut mount.target),
        "readonly" | "ro" => mount.read_only = flag()?,
        "consistency" => mount.consistency = value.to_lowercase(),
        "bind-propagation" => bind(mount).propagation = value.to_lowercase(),
        "bind-nonrecursive" => bind(mount).non_recursive = flag()?,
        "idmap" => bind(mount).id_map = owner(value)?,
        "bind-create-src" => bind(mount).create_mountpoint = flag()?,
        "bind-recursive" => match value {
            "enabled" => {}
            "disabled" => bind(mount).non_recursive = true,
            "writable" => bind(mount).read_only_non_recursive = true,
            "readonly" => bind(mount).read_only_force_recursive = true,
            _ => bail!(
                "invalid value for {key}: {value} (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")"
            ),
        },
        "volume-subpath" => value.clone_into(&mut volume(mount).subpath),
        "volume-nocopy" => volume(mount).no_copy = flag()?,
        "volume-label" => {
            let (name, label) = value.split_once('=').unwrap_or((value, ""));
            volume(mount)
                .labels
                .insert(name.to_owned(), label.to_owned());
        }
        "volume-driver" => value.clone_into(&mut driver(mount).name),
        "volume-opt" => {
            let (name, option) = value.split_once('=').unwrap_or((value, ""));
            driver(mount)
                .options
                .insert(name.to_owned(), option.to_owned());
        }
        "image-subpath" => {
            value.clone_into(
                &mut mount
                    .image_options
                    .get_or_insert_with(ImageOptions::default)
                    .subpath,
            );
        }
        "tmpfs-size" => {
            let size: Bytes = value
                .parse()
                .map_err(|_| anyhow!("invalid value for {key}: {value}"))?;
            tmpfs(mount).size_bytes = size.0;
        }
        "tmpfs-mode" => {
            let mode = u32::from_str_radix(value, 8);
            tmpfs(mount).mode = mode.map_err(|_| anyhow!("invalid value for {key}: {value}"))?;
        }
        _ => bail!("unexpected key '{key}' in '{field}'"),
    }
    Ok(())
}

/// The caller's user and group: files of a bind with `idmap` belong to them on the host.
fn caller() -> String {
    let (uid, gid) = (rustix::process::getuid(), rustix::process::getgid());
    format!("{}:{}", uid.as_raw(), gid.as_raw())
}

/// `UID:GID`.
fn owner(value: &str) -> Result<String> {
    let ids = value.split_once(':');
    let is_id = |id: &str| id.parse::<u32>().is_ok();
    if ids.is_none_or(|(uid, gid)| !is_id(uid) || !is_id(gid)) {
        bail!("invalid value for idmap: {value} (must be UID:GID, or nothing for your own)");
    }
    Ok(value.to_owned())
}

fn check(mount: Mount) -> Result<Mount> {
    if mount.kind.is_empty() {
        bail!("type is required");
    }
    if mount.target.is_empty() {
        bail!("target is required");
    }
    let groups = [
        ("volume", mount.volume_options.is_some()),
        ("bind", mount.bind_options.is_some()),
        ("image", mount.image_options.is_some()),
        ("tmpfs", mount.tmpfs_options.is_some()),
    ];
    for (kind, used) in groups {
        if used && mount.kind != kind {
            bail!(
                "cannot mix '{kind}-*' options with mount type '{}'",
                mount.kind
            );
        }
    }
    let recursive = mount
        .bind_options
        .as_ref()
        .is_some_and(|bind| bind.read_only_force_recursive);
    if recursive && !mount.read_only {
        bail!(
            "option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction"
        );
    }
    Ok(mount)
}

fn bind(mount: &mut Mount) -> &mut BindOptions {
    mount.bind_options.get_or_insert_with(BindOptions::default)
}

fn volume(mount: &mut Mount) -> &mut VolumeOptions {
    mount
        .volume_options
        .get_or_insert_with(VolumeOptions::default)
}

fn driver(mount: &mut Mount) -> &mut DriverConfig {
    volume(mount)
        .driver_config
        .get_or_insert_with(DriverConfig::default)
}

fn tmpfs(mount: &mut Mount) -> &mut TmpfsOptions {
    mount
        .tmpfs_options
        .get_or_insert_with(TmpfsOptions::default)
}

/// The fields of one CSV record: commas part, quotes hold together.
pub(crate) fn csv(text: &str) -> Result<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let field = fields.last_mut().expect("there is always one field");
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => quoted = true,
            '"' => bail!(
                "parse error on line 1, column {}: bare \" in non-quoted-field",
                field.len() + 1
            ),
            ',' if !quoted => fields.push(String::new()),
            c => field.push(c),
        }
    }
    if quoted {
        bail!(
            "parse error on line 1, column {}: extraneous or missing \" in quoted-field",
            text.len() + 1
        );
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read() {
        let got = parse("type=bind,src=/a,dst=/b,ro,bind-propagation=rshared").unwrap();
        assert_eq!((got.kind.as_str(), got.read_only), ("bind", true));
        assert_eq!(got.bind_options.unwrap().propagation, "rshared");
        let got = parse("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1777").unwrap();
        let options = got.tmpfs_options.unwrap();
        assert_eq!((options.size_bytes, options.mode), (1 << 20, 0o1777));
        let got = parse("type=bind,src=/a,dst=/b,idmap").unwrap();
        let own = rustix::process::getuid().as_raw();
        let map = got.bind_options.unwrap().id_map;
        assert!(map.starts_with(&format!("{own}:")), "{map}");
        let got = parse("type=bind,src=/a,dst=/b,idmap=7:8").unwrap();
        assert_eq!(got.bind_options.unwrap().id_map, "7:8");
        let got = parse("target=/v,\"volume-opt=o=a,b\"").unwrap();
        let driver = got.volume_options.unwrap().driver_config.unwrap();
        assert_eq!(driver.options.get("o").map(String::as_str), Some("a,b"));
    }

    #[test]
    fn bad_mounts_are_refused() {
        for text in [
            "type=bind,src=/a",
            "type=bind,dst=/b,tmpfs-size=1",
            "dst=/b,x=y",
            "dst=/b,bare",
            "dst=/b,tmpfs-mode=9",
            "type=bind,src=/a,dst=/b,idmap=root",
            "dst=/b,idmap",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
