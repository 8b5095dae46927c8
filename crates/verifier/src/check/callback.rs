//! Helpers that call a function of the program back.

use skep_abi::{HelperId as H, MapType as M};

use super::args::Meta;
use crate::env::{Env, Pending};
use crate::refusal::{Step, Stop, errno};
use crate::state::{Flags, Frame, Kind, Reg, State};

/// A pointer into a map: its key or its value.
fn part(kind: Kind, map: (u32, u32)) -> Reg {
    Reg { aux: map.0, map_uid: map.1, ..Reg::pointer(kind, Flags::NONE) }
}

impl Env<'_> {
    pub(crate) fn call_back(&mut self, id: H, m: &Meta) -> Step {
        let Some(subprog) = m.callback else { return Ok(()) };
        if id == H::TIMER_SET_CALLBACK {
            return self.call_later(subprog, m);
        }
        if id == H::LOOP {
            self.note_inlining(subprog)?;
            // How often it runs decides when exploring its body may stop.
            if !self.cur.reg(1).is_scalar() {
                return Err(self.refuse(errno::EFAULT, "V0901", "verifier bug: backtracking misuse"));
            }
            self.mark_precise(1)?;
            let depth = self.cur.top().callback_depth;
            if u64::from(depth) >= self.cur.reg(1).val.umax {
                self.cur.top_mut().callback_depth = 0;
                return Ok(());
            }
        }
        let map = m.map.unwrap_or((0, 0));
        if id == H::FOR_EACH_MAP_ELEM && !iterable(self.maps[map.0 as usize].map_type) {
            let t = "callback function not allowed for map";
            return Err(self.refuse(errno::ENOTSUPP, "V0603", t));
        }
        let (start, callsite) = (self.subprogs[subprog].start, self.pc);
        self.room_for_branch(errno::ENOMEM, ".")?;
        self.push_branch(start)?;
        let Some(mut p) = self.pending.pop() else { return Ok(()) };
        self.enter(&mut p.state, subprog, callsite, |caller, callee| {
            callee.in_callback = true;
            callee.ret_range = (0, 1);
            if id == H::LOOP {
                callee.regs[1] = Reg::UNKNOWN;
                callee.regs[2] = caller.regs[3];
            } else {
                callee.regs[1] = caller.regs[1];
                callee.regs[2] = part(Kind::MapKey, map);
                callee.regs[3] = part(Kind::MapValue, map);
                callee.regs[4] = caller.regs[3];
            }
        })?;
        self.log_frame();
        p.state.unroll_depth += 1;
        let caller = p.state.cur() - 1;
        p.state.frame_mut(caller).callback_depth += 1;
        self.pending.push(p);
        self.cur.top_mut().callback_depth = 0;
        Ok(())
    }

    /// bpf_loop without flags that always has the same callback becomes a loop in place: that the flags are zero decided
    /// something, as long as all paths so far could be served like that.
    fn note_inlining(&mut self, subprog: usize) -> Step {
        let before = self.aux[self.pc].inlined;
        if before == Some(None) {
            return Ok(());
        }
        let no_flags = self.cur.reg(4).is_null();
        if no_flags {
            self.mark_precise(4)?;
        }
        let same = before.is_none_or(|b| b == Some(subprog));
        self.aux[self.pc].inlined = Some(Some(subprog).filter(|_| no_flags && same));
        Ok(())
    }

    /// A timer's function runs by itself, some time, on a stack of its own.
    fn call_later(&mut self, subprog: usize, m: &Meta) -> Step {
        self.subprogs[subprog].is_async = true;
        let Some(map) = m.map else {
            return Err(Stop::NotModelled("timer without a map".into()));
        };
        self.room_for_branch(errno::EFAULT, " for async cb.")?;
        let mut frame = Frame::new(usize::MAX, 0, subprog);
        frame.in_async = true;
        frame.async_entry = self.cur.top().async_entry + 1;
        frame.ret_range = (0, 0);
        frame.regs[1] = part(Kind::MapPtr, map);
        frame.regs[2] = part(Kind::MapKey, map);
        frame.regs[3] = part(Kind::MapValue, map);
        let start = self.subprogs[subprog].start;
        let mut state = State::new(frame, false);
        state.first_insn = start;
        state.last_insn = usize::MAX;
        let tip = self.tip();
        let log_end = self.log_end();
        self.pending.push(Pending { state, insn: start, prev: self.pc, tip, log_end });
        Ok(())
    }
}

fn iterable(t: M) -> bool {
    matches!(t, M::ARRAY | M::PERCPU_ARRAY | M::HASH | M::LRU_HASH | M::PERCPU_HASH | M::LRU_PERCPU_HASH)
}
