//! What becomes of a value, and when nothing is left to do. A new strategy is an arm in both functions.

use std::net::IpAddr;

use hmac::{Hmac, KeyInit as _, Mac as _};

use super::Strategy;

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
        (Strategy::Mask, Some(old)) => Some(masked(old)),
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
        (Strategy::Mask, Some(value)) => masked(value) == value,
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
