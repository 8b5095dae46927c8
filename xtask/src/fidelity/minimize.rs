//! Makes a program smaller as long as it still shows what it showed.

use super::program::Program;

/// The smallest that is found by dropping instructions and making constants small.
pub(crate) fn minimize(program: &Program, mut shows: impl FnMut(&Program) -> bool) -> Program {
    let mut best = program.clone();
    loop {
        let before = best.insns.len();
        for width in [16, 8, 4, 2, 1] {
            let mut at = 0;
            while at < best.insns.len() {
                let mut tried = best.clone();
                let halves = tried.halves();
                let end = (at + width).min(tried.insns.len());
                let end = if halves.get(end) == Some(&true) { end + 1 } else { end };
                if halves[at] || end - at >= tried.insns.len() {
                    at += 1;
                    continue;
                }
                tried.splice(at, end - at, &[]);
                if shows(&tried) {
                    best = tried;
                } else {
                    at += width;
                }
            }
        }
        if best.insns.len() == before {
            break;
        }
    }
    if best.flags != 0 {
        let tried = Program { flags: 0, ..best.clone() };
        if shows(&tried) {
            best = tried;
        }
    }
    best
}
