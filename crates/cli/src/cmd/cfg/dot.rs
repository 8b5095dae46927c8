//! The graph in Graphviz's language.

use std::fmt::Write as _;

use super::graph::{End, Graph, Kind};

/// Text inside of double quotes.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The whole file.
pub(super) fn write(graph: &Graph) -> String {
    let mut out = format!("digraph \"{}\" {{\n", quoted(&graph.name));
    out += "    node [shape=box, fontname=\"monospace\", fontsize=10];\n";
    for block in &graph.blocks {
        let mut label = String::new();
        if let Some(name) = &block.function {
            let _ = write!(label, "{}:\\l", quoted(name));
        }
        for line in &block.lines {
            let _ = write!(label, "{}\\l", quoted(&line.text));
        }
        let facts: Vec<String> = block.lines.iter().flat_map(|l| &l.facts).map(|f| quoted(f)).collect();
        let colour = match block.end_of_filter {
            _ if block.dead => ", color=grey, fontcolor=grey",
            Some(End::Accept) => ", color=green",
            Some(End::Reject) => ", color=red",
            None => "",
        };
        let _ = writeln!(
            out,
            "    b{} [label=\"{label}\", tooltip=\"{}\"{colour}];",
            block.start,
            facts.join("\\n")
        );
    }
    for block in &graph.blocks {
        for edge in &block.edges {
            let label = match edge.kind {
                Kind::Taken => "taken",
                Kind::Falls | Kind::Jump => "",
            };
            let grey = if edge.dead { ", color=grey, style=dashed" } else { "" };
            let _ = writeln!(out, "    b{} -> b{} [label=\"{label}\"{grey}];", block.start, edge.to);
        }
    }
    out + "}\n"
}
