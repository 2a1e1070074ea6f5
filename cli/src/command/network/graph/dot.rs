//! In Graphviz' language.

use std::fmt::Write;

use super::model::Model;

/// Networks are ellipses, containers boxes; arrows lead from who can reach a port.
pub(super) fn draw(model: &Model) -> String {
    let mut dot = "graph networks {\n  rankdir=LR;\n".to_owned();
    for reach in ["world", "lan", "local"] {
        let mut ports = model.containers.iter().flat_map(|c| &c.ports);
        if ports.any(|port| port.reach == reach) {
            let _ = writeln!(dot, "  {reach} [shape=plaintext];");
        }
    }
    for (place, network) in model.networks.iter().enumerate() {
        let label = quoted(&format!("{}\n{}", network.name, network.about()));
        let style = if network.internal { "dashed" } else { "solid" };
        let _ = writeln!(
            dot,
            "  n{place} [label={label} shape=ellipse style={style}];"
        );
    }
    for (place, container) in model.containers.iter().enumerate() {
        let label = quoted(&container.name);
        let _ = writeln!(dot, "  c{place} [label={label} shape=box];");
        for (home, addresses) in &container.homes {
            let label = quoted(&addresses.join("\n"));
            let style = if model.networks[*home].joins() {
                "solid"
            } else {
                "dotted"
            };
            let _ = writeln!(dot, "  c{place} -- n{home} [label={label} style={style}];");
        }
        for port in &container.ports {
            let label = quoted(&format!("{} → {}", port.outside, port.inside));
            let _ = writeln!(
                dot,
                "  {} -- c{place} [label={label} dir=forward];",
                port.reach
            );
        }
    }
    dot.push_str("}\n");
    dot
}

/// A string in DOT's quotes.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", text.replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::sample;
    use super::*;

    #[test]
    fn every_part_is_named_and_joined() {
        let dot = draw(&sample());
        for line in [
            "  world [shape=plaintext];",
            "  n0 [label=\"back\\nbridge 10.2.0.0/24, leads nowhere\" shape=ellipse style=dashed];",
            "  c1 [label=\"web\" shape=box];",
            "  c1 -- n2 [label=\"10.1.0.2\\nfd00:1::2\" style=solid];",
            "  local -- c1 [label=\"127.0.0.1:8081 → 81/tcp\" dir=forward];",
        ] {
            assert!(dot.lines().any(|l| l == line), "{line} in {dot}");
        }
        assert!(!dot.contains("  lan "), "nobody of it reaches anything");
    }

    #[test]
    fn names_cannot_break_out() {
        assert_eq!(quoted("a\"b\\c\nd"), "\"a\\\"b\\\\c\\nd\"");
    }
}
