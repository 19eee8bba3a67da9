//! The hours in which sweeps may run.

use std::{fmt, str::FromStr};

use jiff::{Timestamp, civil::Time, tz::TimeZone};

/// "01:00-05:30": from the first time of day up to, but not including, the second. It may cross midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    from: Time,
    until: Time,
}

impl Window {
    /// Whether the clock on the wall in `zone` shows a time inside the window.
    pub fn contains(&self, now: Timestamp, zone: &TimeZone) -> bool {
        self.holds(zone.to_datetime(now).time())
    }

    /// When it closes, of a window that is open now.
    pub fn closes(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let local = zone.to_datetime(now);
        let day = if local.time() < self.until { local.date() } else { local.date().tomorrow().ok()? };
        let closes = day.to_datetime(self.until).to_zoned(zone.clone()).ok()?.timestamp();
        self.contains(now, zone).then_some(closes.max(now))
    }
}

impl Window {
    /// Whether some time of day is inside both.
    pub fn meets(&self, other: &Self) -> bool {
        // Two stretches of a circle meet where one of them begins.
        self.holds(other.from) || other.holds(self.from)
    }

    fn holds(&self, time: Time) -> bool {
        if self.from < self.until { self.from <= time && time < self.until } else { self.from <= time || time < self.until }
    }
}

impl FromStr for Window {
    type Err = InvalidWindow;

    fn from_str(text: &str) -> Result<Self, InvalidWindow> {
        let (from, until) = text.split_once('-').ok_or(InvalidWindow::Unreadable)?;
        let time = |text: &str| Time::strptime("%H:%M", text.trim()).map_err(|_| InvalidWindow::Unreadable);
        let until = if until.trim() == "24:00" { Time::midnight() } else { time(until)? };
        let window = Self { from: time(from)?, until };
        if window.from == window.until { Err(InvalidWindow::Empty) } else { Ok(window) }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from.strftime("%H:%M"), self.until.strftime("%H:%M"))
    }
}

/// Why a text is no window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWindow {
    #[error("not a window; write it like \"01:00-05:30\"")]
    Unreadable,
    #[error("begins when it ends; leave it out to allow every hour")]
    Empty,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(window: &str, at: &str, zone: &str) -> bool {
        let window: Window = window.parse().expect("a window");
        window.contains(at.parse().expect("an instant"), &TimeZone::get(zone).expect("a zone"))
    }

    #[test]
    fn it_opens_at_its_first_minute_and_is_closed_at_its_last() {
        assert!(!open("01:00-05:30", "2026-03-01T00:59:59.999Z", "UTC"));
        assert!(open("01:00-05:30", "2026-03-01T01:00:00Z", "UTC"));
        assert!(open("01:00-05:30", "2026-03-01T05:29:59.999Z", "UTC"));
        assert!(!open("01:00-05:30", "2026-03-01T05:30:00Z", "UTC"));
    }

    #[test]
    fn it_may_cross_midnight() {
        assert!(open("22:00-04:00", "2026-03-01T23:00:00Z", "UTC"));
        assert!(open("22:00-04:00", "2026-03-01T03:59:00Z", "UTC"));
        assert!(!open("22:00-04:00", "2026-03-01T12:00:00Z", "UTC"));
        assert!(open("22:00-24:00", "2026-03-01T23:59:59Z", "UTC"));
        assert!(!open("22:00-24:00", "2026-03-01T00:00:00Z", "UTC"));
    }

    #[test]
    fn it_closes_when_it_is_no_longer_open() {
        let closes = |window: &str, at: &str, zone: &str| {
            let window: Window = window.parse().expect("a window");
            let closes = window.closes(at.parse().expect("an instant"), &TimeZone::get(zone).expect("a zone"));
            closes.map_or_else(|| "-".to_owned(), |closes| closes.to_string())
        };
        assert_eq!(closes("01:00-05:30", "2026-03-01T02:00:00Z", "UTC"), "2026-03-01T05:30:00Z");
        assert_eq!(closes("22:00-04:00", "2026-03-01T23:00:00Z", "UTC"), "2026-03-02T04:00:00Z");
        assert_eq!(closes("22:00-04:00", "2026-03-02T03:00:00Z", "UTC"), "2026-03-02T04:00:00Z");
        assert_eq!(closes("01:00-05:30", "2026-03-29T00:30:00Z", "Europe/Berlin"), "2026-03-29T03:30:00Z");
        assert_eq!(closes("01:00-05:30", "2026-03-01T06:00:00Z", "UTC"), "-");
    }

    #[test]
    fn the_zone_is_the_configured_one() {
        assert!(open("01:00-05:30", "2026-07-01T23:30:00Z", "Europe/Berlin"));
        assert!(!open("01:00-05:30", "2026-07-01T23:30:00Z", "UTC"));
    }

    #[test]
    fn two_windows_meet_or_never_do() {
        let meets = |one: &str, other: &str| {
            let (one, other): (Window, Window) = (one.parse().expect("a window"), other.parse().expect("a window"));
            assert_eq!(one.meets(&other), other.meets(&one));
            one.meets(&other)
        };
        assert!(meets("01:00-05:30", "05:00-06:00"));
        assert!(meets("22:00-04:00", "03:00-05:00"));
        assert!(meets("22:00-04:00", "23:00-01:00"));
        assert!(meets("22:00-04:00", "20:00-03:00"));
        assert!(!meets("01:00-05:30", "05:30-06:00"));
        assert!(!meets("22:00-04:00", "04:00-22:00"));
    }

    #[test]
    fn what_can_not_be_meant_is_refused() {
        for text in ["", "01:00", "1-5", "25:00-26:00", "24:00-02:00", "01:00-05:30 UTC"] {
            assert_eq!(text.parse::<Window>(), Err(InvalidWindow::Unreadable), "{text}");
        }
        assert_eq!("01:00-01:00".parse::<Window>(), Err(InvalidWindow::Empty));
    }
}
