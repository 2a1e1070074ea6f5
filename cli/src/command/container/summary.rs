//! One line of `gantry ps`: how a container's summary is shown.

use jiff::Timestamp;
use serde_json::Value;

use crate::format::{
    Listing, Row, decimal_size_precise, go_quote, go_timestamp, since, sorted_pairs,
};

pub(crate) const LISTING: Listing = Listing {
    columns: &[
        ("ID", "CONTAINER ID"),
        ("Image", "IMAGE"),
        ("Command", "COMMAND"),
        ("RunningFor", "CREATED"),
        ("CreatedAt", "CREATED AT"),
        ("Status", "STATUS"),
        ("State", "STATE"),
        ("Ports", "PORTS"),
        ("Names", "NAMES"),
        ("Size", "SIZE"),
        ("Labels", "LABELS"),
        ("Mounts", "MOUNTS"),
        ("LocalVolumes", "LOCAL VOLUMES"),
        ("Networks", "NETWORKS"),
        ("Platform", "PLATFORM"),
        ("Reach", "REACHED BY"),
    ],
    table: "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}",
    kind: "*formatter.ContainerContext",
};

/// `ps --size`.
pub(super) const SIZED: &str = "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}\t{{.Size}}";

/// `ps --reach`.
pub(super) const REACHED: &str =
    "table {{.ID}}\t{{.Image}}\t{{.Status}}\t{{.Ports}}\t{{.Reach}}\t{{.Names}}";

/// The fields of one container.
pub(crate) fn row(container: &Value, cut: bool, now: Timestamp) -> Row {
    let text = |key: &str| container[key].as_str().unwrap_or_default();
    let created = Timestamp::from_second(container["Created"].as_i64().unwrap_or(0));
    let created = created.unwrap_or(Timestamp::UNIX_EPOCH);
    let empty = Vec::new();
    let mounts = container["Mounts"].as_array().unwrap_or(&empty);
    let local = mounts
        .iter()
        .filter(|mount| mount["Driver"] == "local")
        .count();
    let names: Vec<String> = mounts.iter().map(|mount| mount_name(mount, cut)).collect();
    let networks = container["NetworkSettings"]["Networks"].as_object();
    let mut networks: Vec<&str> = networks
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    networks.sort_unstable();
    let platform = match container.get("ImageManifestDescriptor") {
        Some(descriptor) => descriptor["platform"].clone(),
        None => Value::Null,
    };
    Row::new([
        ("ID", id(text("Id"), cut).into()),
        ("Image", image(container, cut).into()),
        ("Command", command(text("Command"), cut).into()),
        ("RunningFor", format!("{} ago", since(created, now)).into()),
        ("CreatedAt", go_timestamp(created).into()),
        ("Status", text("Status").into()),
        ("State", text("State").into()),
        ("Ports", ports(&container["Ports"]).into()),
        ("Names", own_names(container, cut).into()),
        ("Size", size(container).into()),
        ("Labels", sorted_pairs(&container["Labels"]).into()),
        ("Mounts", names.join(",").into()),
        ("LocalVolumes", local.to_string().into()),
        ("Networks", networks.join(",").into()),
        ("Platform", platform),
    ])
    .with_labels(&container["Labels"])
}

fn id(id: &str, cut: bool) -> &str {
    if cut { super::short_id(id) } else { id }
}

/// The image's name; where the container's own name of it is an id, the id cut short.
fn image(container: &Value, cut: bool) -> String {
    let image = container["Image"].as_str().unwrap_or_default();
    if image.is_empty() {
        return "<no image>".to_owned();
    }
    if !cut {
        return image.to_owned();
    }
    let hex = image.strip_prefix("sha256:").unwrap_or(image);
    if hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return super::short_id(image).to_owned();
    }
    // A digest behind a tag says nothing more to a reader.
    match image.split_once('@') {
        Some((name, _))
            if name
                .rsplit('/')
                .next()
                .is_some_and(|last| last.contains(':')) =>
        {
            name.to_owned()
        }
        _ => image.to_owned(),
    }
}

fn command(command: &str, cut: bool) -> String {
    go_quote(&if cut {
        ellipsis(command, 20)
    } else {
        command.to_owned()
    })
}

/// The first `limit` characters, the last of them an ellipsis where more follow.
pub(crate) fn ellipsis(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars()
        .take(limit.saturating_sub(1))
        .chain(['…'])
        .collect()
}

/// Names without the leading slash; links (`/other/alias`) only where nothing is cut.
fn own_names(container: &Value, cut: bool) -> String {
    let empty = Vec::new();
    let names = container["Names"].as_array().unwrap_or(&empty);
    let names = names
        .iter()
        .filter_map(Value::as_str)
        .map(|name| name.trim_start_matches('/'));
    names
        .filter(|name| !cut || !name.contains('/'))
        .collect::<Vec<_>>()
        .join(",")
}

fn mount_name(mount: &Value, cut: bool) -> String {
    let text = |key: &str| mount[key].as_str().unwrap_or_default();
    let name = if text("Name").is_empty() {
        text("Source")
    } else {
        text("Name")
    };
    if cut {
        ellipsis(name, 15)
    } else {
        name.to_owned()
    }
}

fn size(container: &Value) -> String {
    let number = |key: &str| container[key].as_f64().unwrap_or(0.0);
    let own = decimal_size_precise(number("SizeRw"));
    let total = number("SizeRootFs");
    if total > 0.0 {
        format!("{own} (virtual {})", decimal_size_precise(total))
    } else {
        own
    }
}

/// Who can reach published ports, the farthest first: `world: 8080; local: 9000/udp`.
pub(super) fn reach(ports: &Value) -> String {
    let empty = Vec::new();
    let ports = ports.as_array().unwrap_or(&empty);
    let mut told = Vec::new();
    for reach in ["world", "lan", "local"] {
        let own = ports.iter().filter(|port| port["Reach"] == reach);
        let mut own: Vec<_> = own
            .map(|port| {
                // One that is open at the container's own address has none of the host's.
                let number = port["PublicPort"].as_u64().filter(|number| *number != 0);
                let number = number.or(port["PrivatePort"].as_u64()).unwrap_or(0);
                (number, port["Type"].as_str().unwrap_or_default())
            })
            .collect();
        own.sort_unstable();
        own.dedup();
        let own: Vec<_> = own
            .iter()
            .map(|(number, kind)| match *kind {
                "tcp" => number.to_string(),
                kind => format!("{number}/{kind}"),
            })
            .collect();
        if !own.is_empty() {
            told.push(format!("{reach}: {}", own.join(", ")));
        }
    }
    told.join("; ")
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Published {
    private: u64,
    public: u64,
    ip: String,
    kind: String,
}

/// `0.0.0.0:8080->80/tcp, …`; neighbouring ports join into ranges.
pub(crate) fn ports(ports: &Value) -> String {
    let empty = Vec::new();
    let mut all: Vec<Published> = ports
        .as_array()
        .unwrap_or(&empty)
        .iter()
        .map(|port| Published {
            private: port["PrivatePort"].as_u64().unwrap_or(0),
            public: port["PublicPort"].as_u64().unwrap_or(0),
            ip: port["IP"].as_str().unwrap_or_default().to_owned(),
            kind: port["Type"].as_str().unwrap_or_default().to_owned(),
        })
        .collect();
    all.sort_by(|a, b| {
        (a.private, &a.ip, a.public, &a.kind).cmp(&(b.private, &b.ip, b.public, &b.kind))
    });
    ranges(all).join(", ")
}

/// One group per address and protocol; ports that differ on the two sides stand alone.
fn ranges(all: Vec<Published>) -> Vec<String> {
    let mut groups: Vec<(String, Published, Published)> = Vec::new();
    let mut closed: Vec<String> = Vec::new();
    let mut apart: Vec<String> = Vec::new();
    for port in all {
        if !port.ip.is_empty() && port.public != port.private {
            apart.push(mapping(&port, &port));
            continue;
        }
        let key = if port.ip.is_empty() {
            port.kind.clone()
        } else {
            format!("{}/{}", port.ip, port.kind)
        };
        match groups.iter_mut().find(|group| group.0 == key) {
            Some(group) if group.2.private + 1 == port.private => group.2 = port,
            Some(group) => {
                closed.push(mapping(&group.1, &group.2));
                *group = (key, port.clone(), port);
            }
            None => groups.push((key, port.clone(), port)),
        }
    }
    closed.extend(groups.iter().map(|(_, first, last)| mapping(first, last)));
    closed.extend(apart);
    closed
}

fn mapping(first: &Published, last: &Published) -> String {
    let span = |from: u64, to: u64| {
        if from == to {
            from.to_string()
        } else {
            format!("{from}-{to}")
        }
    };
    let inside = span(first.private, last.private);
    if first.public == 0 {
        return format!("{inside}/{}", first.kind);
    }
    let ip = if first.ip.contains(':') {
        format!("[{}]", first.ip)
    } else {
        first.ip.clone()
    };
    format!(
        "{ip}:{}->{inside}/{}",
        span(first.public, last.public),
        first.kind
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn who_reaches_ports_is_told_farthest_first() {
        let list = json!([
            {"IP": "127.0.0.1", "PrivatePort": 53, "PublicPort": 5353, "Type": "udp", "Reach": "local"},
            {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp", "Reach": "world"},
            {"IP": "::", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp", "Reach": "world"},
            {"IP": "0.0.0.0", "PrivatePort": 443, "Type": "tcp", "Reach": "lan"},
            {"PrivatePort": 82, "Type": "tcp"},
        ]);
        assert_eq!(reach(&list), "world: 8080; lan: 443; local: 5353/udp");
        assert_eq!(reach(&json!([])), "");
    }

    #[test]
    fn ports_are_grouped_as_docker_does() {
        let list = json!([
            {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
            {"IP": "::", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
            {"IP": "127.0.0.1", "PrivatePort": 9002, "PublicPort": 9002, "Type": "udp"},
            {"IP": "127.0.0.1", "PrivatePort": 9000, "PublicPort": 9000, "Type": "udp"},
            {"IP": "127.0.0.1", "PrivatePort": 9001, "PublicPort": 9001, "Type": "udp"},
        ]);
        assert_eq!(
            ports(&list),
            "127.0.0.1:9000-9002->9000-9002/udp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp"
        );
        let exposed = json!([{"PrivatePort": 81, "Type": "tcp"}, {"PrivatePort": 80, "Type": "tcp"}, {"PrivatePort": 90, "Type": "tcp"}]);
        assert_eq!(ports(&exposed), "80-81/tcp, 90/tcp");
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(
            command("sh -c 'sleep 10000000000'", true),
            "\"sh -c 'sleep 100000…\""
        );
        assert_eq!(go_quote("a\"\n"), "\"a\\\"\\n\"");
    }
}
