//! Civil times as law 1 reads them: in a gap the first instant after it, repeated the second.

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::{AmbiguousOffset, Offset, TimeZone},
};

use crate::fault;

/// The instant of a civil time. It never decreases as the civil time grows; beyond what jiff can represent it stays at
/// [`Timestamp::MIN`] or [`Timestamp::MAX`].
pub(crate) fn resolve(time: DateTime, zone: &TimeZone) -> Timestamp {
    match zone.to_ambiguous_timestamp(time).offset() {
        AmbiguousOffset::Unambiguous { offset } => at_offset(time, offset),
        AmbiguousOffset::Gap { after, .. } => end_of_gap(time, after, zone),
        AmbiguousOffset::Fold { before, .. } if fault::seeded("fold-earlier") => at_offset(time, before),
        AmbiguousOffset::Fold { after, .. } => at_offset(time, after),
    }
}

/// The first instant of a day, or of the next one where the zone leaves the day out.
pub(crate) fn first_instant(date: Date, zone: &TimeZone) -> Timestamp {
    let midnight = date.at(0, 0, 0, 0);
    match zone.to_ambiguous_timestamp(midnight).offset() {
        AmbiguousOffset::Fold { before, .. } => at_offset(midnight, before),
        _ => resolve(midnight, zone),
    }
}

/// The transition that leaves `time` out. Read with the offset that holds after the gap, a time in it lies before the
/// transition.
fn end_of_gap(time: DateTime, after: Offset, zone: &TimeZone) -> Timestamp {
    let before_gap = at_offset(time, after);
    zone.following(before_gap).find(|transition| transition.offset() == after).map_or(Timestamp::MAX, |transition| transition.timestamp())
}

fn at_offset(time: DateTime, offset: Offset) -> Timestamp {
    offset.to_timestamp(time).unwrap_or(if time.year() < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// The instant of a count of microseconds, at the ends of the range where it is beyond them.
pub(crate) fn from_microsecond(count: i64) -> Timestamp {
    Timestamp::from_microsecond(count).unwrap_or(if count < 0 { Timestamp::MIN } else { Timestamp::MAX })
}
