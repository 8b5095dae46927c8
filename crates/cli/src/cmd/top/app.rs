//! What the view shows, and what keys do to that; knows nothing of terminals.

use std::cmp::Ordering;
use std::collections::HashMap;

use skep::kernel::top::{MapFigures, ProgFigures, Rate, Snapshot};

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Programs,
    Maps,
}

/// By what it is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Runs,
    Time,
    Average,
    Name,
    Id,
    Memory,
}

/// A key, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Tab,
    Enter,
    Escape,
    Backspace,
    Up,
    Down,
}

/// A row of programs.
#[derive(Clone, Debug)]
pub(super) struct ProgRow {
    pub(super) figures: ProgFigures,
    pub(super) rate: Rate,
}

/// See the module.
pub(super) struct App {
    before: Option<Snapshot>,
    now: Option<Snapshot>,
    pub(super) tab: Tab,
    pub(super) sort: Sort,
    pub(super) reversed: bool,
    pub(super) filter: String,
    /// The filter is being written.
    pub(super) typing: bool,
    pub(super) paused: bool,
    /// Rows that are scrolled past.
    pub(super) offset: usize,
}

impl App {
    pub(super) fn new(filter: &str) -> Self {
        Self {
            before: None,
            now: None,
            tab: Tab::Programs,
            sort: Sort::Time,
            reversed: false,
            filter: filter.to_owned(),
            typing: false,
            paused: false,
            offset: 0,
        }
    }

    /// Takes in a snapshot.
    pub(super) fn look(&mut self, snapshot: Snapshot) {
        self.before = self.now.replace(snapshot);
    }

    /// Acts on a key; `false` ends it.
    pub(super) fn key(&mut self, key: Key) -> bool {
        if self.typing {
            match key {
                Key::Char(c) => self.filter.push(c),
                Key::Backspace => _ = self.filter.pop(),
                Key::Escape => {
                    self.filter.clear();
                    self.typing = false;
                }
                Key::Enter => self.typing = false,
                _ => {}
            }
            self.offset = 0;
            return true;
        }
        match key {
            Key::Char('q') | Key::Escape => return false,
            Key::Char('p' | ' ') => self.paused = !self.paused,
            Key::Char('/') => self.typing = true,
            Key::Char('r') => self.sort_by(Sort::Runs),
            Key::Char('t') => self.sort_by(Sort::Time),
            Key::Char('a') => self.sort_by(Sort::Average),
            Key::Char('n') => self.sort_by(Sort::Name),
            Key::Char('i') => self.sort_by(Sort::Id),
            Key::Char('m') => self.sort_by(Sort::Memory),
            Key::Tab => {
                self.tab = if self.tab == Tab::Programs { Tab::Maps } else { Tab::Programs };
                self.offset = 0;
            }
            Key::Up => self.offset = self.offset.saturating_sub(1),
            Key::Down => self.offset += 1,
            _ => {}
        }
        true
    }

    fn sort_by(&mut self, sort: Sort) {
        self.reversed = self.sort == sort && !self.reversed;
        self.sort = sort;
    }

    fn passes(&self, name: &str, kind: &str) -> bool {
        self.filter.is_empty() || name.contains(&self.filter) || kind.contains(&self.filter)
    }

    /// Seconds between the two snapshots.
    pub(super) fn seconds(&self) -> f64 {
        match (&self.before, &self.now) {
            (Some(before), Some(now)) => now.at.duration_since(before.at).as_secs_f64(),
            _ => 0.0,
        }
    }

    /// Programs, filtered and sorted.
    pub(super) fn programs(&self) -> Vec<ProgRow> {
        let Some(now) = &self.now else { return Vec::new() };
        let before: HashMap<u32, &ProgFigures> =
            self.before.iter().flat_map(|s| &s.programs).map(|p| (p.id, p)).collect();
        let time = self.before.as_ref().map(|b| now.at.duration_since(b.at)).unwrap_or_default();
        let shown = now.programs.iter().filter(|p| self.passes(&p.name, &p.prog_type.to_string()));
        let row = |p: &ProgFigures| {
            let rate = before.get(&p.id).map(|b| Rate::between(b, p, time)).unwrap_or_default();
            ProgRow { figures: p.clone(), rate }
        };
        let mut rows: Vec<ProgRow> = shown.map(row).collect();
        let largest = |a: f64, b: f64| b.partial_cmp(&a).unwrap_or(Ordering::Equal);
        rows.sort_by(|a, b| {
            let order = match self.sort {
                Sort::Runs => largest(a.rate.runs, b.rate.runs),
                Sort::Time => largest(a.rate.cpu, b.rate.cpu),
                Sort::Average => largest(a.rate.ns_per_run, b.rate.ns_per_run),
                Sort::Name => a.figures.name.cmp(&b.figures.name),
                Sort::Id => a.figures.id.cmp(&b.figures.id),
                Sort::Memory => b.figures.memory.cmp(&a.figures.memory),
            };
            self.turned(order).then(a.figures.id.cmp(&b.figures.id))
        });
        rows
    }

    /// Maps, filtered and sorted; what they can't be sorted by leaves them by memory.
    pub(super) fn maps(&self) -> Vec<MapFigures> {
        let all = self.now.iter().flat_map(|s| &s.maps);
        let mut rows: Vec<MapFigures> =
            all.filter(|m| self.passes(&m.name, &m.map_type.to_string())).cloned().collect();
        rows.sort_by(|a, b| {
            let order = match self.sort {
                Sort::Name => a.name.cmp(&b.name),
                Sort::Id => a.id.cmp(&b.id),
                _ => b.memory.cmp(&a.memory),
            };
            self.turned(order).then(a.id.cmp(&b.id))
        });
        rows
    }

    fn turned(&self, order: Ordering) -> Ordering {
        if self.reversed { order.reverse() } else { order }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::{Duration, Instant};

    use skep::abi::{MapType, ProgType};

    use super::*;

    pub(in crate::cmd::top) fn looked() -> App {
        let program = |id, name: &str, runs, run_ns| ProgFigures {
            id,
            name: name.into(),
            prog_type: ProgType::XDP,
            runs,
            run_ns,
            misses: 0,
            memory: 4096,
        };
        let map = MapFigures {
            id: 7,
            name: "flows".into(),
            map_type: MapType::HASH,
            max_entries: 100,
            entries: Some(3),
            memory: 8192,
        };
        let at = Instant::now();
        let mut app = App::new("");
        app.look(Snapshot {
            at,
            programs: vec![program(1, "slow", 0, 0), program(2, "fast", 0, 0)],
            maps: vec![],
        });
        app.look(Snapshot {
            at: at + Duration::from_secs(1),
            programs: vec![program(1, "slow", 10, 10_000), program(2, "fast", 1000, 9_000)],
            maps: vec![map],
        });
        app
    }

    fn order(app: &App) -> Vec<u32> {
        app.programs().iter().map(|p| p.figures.id).collect()
    }

    #[test]
    fn keys_sort_filter_and_end() {
        let mut app = looked();
        assert_eq!(order(&app), [1, 2], "by time");
        app.key(Key::Char('r'));
        assert_eq!(order(&app), [2, 1]);
        app.key(Key::Char('r'));
        assert_eq!(order(&app), [1, 2], "the other way round");
        app.key(Key::Char('n'));
        assert_eq!(order(&app), [2, 1]);
        for key in [Key::Char('/'), Key::Char('s'), Key::Char('q'), Key::Backspace, Key::Enter] {
            assert!(app.key(key));
        }
        assert_eq!((app.filter.as_str(), order(&app)), ("s", vec![2, 1]), "fast and slow have an s");
        app.filter = "slo".into();
        assert_eq!(order(&app), [1]);
        app.key(Key::Char('p'));
        assert!(app.paused);
        assert!(!app.key(Key::Char('q')));
    }
}
