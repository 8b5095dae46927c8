//! Where blocks and ways go on the page: layers from top to bottom, after Sugiyama, Tagawa and Toda (1981).
//!
//! Blocks stand in layers by their longest way from the entry, backward jumps left out (those to a lower slot). A way over
//! several layers gets a point in each. The order in a layer follows the means of neighbours, a fixed number of times over, and
//! so do the places; backward jumps go round at the right. Everything is integers or fixed sums: the same graph gives the
//! same drawing on every machine.

use super::graph::Graph;

/// A block or a point of a way.
struct Node {
    block: Option<usize>,
    layer: usize,
    width: f64,
    height: f64,
    /// Of its centre.
    x: f64,
    up: Vec<usize>,
    down: Vec<usize>,
}

/// A placed block: its corner and size.
#[derive(Clone, Copy)]
pub(super) struct Placed {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A way's points, from the bottom of a block to the top of another.
pub(super) struct Way {
    pub(super) from: usize,
    /// Which of the block's edges.
    pub(super) edge: usize,
    pub(super) points: Vec<(f64, f64)>,
}

/// The drawing, in pixels.
pub(super) struct Layout {
    pub(super) blocks: Vec<Placed>,
    pub(super) ways: Vec<Way>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Space beside and between layers.
const GAP_X: f64 = 28.0;
const GAP_Y: f64 = 46.0;
/// Beside points of ways.
const GAP_WAY: f64 = 7.0;
/// Between backward ways at the right.
const LANE: f64 = 10.0;
/// How often order and places are improved.
const ROUNDS: usize = 12;
/// Beyond so many nodes, orders are left as they come: a drawing of that size is for searching, not for looking.
const LARGE: usize = 20_000;

/// Lays a graph out whose blocks have these sizes.
pub(super) fn layout(graph: &Graph, sizes: &[(f64, f64)]) -> Layout {
    let layers = layers(graph);
    let mut nodes: Vec<Node> = sizes
        .iter()
        .zip(&layers)
        .enumerate()
        .map(|(i, ((width, height), layer))| Node {
            block: Some(i),
            layer: *layer,
            width: *width,
            height: *height,
            x: 0.0,
            up: Vec::new(),
            down: Vec::new(),
        })
        .collect();
    let mut chains: Vec<(usize, usize, Vec<usize>)> = Vec::new();
    let mut back: Vec<(usize, usize, usize)> = Vec::new();
    for (from, block) in graph.blocks.iter().enumerate() {
        for (e, edge) in block.edges.iter().enumerate() {
            let Some(to) = graph.index(edge.to) else { continue };
            if to <= from {
                back.push((from, e, to));
                continue;
            }
            chains.push((from, e, chain(&mut nodes, from, to)));
        }
    }
    let mut rows = rows(&nodes);
    if nodes.len() <= LARGE {
        for round in 0..ROUNDS {
            order(&nodes, &mut rows, round % 2 == 0);
        }
    }
    place(&mut nodes, &rows);
    let tops = tops(&nodes, &rows);
    draw(&nodes, &tops, chains, &back)
}

/// Longest way from an entry, over forward ways.
fn layers(graph: &Graph) -> Vec<usize> {
    let mut layers = vec![0; graph.blocks.len()];
    let mut floor = 0;
    for from in 0..graph.blocks.len() {
        if graph.blocks[from].function.is_some() && from > 0 {
            // A function begins below all of the one before it.
            floor = layers[..from].iter().max().map_or(0, |l| l + 1);
        }
        layers[from] = layers[from].max(floor);
        for edge in &graph.blocks[from].edges {
            if let Some(to) = graph.index(edge.to).filter(|to| *to > from) {
                layers[to] = layers[to].max(layers[from] + 1);
            }
        }
    }
    layers
}

/// Adds a point in each layer between two blocks; the nodes of the way, ends included.
fn chain(nodes: &mut Vec<Node>, from: usize, to: usize) -> Vec<usize> {
    let mut way = vec![from];
    for layer in nodes[from].layer + 1..nodes[to].layer {
        nodes.push(Node {
            block: None,
            layer,
            width: 4.0,
            height: 0.0,
            x: 0.0,
            up: Vec::new(),
            down: Vec::new(),
        });
        way.push(nodes.len() - 1);
    }
    way.push(to);
    for pair in way.windows(2) {
        nodes[pair[0]].down.push(pair[1]);
        nodes[pair[1]].up.push(pair[0]);
    }
    way
}

fn rows(nodes: &[Node]) -> Vec<Vec<usize>> {
    let count = nodes.iter().map(|n| n.layer + 1).max().unwrap_or(0);
    let mut rows = vec![Vec::new(); count];
    for (i, n) in nodes.iter().enumerate() {
        rows[n.layer].push(i);
    }
    rows
}

/// Sorts each layer by the mean place of its neighbours above, or below.
fn order(nodes: &[Node], rows: &mut [Vec<usize>], from_above: bool) {
    let mut place = vec![0.0; nodes.len()];
    for row in rows.iter() {
        for (i, n) in row.iter().enumerate() {
            place[*n] = i as f64;
        }
    }
    let count = rows.len();
    for step in 0..count {
        let row = &mut rows[if from_above { step } else { count - 1 - step }];
        let mean = |n: usize| {
            let near = if from_above { &nodes[n].up } else { &nodes[n].down };
            if near.is_empty() {
                place[n]
            } else {
                near.iter().map(|m| place[*m]).sum::<f64>() / near.len() as f64
            }
        };
        let mut keyed: Vec<(f64, usize)> = row.iter().map(|n| (mean(*n), *n)).collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (i, (_, n)) in keyed.iter().enumerate() {
            row[i] = *n;
            place[*n] = i as f64;
        }
    }
}

/// Gives each node a place along its layer: side by side at first, then drawn towards neighbours.
fn place(nodes: &mut [Node], rows: &[Vec<usize>]) {
    for row in rows {
        let mut x = 0.0;
        for n in row {
            let margin = margin(&nodes[*n]);
            nodes[*n].x = x + margin + nodes[*n].width / 2.0;
            x += nodes[*n].width + 2.0 * margin;
        }
    }
    for round in 0..ROUNDS {
        let down = round % 2 == 0;
        for step in 0..rows.len() {
            let row = &rows[if down { step } else { rows.len() - 1 - step }];
            let wish: Vec<f64> = row
                .iter()
                .map(|n| {
                    let near = if down { &nodes[*n].up } else { &nodes[*n].down };
                    match near.len() {
                        0 => nodes[*n].x,
                        len => near.iter().map(|m| nodes[*m].x).sum::<f64>() / len as f64,
                    }
                })
                .collect();
            settle(nodes, row, &wish);
        }
    }
    let left = nodes.iter().map(|n| n.x - n.width / 2.0).fold(f64::INFINITY, f64::min);
    for n in nodes.iter_mut() {
        n.x -= left - GAP_X;
    }
}

/// What a node keeps free on each side.
fn margin(n: &Node) -> f64 {
    if n.block.is_some() { GAP_X / 2.0 } else { GAP_WAY }
}

/// Puts the nodes of a layer as near to their wishes as their widths allow, in order.
fn settle(nodes: &mut [Node], row: &[usize], wish: &[f64]) {
    let mut right = f64::NEG_INFINITY;
    for (n, w) in row.iter().zip(wish) {
        let half = nodes[*n].width / 2.0 + margin(&nodes[*n]);
        nodes[*n].x = w.max(right + half);
        right = nodes[*n].x + half;
    }
    // All were pushed to the right only: take back what that is too much on the average.
    let pushed = row.iter().zip(wish).map(|(n, w)| nodes[*n].x - w).sum::<f64>() / row.len().max(1) as f64;
    for n in row {
        nodes[*n].x -= pushed;
    }
}

/// The top of each layer, and of what is behind the last.
fn tops(nodes: &[Node], rows: &[Vec<usize>]) -> Vec<f64> {
    let mut y = GAP_Y / 2.0;
    let mut tops = Vec::new();
    for row in rows {
        tops.push(y);
        y += row.iter().map(|n| nodes[*n].height).fold(0.0, f64::max) + GAP_Y;
    }
    tops.push(y);
    tops
}

fn draw(
    nodes: &[Node],
    tops: &[f64],
    chains: Vec<(usize, usize, Vec<usize>)>,
    back: &[(usize, usize, usize)],
) -> Layout {
    let top = |n: usize| (nodes[n].x, tops[nodes[n].layer]);
    let bottom = |n: usize| (nodes[n].x, tops[nodes[n].layer] + nodes[n].height);
    let blocks: Vec<Placed> = nodes
        .iter()
        .filter(|n| n.block.is_some())
        .map(|n| Placed { x: n.x - n.width / 2.0, y: tops[n.layer], width: n.width, height: n.height })
        .collect();
    let mut right = nodes.iter().map(|n| n.x + n.width / 2.0).fold(0.0, f64::max) + GAP_X;
    let mut ways: Vec<Way> = chains
        .into_iter()
        .map(|(from, edge, chain)| {
            let last = chain.len() - 1;
            let mut points = vec![bottom(from)];
            for n in &chain[1..last] {
                let row_end = tops[nodes[*n].layer + 1] - GAP_Y;
                points.push(top(*n));
                points.push((nodes[*n].x, row_end));
            }
            points.push(top(chain[last]));
            Way { from, edge, points }
        })
        .collect();
    for (from, edge, to) in back {
        let ((x0, y0), (x1, y1)) = (bottom(*from), top(*to));
        let (low, high) = (y0 + GAP_Y / 3.0, y1 - GAP_Y / 3.0);
        let points = vec![(x0, y0), (x0, low), (right, low), (right, high), (x1, high), (x1, y1)];
        ways.push(Way { from: *from, edge: *edge, points });
        right += LANE;
    }
    Layout { blocks, ways, width: right + GAP_X, height: tops.last().copied().unwrap_or(0.0) }
}
