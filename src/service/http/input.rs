//! What a request says, read strictly: what is not known is refused, and not ignored.

use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, StatusCode, header},
};
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::operate::world::World;

/// The longest body: a hold on some 50,000 subjects.
const LONGEST_BODY: usize = 4 * 1024 * 1024;
/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// The longest text of a person.
const LONGEST_TEXT: usize = 4096;

/// The name of a rule that is in force.
pub(super) fn rule(world: &World, (policy, rule): &(String, String)) -> Result<String, Problem> {
    let name = format!("{policy}/{rule}");
    world
        .chosen(std::slice::from_ref(&name))
        .map_err(|error| Problem::new(StatusCode::NOT_FOUND, "there is no such rule", error.to_string()))?;
    Ok(name)
}

/// An identifier as retentiond makes them.
pub(super) fn id(text: &str) -> Result<&str, Problem> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if text.len() <= 64 && text.bytes().all(fits) {
        return Ok(text);
    }
    Err(Problem::new(StatusCode::NOT_FOUND, "there is nothing of that id", "an id has letters, digits and `-`"))
}

/// The JSON of a body. An empty one is that of `{}`.
pub(super) async fn json<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T, Problem> {
    #[expect(clippy::disallowed_methods, reason = "no statement is in the future that is given up")]
    let read = tokio::time::timeout(PATIENCE, to_bytes(body, LONGEST_BODY)).await;
    let bytes = match read {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            let detail = format!("a body has {LONGEST_BODY} bytes at most, and comes whole");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large, or was cut off", detail));
        }
        Err(_) => {
            let detail = format!("a body has to come within {} seconds", PATIENCE.as_secs());
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took too long", detail));
        }
    };
    let said = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?"));
    let is_json =
        said.is_some_and(|said| said.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json")));
    if !bytes.is_empty() && !is_json {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is not JSON", "send `Content-Type: application/json`"));
    }
    serde_json::from_slice(if bytes.is_empty() { b"{}" } else { &bytes }).map_err(|error| Problem::bad(error.to_string()))
}

/// A text that a person wrote, for the ledger.
pub(super) fn text(name: &str, text: String) -> Result<String, Problem> {
    let unfit = text.chars().any(|letter| letter.is_control() && !matches!(letter, '\n' | '\t'));
    if text.trim().is_empty() || text.len() > LONGEST_TEXT || unfit {
        let detail = format!("`{name}` has 1 to {LONGEST_TEXT} bytes, and no control characters");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "what was asked can't be", detail));
    }
    Ok(text)
}

/// The parameters of a query, each at most once and one of those that are known.
pub(super) fn query<const N: usize>(query: Option<&str>, known: [&str; N]) -> Result<[Option<String>; N], Problem> {
    let mut values = [const { None }; N];
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let at = known.iter().position(|known| *known == name);
        let slot = at.and_then(|at| values.get_mut(at)).ok_or_else(|| Problem::bad(format!("there is no parameter `{name}` here")))?;
        if slot.replace(value.into_owned()).is_some() {
            return Err(Problem::bad(format!("the parameter `{name}` is there twice")));
        }
    }
    Ok(values)
}

/// A number within bounds, or what it is if nothing is said.
pub(super) fn number(name: &str, text: Option<&String>, bounds: std::ops::RangeInclusive<u64>, default: u64) -> Result<u64, Problem> {
    let Some(text) = text else { return Ok(default) };
    let number = text.parse().ok().filter(|number| bounds.contains(number) && text.bytes().all(|byte| byte.is_ascii_digit()));
    number.ok_or_else(|| Problem::bad(format!("`{name}` is a number from {} to {}", bounds.start(), bounds.end())))
}

/// `true` or `false`, or what it is if nothing is said.
pub(super) fn truth(name: &str, text: Option<&String>, default: bool) -> Result<bool, Problem> {
    match text.map(String::as_str) {
        None => Ok(default),
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err(Problem::bad(format!("`{name}` is `true` or `false`"))),
    }
}
