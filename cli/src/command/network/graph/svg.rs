//! As a picture: on the left who is outside, in the middle containers, on the right networks.

use std::fmt::Write;

use super::model::Model;

/// Pixels.
const ROW: usize = 64;
const BOX: (usize, usize) = (200, 40);
const OUTSIDE: usize = 20;
const CONTAINERS: usize = 380;
const NETWORKS: usize = 820;
const WIDTH: usize = NETWORKS + 360;

/// Who is outside, the farthest first.
const REACHES: [&str; 3] = ["world", "lan", "local"];

/// A picture of its own, without scripts, fonts or links.
pub(super) fn draw(model: &Model) -> String {
    let rows = model
        .containers
        .len()
        .max(model.networks.len())
        .max(REACHES.len());
    let height = rows * ROW + ROW / 2;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (row, container) in model.containers.iter().enumerate() {
        for (home, addresses) in &container.homes {
            let from = (CONTAINERS + BOX.0, middle(row));
            let dashes = if model.networks[*home].joins() {
                ""
            } else {
                "4 3"
            };
            line(&mut svg, from, (NETWORKS, middle(*home)), dashes);
            let at = (from.0 + 8, (from.1 * 3 + middle(*home)) / 4);
            text(&mut svg, at, &addresses.join(" "), "#555");
        }
        for (index, port) in container.ports.iter().enumerate() {
            let from = REACHES.iter().position(|reach| *reach == port.reach);
            let from = (OUTSIDE + 70, middle(from.unwrap_or(0)));
            let to = (CONTAINERS, middle(row));
            line(&mut svg, from, to, "");
            let label = format!("{} → {}", port.outside, port.inside);
            let at = (CONTAINERS - 200, to.1 + 14 * index);
            text(&mut svg, at, &label, "#555");
        }
        frame(&mut svg, (CONTAINERS, middle(row)), "#eef4ff", "");
        text(
            &mut svg,
            (CONTAINERS + 10, middle(row) + 4),
            &container.name,
            "black",
        );
    }
    for (row, reach) in REACHES.iter().enumerate() {
        let mut ports = model.containers.iter().flat_map(|c| &c.ports);
        if ports.any(|port| port.reach == *reach) {
            text(&mut svg, (OUTSIDE, middle(row) + 4), reach, "black");
        }
    }
    for (row, network) in model.networks.iter().enumerate() {
        let dashes = if network.internal { "4 3" } else { "" };
        frame(&mut svg, (NETWORKS, middle(row)), "#eefbee", dashes);
        text(
            &mut svg,
            (NETWORKS + 10, middle(row) + 4),
            &network.name,
            "black",
        );
        text(
            &mut svg,
            (NETWORKS, middle(row) + 34),
            &network.about(),
            "#555",
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// The height of a row's middle.
fn middle(row: usize) -> usize {
    row * ROW + ROW / 2
}

fn frame(svg: &mut String, (x, y): (usize, usize), fill: &str, dashes: &str) {
    let _ = writeln!(
        svg,
        "<rect x=\"{x}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"6\" fill=\"{fill}\" stroke=\"#446\" stroke-dasharray=\"{dashes}\"/>",
        y - BOX.1 / 2,
        BOX.0,
        BOX.1
    );
}

fn line(svg: &mut String, from: (usize, usize), to: (usize, usize), dashes: &str) {
    let _ = writeln!(
        svg,
        "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"#888\" stroke-dasharray=\"{dashes}\"/>",
        from.0, from.1, to.0, to.1
    );
}

fn text(svg: &mut String, (x, y): (usize, usize), words: &str, colour: &str) {
    let words = escaped(words);
    let _ = writeln!(
        svg,
        "<text x=\"{x}\" y=\"{y}\" fill=\"{colour}\">{words}</text>"
    );
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::sample;
    use super::*;

    #[test]
    fn every_name_is_in_the_picture_and_none_breaks_out() {
        let svg = draw(&sample());
        for words in [
            "db&lt;1&gt;",
            ">web<",
            ">front<",
            ">world<",
            ">local<",
            "0.0.0.0:8080 → 80/tcp",
        ] {
            assert!(svg.contains(words), "{words} in {svg}");
        }
        assert!(!svg.contains("db<1>"));
        assert!(!svg.contains(">lan<"), "nobody of it reaches anything");
        assert_eq!(svg.matches("<rect").count(), 1 + 2 + 3);
        assert_eq!(svg.matches("<line").count(), 3 + 2);
    }
}
