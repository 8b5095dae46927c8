//! Clocks: what the kernel's times mean on the wall.

/// Seconds and nanoseconds of a clock.
fn read(clock: libc::clockid_t) -> i128 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the struct lives for the call, which fills it in.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}

/// Nanoseconds since 1970 at which so many nanoseconds had passed since boot, sleep included.
pub fn boot_to_wall(since_boot_ns: u64) -> i128 {
    read(libc::CLOCK_REALTIME) - read(libc::CLOCK_BOOTTIME) + i128::from(since_boot_ns)
}

/// A time of day in this process's time zone (localtime_r(3)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Local {
    /// Year.
    pub year: i64,
    /// Month, from 1.
    pub month: u8,
    /// Day, from 1.
    pub day: u8,
    /// Hour.
    pub hour: u8,
    /// Minute.
    pub minute: u8,
    /// Second.
    pub second: u8,
    /// Seconds east of Greenwich.
    pub offset: i64,
}

/// Seconds since 1970 as a local time; `None` beyond what the C library knows.
pub fn local(seconds: i64) -> Option<Local> {
    // SAFETY: all-zero bytes are a value of this struct: integers and a pointer that may be null.
    let mut tm: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both live for the call; the time zone is read under the C library's own lock.
    let done = unsafe { libc::localtime_r(&raw const seconds, &raw mut tm) };
    let small = |n: i32| u8::try_from(n).ok();
    (!done.is_null()).then_some(())?;
    Some(Local {
        year: i64::from(tm.tm_year) + 1900,
        month: small(tm.tm_mon + 1)?,
        day: small(tm.tm_mday)?,
        hour: small(tm.tm_hour)?,
        minute: small(tm.tm_min)?,
        second: small(tm.tm_sec)?,
        offset: tm.tm_gmtoff,
    })
}

impl std::fmt::Display for Local {
    /// `2026-11-22T17:30:14+0000`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { year, month, day, hour, minute, second, offset } = self;
        let (sign, minutes) = (if *offset < 0 { '-' } else { '+' }, offset.abs() / 60);
        write!(f, "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        write!(f, "{sign}{:02}{:02}", minutes / 60, minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_iso_8601() {
        let time = Local { year: 2026, month: 1, day: 2, hour: 3, minute: 4, second: 5, offset: -9000 };
        assert_eq!(time.to_string(), "2026-01-02T03:04:05-0230");
        assert!(local(0).is_some_and(|t| t.year == 1970 || t.year == 1969));
    }

    #[test]
    fn boot_was_before_now() {
        assert!(boot_to_wall(0) <= read(libc::CLOCK_REALTIME));
    }
}
