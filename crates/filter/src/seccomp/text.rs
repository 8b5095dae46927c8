//! The short text form of a policy.
//!
//! ```text
//! # A line is `what: calls`; a line that begins with white space goes on with the one before.
//! arch: x86_64, aarch64          # without it, the machine that is asked for
//! default: errno EPERM           # calls without a rule; without it, kill_process
//! foreign: kill_process          # calls of other machines; kill_process without it
//! allow: read, write, openat
//! errno EACCES: socket(arg0 == 16), socket(arg0 == 17)
//! allow: ioctl(arg1:32 == 0x5401), clone(arg0 & 0x7e020000 == 0)
//! ```
//!
//! Checks of one call are joined by `,` or `&&` and hold together; `argN:32` looks at the lower half only.

use std::ops::Range;

use skep_abi::{Arch, is_syscall, nearest, syscall_number};
use skep_sys::Errno;

use super::{Action, Check, Policy, PolicyError, Rule, Test};

/// Bytes of a policy that are read.
const MAX_TEXT: usize = 1 << 20;

impl Policy {
    /// Reads the text form. `arch` is for a policy that names no machine.
    ///
    /// # Errors
    /// With the place, if it is not the text form, or names what is not known.
    pub fn from_text(text: &str, arch: Arch) -> Result<Self, PolicyError> {
        if text.len() > MAX_TEXT {
            return Err(PolicyError::new("the policy is longer than 1 MiB", 0..0));
        }
        let mut policy = Self {
            arches: vec![arch],
            default: Action::KillProcess,
            foreign: Action::KillProcess,
            rules: Vec::new(),
        };
        let statements = statements(text);
        // Calls have the numbers of the machines, wherever those are named.
        for statement in &statements {
            let (head, body) = statement.parts(text)?;
            match head.text(text) {
                "arch" => policy.arches = arches(text, &body)?,
                "default" => policy.default = action(text, &body)?,
                "foreign" => policy.foreign = action(text, &body)?,
                _ => {}
            }
        }
        for statement in &statements {
            let (head, body) = statement.parts(text)?;
            if matches!(head.text(text), "arch" | "default" | "foreign") {
                continue;
            }
            let action = action(text, &head)?;
            for call in body.split(text, &[','], true) {
                policy.rules.push(rule(text, &call, action, &policy.arches, statement.line)?);
            }
        }
        Ok(policy)
    }
}

/// A piece of the text, without white space around it.
#[derive(Clone, Debug)]
struct Piece(Range<usize>);

impl Piece {
    fn new(text: &str, range: Range<usize>) -> Self {
        let all = &text[range.clone()];
        let start = range.start + (all.len() - all.trim_start().len());
        Self(start..(start + all.trim().len()))
    }

    fn text<'t>(&self, text: &'t str) -> &'t str {
        &text[self.0.clone()]
    }

    /// Cuts at these characters, outside of parentheses if asked.
    fn split(&self, text: &str, at: &[char], outside: bool) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut from = self.0.start;
        let mut depth = 0usize;
        for (offset, c) in self.text(text).char_indices() {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                c if at.contains(&c) && !(outside && depth > 0) => {
                    pieces.push(Piece::new(text, from..self.0.start + offset));
                    from = self.0.start + offset + c.len_utf8();
                }
                _ => {}
            }
        }
        pieces.push(Piece::new(text, from..self.0.end));
        pieces
    }

    fn error(&self, message: impl Into<String>) -> PolicyError {
        PolicyError::new(message, self.0.clone())
    }
}

/// A line with those that continue it.
struct Statement {
    line: usize,
    range: Range<usize>,
}

impl Statement {
    /// What stands before the colon, and behind it.
    fn parts(&self, text: &str) -> Result<(Piece, Piece), PolicyError> {
        let all = Piece::new(text, self.range.clone());
        // The first colon: `arg1:32` comes behind it.
        let Some(colon) = all.text(text).find(':') else {
            return Err(all.error("a line is `what: calls`").hint(Some("such as `allow: read, write`")));
        };
        let at = all.0.start + colon;
        Ok((Piece::new(text, all.0.start..at), Piece::new(text, at + 1..all.0.end)))
    }
}

/// Lines without comments, put together. Comments inside a statement end it: a piece is one range of the text.
fn statements(text: &str) -> Vec<Statement> {
    let mut found: Vec<Statement> = Vec::new();
    let mut at = 0;
    let mut open = false;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let code = line.split('#').next().unwrap_or_default();
        let end = at + code.trim_end().len();
        let goes_on = open && code.starts_with([' ', '\t']);
        match found.last_mut() {
            _ if code.trim().is_empty() => {}
            Some(last) if goes_on => last.range.end = end,
            _ => found.push(Statement { line: number + 1, range: at..end }),
        }
        open = !code.trim().is_empty() && !line.contains('#');
        at += line.len();
    }
    found
}

fn arches(text: &str, body: &Piece) -> Result<Vec<Arch>, PolicyError> {
    let mut all = Vec::new();
    for piece in body.split(text, &[','], false) {
        let arch = piece.text(text).parse().map_err(|e: skep_abi::UnknownName| {
            let hint = e.hint().or_else(|| Some("x86_64, aarch64 and riscv64 are known".into()));
            piece.error(e.to_string()).hint(hint)
        })?;
        if !all.contains(&arch) {
            all.push(arch);
        }
    }
    Ok(all)
}

const ACTIONS: [&str; 8] =
    ["kill_process", "kill_thread", "trap", "errno", "notify", "trace", "log", "allow"];

fn action(text: &str, piece: &Piece) -> Result<Action, PolicyError> {
    let all = piece.text(text);
    let (name, data) = all.split_once(char::is_whitespace).map_or((all, None), |(n, d)| (n, Some(d.trim())));
    let wrong =
        || PolicyError::new(format!("`{}` is no number for `{name}`", data.unwrap_or("")), piece.0.clone());
    let number = || data.map_or(Ok(0), |d| d.parse::<u16>().map_err(|_| wrong()));
    let bare = |action| if data.is_none() { Ok(action) } else { Err(wrong()) };
    match name {
        "kill" | "kill_process" => bare(Action::KillProcess),
        "kill_thread" => bare(Action::KillThread),
        "allow" => bare(Action::Allow),
        "log" => bare(Action::Log),
        "notify" => bare(Action::Notify),
        "trap" => number().map(Action::Trap),
        "trace" => number().map(Action::Trace),
        "errno" => {
            let Some(data) = data else {
                return Err(piece.error("which errno?").hint(Some("such as `errno EPERM`")));
            };
            let errno = Errno::from_name(data).map(|e| e.0).or_else(|| data.parse().ok());
            let errno = errno.and_then(|n| u16::try_from(n).ok()).filter(|&n| n < 4096);
            errno.map(Action::Errno).ok_or_else(|| piece.error(format!("unknown errno `{data}`")))
        }
        _ => {
            let hint = nearest(name, ACTIONS.into_iter()).map(|n| format!("did you mean `{n}`?"));
            let all = || {
                format!(
                    "actions are {}; `arch`, `default` and `foreign` set up the policy",
                    ACTIONS.join(", ")
                )
            };
            Err(piece.error(format!("unknown action `{name}`")).hint(Some(hint.unwrap_or_else(all))))
        }
    }
}

fn rule(text: &str, call: &Piece, action: Action, arches: &[Arch], line: usize) -> Result<Rule, PolicyError> {
    let all = call.text(text);
    let (name, checks) = match all.find('(') {
        None => (call.clone(), Vec::new()),
        Some(open) => {
            let Some(inner) = all[open..].strip_prefix('(').and_then(|c| c.strip_suffix(')')) else {
                return Err(call.error("a parenthesis is not closed"));
            };
            let from = call.0.start + open + 1;
            let inner = Piece::new(text, from..from + inner.len());
            (Piece::new(text, call.0.start..call.0.start + open), checks(text, &inner)?)
        }
    };
    let shown = name.text(text);
    if shown.is_empty() {
        return Err(call.error("a name of a system call was expected"));
    }
    let numbers = numbers(shown, arches).map_err(|e| {
        let hint = e.hint();
        name.error(e.to_string()).hint(hint)
    })?;
    Ok(Rule { numbers, names: vec![shown.to_owned()], checks, action, line })
}

/// A call's number on each machine; machines that do not have it have none. A number is the same on all.
pub(super) fn numbers(name: &str, arches: &[Arch]) -> Result<Vec<Vec<u32>>, skep_abi::UnknownName> {
    if let Ok(number) = name.parse() {
        return Ok(vec![vec![number]; arches.len()]);
    }
    let found: Vec<_> = arches.iter().map(|&arch| syscall_number(arch, name)).collect();
    if !is_syscall(name)
        && let Some(Err(error)) = found.first()
    {
        return Err(error.clone());
    }
    Ok(found.into_iter().map(|n| n.into_iter().collect()).collect())
}

fn checks(text: &str, inner: &Piece) -> Result<Vec<Check>, PolicyError> {
    let mut all = Vec::new();
    for part in inner.split(text, &[','], false) {
        let mut from = part.0.start;
        let whole = part.text(text);
        for piece in whole.split("&&") {
            all.push(check(text, &Piece::new(text, from..from + piece.len()))?);
            from += piece.len() + 2;
        }
    }
    Ok(all)
}

const OPERATORS: [&str; 6] = ["==", "!=", "<=", ">=", "<", ">"];

fn check(text: &str, piece: &Piece) -> Result<Check, PolicyError> {
    let all = piece.text(text);
    let wrong = || {
        piece.error(format!("`{all}` is no check")).hint(Some("such as `arg0 == 5` or `arg1:32 & 0xff == 1`"))
    };
    let operator = OPERATORS.into_iter().find(|op| all.contains(op)).ok_or_else(wrong)?;
    let (left, right) = all.split_once(operator).ok_or_else(wrong)?;
    let (name, mask) = match left.split_once('&') {
        Some((name, mask)) => (name.trim(), Some(number(mask).ok_or_else(wrong)?)),
        None => (left.trim(), None),
    };
    let (name, low) = name.strip_suffix(":32").map_or((name, false), |n| (n, true));
    let arg = name.strip_prefix("arg").and_then(|n| n.parse().ok()).filter(|&n: &u8| n < 6);
    let arg =
        arg.ok_or_else(|| piece.error(format!("`{name}` is no argument")).hint(Some("arg0 to arg5")))?;
    let value = number(right).ok_or_else(wrong)?;
    let test = match (operator, mask) {
        ("==", None) => Test::Eq(value),
        ("!=", None) => Test::Ne(value),
        ("<", None) => Test::Lt(value),
        ("<=", None) => Test::Le(value),
        (">", None) => Test::Gt(value),
        (">=", None) => Test::Ge(value),
        ("==", Some(mask)) => Test::Masked { mask, value },
        _ => return Err(piece.error("masked bits can only be compared with `==`")),
    };
    Ok(Check { arg, low, test })
}

/// Decimal, hexadecimal (`0x`) or octal (`0`).
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None if text.len() > 1 && text.starts_with('0') => u64::from_str_radix(&text[1..], 8).ok(),
        None => text.parse().ok(),
    }
}
