//! Ports of `EXPOSE`, as go-connections reads them.

use crate::quote::quote;

/// Lists the container's ports that a specification names: `80`, `80/udp`, `8000-8002`,
/// `[IP:][HOST:]80`.
///
/// # Errors
/// What go-connections says.
pub(crate) fn parse(text: &str) -> Result<Vec<String>, String> {
    let (address, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = if protocol.is_empty() {
        "tcp".to_owned()
    } else {
        protocol.to_lowercase()
    };
    let container = address.rsplit(':').next().unwrap_or(address);
    if container.is_empty() {
        return Err(format!("no port specified: {text}<empty>"));
    }
    let invalid = || format!("invalid containerPort: {container}");
    let number = |text: &str| text.parse::<u16>().map_err(|_| invalid());
    let (first, last) = match container.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(container)?, number(container)?),
    };
    if first > last {
        return Err(invalid());
    }
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(format!(
            "invalid port: {}: invalid proto: {protocol}",
            quote(text)
        ));
    }
    let ports = (first..=last).map(|port| format!("{port}/{protocol}"));
    Ok(ports.collect())
}

/// Whether a specification names an address or a port of the host.
pub(crate) fn names_host(text: &str) -> bool {
    text.split('/').next().unwrap_or(text).contains(':')
}
