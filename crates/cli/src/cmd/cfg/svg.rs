//! The drawing. It stands for itself: no script, no font of its own, colours for light and dark pages.

use std::fmt::Write as _;

use super::graph::{Edge, End, Graph, Kind};
use super::layout::{Layout, Placed, Way, layout};

/// Advance of a character of 12 pixels in a monospaced font, and the height of a line.
const CHAR: f64 = 7.3;
const LINE: f64 = 16.0;
const PAD: f64 = 8.0;

const STYLE: &str = "\
svg { background: #fff; font: 12px ui-monospace, Menlo, Consolas, monospace; }
.block rect { fill: #f6f8fa; stroke: #57606a; }
text { fill: #1f2328; white-space: pre; }
.name { font-weight: bold; }
.source { fill: #1a7f37; }
.accept rect { fill: #dafbe1; stroke: #1a7f37; }
.reject rect { fill: #ffebe9; stroke: #cf222e; }
.dead rect { fill: #eee; stroke: #bbb; }
.dead text { fill: #999; }
.insn:hover { fill: #0550ae; }
path { fill: none; stroke: #57606a; stroke-width: 1.3; }
path.taken { stroke: #1a7f37; }
path.falls { stroke: #bc4c00; }
path.never { stroke: #ccc; stroke-dasharray: 4 3; }
@media (prefers-color-scheme: dark) {
svg { background: #0d1117; }
.block rect { fill: #161b22; stroke: #8b949e; }
text { fill: #e6edf3; }
.source { fill: #7ee787; }
.accept rect { fill: #12361f; stroke: #3fb950; }
.reject rect { fill: #3d1519; stroke: #f85149; }
.dead rect { fill: #21262d; stroke: #484f58; }
.dead text { fill: #6e7681; }
path { stroke: #8b949e; }
path.taken { stroke: #3fb950; }
path.falls { stroke: #db6d28; }
path.never { stroke: #484f58; }
}
";

/// Text between tags and in attributes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            '\n' => out.push(c),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// The whole file.
pub(super) fn draw(graph: &Graph) -> String {
    let sizes: Vec<(f64, f64)> = graph
        .blocks
        .iter()
        .map(|b| {
            let name = b.function.as_ref().map(|f| f.chars().count() + 1);
            let longest = b.lines.iter().map(|l| l.text.chars().count()).chain(name).max().unwrap_or(0);
            let lines = b.lines.len() + usize::from(b.function.is_some());
            (longest as f64 * CHAR + 2.0 * PAD, lines as f64 * LINE + PAD)
        })
        .collect();
    let placed = layout(graph, &sizes);
    let (w, h) = (placed.width.ceil(), placed.height.ceil());
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" xml:space=\"preserve\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\">\n\
         <title>Control flow of {}</title>\n<style>\n{STYLE}</style>\n{ARROW}",
        escaped(&graph.name)
    );
    ways(graph, &placed, &mut out);
    for (i, p) in placed.blocks.iter().enumerate() {
        block(graph, i, p, &mut out);
    }
    out + "</svg>\n"
}

const ARROW: &str = "<defs><marker id=\"end\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" \
markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0 L8 4 L0 8 z\" style=\"fill: context-stroke; stroke: none\"/>\
</marker></defs>\n";

fn ways(graph: &Graph, placed: &Layout, out: &mut String) {
    for way in &placed.ways {
        let edge = graph.blocks[way.from].edges[way.edge];
        let _ =
            writeln!(out, "<path class=\"{}\" d=\"{}\" marker-end=\"url(#end)\"/>", class(&edge), path(way));
    }
}

fn class(edge: &Edge) -> &'static str {
    match edge.kind {
        _ if edge.dead => "never",
        Kind::Taken => "taken",
        Kind::Falls => "falls",
        Kind::Jump => "jump",
    }
}

/// Straight down where it can be, in curves between layers.
fn path(way: &Way) -> String {
    let mut d = String::new();
    let mut before: Option<(f64, f64)> = None;
    for &(x, y) in &way.points {
        match before {
            None => drop(write!(d, "M{x:.1} {y:.1}")),
            Some((px, py)) if y > py && (px - x).abs() > 0.5 => {
                let middle = (py + y) / 2.0;
                let _ = write!(d, " C{px:.1} {middle:.1} {x:.1} {middle:.1} {x:.1} {y:.1}");
            }
            Some(_) => drop(write!(d, " L{x:.1} {y:.1}")),
        }
        before = Some((x, y));
    }
    d
}

fn block(graph: &Graph, i: usize, p: &Placed, out: &mut String) {
    let b = &graph.blocks[i];
    let class = match b.end_of_filter {
        _ if b.dead => "block dead",
        Some(End::Accept) => "block accept",
        Some(End::Reject) => "block reject",
        None => "block",
    };
    let _ = writeln!(
        out,
        "<g class=\"{class}\" id=\"b{}\"><rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"3\"/>",
        b.start, p.x, p.y, p.width, p.height
    );
    let x = p.x + PAD;
    let mut y = p.y + LINE - 2.0;
    if let Some(name) = &b.function {
        let _ = writeln!(out, "<text class=\"name\" x=\"{x:.1}\" y=\"{y:.1}\">{}:</text>", escaped(name));
        y += LINE;
    }
    for line in &b.lines {
        let class = if line.slot.is_some() { "insn" } else { "source" };
        let tip = if line.facts.is_empty() {
            String::new()
        } else {
            format!("<title>{}</title>", escaped(&line.facts.join("\n")))
        };
        let _ = writeln!(
            out,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}{tip}</text>",
            escaped(&line.text)
        );
        y += LINE;
    }
    *out += "</g>\n";
}

#[cfg(test)]
mod tests {
    use super::super::graph::{Block, Line};
    use super::*;

    fn block(start: usize, text: &str, edges: Vec<Edge>) -> Block {
        let line = Line { slot: Some(start), text: text.into(), facts: vec!["r1: \"<b>\" & more".into()] };
        Block {
            start,
            end: start + 1,
            function: None,
            dead: start == 2,
            lines: vec![line],
            edges,
            end_of_filter: None,
        }
    }

    fn graph() -> Graph {
        let edge = |to, kind| Edge { to, kind, dead: to == 2 };
        Graph {
            name: "<script>alert('x')</script>".into(),
            blocks: vec![
                block(0, "if r1 < r2 && \u{7}\"q\"", vec![edge(1, Kind::Falls), edge(2, Kind::Taken)]),
                block(1, "goto", vec![edge(0, Kind::Jump)]),
                block(2, "exit", Vec::new()),
            ],
        }
    }

    #[test]
    fn nothing_of_the_program_becomes_markup() {
        let svg = draw(&graph());
        assert!(!svg.contains("<script") && !svg.contains("<b>") && !svg.contains('\u{7}'), "{svg}");
        assert!(svg.contains("if r1 &lt; r2 &amp;&amp;  &quot;q&quot;"), "{svg}");
        assert!(svg.contains("class=\"block dead\" id=\"b2\"") && svg.contains("class=\"never\""), "{svg}");
    }

    #[test]
    fn blocks_of_a_layer_do_not_overlap_and_drawings_repeat() {
        let placed = layout(&graph(), &[(100.0, 30.0), (80.0, 30.0), (300.0, 30.0)]);
        let (a, b) = (placed.blocks[1], placed.blocks[2]);
        assert!(a.x + a.width < b.x || b.x + b.width < a.x);
        assert!(placed.blocks[0].y + 30.0 < a.y);
        assert!(placed.blocks.iter().all(|p| p.x >= 0.0 && p.x + p.width <= placed.width));
        assert_eq!(placed.ways.len(), 3);
        assert_eq!(draw(&graph()), draw(&graph()));
    }
}
