//! Devices: which are let in, how fast they may be used, and generic requests for accelerators.

use anyhow::bail;
use gantry_engine_api::host_config::{DeviceMapping, DeviceRequest, ThrottleDevice, WeightDevice};

use super::units::Bytes;

/// `/dev/x:WEIGHT`.
pub(super) fn weight(text: &str) -> Result<WeightDevice, String> {
    let (path, value) = path_and_value(text)?;
    match value.parse::<u16>() {
        Ok(weight) if weight == 0 || (10..=1000).contains(&weight) => {
            Ok(WeightDevice { path, weight })
        }
        _ => Err(format!("invalid weight for device: {text}")),
    }
}

/// `/dev/x:RATE`, the rate in bytes with a unit.
pub(super) fn byte_rate(text: &str) -> Result<ThrottleDevice, String> {
    let (path, value) = path_and_value(text)?;
    let rate = value
        .parse::<Bytes>()
        .ok()
        .and_then(|size| u64::try_from(size.0).ok());
    let form = "<device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb";
    let rate = rate.ok_or_else(|| wrong_rate(text, form))?;
    Ok(ThrottleDevice { path, rate })
}

/// `/dev/x:RATE`, the rate in operations.
pub(super) fn operation_rate(text: &str) -> Result<ThrottleDevice, String> {
    let (path, value) = path_and_value(text)?;
    let form = "<device-path>:<number>. Number must be a positive integer";
    let rate = value.parse().map_err(|_| wrong_rate(text, form))?;
    Ok(ThrottleDevice { path, rate })
}

fn wrong_rate(text: &str, form: &str) -> String {
    format!("invalid rate for device: {text}. The correct format is {form}")
}

fn path_and_value(text: &str) -> Result<(String, &str), String> {
    match text.rsplit_once(':') {
        Some((path, value)) if path.starts_with("/dev/") => Ok((path.to_owned(), value)),
        Some(_) => Err(format!("bad format for device path: {text}")),
        None => Err(format!("bad format: {text}")),
    }
}

/// `--device`: paths are devices of the host, `vendor/class=name` are CDI requests.
pub(super) fn devices(
    given: &[String],
) -> anyhow::Result<(Vec<DeviceMapping>, Vec<DeviceRequest>)> {
    let (cdi, paths): (Vec<&String>, Vec<&String>) =
        given.iter().partition(|device| is_cdi(device));
    let requests = if cdi.is_empty() {
        Vec::new()
    } else {
        let names: Vec<String> = cdi.into_iter().cloned().collect();
        vec![DeviceRequest {
            driver: "cdi".to_owned(),
            device_ids: names.into(),
            ..DeviceRequest::default()
        }]
    };
    let mappings: anyhow::Result<Vec<DeviceMapping>> =
        paths.into_iter().map(|path| device(path)).collect();
    Ok((mappings?, requests))
}

fn is_cdi(device: &str) -> bool {
    !device.starts_with('/')
        && device
            .split_once('=')
            .is_some_and(|(kind, _)| kind.contains('/'))
}

/// `HOST[:CONTAINER][:rwm]`.
fn device(text: &str) -> anyhow::Result<DeviceMapping> {
    let parts: Vec<&str> = text.split(':').collect();
    let (host, inside, access) = match parts.as_slice() {
        [host] => (*host, *host, "rwm"),
        [host, second] if is_access(second) => (*host, *host, *second),
        [host, inside] => (*host, *inside, "rwm"),
        [host, inside, access] => (*host, *inside, *access),
        _ => bail!("invalid device specification: {text}"),
    };
    if !is_access(access) {
        bail!("bad mode specified: {access}");
    }
    for path in [host, inside] {
        if !path.starts_with('/') {
            bail!("{path} is not an absolute path");
        }
    }
    Ok(DeviceMapping {
        path_on_host: host.to_owned(),
        path_in_container: inside.to_owned(),
        cgroup_permissions: access.to_owned(),
    })
}

fn is_access(text: &str) -> bool {
    let mut seen = Vec::new();
    !text.is_empty()
        && text.chars().all(|c| {
            let fresh = !seen.contains(&c);
            seen.push(c);
            fresh && matches!(c, 'r' | 'w' | 'm')
        })
}

/// `--device-cgroup-rule`: `c 1:3 rwm`.
pub(super) fn rule(rule: &str) -> Result<String, String> {
    let parts: Vec<&str> = rule.split(' ').collect();
    let number = |text: &str| text == "*" || text.parse::<u32>().is_ok();
    let valid = match parts.as_slice() {
        ["a" | "b" | "c", numbers, access] => {
            numbers
                .split_once(':')
                .is_some_and(|(major, minor)| number(major) && number(minor))
                && (1..=3).contains(&access.len())
                && access.chars().all(|c| matches!(c, 'r' | 'w' | 'm'))
        }
        _ => false,
    };
    if !valid {
        return Err(format!("invalid device cgroup format '{rule}'"));
    }
    Ok(rule.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read() {
        let table = [
            ("/dev/a", ("/dev/a", "/dev/a", "rwm")),
            ("/dev/a:/dev/b", ("/dev/a", "/dev/b", "rwm")),
            ("/dev/a:r", ("/dev/a", "/dev/a", "r")),
            ("/dev/a:/dev/b:wm", ("/dev/a", "/dev/b", "wm")),
        ];
        for (text, want) in table {
            let got = device(text).unwrap();
            let got = (
                &*got.path_on_host,
                &*got.path_in_container,
                &*got.cgroup_permissions,
            );
            assert_eq!(got, want, "{text}");
        }
        for text in ["/dev/a:/dev/b:x", "a:b", "/a:/b:r:w", "/dev/a:/dev/b:rr"] {
            assert!(device(text).is_err(), "{text}");
        }
        assert!(is_cdi("vendor.com/net=x"));
    }

    #[test]
    fn rules_are_checked() {
        assert!(rule("c 1:3 rwm").is_ok());
        assert!(rule("a *:* rwm").is_ok());
        for text in ["", "x 1:3 r", "c 1 r", "c 1:3 x", "c 1:3"] {
            assert!(rule(text).is_err(), "{text}");
        }
    }
}
