//! `-p`: `[[IP:]HOST:]CONTAINER[/PROTOCOL]`, numbers or ranges, and the long form in CSV.

use anyhow::{Result, anyhow, bail};
use gantry_engine_api::port::{PortBinding, PortMap, PortRange, Protocol};

use super::mount::csv;

/// Published and exposed ports.
#[derive(Debug, Default)]
pub(super) struct Ports {
    pub(super) bindings: PortMap,
    pub(super) exposed: Vec<String>,
}

impl Ports {
    /// Adds one `-p`.
    pub(super) fn publish(&mut self, text: &str) -> Result<()> {
        if text.contains('=') {
            return self.publish(&long_form(text)?);
        }
        let (address, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
        let protocol: Protocol = protocol
            .parse()
            .map_err(|_| anyhow!("Invalid proto: {protocol}"))?;
        let (ip, host, container) = split(address)?;
        if container.is_empty() {
            bail!("No port specified: {text}<empty>");
        }
        let inside: PortRange = container
            .parse()
            .map_err(|_| anyhow!("Invalid containerPort: {container}"))?;
        let outside = match host {
            "" => None,
            text => Some(
                text.parse::<PortRange>()
                    .map_err(|_| anyhow!("Invalid hostPort: {text}"))?,
            ),
        };
        let wider = outside.is_some_and(|outside| outside.count() != inside.count());
        if wider && inside.count() != 1 {
            bail!("Invalid ranges specified for container and host Ports: {container} and {host}");
        }
        for (index, port) in (inside.first..=inside.last).enumerate() {
            let host_port = match outside {
                None => String::new(),
                // One port behind several of the host: the engine chooses a free one.
                Some(range) if wider => format!("{}-{}", range.first, range.last),
                Some(range) => (usize::from(range.first) + index).to_string(),
            };
            let key = format!("{port}/{protocol}");
            self.exposed.push(key.clone());
            let binding = PortBinding {
                host_ip: ip.to_owned(),
                host_port,
                ..PortBinding::default()
            };
            self.bindings.entry(key).or_default().push(binding);
        }
        Ok(())
    }

    /// Adds one `--expose`.
    pub(super) fn expose(&mut self, text: &str) -> Result<()> {
        if text.contains(':') {
            bail!("invalid port format for --expose: {text}");
        }
        let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let invalid =
            |why: String| anyhow!("invalid range format for --expose: {text}, error: {why}");
        let range: PortRange = range.parse().map_err(|_| {
            invalid(format!(
                "strconv.ParseUint: parsing \"{range}\": invalid syntax"
            ))
        })?;
        let protocol: Protocol = protocol
            .parse()
            .map_err(|_| anyhow!("invalid proto: {protocol}"))?;
        self.exposed
            .extend((range.first..=range.last).map(|port| format!("{port}/{protocol}")));
        Ok(())
    }
}

/// The bindings of several `-p`.
pub(crate) fn port_map(specifications: &[String]) -> Result<PortMap> {
    let mut ports = Ports::default();
    for text in specifications {
        ports.publish(text)?;
    }
    Ok(ports.bindings)
}

/// Address, host part, container part; an IPv6 address stands in brackets.
fn split(text: &str) -> Result<(&str, &str, &str)> {
    let (ip, rest) = match text.strip_prefix('[') {
        Some(inner) => {
            let Some((ip, rest)) = inner.split_once("]:") else {
                bail!("Invalid ip address: {text}");
            };
            (Some(ip), rest)
        }
        None => (None, text),
    };
    let parts: Vec<&str> = rest.split(':').collect();
    let (ip, host, container) = match (ip, parts.as_slice()) {
        (None, [container]) => ("", "", *container),
        (None, [host, container]) => ("", *host, *container),
        (None, [ip @ .., host, container]) => (&rest[..ip.join(":").len()], *host, *container),
        (Some(ip), [container]) => (ip, "", *container),
        (Some(ip), [host, container]) => (ip, *host, *container),
        (Some(_), _) | (None, []) => bail!("Invalid ip address: {text}"),
    };
    if !ip.is_empty() && ip.parse::<std::net::IpAddr>().is_err() {
        bail!("Invalid ip address: {ip}");
    }
    Ok((ip, host, container))
}

/// `published=8080,target=80,protocol=tcp`.
fn long_form(text: &str) -> Result<String> {
    let (mut target, mut published, mut protocol) =
        (String::new(), String::new(), "tcp".to_owned());
    for field in csv(text)? {
        let Some((key, value)) = field.split_once('=') else {
            bail!("invalid field: {field}")
        };
        match key.to_lowercase().as_str() {
            "target" => value.clone_into(&mut target),
            "published" => value.clone_into(&mut published),
            "protocol" => value.clone_into(&mut protocol),
            "mode" if matches!(value, "host" | "ingress") => {}
            "mode" => {
                bail!("invalid publish mode value ({value}): must be either 'ingress' or 'host'")
            }
            key => bail!("invalid field key: {key}"),
        }
    }
    if target.is_empty() {
        bail!("missing mandatory field 'target'");
    }
    Ok(if published.is_empty() {
        format!("{target}/{protocol}")
    } else {
        format!("{published}:{target}/{protocol}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let mut ports = Ports::default();
        ports.publish(text).unwrap();
        let all = ports.bindings.iter().flat_map(|(key, bindings)| {
            bindings
                .iter()
                .map(move |b| format!("{}|{}|{key}", b.host_ip, b.host_port))
        });
        all.collect()
    }

    #[test]
    fn specifications_are_read() {
        let table: [(&str, &[&str]); 9] = [
            ("80", &["||80/tcp"]),
            ("8080:80", &["|8080|80/tcp"]),
            ("127.0.0.1:8080:80/udp", &["127.0.0.1|8080|80/udp"]),
            ("127.0.0.1::80", &["127.0.0.1||80/tcp"]),
            ("[::1]:8080:80", &["::1|8080|80/tcp"]),
            ("8000-8001:80-81", &["|8000|80/tcp", "|8001|81/tcp"]),
            ("8000-8010:80", &["|8000-8010|80/tcp"]),
            ("80-81", &["||80/tcp", "||81/tcp"]),
            ("published=8080,target=80,protocol=udp", &["|8080|80/udp"]),
        ];
        for (text, want) in table {
            assert_eq!(shown(text), want, "{text}");
        }
    }

    #[test]
    fn bad_specifications_are_refused() {
        let table = [
            ("abc", "Invalid containerPort: abc"),
            ("x:80", "Invalid hostPort: x"),
            ("1.2.3:8080:80", "Invalid ip address: 1.2.3"),
            ("80/foo", "Invalid proto: foo"),
            (
                "8000-8002:80-81",
                "Invalid ranges specified for container and host Ports: 80-81 and 8000-8002",
            ),
        ];
        for (text, want) in table {
            assert_eq!(
                Ports::default().publish(text).unwrap_err().to_string(),
                want,
                "{text}"
            );
        }
    }
}
