//! As lines on a terminal.

use std::fmt::Write;

use super::model::Model;

/// A network, beneath it its members with their addresses and whom they reach there; then the ports.
pub(super) fn draw(model: &Model) -> String {
    let mut text = String::new();
    for (place, network) in model.networks.iter().enumerate() {
        let _ = writeln!(text, "{} ({})", network.name, network.about());
        let members: Vec<_> = model.members(place).collect();
        let width = members.iter().map(|(c, _)| c.name.chars().count()).max();
        for (index, (container, addresses)) in members.iter().enumerate() {
            let is_last = index + 1 == members.len();
            let branch = if is_last { "└─" } else { "├─" };
            let others = members.iter().filter(|(c, _)| c.name != container.name);
            let others: Vec<_> = others.map(|(c, _)| c.name.as_str()).collect();
            let mut line = format!("{branch} {:1$}", container.name, width.unwrap_or(0));
            if !addresses.is_empty() {
                let _ = write!(line, "  {}", addresses.join(" "));
            }
            if network.joins() && !others.is_empty() {
                let _ = write!(line, "  ⇄ {}", others.join(", "));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    let published = model.containers.iter().any(|c| !c.ports.is_empty());
    if published {
        text.push_str("ports\n");
    }
    let all = model.containers.iter();
    let all = all.flat_map(|c| c.ports.iter().map(move |port| (&c.name, port)));
    let all: Vec<_> = all.collect();
    for (index, (name, port)) in all.iter().enumerate() {
        let branch = if index + 1 == all.len() {
            "└─"
        } else {
            "├─"
        };
        let _ = writeln!(
            text,
            "{branch} {:5} ─▶ {} ─▶ {name}:{}",
            port.reach, port.outside, port.inside
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::sample;
    use super::*;

    #[test]
    fn members_addresses_and_ports_are_told() {
        let want = "\
back (bridge 10.2.0.0/24, leads nowhere)
├─ db<1>  10.2.0.3  ⇄ web
└─ web    10.2.0.2  ⇄ db<1>
empty (bridge, leads out, members apart)
front (bridge 10.1.0.0/24 fd00:1::/64, leads out)
└─ web  10.1.0.2 fd00:1::2
ports
├─ world ─▶ 0.0.0.0:8080 ─▶ web:80/tcp
└─ local ─▶ 127.0.0.1:8081 ─▶ web:81/tcp
";
        assert_eq!(draw(&sample()), want);
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert_eq!(draw(&Model::default()), "");
    }
}
