//! The view of the terminal. The terminal is put back as it was, also after a panic.

use std::time::{Duration, Instant};

use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Modifier, Style};
use ratatui::widgets::{Cell, Paragraph, Row, Table};
use skep::kernel::top::Snapshot;

use super::app::{App, Key, Sort, Tab};
use super::snapshot::entries;
use crate::failure::Failure;

/// Draws until it is ended.
pub(super) fn show(
    app: &mut App,
    interval: Duration,
    take: impl Fn() -> Result<Snapshot, Failure>,
) -> Result<(), Failure> {
    app.look(take()?);
    let mut terminal = ratatui::try_init().map_err(Failure::from)?;
    let done = turn(app, interval, take, &mut terminal);
    ratatui::restore();
    done
}

fn turn(
    app: &mut App,
    interval: Duration,
    take: impl Fn() -> Result<Snapshot, Failure>,
    terminal: &mut ratatui::DefaultTerminal,
) -> Result<(), Failure> {
    let mut next = Instant::now() + interval;
    loop {
        terminal.draw(|frame| draw(app, frame)).map_err(Failure::from)?;
        if event::poll(next.saturating_duration_since(Instant::now()))? {
            if let Event::Key(pressed) = event::read()?
                && pressed.kind != KeyEventKind::Release
            {
                let ends =
                    pressed.modifiers.contains(KeyModifiers::CONTROL) && pressed.code == KeyCode::Char('c');
                if ends || key(pressed.code).is_some_and(|k| !app.key(k)) {
                    return Ok(());
                }
            }
        } else {
            next += interval;
            if !app.paused {
                app.look(take()?);
            }
        }
    }
}

fn key(code: KeyCode) -> Option<Key> {
    Some(match code {
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Tab => Key::Tab,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        _ => return None,
    })
}

fn draw(app: &mut App, frame: &mut Frame<'_>) {
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(1), Constraint::Length(1)])
            .areas(frame.area());
    let (programs, maps) = (app.programs(), app.maps());
    let count = if app.tab == Tab::Programs { programs.len() } else { maps.len() };
    let room = usize::from(body.height.saturating_sub(1));
    app.offset = app.offset.min(count.saturating_sub(room));
    let paused = if app.paused { "  paused" } else { "" };
    let title = format!("skep top  {} programs  {} maps{paused}", programs.len(), maps.len());
    frame.render_widget(Paragraph::new(title).style(Style::new().add_modifier(Modifier::BOLD)), head);
    let table = match app.tab {
        Tab::Programs => {
            let rows = programs.iter().skip(app.offset).take(room).map(|p| {
                Row::new([
                    p.figures.id.to_string(),
                    p.figures.name.clone(),
                    p.figures.prog_type.to_string(),
                    format!("{:.1}", p.rate.runs),
                    format!("{:.1}", p.rate.ns_per_run),
                    format!("{:.2}", 100.0 * p.rate.cpu),
                    bytes(p.figures.memory),
                ])
            });
            let columns: [(&str, u16, Option<Sort>); 7] = [
                ("ID", 9, Some(Sort::Id)),
                ("PROGRAM", 17, Some(Sort::Name)),
                ("TYPE", 20, None),
                ("RUNS/S", 12, Some(Sort::Runs)),
                ("NS/RUN", 10, Some(Sort::Average)),
                ("CPU%", 8, Some(Sort::Time)),
                ("MEMORY", 10, Some(Sort::Memory)),
            ];
            build(app, rows.collect(), &columns)
        }
        Tab::Maps => {
            let rows = maps.iter().skip(app.offset).take(room).map(|m| {
                Row::new([
                    m.id.to_string(),
                    m.name.clone(),
                    m.map_type.to_string(),
                    entries(m.entries),
                    m.max_entries.to_string(),
                    bytes(m.memory),
                ])
            });
            let columns: [(&str, u16, Option<Sort>); 6] = [
                ("ID", 9, Some(Sort::Id)),
                ("MAP", 17, Some(Sort::Name)),
                ("TYPE", 20, None),
                ("ENTRIES", 12, None),
                ("OF", 12, None),
                ("MEMORY", 10, Some(Sort::Memory)),
            ];
            build(app, rows.collect(), &columns)
        }
    };
    frame.render_widget(table, body);
    let keys =
        "tab maps/programs  r runs  t time  a average  n name  i id  m memory  / filter  p pause  q quit";
    let line = match (app.typing, app.filter.as_str()) {
        (true, filter) => format!("filter: {filter}_"),
        (false, "") => keys.into(),
        (false, filter) => format!("filter: {filter}   {keys}"),
    };
    frame.render_widget(Paragraph::new(line).style(Style::new().add_modifier(Modifier::DIM)), foot);
}

fn build<'a>(app: &App, rows: Vec<Row<'a>>, columns: &[(&'a str, u16, Option<Sort>)]) -> Table<'a> {
    let head = columns.iter().map(|(name, _, sort)| {
        let mark = if *sort == Some(app.sort) { Modifier::REVERSED } else { Modifier::UNDERLINED };
        Cell::new(*name).style(Style::new().add_modifier(mark))
    });
    Table::new(rows, columns.iter().map(|(_, width, _)| Constraint::Length(*width))).header(Row::new(head))
}

fn bytes(n: u64) -> String {
    match n {
        0..10_240 => format!("{n} B"),
        10_240..10_485_760 => format!("{} KiB", n >> 10),
        _ => format!("{} MiB", n >> 20),
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::app::tests::looked;
    use super::*;

    fn shown(app: &mut App) -> String {
        let mut terminal = Terminal::new(TestBackend::new(100, 6)).expect("a terminal of memory");
        terminal.draw(|frame| draw(app, frame)).expect("is drawn");
        terminal.backend().to_string()
    }

    #[test]
    fn programs_and_maps_are_drawn() {
        let mut app = looked();
        let text = shown(&mut app);
        assert!(text.contains("2 programs  1 maps") && text.contains("NS/RUN"), "{text}");
        let (slow, fast) = (text.find("slow"), text.find("fast"));
        assert!(slow.is_some() && slow < fast, "{text}");
        assert!(text.contains("1000.0") && text.contains("9.0"), "{text}");
        app.key(Key::Tab);
        let text = shown(&mut app);
        assert!(text.contains("flows") && text.contains("ENTRIES") && !text.contains("slow"), "{text}");
        app.key(Key::Char('/'));
        app.key(Key::Char('z'));
        let text = shown(&mut app);
        assert!(text.contains("filter: z_") && !text.contains("flows"), "{text}");
    }
}
