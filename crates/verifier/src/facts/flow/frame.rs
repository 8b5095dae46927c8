//! The abstract state of one frame: registers, and the stack slots that are known.

use super::value::{Pointer, Target, Value};
use super::widen::Steps;
use crate::state::FP;

/// What is known before an instruction of the frame that runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// r0 to r10.
    pub regs: [Value; 11],
    /// Slots of eight bytes, from r10 downwards; those beyond the end are unknown.
    pub(super) stack: Vec<Value>,
}

/// Bytes of a frame's stack.
const MAX_STACK: i64 = 512;

impl Frame {
    /// A frame of which nothing is known but where it is.
    pub(super) fn new() -> Self {
        let mut regs = [Value::UNKNOWN; 11];
        regs[FP] = Value::pointer(Target::Stack(0), 0);
        Self { regs, stack: Vec::new() }
    }

    /// The eight bytes of stack at `offset` from r10.
    pub fn slot(&self, offset: i64) -> Value {
        match place(offset) {
            Some(i) => self.stack.get(i).copied().unwrap_or(Value::UNKNOWN),
            None => Value::UNKNOWN,
        }
    }

    pub(super) fn set_slot(&mut self, offset: i64, value: Value) {
        let Some(i) = place(offset) else { return };
        if self.stack.len() <= i {
            if value.is_unknown() {
                return;
            }
            self.stack.resize(i + 1, Value::UNKNOWN);
        }
        self.stack[i] = value;
    }

    /// Forgets the slots that have a byte in `min..end`.
    pub(super) fn forget(&mut self, min: i64, end: i64) {
        for (i, s) in self.stack.iter_mut().enumerate() {
            let low = -8 * (i as i64 + 1);
            if low < end && min < low + 8 {
                *s = Value::UNKNOWN;
            }
        }
    }

    pub(super) fn forget_stack(&mut self) {
        self.stack.clear();
    }

    pub(super) fn each(&mut self, mut f: impl FnMut(&mut Value)) {
        self.regs.iter_mut().for_each(&mut f);
        self.stack.iter_mut().for_each(f);
    }

    /// Pointers into the packet are stale.
    pub(super) fn forget_packet(&mut self) {
        self.each(|v| {
            if v.as_pointer()
                .is_some_and(|p| matches!(p.to, Target::Packet | Target::PacketMeta | Target::PacketEnd))
            {
                *v = Value::UNKNOWN;
            }
        });
    }

    /// A new pointer takes this id: what had it before is another's.
    pub(super) fn retire(&mut self, id: u32) {
        self.each(|v| {
            if let Value::Pointer(p) = v
                && p.id == id
            {
                p.id = 0;
            }
        });
    }

    /// A pointer was found to be null or not, and with it all that came from the same call.
    pub(super) fn checked(&mut self, reg: usize, null: bool) {
        let Value::Pointer(p) = self.regs[reg] else { return };
        let settle = |v: &mut Value, p: Pointer| {
            *v = if null {
                Value::constant(0)
            } else {
                Value::Pointer(Pointer { nullable: false, id: 0, ..p })
            };
        };
        if p.id != 0 {
            self.each(|v| {
                if let Value::Pointer(q) = *v
                    && q.id == p.id
                    && q.nullable
                {
                    settle(v, q);
                }
            });
        }
        settle(&mut self.regs[reg], p);
    }

    /// Joins with what comes on another way; whether that changed anything. `steps` widens.
    pub(super) fn merge(&mut self, other: &Self, steps: Option<&Steps>) -> bool {
        let mut changed = false;
        let mut one = |a: &mut Value, b: &Value| {
            if a.is_unknown() || a == b {
                return;
            }
            let joined = match steps {
                Some(s) => a.widen(b, s),
                None => a.join(b),
            };
            changed |= joined != *a;
            *a = joined;
        };
        for (a, b) in self.regs.iter_mut().zip(&other.regs) {
            one(a, b);
        }
        let unknown = Value::UNKNOWN;
        for (i, a) in self.stack.iter_mut().enumerate() {
            one(a, other.stack.get(i).unwrap_or(&unknown));
        }
        while self.stack.last().is_some_and(Value::is_unknown) {
            self.stack.pop();
        }
        changed
    }
}

/// Which slot begins at an offset from r10.
fn place(offset: i64) -> Option<usize> {
    let inside = (-MAX_STACK..0).contains(&offset) && offset % 8 == 0;
    inside.then(|| (-offset / 8 - 1) as usize)
}
