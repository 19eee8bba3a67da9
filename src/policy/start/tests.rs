use jiff::{
    SignedDuration, Timestamp, ToSpan as _,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};
use proptest::prelude::*;
use regex_lite::Regex;

use super::{COMPACT, DATE, ISO_DATE, ISO_NAIVE, ISO_OFFSET, Thresholds, WHOLE_NUMBER, read, read_number};
use crate::policy::{
    StartFormat,
    period::{properties::place_and_instant, reference},
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn takes(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).unwrap().is_match(text)
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn an_instant_is_said_in_every_form() {
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let thresholds = Thresholds::at(at("2024-07-01T10:00:00.0005Z"), Some(&berlin));
    assert_eq!(thresholds.instant_text(), "2024-07-01T10:00:00.000500Z");
    assert_eq!(thresholds.naive_text().unwrap(), "2024-07-01 12:00:00.000500");
    assert_eq!(thresholds.date_text().unwrap(), "2024-07-01");
    assert_eq!(thresholds.compact().unwrap(), "20240701120001");
    assert_eq!(
        (thresholds.unix_s_ceil(), thresholds.unix_ms_ceil(), thresholds.unix_us()),
        (1_719_828_001, 1_719_828_000_001, 1_719_828_000_000_500)
    );
    assert_eq!((thresholds.unix_s_exact().as_str(), thresholds.unix_ms_exact().as_str()), ("1719828000.000500", "1719828000000.500"));
    let before_1970 = Thresholds::at(at("1969-12-31T23:59:58.5Z"), None);
    assert_eq!((before_1970.unix_s_exact().as_str(), before_1970.unix_s_ceil(), before_1970.unix_ms_ceil()), ("-1.500000", -1, -1_500));
    assert_eq!((before_1970.naive, before_1970.date, before_1970.compact()), (None, None, None));
}

#[test]
fn a_fold_a_gap_and_midnight_are_read_as_the_law_says() {
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let naive = |instant: &str| Thresholds::at(at(instant), Some(&berlin)).naive_text().unwrap();
    // 02:00 to 03:00 is read as the second pass, so nothing of it is before the end of the first.
    assert_eq!(naive("2024-10-27T00:59:59Z"), "2024-10-27 02:00:00.000000");
    assert_eq!(naive("2024-10-27T01:30:00Z"), "2024-10-27 02:30:00.000000");
    // 02:00 to 03:00 doesn't exist and is read as 03:00.
    assert_eq!(naive("2024-03-31T01:00:00Z"), "2024-03-31 02:00:00.000000");
    assert_eq!(naive("2024-03-31T01:00:00.000001Z"), "2024-03-31 03:00:00.000001");
    // A date counts from the first instant of the next day.
    let date = |instant: &str| Thresholds::at(at(instant), Some(&berlin)).date_text().unwrap();
    assert_eq!(date("2024-06-30T22:00:00Z"), "2024-06-30");
    assert_eq!(date("2024-06-30T22:00:00.000001Z"), "2024-07-01");
}

#[test]
fn the_ends_of_the_calendar_are_no_panic() {
    for zone in ["UTC", "Pacific/Apia", "Pacific/Honolulu", "Europe/Berlin"].map(|name| TimeZone::get(name).unwrap()) {
        for instant in [Timestamp::MIN, Timestamp::MAX, at("9999-12-30T12:00Z"), at("-009999-01-03T00:00Z"), at("0000-12-31T23:00Z")] {
            let thresholds = Thresholds::at(instant, Some(&zone));
            for text in [thresholds.naive_text().unwrap(), thresholds.date_text().unwrap(), thresholds.instant_text()] {
                assert!(takes("^[0-9]{4}-", &text), "{text}");
            }
            assert!(takes("^[0-9]{14}$", &thresholds.compact().unwrap()));
        }
        for text in ["0001-01-01", "9999-12-31", "0001-01-01 00:00", "9999-12-31T23:59:59+00", "9999-12-31T23:59:59-14:59"] {
            assert!(read(text, StartFormat::Iso8601, Some(&zone)).is_some(), "{text}");
        }
        assert_eq!(read("9999-12-31T23:59:59", StartFormat::Timestamp, Some(&zone)), Some(Timestamp::MAX));
    }
    assert_eq!(read("999999999999999999", StartFormat::UnixS, None), Some(Timestamp::MAX));
    assert_eq!(read("-999999999999999999", StartFormat::UnixS, None), Some(Timestamp::MIN));
}

#[test]
fn text_is_read_only_in_the_forms_of_its_format() {
    use StartFormat::{Compact, Date, Iso8601, Timestamp, UnixMs, UnixS, UnixUs};
    for (text, format, expected) in [
        ("2024-02-29T13:07", Iso8601, Some("2024-02-29T13:07:00Z")),
        ("2024-02-29 13:07:09,25", Iso8601, Some("2024-02-29T13:07:09.25Z")),
        ("2024-02-29T13:07:09.1234567+01", Iso8601, Some("2024-02-29T12:07:09.123457Z")),
        ("2024-02-29T13:07:09.123456000+01", Iso8601, Some("2024-02-29T12:07:09.123456Z")),
        ("2024-02-29T23:59:59.999999001", Iso8601, Some("2024-03-01T00:00:00Z")),
        ("2024-02-29T13:07:09-0130", Timestamp, Some("2024-02-29T14:37:09Z")),
        ("2024-02-29 13:07:09z", Timestamp, Some("2024-02-29T13:07:09Z")),
        ("2024-02-29", Iso8601, Some("2024-03-01T00:00:00Z")),
        ("2024-02-29", Date, Some("2024-03-01T00:00:00Z")),
        ("2024-02-29", Timestamp, None),
        ("2024-02-29T13:07", Date, None),
        ("2023-02-29", Iso8601, None),
        ("0000-00-00", Iso8601, None),
        ("0000-01-01", Date, None),
        ("2024-02-29T24:00", Iso8601, None),
        ("2024-06-30T23:59:60", Iso8601, None),
        ("2024-02-29T13:07\n", Iso8601, None),
        ("2024-02-29\n", Date, None),
        (" 2024-02-29", Date, None),
        ("2024-02-29T13:07:09.", Iso8601, None),
        ("2024-02-29T13:07:09.1234567890", Iso8601, None),
        ("2024-02-29T13:07+15:00", Iso8601, None),
        ("-infinity", Iso8601, None),
        ("", Iso8601, None),
        ("20240229130709", Compact, Some("2024-02-29T13:07:09Z")),
        ("20230229130709", Compact, None),
        ("20240229136009", Compact, None),
        ("1700000000", UnixS, Some("2023-11-14T22:13:20Z")),
        ("1700000000123", UnixMs, Some("2023-11-14T22:13:20.123Z")),
        ("-1", UnixUs, Some("1969-12-31T23:59:59.999999Z")),
        ("1.5", UnixS, None),
        ("1e9", UnixS, None),
        ("1234567890123456789", UnixUs, None),
        ("１２", UnixS, None),
    ] {
        assert_eq!(read(text, format, Some(&TimeZone::UTC)), expected.map(at), "{text:?} as {format:?}");
    }
    assert_eq!(read("2024-02-29T13:07", Iso8601, None), None);
    assert_eq!(read("2024-02-29T13:07Z", Iso8601, None), Some(at("2024-02-29T13:07Z")));
}

#[test]
fn dates_exist_exactly_if_jiff_has_them() {
    let [date, compact] = [DATE, COMPACT].map(|pattern| Regex::new(pattern).unwrap());
    assert_eq!(DATE, ISO_DATE);
    for year in [0_i16, 1, 4, 9, 10, 99, 100, 104, 400, 999, 1000, 1900, 1996, 1999, 2000, 2023, 2024, 2100, 2400, 9996, 9999] {
        for (month, day) in (0_i8..=13).flat_map(|month| (0_i8..=32).map(move |day| (month, day))) {
            let exists = year > 0 && Date::new(year, month, day).is_ok();
            assert_eq!(date.is_match(&format!("{year:04}-{month:02}-{day:02}")), exists, "{year}-{month}-{day}");
            assert_eq!(compact.is_match(&format!("{year:04}{month:02}{day:02}000000")), exists, "{year}-{month}-{day}");
        }
    }
}

#[test]
fn every_leap_day_exists_in_leap_years_alone() {
    let date = Regex::new(DATE).unwrap();
    for year in 1_i16..=9999 {
        assert_eq!(date.is_match(&format!("{year:04}-02-29")), Date::new(year, 2, 29).is_ok(), "{year}");
        assert!(date.is_match(&format!("{year:04}-02-28")), "{year}");
    }
}

/// A naive time as people write it: `T` or a space, perhaps without seconds, perhaps with a fraction.
fn written(time: DateTime, style: u8) -> String {
    let gap = if style & 1 == 0 { "T" } else { " " };
    let mark = if style & 2 == 0 { "." } else { "," };
    let text = time.strftime(&format!("%Y-%m-%d{gap}%H:%M:%S{mark}%6f")).to_string();
    if style & 4 == 0 {
        return text;
    }
    let shorter = text.trim_end_matches('0').trim_end_matches(['.', ',']);
    shorter.strip_suffix(":00").unwrap_or(shorter).to_owned()
}

proptest! {
    #![proptest_config(config(3_000))]

    #[test]
    fn times_exist_exactly_if_jiff_has_them(hour in 0_i8..30, minute in 0_i8..70, second in 0_i8..70, offset in -1_600_i32..1_600, colon in any::<bool>()) {
        let exists = Time::new(hour, minute, second, 0).is_ok();
        let naive = format!("2024-02-29T{hour:02}:{minute:02}:{second:02}");
        prop_assert_eq!(takes(ISO_NAIVE, &naive), exists);
        prop_assert_eq!(naive.parse::<DateTime>().is_ok() && second < 60, exists);
        prop_assert_eq!(takes(COMPACT, &format!("20240229{hour:02}{minute:02}{second:02}")), exists);
        let [hours, minutes] = [offset.abs() / 100, offset.abs() % 100];
        let text = format!("{naive}{}{hours:02}{}{minutes:02}", if offset < 0 { '-' } else { '+' }, if colon { ":" } else { "" });
        prop_assert_eq!(takes(ISO_OFFSET, &text), exists && hours < 15 && minutes < 60);
        if takes(ISO_OFFSET, &text) {
            prop_assert_eq!(read(&text, StartFormat::Iso8601, None), Some(at(&text)));
        }
    }

    #[test]
    fn whole_numbers_are_those_of_18_digits(number in any::<i64>(), shift in 0_u32..60) {
        let number = number >> shift;
        prop_assert_eq!(takes(WHOLE_NUMBER, &number.to_string()), number.unsigned_abs() < 10_u64.pow(18));
    }

    #[test]
    fn a_number_is_below_its_threshold_exactly_if_it_is_before((place, cutoff) in place_and_instant(), away in -3_000_000_i64..3_000_000, near in -2_i64..2) {
        let thresholds = Thresholds::at(cutoff, Some(&place.zone));
        let instant = cutoff + SignedDuration::from_micros(away);
        let cases = [
            (StartFormat::UnixS, instant.as_second() + near, thresholds.unix_s_ceil()),
            (StartFormat::UnixMs, instant.as_millisecond() + near, thresholds.unix_ms_ceil()),
            (StartFormat::UnixUs, instant.as_microsecond() + near, thresholds.unix_us()),
        ];
        for (format, number, threshold) in cases {
            prop_assert_eq!(read(&number.to_string(), format, None).unwrap() < cutoff, number < threshold, "{:?}", format);
        }
        let micros = |text: &str, digits: usize| {
            let (whole, fraction) = text.split_once('.').unwrap();
            prop_assert_eq!(fraction.len(), digits);
            Ok(format!("{whole}{fraction}").parse::<i64>().unwrap())
        };
        prop_assert_eq!(micros(&thresholds.unix_s_exact(), 6)?, cutoff.as_microsecond());
        prop_assert_eq!(micros(&thresholds.unix_ms_exact(), 3)?, cutoff.as_microsecond());
    }

    #[test]
    fn a_naive_value_is_below_its_threshold_exactly_if_it_is_before((place, cutoff) in place_and_instant(), away in prop_oneof![-7_200_i64..7_200, -200_000_i64..200_000], micros in -1_i64..=1, style in 0_u8..8) {
        let zone = &place.zone;
        let thresholds = Thresholds::at(cutoff, Some(zone));
        let naive = thresholds.naive.unwrap();
        prop_assert!(reference::resolve(naive, zone) >= cutoff);
        prop_assert!(reference::resolve(naive - 1.microsecond(), zone) < cutoff);

        let value = naive + away.seconds() + micros.microseconds();
        let text = written(value, style);
        for format in [StartFormat::Timestamp, StartFormat::Iso8601] {
            let start = read(&text, format, Some(zone));
            prop_assert_eq!(start, Some(reference::resolve(value, zone)), "{}", text);
            prop_assert_eq!(start.unwrap() < cutoff, value < naive, "{}", text);
        }
        let compact = value.strftime("%Y%m%d%H%M%S").to_string();
        prop_assert_eq!(read(&compact, StartFormat::Compact, Some(zone)).unwrap() < cutoff, compact < thresholds.compact().unwrap());
    }

    #[test]
    fn a_date_is_below_its_threshold_exactly_if_its_next_day_begins_before((place, cutoff) in place_and_instant(), away in -3_i64..=3) {
        let zone = &place.zone;
        let thresholds = Thresholds::at(cutoff, Some(zone));
        let date = thresholds.date.unwrap() + away.days();
        for format in [StartFormat::Date, StartFormat::Iso8601] {
            let start = read(&date.to_string(), format, Some(zone)).unwrap();
            prop_assert_eq!(start, reference::end_of_day(date, zone));
            prop_assert_eq!(start < cutoff, date.to_string() < thresholds.date_text().unwrap());
        }
    }
}

#[test]
fn a_number_may_have_a_fraction_or_an_exponent() {
    let read = |text: &str, format| read_number(text, format).map(Timestamp::as_microsecond);
    for (text, format, micros) in [
        ("1500000000", StartFormat::UnixS, Some(1_500_000_000_000_000)),
        ("1500000000.000000", StartFormat::UnixS, Some(1_500_000_000_000_000)),
        ("1500000000.25", StartFormat::UnixS, Some(1_500_000_000_250_000)),
        ("1500000000.0000001", StartFormat::UnixS, Some(1_500_000_000_000_001)),
        ("-1.0000001", StartFormat::UnixS, Some(-1_000_000)),
        ("1.5e12", StartFormat::UnixMs, Some(1_500_000_000_000_000)),
        ("1.5E+15", StartFormat::UnixUs, Some(1_500_000_000_000_000)),
        ("1e-400", StartFormat::UnixS, Some(1)),
        ("0", StartFormat::UnixMs, Some(0)),
        ("1e400", StartFormat::UnixS, None),
        ("20240229130709", StartFormat::Compact, None),
        ("soon", StartFormat::UnixS, None),
    ] {
        assert_eq!(read(text, format), micros, "{text}");
    }
}
