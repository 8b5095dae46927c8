//! Classic code with labels: tests that lead to places ahead, laid out once all of it is there.

use skep_isa::classic::Insn;

use crate::code::{JA, JMP, K};

/// A place in the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(usize);

#[derive(Clone, Copy, Debug)]
enum Item {
    Stmt(u16, u32),
    /// A jump's code and number; where it goes if it holds and if not, None for what follows.
    Test(u16, u32, [Option<Label>; 2]),
    Go(Label),
    /// A jump to a place before it.
    Back(Label),
    Here(Label),
}

/// Code under construction. Jumps lead ahead, but for those that say that they go back.
#[derive(Debug, Default)]
pub(super) struct Labelled {
    items: Vec<Item>,
    labels: usize,
}

impl Labelled {
    pub(super) fn label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels - 1)
    }

    pub(super) fn here(&mut self, label: Label) {
        self.items.push(Item::Here(label));
    }

    pub(super) fn stmt(&mut self, code: u16, k: u32) {
        self.items.push(Item::Stmt(code, k));
    }

    pub(super) fn stmts(&mut self, rows: &[(u16, u32)]) {
        self.items.extend(rows.iter().map(|&(code, k)| Item::Stmt(code, k)));
    }

    pub(super) fn go(&mut self, to: Label) {
        self.items.push(Item::Go(to));
    }

    /// A loop: goes on at a place that is there already.
    pub(super) fn back(&mut self, to: Label) {
        self.items.push(Item::Back(to));
    }

    /// Goes there if A meets the test with a constant; on, if not.
    pub(super) fn if_so(&mut self, jump: u16, k: u32, to: Label) {
        self.items.push(Item::Test(JMP | jump | K, k, [Some(to), None]));
    }

    /// Goes there if A does not meet it; on, if it does.
    pub(super) fn if_not(&mut self, jump: u16, k: u32, to: Label) {
        self.items.push(Item::Test(JMP | jump | K, k, [None, Some(to)]));
    }

    /// The instructions. A label that is not placed, or behind what jumps to it, is a mistake of the caller's, and goes
    /// to the end.
    pub(super) fn finish(self) -> Vec<Insn> {
        let mut far = vec![false; self.items.len()];
        loop {
            let (starts, places) = self.places(&far);
            let end = *starts.last().unwrap_or(&0);
            let target = |label: Label| places.get(label.0).copied().flatten().unwrap_or(end);
            let mut again = false;
            for (at, item) in self.items.iter().enumerate() {
                let Item::Test(_, _, to) = *item else { continue };
                let reach = to.iter().flatten().map(|&l| target(l).saturating_sub(starts[at] + 1)).max();
                if !far[at] && reach.is_some_and(|n| n > usize::from(u8::MAX)) {
                    far[at] = true;
                    again = true;
                }
            }
            if !again {
                return self.lay_out(&far, &starts, target);
            }
        }
    }

    /// Where each item begins (and the end), and where each label is.
    fn places(&self, far: &[bool]) -> (Vec<usize>, Vec<Option<usize>>) {
        let (mut starts, mut places, mut at) = (Vec::new(), vec![None; self.labels], 0);
        for (item, &far) in self.items.iter().zip(far) {
            starts.push(at);
            match *item {
                Item::Here(label) => places[label.0] = Some(at),
                // The way that is too far goes by way of a jump behind the test.
                Item::Test(..) if far => at += 2,
                _ => at += 1,
            }
        }
        starts.push(at);
        (starts, places)
    }

    fn lay_out(&self, far: &[bool], starts: &[usize], target: impl Fn(Label) -> usize) -> Vec<Insn> {
        let mut out = Vec::new();
        for (at, item) in self.items.iter().enumerate() {
            let behind = |label: Label, from: usize| target(label).saturating_sub(from + 1);
            match *item {
                Item::Here(_) => {}
                Item::Stmt(code, k) => out.push(Insn::stmt(code, k)),
                Item::Go(to) => out.push(Insn::stmt(JMP | JA, behind(to, starts[at]) as u32)),
                Item::Back(to) => {
                    let distance = (target(to) as u32).wrapping_sub(starts[at] as u32 + 1);
                    out.push(Insn::stmt(JMP | JA, distance));
                }
                Item::Test(code, k, [yes, no]) if far[at] => {
                    out.push(Insn::jump(code, k, u8::from(yes.is_none()), u8::from(no.is_none())));
                    let to = yes.or(no).map_or(0, |to| behind(to, starts[at] + 1));
                    out.push(Insn::stmt(JMP | JA, to as u32));
                }
                Item::Test(code, k, to) => {
                    let [jt, jf] = to.map(|to| to.map_or(0, |to| behind(to, starts[at]) as u8));
                    out.push(Insn::jump(code, k, jt, jf));
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::{IMM, JEQ, LD};

    #[test]
    fn far_labels_are_reached_by_way_of_a_jump() {
        for padding in [0, 10, 254, 255, 256, 700] {
            let mut code = Labelled::default();
            let (yes, no) = (code.label(), code.label());
            code.if_so(JEQ, 1, yes);
            code.if_not(JEQ, 2, no);
            (0..padding).for_each(|n| code.stmt(LD | IMM, n));
            code.here(yes);
            code.stmt(LD | IMM, 1000);
            code.here(no);
            code.stmt(LD | IMM, 1001);
            let insns = code.finish();
            // Follow both by hand.
            let lead = |a: u32| {
                let mut pc = 0;
                loop {
                    let insn = insns[pc];
                    pc += 1;
                    match insn.code {
                        c if c == JMP | JA => pc += insn.k as usize,
                        c if c == JMP | JEQ | K => {
                            pc += usize::from(if a == insn.k { insn.jt } else { insn.jf })
                        }
                        _ => return insn.k,
                    }
                }
            };
            assert_eq!(lead(1), 1000);
            assert_eq!(lead(2), if padding == 0 { 1000 } else { 0 });
            assert_eq!(lead(3), 1001);
        }
    }
}
