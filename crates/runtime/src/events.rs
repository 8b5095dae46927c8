//! What programs have emitted and nobody has taken yet, in order, within a bound.
//!
//! Like a perf ring, a full queue refuses the new; like the trace pipe, it forgets the oldest line.

use std::collections::VecDeque;

use skep_backend::Event;

/// Bytes that events of one kind may wait in: what libbpf's examples give a perf buffer a CPU.
const LIMIT: usize = 16 << 20;
/// What an event costs beside its bytes.
const OVERHEAD: usize = 64;

/// Events in order of emission.
#[derive(Default)]
pub(crate) struct Events {
    queue: VecDeque<Event>,
    bytes: usize,
}

fn cost(event: &Event) -> usize {
    OVERHEAD
        + match event {
            Event::Record { data, .. } => data.len(),
            Event::Trace(line) => line.len(),
            Event::Clone { packet, .. } => packet.len(),
            Event::Lost { .. } => 0,
        }
}

impl Events {
    /// Adds an event; false if there is no room.
    pub(crate) fn push(&mut self, event: Event) -> bool {
        let cost = cost(&event);
        if self.bytes + cost > LIMIT {
            return false;
        }
        self.bytes += cost;
        self.queue.push_back(event);
        true
    }

    /// Adds a line of the trace pipe, at the cost of the oldest event if need be.
    pub(crate) fn trace(&mut self, line: String) {
        let event = Event::Trace(line);
        while self.bytes + cost(&event) > LIMIT {
            let Some(oldest) = self.queue.pop_front() else { break };
            self.bytes -= self::cost(&oldest);
        }
        self.push(event);
    }

    /// Takes them all.
    pub(crate) fn take(&mut self) -> Vec<Event> {
        self.bytes = 0;
        std::mem::take(&mut self.queue).into()
    }
}
