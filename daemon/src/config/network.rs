//! The options of networks, typed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use super::build::{invalid, parsed};
use super::merge::Values;
use super::{ConfigError, NetworkOptions};

pub(super) fn network(values: &Values) -> Result<NetworkOptions, ConfigError> {
    let bridge = values.text("bridge").map(str::to_owned);
    if bridge.is_some() && values.text("bip").is_some() {
        let reason =
            "you specified -b & --bip, mutually exclusive options; please specify only one";
        return Err(invalid("bridge", reason));
    }
    let addresses = |name: &str| -> Result<Vec<IpAddr>, ConfigError> {
        let parse = |text: &String| {
            text.parse()
                .map_err(|_| invalid(name, format!("\"{text}\" is no IP address")))
        };
        values.list(name).iter().map(parse).collect()
    };
    let gateways = addresses("host-gateway-ip")?;
    Ok(NetworkOptions {
        bridge,
        bip: parsed(values, "bip")?,
        fixed_cidr: parsed(values, "fixed-cidr")?,
        default_gateway: parsed(values, "default-gateway")?,
        ipv6: values.switch("ipv6", false),
        bip6: parsed(values, "bip6")?,
        fixed_cidr_v6: parsed(values, "fixed-cidr-v6")?,
        default_gateway_v6: parsed(values, "default-gateway-v6")?,
        address_pools: address_pools(values)?,
        default_options: default_options(values)?,
        mtu: values
            .number("mtu")
            .and_then(|mtu| u32::try_from(mtu).ok())
            .filter(|mtu| *mtu > 0),
        icc: values.switch("icc", true),
        ip_forward: values.switch("ip-forward", true),
        ip_masq: values.switch("ip-masq", true),
        firewall: values.switch("iptables", true),
        host_firewall: values.switch("host-firewall", false),
        default_binding: parsed(values, "ip")?,
        dns: addresses("dns")?,
        dns_options: values.list("dns-opt"),
        dns_search: values.list("dns-search"),
        host_gateway: gateways.first().copied(),
    })
}

/// `base=10.0.0.0/8,size=24`; in the file, objects with those keys.
fn address_pools(values: &Values) -> Result<Vec<(ipnet::IpNet, u8)>, ConfigError> {
    let pools = values.get("default-address-pool").and_then(Value::as_array);
    let pool = |value: &Value| -> Option<(ipnet::IpNet, u8)> {
        if let Value::String(text) = value {
            let part = |key: &str| {
                text.split(',')
                    .find_map(|p| p.strip_prefix(key)?.strip_prefix('='))
            };
            return Some((part("base")?.parse().ok()?, part("size")?.parse().ok()?));
        }
        let size = value.get("size")?.as_u64()?;
        Some((
            value.get("base")?.as_str()?.parse().ok()?,
            u8::try_from(size).ok()?,
        ))
    };
    let checked = |value: &Value| {
        let fits = |(base, size): &(ipnet::IpNet, u8)| {
            base.prefix_len() <= *size && *size <= base.max_prefix_len()
        };
        pool(value).filter(fits).ok_or_else(|| {
            invalid(
                "default-address-pool",
                format!("{value}: expected base=CIDR,size=BITS"),
            )
        })
    };
    pools.into_iter().flatten().map(checked).collect()
}

/// `bridge=com.docker.network.driver.mtu=1400`; in the file, an object of objects.
fn default_options(
    values: &Values,
) -> Result<BTreeMap<String, BTreeMap<String, String>>, ConfigError> {
    const NAME: &str = "default-network-opt";
    let mut options: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let wrong = |value: &Value| {
        let reason = format!("{value}: expected DRIVER=OPTION=VALUE");
        invalid(NAME, reason)
    };
    match values.get(NAME) {
        Some(Value::Array(flags)) => {
            for flag in flags {
                let parts = flag.as_str().and_then(|text| {
                    let (driver, rest) = text.split_once('=')?;
                    let (option, value) = rest.split_once('=')?;
                    Some((driver, option, value))
                });
                let (driver, option, value) = parts.ok_or_else(|| wrong(flag))?;
                let of_driver = options.entry(driver.to_owned()).or_default();
                of_driver.insert(option.to_owned(), value.to_owned());
            }
        }
        Some(Value::Object(drivers)) => {
            for (driver, given) in drivers {
                let texts: BTreeMap<String, String> =
                    serde_json::from_value(given.clone()).map_err(|_| wrong(given))?;
                options.insert(driver.clone(), texts);
            }
        }
        _ => {}
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::{OPTIONS, Opt};

    #[test]
    fn default_options_are_read_in_both_forms() {
        let read = |value: Value| {
            let named = |opt: &&Opt| opt.flag == "default-network-opt";
            let opt = OPTIONS.iter().find(named).expect("it is an option");
            let mut values = Values::default();
            values.add(opt, value);
            default_options(&values)
        };
        let flags = read(serde_json::json!(["bridge=a.b=1", "bridge=c=d=e"])).unwrap();
        let file = read(serde_json::json!({"bridge": {"a.b": "1", "c": "d=e"}})).unwrap();
        assert_eq!(flags, file);
        assert_eq!(flags["bridge"]["c"], "d=e");
        assert!(read(serde_json::json!(["bridge=a"])).is_err());
    }
}
