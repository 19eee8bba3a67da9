//! What becomes of a value, and when nothing is left to do. A new strategy is an arm in both functions.

use std::net::IpAddr;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{
    Timestamp,
    tz::{AmbiguousOffset, TimeZone},
};

use super::{Strategy, documents};

/// The value that a strategy leaves.
pub fn act(strategy: &Strategy, pepper: &[u8], old: Option<&str>) -> Option<String> {
    if is_done(strategy, old) {
        return old.map(ToOwned::to_owned);
    }
    match (strategy, old) {
        (Strategy::Fixed { value, replace_null }, old) => (old.is_some() || *replace_null).then(|| value.clone()),
        (Strategy::Null, _) | (_, None) => None,
        (Strategy::Hmac { email }, Some(old)) => {
            let text = if *email { old.trim().to_lowercase() } else { old.to_owned() };
            let mut mac = Hmac::<sha2::Sha256>::new_from_slice(pepper).expect("any key will do");
            mac.update(text.as_bytes());
            Some(mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect())
        }
        (Strategy::TruncateIp { v4, v6 }, Some(old)) => truncated(old, *v4, *v6),
        (Strategy::Random, Some(_)) => Some("random".to_owned()),
        (Strategy::Mask, Some(old)) => Some(masked(old)),
        (Strategy::DateTrunc { unit, zone: None }, Some(old)) => beginning(old, unit),
        (Strategy::DateTrunc { unit, zone: Some(zone) }, Some(old)) => Some(beginning_in(old, unit, zone)),
        (Strategy::Round { to }, Some(old)) => Some(rounded(old, *to)),
        (Strategy::Json { places }, Some(old)) => Some(documents::changed(old, places, pepper)),
    }
}

/// Whether a value says that nothing is left to do.
pub fn is_done(strategy: &Strategy, value: Option<&str>) -> bool {
    match (strategy, value) {
        (Strategy::Fixed { replace_null, .. }, None) => !replace_null,
        (_, None) => true,
        (Strategy::Null, Some(_)) => false,
        (Strategy::Fixed { value: fixed, .. }, Some(value)) => value == fixed,
        (Strategy::Hmac { .. }, Some(value)) => value.len() == 64 && value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
        (Strategy::TruncateIp { v4, v6 }, Some(value)) => truncated(value, *v4, *v6).as_deref() == Some(value),
        (Strategy::Random, Some(_)) => false,
        (Strategy::Mask, Some(value)) => masked(value) == value,
        (Strategy::DateTrunc { unit, zone: None }, Some(value)) => beginning(value, unit).as_deref() == Some(value),
        (Strategy::DateTrunc { unit, zone: Some(zone) }, Some(value)) => beginning_in(value, unit, zone) == value,
        (Strategy::Round { to }, Some(value)) => rounded(value, *to) == value,
        (Strategy::Json { places }, Some(value)) => documents::is_done(value, places),
    }
}

/// The address with its host bits zero; what is no address leaves nothing.
fn truncated(text: &str, v4: u8, v6: u8) -> Option<String> {
    Some(
        match text.parse().ok()? {
            IpAddr::V4(address) => IpAddr::V4((u32::from(address) & u32::MAX.checked_shl(32 - u32::from(v4)).unwrap_or(0)).into()),
            IpAddr::V6(address) => IpAddr::V6((u128::from(address) & u128::MAX.checked_shl(128 - u32::from(v6)).unwrap_or(0)).into()),
        }
        .to_string(),
    )
}

/// The shape of an address or of a number. Written for the values that the generator has, and no others.
fn masked(text: &str) -> String {
    let places: Vec<usize> = text.char_indices().filter(|(_, sign)| sign.is_ascii_digit() || *sign == '*').map(|(at, _)| at).collect();
    let is_number = places.len() >= 5 && !text.chars().any(|sign| sign.is_alphabetic() || "\n@,_:'".contains(sign));
    if text.is_empty() {
        String::new()
    } else if is_number {
        let last = places[places.len() - 2];
        let (hidden, shown) = text.split_at(last);
        hidden.replace(|sign: char| sign.is_ascii_digit(), "*") + shown
    } else if let [person, domain] = text.trim().split('@').collect::<Vec<_>>()[..]
        && domain.is_ascii()
    {
        let first = person.chars().next().expect("a person");
        format!("{}***@{domain}", if first.is_ascii_alphanumeric() { first } else { '*' })
    } else {
        "***".to_owned()
    }
}

/// The date that a unit begins with.
fn first_day<'a>(date: &'a str, unit: &str) -> [&'a str; 3] {
    let (year, month, day) = (&date[..4], &date[5..7], &date[8..10]);
    match unit {
        "year" => [year, "01", "01"],
        "month" => [year, month, "01"],
        _ => [year, month, day],
    }
}

/// A date as it is written, at the beginning of its unit: digits of the time become zeros, up to the offset.
fn beginning(text: &str, unit: &str) -> Option<String> {
    if text.is_empty() {
        return Some(String::new());
    }
    if !text.as_bytes()[0].is_ascii_digit() {
        return None;
    }
    let (date, time) = text.split_at(10);
    let offset = time.find(['+', 'Z']).unwrap_or(time.len());
    let (time, offset) = time.split_at(offset);
    Some(format!("{}{}{offset}", first_day(date, unit).join("-"), time.replace(|sign: char| sign.is_ascii_digit(), "0")))
}

/// An instant at the beginning of its unit in a zone: the first moment of that day, or its midnight by the winter clock if it
/// has two.
fn beginning_in(text: &str, unit: &str, zone: &TimeZone) -> String {
    let instant: Timestamp = text.parse().expect("an instant");
    let here = instant.to_zoned(zone.clone()).date().to_string();
    let midnight = first_day(&here, unit).join("-").parse::<jiff::civil::Date>().expect("a date").at(0, 0, 0, 0);
    let ambiguous = zone.to_ambiguous_timestamp(midnight);
    let first = match ambiguous.offset() {
        AmbiguousOffset::Fold { .. } => ambiguous.later(),
        _ => ambiguous.compatible(),
    };
    first.expect("an instant").strftime("%Y-%m-%d %H:%M:%S+00").to_string()
}

/// The nearest multiple, halves away from zero, with as many digits behind the point as there were.
fn rounded(text: &str, to: i64) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = u32::try_from(fraction.len()).expect("few digits");
    let number: i64 = format!("{whole}{fraction}").parse().expect("a number");
    let step = to * 10_i64.pow(digits);
    let multiple = (2 * number.abs() + step) / (2 * step) * to * number.signum();
    if fraction.is_empty() { multiple.to_string() } else { format!("{multiple}.{}", "0".repeat(fraction.len())) }
}
