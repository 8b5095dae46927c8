//! `/proc/PID/fdinfo/FD`: facts of an object that bpf(2) does not tell.

use std::os::fd::{AsRawFd, BorrowedFd};

/// The lines of a file of fdinfo: `key:\tvalue`.
#[derive(Debug, Default)]
pub(super) struct Fdinfo(String);

impl Fdinfo {
    /// Of a descriptor of this process; empty where proc is not mounted.
    pub(super) fn of(fd: BorrowedFd<'_>) -> Self {
        Self::at(&format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).unwrap_or_default()
    }

    pub(super) fn at(path: &str) -> Option<Self> {
        std::fs::read_to_string(path).ok().map(Self)
    }

    /// A number.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        let value = self.0.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'))?.trim();
        match value.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok(),
            None => value.parse().ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Fdinfo;

    #[test]
    fn keys_are_whole_words() {
        let info = Fdinfo("pos:\t0\nmap_type:\t2\nmap_id:\t17\nmap_flags:\t0x400\nfrozen:\t1\n".into());
        assert_eq!(info.number("map_id"), Some(17));
        assert_eq!(info.number("map_flags"), Some(0x400));
        assert_eq!(info.number("map"), None);
    }
}
