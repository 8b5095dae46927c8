//! How many CPUs the kernel may ever have: the number of values in an entry of a per-CPU map.

use crate::Errno;

/// Number of possible CPUs, from `/sys/devices/system/cpu/possible`.
///
/// # Errors
/// `ENOENT` where sysfs is not mounted, `EINVAL` where its text is not a list of numbers.
pub fn possible() -> Result<usize, Errno> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/possible")
        .map_err(|e| Errno(e.raw_os_error().unwrap_or(Errno::ENOENT.0)))?;
    count(&text).ok_or(Errno::EINVAL)
}

/// The CPUs that are online, from `/sys/devices/system/cpu/online`.
///
/// # Errors
/// As for [`possible`].
pub fn online() -> Result<Vec<u32>, Errno> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/online")
        .map_err(|e| Errno(e.raw_os_error().unwrap_or(Errno::ENOENT.0)))?;
    list(&text).ok_or(Errno::EINVAL)
}

/// Keeps the calling thread on one CPU (sched_setaffinity(2)).
///
/// # Errors
/// `EINVAL` for a CPU that is not online or not allowed.
pub fn pin(cpu: u32) -> Result<(), Errno> {
    let mut set = [0_u64; 1024];
    let word = set.get_mut(cpu as usize / 64).ok_or(Errno::EINVAL)?;
    *word = 1 << (cpu % 64);
    // SAFETY: the set lives for the call and has the length given.
    let done = unsafe { libc::sched_setaffinity(0, size_of_val(&set), set.as_ptr().cast()) };
    if done < 0 { Err(Errno::last()) } else { Ok(()) }
}

/// The CPU that the calling thread is on at this moment.
pub fn current() -> u32 {
    // SAFETY: takes nothing and gives a number.
    u32::try_from(unsafe { libc::sched_getcpu() }).unwrap_or(0)
}

/// `0-3,6`: a map of CPUs holds values up to the highest number.
fn count(text: &str) -> Option<usize> {
    list(text)?.into_iter().max().map(|last| last as usize + 1)
}

fn list(text: &str) -> Option<Vec<u32>> {
    const MOST: u32 = 1 << 16;
    let mut out = Vec::new();
    for range in text.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last >= MOST {
            return None;
        }
        out.extend(first..=last);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::{count, list};

    #[test]
    fn lists_of_cpus() {
        assert_eq!(count("0\n"), Some(1));
        assert_eq!(count("0-3,6\n"), Some(7));
        assert_eq!(list("0,2-3"), Some(vec![0, 2, 3]));
        assert_eq!(count("x"), None);
        assert_eq!(count("3-1"), None);
    }
}
