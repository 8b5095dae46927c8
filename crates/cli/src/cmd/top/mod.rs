//! `skep top`: which programs run how often and how long, and how large maps are; as a view of the terminal, or as
//! snapshots for files and pipes.

#[cfg(all(target_os = "linux", not(skep_portable)))]
mod app;
#[cfg(all(target_os = "linux", not(skep_portable)))]
mod snapshot;
#[cfg(all(target_os = "linux", not(skep_portable)))]
mod view;

use crate::Verdict;
use crate::failure::Failure;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  skep top                              a view that is drawn again every second
  skep top --interval 0.2
  skep top --once                       one table of the next second, and out
  skep top --json                       a snapshot a line, until it is ended
  skep top --json --count 10 --filter xdp

Keys: tab programs or maps, r runs, t time, a time a run, n name, i id, m memory (again: the other way round),
/ filter, p pause, arrows scroll, q quit.

The kernel counts runs only while this goes on, which costs each of them some ten nanoseconds.";

/// Watch what programs and maps do
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    interval: f64,

    /// Print one table and end; what happens where stdout is no terminal
    #[arg(long)]
    once: bool,

    /// End after so many snapshots
    #[arg(long, value_name = "N", requires = "json")]
    count: Option<u64>,

    /// Only programs and maps whose name or type contains this
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    if !(0.01..=3600.0).contains(&args.interval) {
        return Err(Failure::new(format!("--interval: {} is not from 0.01 to 3600 seconds", args.interval)));
    }
    #[cfg(all(target_os = "linux", not(skep_portable)))]
    return linux::run(args, out);
    #[cfg(not(all(target_os = "linux", not(skep_portable))))]
    {
        let _ = (args.once, args.count, &args.filter, out);
        Err(super::no_linux())
    }
}

#[cfg(all(target_os = "linux", not(skep_portable)))]
mod linux {
    use std::io::{IsTerminal, Write, stdin, stdout};
    use std::time::Duration;

    use skep::kernel::top::{Sampler, Snapshot};

    use super::{Args, app::App, snapshot, view};
    use crate::Verdict;
    use crate::failure::Failure;
    use crate::output::Output;

    pub(super) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
        let wrong =
            |e: skep::backend::Error| Failure::new(e.to_string()).hint_opt(e.hint().map(str::to_owned));
        let sampler = Sampler::new().map_err(wrong)?;
        let take = || sampler.take().map_err(wrong);
        let interval = Duration::from_secs_f64(args.interval);
        if out.json {
            return stream(args, interval, take, out);
        }
        let mut app = App::new(&args.filter);
        if args.once || !stdout().is_terminal() || !stdin().is_terminal() {
            app.look(take()?);
            std::thread::sleep(interval);
            app.look(take()?);
            for line in snapshot::table(&app) {
                writeln!(out, "{line}")?;
            }
            return Ok(Verdict::Yes);
        }
        view::show(&mut app, interval, take)?;
        Ok(Verdict::Yes)
    }

    fn stream(
        args: &Args,
        interval: Duration,
        take: impl Fn() -> Result<Snapshot, Failure>,
        out: &mut Output,
    ) -> Result<Verdict, Failure> {
        let mut app = App::new(&args.filter);
        app.look(take()?);
        let mut left = if args.once { 1 } else { args.count.unwrap_or(u64::MAX) };
        while left > 0 {
            std::thread::sleep(interval);
            app.look(take()?);
            out.object(&snapshot::json(&app))?;
            out.flush()?;
            left -= 1;
        }
        Ok(Verdict::Yes)
    }
}
