//! The time of day in the local zone: that of TZ, else the machine's, as tcpdump prints it.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Seconds for which an offset is taken to hold: zones change theirs at full quarters of an hour.
const QUARTER: i64 = 15 * 60;

/// Tells times of day; it remembers the offset of the last.
pub(super) struct Clock {
    zone: TimeZone,
    /// A quarter of an hour since 1970, and the offset in it, in seconds.
    last: Option<(i64, i64)>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { zone: TimeZone::system(), last: None }
    }
}

impl Clock {
    /// The second of the day, for a time in seconds since 1970.
    pub(super) fn second_of_day(&mut self, seconds: u64) -> u64 {
        let Ok(seconds) = i64::try_from(seconds) else { return seconds % 86_400 };
        let offset = self.offset(seconds);
        seconds.saturating_add(offset).rem_euclid(86_400).unsigned_abs()
    }

    fn offset(&mut self, seconds: i64) -> i64 {
        let quarter = seconds.div_euclid(QUARTER);
        if let Some((_, offset)) = self.last.filter(|last| last.0 == quarter) {
            return offset;
        }
        // Times that no calendar has are those of UTC.
        let offset = Timestamp::from_second(seconds).map_or(0, |at| self.zone.to_offset(at).seconds().into());
        self.last = Some((quarter, offset));
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_zone_summer_time_included() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        let mut clock = Clock { zone, last: None };
        // 31 March 2024, 00:59:59 and 01:00:00 UTC.
        assert_eq!(clock.second_of_day(1_711_846_799), 2 * 3600 - 1);
        assert_eq!(clock.second_of_day(1_711_846_800), 3 * 3600);
        assert_eq!(clock.second_of_day(1_711_846_801), 3 * 3600 + 1);
        let mut west = Clock { zone: TimeZone::posix("WWW+9:30").expect("a zone"), last: None };
        assert_eq!(west.second_of_day(0), 86_400 - 9 * 3600 - 1800);
        assert_eq!(west.second_of_day(u64::MAX), u64::MAX % 86_400);
    }
}
