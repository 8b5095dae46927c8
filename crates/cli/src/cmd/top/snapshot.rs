//! Snapshots as a table of text and as JSON.

use serde_json::{Value, json};

use super::app::App;

/// A table of programs, then one of maps.
pub(super) fn table(app: &App) -> Vec<String> {
    let mut out = vec![format!(
        "{:>8}  {:16} {:18} {:>12} {:>10} {:>7} {:>9}",
        "ID", "PROGRAM", "TYPE", "RUNS/S", "NS/RUN", "CPU%", "MEMORY"
    )];
    for p in app.programs() {
        out.push(format!(
            "{:>8}  {:16} {:18} {:>12.1} {:>10.1} {:>7.2} {:>9}",
            p.figures.id,
            p.figures.name,
            p.figures.prog_type.to_string(),
            p.rate.runs,
            p.rate.ns_per_run,
            100.0 * p.rate.cpu,
            p.figures.memory,
        ));
    }
    out.push(String::new());
    out.push(format!(
        "{:>8}  {:16} {:18} {:>12} {:>10} {:>9}",
        "ID", "MAP", "TYPE", "ENTRIES", "OF", "MEMORY"
    ));
    for m in app.maps() {
        out.push(format!(
            "{:>8}  {:16} {:18} {:>12} {:>10} {:>9}",
            m.id,
            m.name,
            m.map_type.to_string(),
            entries(m.entries),
            m.max_entries,
            m.memory,
        ));
    }
    out
}

/// A count that may have stopped early.
pub(super) fn entries(count: Option<u32>) -> String {
    match count {
        None => "-".into(),
        Some(n) if n >= skep::kernel::top::COUNTED => format!("{n}+"),
        Some(n) => n.to_string(),
    }
}

/// One object.
pub(super) fn json(app: &App) -> Value {
    let programs = app.programs().into_iter().map(|p| {
        json!({
            "id": p.figures.id,
            "name": p.figures.name,
            "type": p.figures.prog_type.to_string(),
            "runs": p.figures.runs,
            "run_ns": p.figures.run_ns,
            "misses": p.figures.misses,
            "memory": p.figures.memory,
            "runs_per_second": p.rate.runs,
            "ns_per_run": p.rate.ns_per_run,
            "cpu": p.rate.cpu,
        })
    });
    let maps = app.maps().into_iter().map(|m| {
        json!({
            "id": m.id,
            "name": m.name,
            "type": m.map_type.to_string(),
            "max_entries": m.max_entries,
            "entries": m.entries,
            "entries_are_all": m.entries.map(|n| n < skep::kernel::top::COUNTED),
            "memory": m.memory,
        })
    });
    json!({
        "schema": "skep.top/1",
        "seconds": app.seconds(),
        "programs": programs.collect::<Vec<_>>(),
        "maps": maps.collect::<Vec<_>>(),
    })
}
