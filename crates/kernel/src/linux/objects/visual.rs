//! The flow of control of a program as a drawing, in the language of Graphviz (`dot -Tsvg`): a box for each stretch of
//! instructions that is entered only at its first and left only at its last, a frame for each function.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use skep_isa::Insn;

use super::xlated::Line;

/// Draws instructions. `label` gives the lines of text that stand for one in its box.
pub fn dot(lines: &[Line], label: impl Fn(&Line) -> Vec<String>) -> String {
    let mut out = String::from("digraph \"DOT graph for eBPF program\" {\n");
    for (n, function) in functions(lines).into_iter().enumerate() {
        draw(&mut out, n, function, &label);
    }
    out.push_str("}\n");
    out
}

/// Parts a program at the targets of its calls.
fn functions(lines: &[Line]) -> Vec<&[Line]> {
    let mut starts: BTreeSet<usize> = BTreeSet::from([0]);
    for line in lines {
        let insn = line.insns[0];
        // The image keeps the distance of a call in its offset, and the number of the function beside.
        let distance = match (insn.opcode, insn.src) {
            (0x85, 1) => i64::from(insn.off),
            (0x18, 4) => i64::from(insn.imm),
            _ => continue,
        };
        starts.extend(usize::try_from(line.slot as i64 + 1 + distance).ok());
    }
    let places: Vec<usize> = (0..lines.len()).filter(|&i| starts.contains(&lines[i].slot)).collect();
    let ends = places.iter().skip(1).copied().chain([lines.len()]);
    places.iter().zip(ends).map(|(&start, end)| &lines[start..end]).collect()
}

/// Where an instruction may lead: to a slot, and on to the next one.
fn leads(line: &Line) -> (Option<usize>, bool) {
    let Insn { opcode, off, imm, .. } = line.insns[0];
    let to = |distance: i64| usize::try_from(line.slot as i64 + 1 + distance).ok();
    match (opcode & 7, opcode & 0xf0) {
        (5, 0x90) => (None, false),
        (5 | 6, 0x80) => (None, true),
        (5, 0) => (to(off.into()), false),
        (6, 0) => (to(imm.into()), false),
        (5 | 6, _) => (to(off.into()), true),
        _ => (None, true),
    }
}

fn draw(out: &mut String, n: usize, lines: &[Line], label: &impl Fn(&Line) -> Vec<String>) {
    let mut heads: BTreeSet<usize> = lines.first().map(|l| l.slot).into_iter().collect();
    for pair in lines.windows(2) {
        let (target, on) = leads(&pair[0]);
        if target.is_some() || !on {
            heads.extend(target);
            heads.insert(pair[1].slot);
        }
    }
    heads.extend(lines.last().and_then(|l| leads(l).0));
    // Boxes: 0 is the entry, 1 the exit, the others in order.
    let boxes: BTreeMap<usize, usize> =
        lines.iter().filter(|l| heads.contains(&l.slot)).enumerate().map(|(i, l)| (l.slot, i + 2)).collect();
    // Writing to a String does not fail.
    let _ = writeln!(out, "subgraph \"cluster_{n}\" {{\n\tstyle=\"dashed\";\n\tcolor=\"black\";");
    let _ = writeln!(out, "\tlabel=\"func_{n} ()\";");
    let _ = writeln!(out, "\tfn_{n}_bb_0 [shape=Mdiamond,style=filled,label=\"ENTRY\"];\n");
    let mut edges = vec![(0, 2)];
    let mut open = None;
    for (i, line) in lines.iter().enumerate() {
        if let Some(&this) = boxes.get(&line.slot) {
            let _ = writeln!(out, "\tfn_{n}_bb_{this} [shape=record,style=filled,label=\"{{\\");
            open = Some(this);
        }
        for text in label(line) {
            let _ = writeln!(out, "{}\\l\\", escaped(&text));
        }
        let next = lines.get(i + 1).and_then(|l| boxes.get(&l.slot));
        if i + 1 < lines.len() && next.is_none() {
            continue;
        }
        out.push_str("}\"];\n\n");
        let Some(this) = open else { continue };
        let (target, on) = leads(line);
        let ways = [on.then_some(next).flatten(), target.and_then(|t| boxes.get(&t))];
        edges.extend(ways.into_iter().flatten().map(|to| (this, *to)));
        if target.is_none() && !on {
            edges.push((this, 1));
        }
    }
    let _ = writeln!(out, "\tfn_{n}_bb_1 [shape=Mdiamond,style=filled,label=\"EXIT\"];\n");
    for (from, to) in edges {
        let style = "style=\"solid,bold\", color=black, weight=10, constraint=true";
        let _ = writeln!(out, "\tfn_{n}_bb_{from}:s -> fn_{n}_bb_{to}:n [{style}];");
    }
    let _ = writeln!(out, "\tfn_{n}_bb_0:s -> fn_{n}_bb_1:n [style=\"invis\", constraint=true];\n}}");
}

/// Text inside a record's label.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | '"' | '{' | '}' | '<' | '>' | '|' | '&') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(slot: usize, opcode: u8, off: i16) -> Line {
        let insns = vec![Insn { opcode, dst: 0, src: 0, off, imm: 0 }];
        Line { slot, proto: None, source: None, text: format!("<{slot}>"), note: None, insns }
    }

    #[test]
    fn boxes_begin_where_jumps_land() {
        // 0: if goto 2; 1: r0 = 0; 2: exit
        let lines = [line(0, 0x15, 1), line(1, 0xb7, 0), line(2, 0x95, 0)];
        let dot = dot(&lines, |l| vec![l.text.clone()]);
        for edge in
            ["bb_0:s -> fn_0_bb_2", "bb_2:s -> fn_0_bb_3", "bb_2:s -> fn_0_bb_4", "bb_4:s -> fn_0_bb_1"]
        {
            assert!(dot.contains(edge), "{edge} in\n{dot}");
        }
        assert!(dot.contains("\\<1\\>\\l"));
        assert_eq!(dot.matches("shape=record").count(), 3);
    }
}
