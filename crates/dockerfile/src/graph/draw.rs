//! The graph as text and in DOT.

use std::fmt::Write;

use super::{Base, Graph, Node};

impl Graph<'_> {
    /// Each stage with what it starts from and needs; those the target does not need are marked.
    #[must_use]
    pub fn to_text(&self) -> String {
        let needed = self.needed();
        let mut text = String::new();
        for (number, node) in self.nodes.iter().enumerate() {
            let mark = match () {
                () if number == self.target => "*",
                () if needed.contains(&number) => "+",
                () => "-",
            };
            let _ = write!(
                text,
                "{mark} {} from {}",
                self.label(number),
                self.base_label(node)
            );
            let mut needs: Vec<usize> = node.needs.iter().map(|(need, _)| *need).collect();
            needs.dedup();
            if !needs.is_empty() {
                let names: Vec<String> = needs.iter().map(|need| self.label(*need)).collect();
                let _ = write!(text, ", needs {}", names.join(", "));
            }
            text.push('\n');
        }
        text
    }

    /// The graph in Graphviz' language; arrows point at what is needed.
    #[must_use]
    pub fn to_dot(&self) -> String {
        let needed = self.needed();
        let mut dot = "digraph build {\n  rankdir=RL;\n".to_owned();
        for (number, node) in self.nodes.iter().enumerate() {
            let shape = if number == self.target {
                "doubleoctagon"
            } else {
                "box"
            };
            let style = if needed.contains(&number) {
                "solid"
            } else {
                "dashed"
            };
            let label = quoted(&self.label(number));
            let _ = writeln!(
                dot,
                "  n{number} [label={label} shape={shape} style={style}];"
            );
            match &node.base {
                Base::Node(base) => {
                    let _ = writeln!(dot, "  n{number} -> n{base};");
                }
                Base::Image(name) if node.stage.is_some() => {
                    let name = quoted(name);
                    let _ = writeln!(dot, "  {name} [shape=cylinder];\n  n{number} -> {name};");
                }
                Base::Image(_) | Base::Scratch => {}
            }
            let mut needs: Vec<usize> = node.needs.iter().map(|(need, _)| *need).collect();
            needs.sort_unstable();
            needs.dedup();
            for need in needs {
                let _ = writeln!(dot, "  n{number} -> n{need} [style=dotted];");
            }
        }
        dot.push_str("}\n");
        dot
    }

    fn label(&self, number: usize) -> String {
        let node = &self.nodes[number];
        match node.stage {
            Some(_) if !node.name.is_empty() => node.name.clone(),
            Some(stage) => format!("stage-{stage}"),
            None => node.name.clone(),
        }
    }

    fn base_label(&self, node: &Node) -> String {
        match &node.base {
            Base::Scratch => "scratch".to_owned(),
            Base::Node(base) => self.label(*base),
            Base::Image(name) => name.clone(),
        }
    }
}

/// A string in DOT's quotes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
