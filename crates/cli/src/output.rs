//! The one way out: stdout for data, stderr for the rest, colours where they are wanted.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use serde::Serialize;
use skep_diag::render::{Style as Drawing, render};

use crate::args::ColorChoice;
use crate::failure::Failure;

/// Where a command prints.
pub(crate) struct Output {
    stdout: BufWriter<StdoutLock<'static>>,
    /// `--json` was given.
    pub(crate) json: bool,
    color: bool,
    color_err: bool,
    terminal: bool,
}

/// What a piece of text is, for colouring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Heading,
    Name,
    Faint,
    Good,
    Bad,
    Warn,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Heading => "\x1b[1m",
            Self::Name => "\x1b[36m",
            Self::Faint => "\x1b[2m",
            Self::Good => "\x1b[32m",
            Self::Bad => "\x1b[1;31m",
            Self::Warn => "\x1b[1;33m",
        }
    }
}

impl Output {
    pub(crate) fn new(choice: ColorChoice, json: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let wanted = |is_terminal: bool| match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                let no = |name, value: Option<&str>| {
                    std::env::var_os(name).is_some_and(|v| !v.is_empty() && value.is_none_or(|w| v == w))
                };
                is_terminal && !no("NO_COLOR", None) && !no("TERM", Some("dumb"))
            }
        };
        Self {
            stdout: BufWriter::with_capacity(64 << 10, io::stdout().lock()),
            json,
            color: wanted(terminal) && !json,
            color_err: wanted(io::stderr().is_terminal()),
            terminal,
        }
    }

    /// How diagnostics are drawn on stdout: as wide as the terminal, where it is one.
    pub(crate) fn drawing(&self) -> Drawing {
        let plain = Drawing { color: self.color, ..Drawing::default() };
        match self.columns() {
            Some(width) => Drawing { width, wrap: true, ..plain },
            None => plain,
        }
    }

    /// How many columns stdout has, where it is a terminal.
    pub(crate) fn columns(&self) -> Option<usize> {
        let size = self.terminal.then(ratatui::crossterm::terminal::size)?;
        size.ok().map(|(columns, _)| columns.into()).filter(|&columns| columns > 0)
    }

    /// Text in a style, for stdout.
    pub(crate) fn paint(&self, style: Style, text: impl std::fmt::Display) -> String {
        paint(self.color, style, text)
    }

    #[cfg(all(target_os = "linux", not(skep_portable)))]
    /// The same, for stderr.
    pub(crate) fn paint_err(&self, style: Style, text: impl std::fmt::Display) -> String {
        paint(self.color_err, style, text)
    }

    /// One JSON object: laid out for reading on a terminal, on one line otherwise.
    pub(crate) fn object(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        if self.terminal {
            serde_json::to_writer_pretty(&mut self.stdout, value).map_err(io::Error::from)?;
        } else {
            serde_json::to_writer(&mut self.stdout, value).map_err(io::Error::from)?;
        }
        self.stdout.write_all(b"\n")?;
        Ok(())
    }

    /// A remark that stops nothing; to stderr.
    pub(crate) fn warn(&mut self, text: impl std::fmt::Display) {
        self.remark(Style::Warn, "warning", text);
    }

    /// A remark that is not even a warning; to stderr.
    pub(crate) fn note(&mut self, text: impl std::fmt::Display) {
        self.remark(Style::Good, "note", text);
    }

    fn remark(&mut self, style: Style, word: &str, text: impl std::fmt::Display) {
        // Nothing can be done about a stderr that is gone.
        let _ = self.stdout.flush();
        let _ = writeln!(io::stderr(), "{}: {text}", paint(self.color_err, style, word));
    }

    /// `error: ...`, then after a blank line `hint: ...`; a diagnostic with its sources where there is one.
    pub(crate) fn failure(&self, f: &Failure) {
        let mut err = io::stderr().lock();
        let drawing = Drawing { color: self.color_err, ..Drawing::default() };
        for (n, d) in f.diagnostics.iter().enumerate() {
            let _ = writeln!(err, "{}{}", if n > 0 { "\n" } else { "" }, render(d, &drawing));
        }
        if f.diagnostics.is_empty() {
            let _ = writeln!(err, "{}: {}", paint(self.color_err, Style::Bad, "error"), f.message);
        }
        if let Some(hint) = &f.hint {
            let _ = writeln!(err, "\n{}: {hint}", paint(self.color_err, Style::Good, "hint"));
        }
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.stdout.flush()?)
    }
}

impl Write for Output {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.stdout.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }
}

fn paint(on: bool, style: Style, text: impl std::fmt::Display) -> String {
    if on { format!("{}{text}\x1b[0m", style.code()) } else { text.to_string() }
}
