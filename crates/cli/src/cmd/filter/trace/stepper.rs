//! `--step`: through a trace by commands, a line each, from a terminal or a pipe.

use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal, Write};

use skep::isa::classic::MEM_WORDS;

use super::Trace;
use crate::failure::Failure;
use crate::output::{Output, Style};

const HELP: &str = "\
step [N], s        run N instructions (1); an empty line does the command before again
back [N], b        take N instructions back (1)
run, r             run to the next breakpoint, or to the end
reverse, rr        run back to the breakpoint before, or to the beginning
break [PC], br     stop before that instruction (this one); without breakpoints left, none
delete [PC], d     forget that breakpoint, or all
goto N, g          to step N of the trace, the first being 0
list, l            the program, with the place and the breakpoints
registers, regs    A, X and M[]
packet, p          the packet's bytes, with those that were read last
quit, q            leave
";

/// A command, by its names and what it does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    Step,
    Back,
    Run,
    Reverse,
    Break,
    Delete,
    Goto,
    List,
    Registers,
    Packet,
    Help,
    Quit,
}

static COMMANDS: &[(&[&str], Command)] = &[
    (&["step", "s", "next", "n"], Command::Step),
    (&["back", "b"], Command::Back),
    (&["run", "r", "continue", "c"], Command::Run),
    (&["reverse", "rr"], Command::Reverse),
    (&["break", "br", "breakpoint"], Command::Break),
    (&["delete", "d"], Command::Delete),
    (&["goto", "g"], Command::Goto),
    (&["list", "l", "disassemble"], Command::List),
    (&["registers", "regs"], Command::Registers),
    (&["packet", "p"], Command::Packet),
    (&["help", "h", "?"], Command::Help),
    (&["quit", "q", "exit"], Command::Quit),
];

/// A place in a trace.
pub(super) struct Stepper<'t> {
    trace: &'t Trace<'t>,
    at: usize,
    breaks: BTreeSet<usize>,
}

impl<'t> Stepper<'t> {
    pub(super) fn new(trace: &'t Trace<'t>) -> Self {
        Self { trace, at: 0, breaks: BTreeSet::new() }
    }

    /// Takes commands until `quit` or the end of the input.
    pub(super) fn run(&mut self, out: &mut Output) -> Result<(), Failure> {
        let input = std::io::stdin();
        let asks = input.is_terminal();
        self.place(out)?;
        let mut before = String::from("step");
        loop {
            if asks {
                write!(out, "> ")?;
            }
            out.flush()?;
            let mut line = String::new();
            let read = input.lock().read_line(&mut line);
            if read.map_err(|e| Failure::new(format!("stdin: {e}")))? == 0 {
                return Ok(());
            }
            if !line.trim().is_empty() {
                before = line.trim().to_owned();
            }
            if !self.command(&before, out)? {
                return Ok(());
            }
        }
    }

    /// Does a command; whether there may be another.
    fn command(&mut self, line: &str, out: &mut Output) -> Result<bool, Failure> {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default();
        let known = COMMANDS.iter().find(|c| c.0.contains(&name)).map(|c| c.1);
        let number = match words.next().map(str::parse::<usize>) {
            Some(Err(_)) => {
                writeln!(out, "a number is wanted: `{line}`")?;
                return Ok(true);
            }
            Some(Ok(n)) => Some(n),
            None => None,
        };
        let last = self.trace.states.len() - 1;
        match known {
            Some(Command::Step) => self.go(self.at.saturating_add(number.unwrap_or(1)).min(last), out)?,
            Some(Command::Back) => self.go(self.at.saturating_sub(number.unwrap_or(1)), out)?,
            Some(Command::Goto) => self.go(number.unwrap_or(0).min(last), out)?,
            Some(Command::Run) => {
                let next = (self.at + 1..=last).find(|&at| self.stops(at));
                self.go(next.unwrap_or(last), out)?;
            }
            Some(Command::Reverse) => {
                let next = (0..self.at).rev().find(|&at| self.stops(at));
                self.go(next.unwrap_or(0), out)?;
            }
            Some(Command::Break) => self.break_at(number, out)?,
            Some(Command::Delete) => match number {
                Some(pc) if !self.breaks.remove(&pc) => writeln!(out, "no breakpoint at {pc}")?,
                Some(_) => {}
                None => self.breaks.clear(),
            },
            Some(Command::List) => self.list(out)?,
            Some(Command::Registers) => self.registers(out)?,
            Some(Command::Packet) => self.packet(out)?,
            Some(Command::Help) => write!(out, "{HELP}")?,
            Some(Command::Quit) => return Ok(false),
            None => writeln!(out, "no command `{name}`: `help` lists them")?,
        }
        Ok(true)
    }

    fn stops(&self, at: usize) -> bool {
        self.breaks.contains(&self.trace.states[at].0.pc)
    }

    fn go(&mut self, at: usize, out: &mut Output) -> Result<(), Failure> {
        self.at = at;
        self.place(out)
    }

    /// What is next, and at the end the verdict.
    fn place(&self, out: &mut Output) -> Result<(), Failure> {
        self.registers(out)?;
        self.trace.print(self.at, out)?;
        if self.at + 1 == self.trace.states.len() {
            writeln!(out, "{}", self.trace.conclusion(out))?;
        }
        Ok(())
    }

    fn registers(&self, out: &mut Output) -> Result<(), Failure> {
        let state = &self.trace.states[self.at].0;
        let mut text =
            format!("step {}: A = {:#x} ({}), X = {:#x} ({})", self.at, state.a, state.a, state.x, state.x);
        for word in (0..MEM_WORDS).filter(|&word| state.mem[word] != 0) {
            text += &format!(", M[{word}] = {:#x}", state.mem[word]);
        }
        writeln!(out, "{}", out.paint(Style::Faint, text))?;
        Ok(())
    }

    fn break_at(&mut self, number: Option<usize>, out: &mut Output) -> Result<(), Failure> {
        let pc = number.unwrap_or(self.trace.states[self.at].0.pc);
        if pc >= self.trace.texts.len() {
            writeln!(out, "there are {} instructions, the first is 0", self.trace.texts.len())?;
        } else {
            self.breaks.insert(pc);
            writeln!(out, "breakpoint at {}", self.trace.insn(pc))?;
        }
        Ok(())
    }

    fn list(&self, out: &mut Output) -> Result<(), Failure> {
        let here = self.trace.states[self.at].0.pc;
        for pc in 0..self.trace.texts.len() {
            let arrow = if pc == here { "=>" } else { "  " };
            let mark = if self.breaks.contains(&pc) { "*" } else { " " };
            writeln!(out, "{arrow}{mark} {}", self.trace.insn(pc))?;
        }
        Ok(())
    }

    /// The bytes, sixteen a line; those that the instruction before this one read in brackets.
    fn packet(&self, out: &mut Output) -> Result<(), Failure> {
        let read = self.at.checked_sub(1).and_then(|at| self.trace.states[at].1.clone()).unwrap_or(0..0);
        for (row, bytes) in self.trace.data.chunks(16).enumerate() {
            let mut line = format!("{:04x} ", row * 16);
            for (column, byte) in bytes.iter().enumerate() {
                let at = row * 16 + column;
                let open = if at == read.start && !read.is_empty() { '[' } else { ' ' };
                let close = if at + 1 == read.end { "]" } else { "" };
                line += &format!("{open}{byte:02x}{close}");
            }
            writeln!(out, "{line}")?;
        }
        Ok(())
    }
}
