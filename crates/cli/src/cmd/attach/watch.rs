//! The foreground: what programs emit is shown as it comes, and what they did is counted, until a signal or the time
//! says that it is enough.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use serde_json::json;
use skep::backend::{Event, Loaded};
use skep::kernel::Live;
use skep_sys::signal::{Signals, wait};
use skep_sys::{info, stats};

use crate::cmd::run::maps::hex;
use crate::events::Records;
use crate::failure::Failure;
use crate::output::{Output, Style};

/// The longest wait; rings that wake nobody are looked at this often.
const TICK: Duration = Duration::from_millis(100);

/// Shows what comes until a signal comes or the time is over, then the sums.
pub(super) fn until_told(
    live: &mut Live,
    signals: &Signals,
    limit: Option<Duration>,
    records: &Records<'_>,
    out: &mut Output,
) -> Result<(), Failure> {
    let runs = Runs::begin(live);
    let end = limit.map(|l| Instant::now() + l);
    let mut counts = BTreeMap::new();
    while signals.take().is_none() {
        let left = end.map_or(TICK, |e| e.saturating_duration_since(Instant::now()).min(TICK));
        if left.is_zero() {
            break;
        }
        let mut fds = live.event_fds();
        fds.push(signals.as_fd());
        wait(&fds, left).map_err(|e| Failure::new(format!("waiting for events: {e}")))?;
        show(live.take_events(), records, &mut counts, out)?;
    }
    show(live.take_events(), records, &mut counts, out)?;
    sums(live, &runs, &counts, out)
}

fn show(
    events: Vec<Event>,
    records: &Records<'_>,
    counts: &mut BTreeMap<String, u64>,
    out: &mut Output,
) -> Result<(), Failure> {
    let any = !events.is_empty();
    for event in events {
        let Event::Record { map, cpu, data } = event else { continue };
        let shown = records.show(&map, &data);
        if out.json {
            let mut record = json!({
                "schema": "skep.attach/1",
                "event": "record",
                "map": map,
                "cpu": cpu,
                "data": hex(&data),
            });
            if let Some(value) = shown.value {
                record["value"] = value;
            }
            out.object(&record)?;
        } else {
            let name = out.paint(Style::Name, &map);
            for (n, line) in shown.lines.iter().enumerate() {
                // What takes several lines stands below itself.
                match n {
                    0 => writeln!(out, "{name}  {line}")?,
                    _ => writeln!(out, "{:1$}  {line}", "", map.len())?,
                }
            }
        }
        *counts.entry(map).or_default() += 1;
    }
    if any {
        out.flush()?;
    }
    Ok(())
}

/// How often programs ran, since this began.
struct Runs {
    /// The kernel counts as long as this is open; without the right it does not.
    counting: Option<OwnedFd>,
    before: BTreeMap<String, (u64, u64)>,
}

impl Runs {
    fn begin(live: &Live) -> Self {
        let counting = stats::enable_run_time().ok();
        Self { counting, before: Self::now(live) }
    }

    /// Runs and nanoseconds, by program.
    fn now(live: &Live) -> BTreeMap<String, (u64, u64)> {
        let of = |name: String| {
            let info = info::prog(live.program(&name).ok()?).ok()?;
            Some((name, (info.run_cnt, info.run_time_ns)))
        };
        live.programs().into_iter().filter_map(of).collect()
    }

    fn since(&self, live: &Live) -> Vec<(String, u64, u64)> {
        let Some(_) = &self.counting else { return Vec::new() };
        let before = |name: &str| self.before.get(name).copied().unwrap_or_default();
        let since = |(name, (runs, ns)): (String, (u64, u64))| {
            let (r, n) = before(&name);
            (name, runs.saturating_sub(r), ns.saturating_sub(n))
        };
        Self::now(live).into_iter().map(since).collect()
    }
}

fn sums(live: &Live, runs: &Runs, records: &BTreeMap<String, u64>, out: &mut Output) -> Result<(), Failure> {
    let programs = runs.since(live);
    let lost = live.lost_samples();
    if out.json {
        let programs: Vec<_> =
            programs.iter().map(|(name, runs, ns)| json!({ "name": name, "runs": runs, "ns": ns })).collect();
        return out.object(&json!({
            "schema": "skep.attach/1",
            "event": "end",
            "programs": programs,
            "records": records,
            "lost": lost,
        }));
    }
    for (name, runs, ns) in programs {
        let each = ns.checked_div(runs).map(|ns| format!(", {ns} ns each")).unwrap_or_default();
        let name = out.paint(Style::Name, name);
        writeln!(out, "{name}: ran {runs} times{each}")?;
    }
    for (map, n) in records {
        let name = out.paint(Style::Name, map);
        writeln!(out, "{name}: {n} records")?;
    }
    if lost > 0 {
        out.warn(format_args!("{lost} samples found no room in their buffers"));
    }
    Ok(())
}
