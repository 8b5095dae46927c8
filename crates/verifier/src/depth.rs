//! The stack that a chain of calls needs: at most 512 bytes over all frames, and eight frames.

use skep_abi::ProgType as P;
use skep_isa::{CallTarget, ImmSource, Op};

use crate::env::Env;
use crate::refusal::{Step, errno};
use crate::structure::{find_subprog, target};

const MAX_STACK: usize = 512;
const MAX_FRAMES: usize = 8;
/// Bytes of stack that may lie above a function with tail calls: fewer than these.
const MAX_ABOVE_TAIL_CALL: usize = 256;
/// Frames at least this deep get a stack of their own where the kernel has one to give.
const PRIVATE_FROM: usize = 64;

struct Frames {
    /// Deepest chain below each subprogram: bytes and frames; none while it is worked out.
    memo: Vec<Option<(usize, usize)>>,
}

impl Env<'_> {
    /// Checks every chain of calls from the entry and from each asynchronous callback.
    pub(crate) fn check_depth(&mut self) -> Step {
        let private =
            matches!(self.task.prog_type, P::KPROBE | P::TRACEPOINT | P::PERF_EVENT | P::RAW_TRACEPOINT)
                && !self.subprogs.iter().any(|s| s.tail_call);
        let callees: Vec<Vec<usize>> = (0..self.subprogs.len()).map(|s| self.callees(s)).collect();
        for root in 0..self.subprogs.len() {
            let is_async = self.subprogs[root].is_async;
            if root != 0 && !is_async {
                continue;
            }
            let mut f = Frames { memo: vec![None; self.subprogs.len()] };
            let (depth, frames) = self.chain(root, (1, 0), &callees, private && !is_async, &mut f)?;
            if depth > MAX_STACK {
                let m = format!("combined stack size of {frames} calls is {depth}. Too large");
                return Err(self.refuse(errno::EACCES, "V0302", m));
            }
            self.tail_calls_shallow(root, &callees)?;
        }
        Ok(())
    }

    /// A tail call keeps the frames of its callers, so a function that makes one must not be called from too deep. There
    /// is no recursion any more, and no chain is longer than [`MAX_FRAMES`].
    fn tail_calls_shallow(&self, root: usize, callees: &[Vec<usize>]) -> Step {
        if !self.subprogs.iter().any(|s| s.tail_call) {
            return Ok(());
        }
        let mut above: Vec<Option<usize>> = vec![None; self.subprogs.len()];
        above[root] = Some(0);
        for _ in 0..MAX_FRAMES {
            for (s, below) in callees.iter().enumerate() {
                let Some(depth) = above[s] else { continue };
                let depth = depth + self.subprogs[s].stack_depth.next_multiple_of(16);
                for c in below {
                    above[*c] = above[*c].max(Some(depth));
                }
            }
        }
        let deep =
            |s: &usize| *s != 0 && self.subprogs[*s].tail_call && above[*s] >= Some(MAX_ABOVE_TAIL_CALL);
        let Some(s) = (0..self.subprogs.len()).find(deep) else { return Ok(()) };
        let m = format!(
            "tail_calls are not allowed when call stack of previous frames is {} bytes. Too large",
            above[s].unwrap_or(0)
        );
        Err(self.refuse(errno::EACCES, "V0302", m))
    }

    /// Functions that a function calls on its stack, by calls that no path reaches too.
    fn callees(&self, s: usize) -> Vec<usize> {
        let s = &self.subprogs[s];
        let mut out: Vec<usize> = (s.start..s.end)
            .filter_map(|i| match self.slots[i].flow() {
                Some(Op::Call(CallTarget::Subprog(off))) => {
                    Some(find_subprog(&self.subprogs, target(i, *off)))
                }
                Some(Op::LoadImm { source: ImmSource::Func, imm, .. }) => {
                    let callee = find_subprog(&self.subprogs, target(i, *imm as i32));
                    // What runs later runs on its own stack.
                    (!self.subprogs[callee].is_async).then_some(callee)
                }
                _ => None,
            })
            .collect();
        out.sort_unstable();
        out.dedup();
        out
    }

    fn chain(
        &self,
        s: usize,
        (level, above): (usize, usize),
        callees: &[Vec<usize>],
        private: bool,
        f: &mut Frames,
    ) -> Step<(usize, usize)> {
        if level > MAX_FRAMES {
            let m = format!("the call stack of {} frames is too deep !", level - 1);
            return Err(self.refuse(errno::E2BIG, "V0112", m));
        }
        if let Some((depth, frames)) = f.memo[s]
            && level + frames - 1 <= MAX_FRAMES
        {
            return Ok((depth, frames));
        }
        let own = self.subprogs[s].stack_depth.next_multiple_of(16);
        let counted = if private && own >= PRIVATE_FROM { 0 } else { own };
        // A recursion ends here or at the ninth frame, whichever comes first.
        let here = above + counted;
        if here > MAX_STACK {
            let m = format!("combined stack size of {level} calls is {here}. Too large");
            return Err(self.refuse(errno::EACCES, "V0302", m));
        }
        let (mut depth, mut frames) = (0, 0);
        for c in &callees[s] {
            let (d, n) = self.chain(*c, (level + 1, here), callees, private, f)?;
            depth = depth.max(d);
            frames = frames.max(n);
        }
        let total = (counted + depth, frames + 1);
        f.memo[s] = Some(total);
        Ok(total)
    }
}
