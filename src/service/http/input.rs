//! What a request says, read strictly: what is not known is refused, and not ignored.

use std::{borrow::Cow, fmt, marker::PhantomData, sync::Arc, time::Duration};

use axum::{
    body::to_bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned},
};
use serde_json::{Map, Value};

use super::{
    Shared,
    openapi::{Operation, Takes},
    problem::Problem,
};

/// The longest body: a hold on some 50,000 subjects.
const LONGEST_BODY: usize = 4 * 1024 * 1024;
/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// The longest text of a person, in characters.
const LONGEST_TEXT: usize = 4096;

/// The JSON of a body. An empty one is that of `{}`.
async fn json<T: DeserializeOwned>(headers: &HeaderMap, body: axum::body::Body) -> Result<T, Problem> {
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

/// A body of JSON: an object, with the fields of the struct and no others.
pub(super) struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<Shared>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Arc<Shared>) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let Object(said) = json(&parts.headers, body).await?;
        Ok(Self(said))
    }
}

impl<T: JsonSchema> Takes for Body<T> {
    fn tell(operation: &mut Operation<'_>) {
        operation.body::<T>();
    }
}

/// A struct, written as an object: a list of its values in their order is none.
#[derive(Debug, JsonSchema)]
#[schemars(transparent, inline)]
pub(super) struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(de::value::MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(Fields(PhantomData))
    }
}

/// Nothing is to be said.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// A text that a person wrote, for the ledger.
#[derive(Debug, Deserialize)]
pub(super) struct Text(String);

impl Text {
    /// The text of the field of that name.
    pub(super) fn of(self, name: &str) -> Result<String, Problem> {
        let Self(text) = self;
        let unfit = text.chars().any(|letter| letter.is_control() && !matches!(letter, '\n' | '\t'));
        if text.trim().is_empty() || text.chars().count() > LONGEST_TEXT || unfit {
            let detail = format!("`{name}` has 1 to {LONGEST_TEXT} characters, not only blanks, and no control characters");
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "what was asked can't be", detail));
        }
        Ok(text)
    }
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // Something that is no blank among whatever is no control character.
        let any = r"[^\x00-\x08\x0b-\x1f\x7f-\x9f]*";
        let pattern = format!(r"^{any}[^\s\x00-\x1f\x7f-\x9f]{any}$");
        json_schema!({
            "type": "string", "minLength": 1, "maxLength": LONGEST_TEXT, "pattern": pattern,
            "description": "A text of a person: not only blanks, and no control characters but tabs and line breaks",
        })
    }
}

/// The parameters of a query: those that the struct has as fields, each at most once.
pub(super) struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Arc<Shared>> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Shared>) -> Result<Self, Problem> {
        query(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

impl<T: JsonSchema> Takes for Query<T> {
    fn tell(operation: &mut Operation<'_>) {
        operation.query::<T>();
    }
}

fn query<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let mut said = Map::new();
    for (name, text) in url::form_urlencoded::parse(query.as_bytes()) {
        let number = text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        let truth = || text.parse::<bool>().ok();
        let value = number.map(Value::from).or_else(|| truth().map(Value::from)).unwrap_or_else(|| Value::from(text.as_ref()));
        // By itself, so that the mistake has the parameter's name; all can be left out.
        let alone = Map::from_iter([(name.as_ref().to_owned(), value.clone())]);
        serde_json::from_value::<T>(alone.into()).map_err(|error| Problem::bad(format!("the parameter `{name}`: {error}")))?;
        if said.insert(name.as_ref().to_owned(), value).is_some() {
            return Err(Problem::bad(format!("the parameter `{name}` is there twice")));
        }
    }
    serde_json::from_value(said.into()).map_err(|error| Problem::bad(error.to_string()))
}

/// A number within bounds, and what it is if nothing is said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Within<const LEAST: u64, const MOST: u64, const UNSAID: u64>(u64);

impl<const LEAST: u64, const MOST: u64, const UNSAID: u64> Within<LEAST, MOST, UNSAID> {
    pub(super) fn get(self) -> u64 {
        self.0
    }
}

impl<const LEAST: u64, const MOST: u64, const UNSAID: u64> Default for Within<LEAST, MOST, UNSAID> {
    fn default() -> Self {
        Self(UNSAID)
    }
}

impl<'de, const LEAST: u64, const MOST: u64, const UNSAID: u64> Deserialize<'de> for Within<LEAST, MOST, UNSAID> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bounds = || de::Error::custom(format!("a number from {LEAST} to {MOST} is needed"));
        let number = u64::deserialize(deserializer).map_err(|_| bounds())?;
        if (LEAST..=MOST).contains(&number) { Ok(Self(number)) } else { Err(bounds()) }
    }
}

impl<const LEAST: u64, const MOST: u64, const UNSAID: u64> JsonSchema for Within<LEAST, MOST, UNSAID> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Within".into()
    }

    fn schema_id() -> Cow<'static, str> {
        format!("Within<{LEAST}, {MOST}, {UNSAID}>").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": LEAST, "maximum": MOST, "default": UNSAID })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        #[serde(default)]
        limit: Within<1, 1000, 100>,
        #[serde(default)]
        all: bool,
    }

    #[test]
    fn a_query_is_read_strictly() {
        let read = |text: &str| query::<Asked>(text).map(|asked| (asked.limit.get(), asked.all)).map_err(|problem| problem.body(""));
        assert_eq!(read(""), Ok((100, false)));
        assert_eq!(read("all=true&limit=1000"), Ok((1000, true)));
        for (text, told) in [
            ("limit=0", "`limit`: a number from 1 to 1000"),
            ("limit=+7", "`limit`: a number from 1 to 1000"),
            ("limit=99999999999999999999", "`limit`: a number"),
            ("limit=", "`limit`: a number"),
            ("all=True", "`all`: "),
            ("all=1", "`all`: "),
            ("al=true", "`al`: unknown field"),
            ("all=true&all=true", "twice"),
        ] {
            assert!(read(text).as_ref().is_err_and(|problem| problem.contains(told)), "{text}: {:?}", read(text));
        }
    }

    #[test]
    fn a_list_is_no_object() {
        assert!(serde_json::from_str::<Object<Asked>>("[1, true]").is_err_and(|error| error.to_string().contains("an object")));
        assert!(serde_json::from_str::<Object<Asked>>("{\"all\": true}").is_ok_and(|Object(asked)| asked.all));
    }
}
