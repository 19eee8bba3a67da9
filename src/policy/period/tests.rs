use jiff::{Timestamp, tz::TimeZone};

use super::{Period, PeriodError};

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The end of a start, in the words of the zone.
fn end(start: &str, period: &str, name: &str) -> String {
    let zone = zone(name);
    let end = Period::parse(period).unwrap().end(at(start), &zone);
    zone.to_offset(end).to_datetime(end).to_string() + &zone.to_offset(end).to_string()
}

#[test]
fn words_and_iso_say_the_same() {
    for (text, canonical) in [
        ("3 years", "3 years"),
        ("18 months", "1 year 6 months"),
        ("1 year 6 months", "1 year 6 months"),
        ("P1Y6M", "1 year 6 months"),
        ("P7Y", "7 years"),
        ("30 days", "30 days"),
        ("0 days", "0 days"),
        ("PT0H", "0 days"),
        ("2 weeks", "14 days"),
        ("P2W", "14 days"),
        ("1 week 1 day", "8 days"),
        ("12 hours", "12 hours"),
        ("PT12H", "12 hours"),
        ("P1Y2M3W4DT5H", "1 year 2 months 25 days 5 hours"),
        (" 1 Day ", "1 day"),
        ("30days", "30 days"),
        ("1000 years", "1000 years"),
    ] {
        let period = Period::parse(text).unwrap();
        assert_eq!(period.to_string(), canonical, "{text}");
        assert_eq!(Period::parse(canonical), Ok(period), "{text}");
    }
}

#[test]
fn what_is_no_period_says_why() {
    let unknown =
        |unit: &str, suggestion: Option<&str>| PeriodError::UnknownUnit { unit: unit.into(), suggestion: suggestion.map(Into::into) };
    let no_number = |found: &str| PeriodError::NoNumber { found: found.into() };
    for (text, error) in [
        ("", PeriodError::Empty),
        ("  ", PeriodError::Empty),
        ("-1 year", PeriodError::Negative),
        ("1 year -1 month", PeriodError::Negative),
        ("-P1Y", PeriodError::Negative),
        ("P-1Y", PeriodError::Negative),
        ("1.5 years", PeriodError::Fractional),
        ("1,5 years", PeriodError::Fractional),
        (".5 years", PeriodError::Fractional),
        ("P0.5Y", PeriodError::Fractional),
        ("3 yaers", unknown("yaers", Some("years"))),
        ("3 yrs", unknown("yrs", Some("years"))),
        ("3 m", unknown("m", Some("months"))),
        ("30 minutes", unknown("minutes", None)),
        ("3 decades", unknown("decades", None)),
        ("3", PeriodError::NoUnit { number: "3".into() }),
        ("P3", PeriodError::NoUnit { number: "3".into() }),
        ("years", no_number("years")),
        ("P", no_number("P")),
        ("PT", no_number("PT")),
        ("P1YT", no_number("P1YT")),
        ("P1Y6", PeriodError::NoUnit { number: "6".into() }),
        ("forever", no_number("forever")),
        ("PT30M", PeriodError::Designator { letter: 'M' }),
        ("P12H", PeriodError::Designator { letter: 'H' }),
        ("PTT1H", no_number("T1H")),
        ("1 year 2 years", PeriodError::Twice { unit: "years" }),
        ("1001 years", PeriodError::TooLong),
        ("1000 years 1 hour", PeriodError::TooLong),
        ("99999999999999999999 days", PeriodError::TooLong),
        ("18446744073709551615 years", PeriodError::TooLong),
    ] {
        assert_eq!(Period::parse(text), Err(error), "{text}");
    }
}

#[test]
fn a_day_that_does_not_exist_ends_with_the_first_instant_of_the_next() {
    assert_eq!(end("2024-02-29T13:00Z", "1 year", "UTC"), "2025-03-01T00:00:00+00");
    assert_eq!(end("2024-02-29T13:00Z", "4 years", "UTC"), "2028-02-29T13:00:00+00");
    assert_eq!(end("2023-01-31T23:59Z", "1 month", "UTC"), "2023-03-01T00:00:00+00");
    assert_eq!(end("2023-01-28T23:59Z", "1 month", "UTC"), "2023-02-28T23:59:00+00");
    // In 2004 the first of October had two midnights in Gaza.
    assert_eq!(end("2004-08-31T12:00Z", "1 month", "Asia/Gaza"), "2004-10-01T00:00:00+03");
    assert_eq!(end("2004-08-31T12:00Z", "1 month 1 hour", "Asia/Gaza"), "2004-10-01T00:00:00+02");
    // St John's fell back at 00:01, so that an evening came twice; the rule there is bent to a month's first.
    let bent = TimeZone::posix("AST3ADT,M3.2.0/2,M10.1.0/0:01").unwrap();
    let end = Period::parse("1 month").unwrap().end(at("2023-08-31T12:00Z"), &bent);
    assert_eq!(end, at("2023-10-01T03:00Z"));
}

#[test]
fn a_day_that_a_zone_left_out_is_a_day_that_does_not_exist() {
    // Samoa had no 30 December 2011.
    assert_eq!(end("2010-12-30T08:00Z", "1 year", "Pacific/Apia"), "2011-12-29T22:00:00-10");
    assert_eq!(end("2010-12-30T20:00Z", "1 year", "Pacific/Apia"), "2011-12-31T00:00:00+14");
    assert_eq!(end("2010-12-30T20:00Z", "1 year 2 days", "Pacific/Apia"), "2012-01-02T00:00:00+14");
    assert_eq!(end("2011-12-29T08:00Z", "2 days", "Pacific/Apia"), "2011-12-31T00:00:00+14");
}

#[test]
fn a_gap_ends_at_its_end_and_a_repeated_time_is_the_second() {
    assert_eq!(end("2023-03-31T00:30Z", "1 year", "Europe/Berlin"), "2024-03-31T03:00:00+02");
    assert_eq!(end("2023-10-27T00:30Z", "1 year", "Europe/Berlin"), "2024-10-27T02:30:00+01");
    assert_eq!(end("2024-10-26T00:30Z", "1 day", "Europe/Berlin"), "2024-10-27T02:30:00+01");
    // Midnight itself can be left out: Paraguay, 2 October 2016.
    assert_eq!(end("2016-09-02T04:00Z", "1 month", "America/Asuncion"), "2016-10-02T01:00:00-03");
}

#[test]
fn hours_are_absolute_and_come_last() {
    assert_eq!(end("2024-10-27T00:30Z", "12 hours", "Europe/Berlin"), "2024-10-27T13:30:00+01");
    assert_eq!(end("2024-10-27T00:30Z", "0 days", "Europe/Berlin"), "2024-10-27T02:30:00+02");
    assert_eq!(end("2024-01-31T23:00Z", "1 month 1 day 2 hours", "UTC"), "2024-03-02T02:00:00+00");
}

#[test]
fn an_end_beyond_the_calendar_never_comes() {
    let period = Period::parse("1000 years").unwrap();
    assert_eq!(period.end(at("9500-01-01T00:00Z"), &TimeZone::UTC), Timestamp::MAX);
    assert_eq!(period.cutoff(Timestamp::MIN, &TimeZone::UTC), Timestamp::MIN);
    assert_eq!(period.cutoff(at("2024-02-29T00:00Z"), &TimeZone::UTC), at("1024-02-29T00:00:00.000001Z"));
    assert_eq!(Period::parse("0 days").unwrap().cutoff(Timestamp::MAX, &TimeZone::UTC), Timestamp::MAX);
}

#[test]
fn the_cut_off_is_just_above_the_last_start_that_has_ended() {
    let cutoff = |period: &str, now: &str, name: &str| Period::parse(period).unwrap().cutoff(at(now), &zone(name)).to_string();
    assert_eq!(cutoff("30 days", "2024-03-31T00:00Z", "UTC"), "2024-03-01T00:00:00.000001Z");
    // All of 29 to 31 January ends with the first instant of March.
    assert_eq!(cutoff("1 month", "2023-02-28T23:59:59.999999Z", "UTC"), "2023-01-29T00:00:00Z");
    assert_eq!(cutoff("1 month", "2023-03-01T00:00:00Z", "UTC"), "2023-02-01T00:00:00.000001Z");
}

#[test]
fn the_cut_off_passes_a_fold_with_the_microsecond_that_ends_all_of_it() {
    // In Santiago the hour before midnight came twice on 12 May 2018, and the hour after midnight not at all on 12 August.
    let cutoff = |now: &str| Period::parse("91 days").unwrap().cutoff(at(now), &zone("America/Santiago")).to_string();
    assert_eq!(cutoff("2018-08-12T03:59:59.999998Z"), "2018-05-13T02:59:59.999999Z");
    assert_eq!(cutoff("2018-08-12T03:59:59.999999Z"), "2018-05-13T04:00:00Z");
}
