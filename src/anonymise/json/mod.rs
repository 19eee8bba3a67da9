//! `json`: places inside a document, each with a strategy of its own. Everything else stays byte for byte.
//!
//! | at the place | becomes |
//! |---|---|
//! | nothing, or `null` | the same; `null` becomes the value of a `fixed` with `replace_null = true` |
//! | a string, number or boolean | what the strategy makes of its text, as a string; `null` where that is nothing |
//! | an object or an array | the value of `fixed`; under any other strategy `null`: nothing shows that less would be enough |
//!
//! A text that is no document (or one of more than 500 levels) becomes the document `null`; the empty text stays. PostgreSQL
//! can say of `jsonb` alone what is in it without an error for some value, so that `json` and text need a `mark` there. So
//! do all documents on MariaDB, whose functions pass over a member that is there twice.

use std::sync::Arc;

use super::{Misfit, Strategy, Target, must, strategy};
use crate::{
    policy::{Dialect, JsonPath, Step, StrategySpec},
    secret::Keys,
    sql::selection::{ColumnRef, Compute, DoneTest, NewValue, PlaceTest, TextTest, TypeClass},
};

mod document;

/// `json` with its places.
pub struct Json {
    places: Vec<(JsonPath, Box<dyn Strategy>)>,
}

impl Json {
    /// A strategy for each place; none lies within another.
    ///
    /// # Errors
    /// [`Misfit`] if one of the strategies can't be made, or not be used in a document.
    pub fn new(places: &[(JsonPath, StrategySpec)], keys: &Keys) -> Result<Self, Misfit> {
        let place = |(path, spec): &(JsonPath, StrategySpec)| {
            must(spec.fits_in_documents(), &format!("`{}` can't be used inside a document", spec.name()))?;
            let inner = strategy(spec, keys)?;
            inner.fits(&inside()).map_err(|error| Misfit(format!("{path}: {error}")))?;
            Ok((path.clone(), inner))
        };
        Ok(Self { places: places.iter().map(place).collect::<Result<_, Misfit>>()? })
    }
}

/// A value inside a document, as a column: text that may be anything.
fn inside() -> Target {
    let column = ColumnRef {
        name: String::new(),
        class: TypeClass::Text,
        declared: "text".to_owned(),
        nullable: true,
        labels: Vec::new(),
        side: crate::sql::selection::Side::Row,
    };
    Target { column, dialect: Dialect::Sqlite, timezone: "UTC".to_owned(), max_length: None, unique: false, generated: false }
}

impl Strategy for Json {
    fn fits(&self, target: &Target) -> Result<(), Misfit> {
        must(!target.generated, "the database computes the column")?;
        must(target.is_text() || target.column.class == TypeClass::Json, "the column holds neither documents nor text")?;
        must(target.max_length.is_none(), "the column has a longest text, and a document may become longer; `null` or `fixed` would do")?;
        must(!target.unique, "the column is part of a unique key, and two documents may become equal")
    }

    fn value(&self, _: &Target) -> NewValue {
        let place = |(path, strategy): &(JsonPath, Box<dyn Strategy>)| (path.steps().to_vec(), Change(strategy.value(&inside())));
        NewValue::Computed(Arc::new(Document { places: self.places.iter().map(place).collect() }))
    }

    fn done(&self, target: &Target) -> Option<DoneTest> {
        let tells = target.dialect == Dialect::Sqlite || target.column.declared == "jsonb";
        let places = self.places.iter().map(|(path, strategy)| test(path.steps(), strategy.done(&inside())?));
        tells.then_some(DoneTest::Document { column: target.column.clone(), places: places.collect::<Option<_>>()? })
    }
}

/// The same test, inside a document.
fn test(path: &[Step], done: DoneTest) -> Option<PlaceTest> {
    let (null_is_done, text) = match done {
        DoneTest::IsNull(_) => (true, None),
        DoneTest::Equals { value, null_is_done, .. } => (null_is_done, Some(TextTest::Equals(value))),
        DoneTest::Matches { pattern, .. } => (true, Some(TextTest::Matches(pattern))),
        DoneTest::Unchanged { .. } | DoneTest::Document { .. } | DoneTest::Marked(_) => return None,
    };
    Some(PlaceTest { path: path.to_vec(), null_is_done, text })
}

/// Rewrites documents.
struct Document {
    places: Vec<(Vec<Step>, Change)>,
}

impl Compute for Document {
    fn compute(&self, old: &str) -> Option<String> {
        if old.is_empty() {
            return Some(String::new());
        }
        if !document::is_valid(old) {
            return Some("null".to_owned());
        }
        let changed =
            self.places.iter().fold(old.to_owned(), |text, (path, change)| document::rewritten(&text, path, &|value| change.of(value)));
        Some(changed)
    }
}

/// What becomes of a value inside a document.
struct Change(NewValue);

impl Change {
    /// The new JSON for a value's own; `None`: it stays as it is written.
    fn of(&self, json: &str) -> Option<String> {
        let old = document::scalar(json);
        let is_null = json == "null";
        let new = match &self.0 {
            NewValue::Fixed { value, replace_null } if *replace_null || !is_null => Some(value.clone()),
            _ if is_null => None,
            NewValue::Computed(compute) => old.as_deref().and_then(|old| compute.compute(old)),
            _ => None,
        };
        let is_string = json.starts_with('"');
        match new {
            None if is_null => None,
            None => Some("null".to_owned()),
            Some(new) if is_string && old.as_ref() == Some(&new) => None,
            Some(new) => Some(serde_json::Value::String(new).to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, Strategy as _, any, prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn json(places: &[(&str, StrategySpec)]) -> Document {
        let places: Vec<_> = places.iter().map(|(path, spec)| (JsonPath::parse(path).unwrap(), spec.clone())).collect();
        let json = Json::new(&places, &Keys::default()).unwrap();
        let place = |(path, strategy): &(JsonPath, Box<dyn Strategy>)| (path.steps().to_vec(), Change(strategy.value(&inside())));
        Document { places: json.places.iter().map(place).collect() }
    }

    fn fixed(value: &str, replace_null: bool) -> StrategySpec {
        StrategySpec::Fixed { value: value.to_owned(), replace_null }
    }

    #[test]
    fn places_change_and_the_rest_stays_as_it_is_written() {
        let mask = json(&[("$.user.email", StrategySpec::Mask), ("$.orders[*].ip", StrategySpec::TruncateIp { v4: 24, v6: 48 })]);
        for (old, new) in [
            (r#"{"user":{"email":"ann@example.com"}}"#, r#"{"user":{"email":"a***@example.com"}}"#),
            (
                r#" { "n" : 1e400 , "user" : { "email" : "ann@example.com" } } "#,
                r#" { "n" : 1e400 , "user" : { "email" : "a***@example.com" } } "#,
            ),
            (
                r#"{"orders":[{"ip":"10.1.2.3"},7,{"ip":null},{"ip":"here"},{}]}"#,
                r#"{"orders":[{"ip":"10.1.2.0"},7,{"ip":null},{"ip":null},{}]}"#,
            ),
            (r#"{"user":{"email":"ann@a.com","email":"bob@b.com"}}"#, r#"{"user":{"email":"a***@a.com","email":"b***@b.com"}}"#),
            (r#"{"us\u0065r":{"email":1234567}}"#, r#"{"us\u0065r":{"email":"*****67"}}"#),
            (r#"{"user":{"email":["ann@example.com"]}}"#, r#"{"user":{"email":null}}"#),
            (r#"{"user":{"email":true}}"#, r#"{"user":{"email":"***"}}"#),
            (r#"{"user":{"email":"\u0061***@example.com"}}"#, r#"{"user":{"email":"\u0061***@example.com"}}"#),
            (r#"{"user":{"email":"\ud800"}}"#, r#"{"user":{"email":null}}"#),
            (r#"{"user":[{"email":"ann@example.com"}]}"#, r#"{"user":[{"email":"ann@example.com"}]}"#),
            (r#"{"user":"ann@example.com"}"#, r#"{"user":"ann@example.com"}"#),
            ("[1, 2]", "[1, 2]"),
            ("17", "17"),
            ("{\"user\":", "null"),
            ("{'user':1}", "null"),
            ("{} {}", "null"),
            ("ann@example.com", "null"),
            ("", ""),
        ] {
            assert_eq!(mask.compute(old).as_deref(), Some(new), "{old}");
        }
    }

    #[test]
    fn constants_replace_whatever_is_there() {
        let document = r#"{"a":{"b":1},"c":null,"d":"x"}"#;
        let all = |spec: &StrategySpec| json(&[("$.a", spec.clone()), ("$.c", spec.clone()), ("$.d", spec.clone()), ("$.e", spec.clone())]);
        assert_eq!(all(&StrategySpec::Null).compute(document).unwrap(), r#"{"a":null,"c":null,"d":null}"#);
        assert_eq!(all(&fixed("\"x", false)).compute(document).unwrap(), r#"{"a":"\"x","c":null,"d":"\"x"}"#);
        assert_eq!(all(&fixed("x", true)).compute(document).unwrap(), r#"{"a":"x","c":"x","d":"x"}"#);
    }

    #[test]
    fn a_document_of_too_many_levels_can_not_be_read() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let mask = json(&[("$.a", StrategySpec::Mask)]);
        assert_eq!(mask.compute(&nested(500)), Some(nested(500)));
        assert_eq!(mask.compute(&nested(501)).as_deref(), Some("null"));
    }

    #[test]
    fn fits_documents_that_may_be_equal_and_longer() {
        let strategy = Json::new(&[(JsonPath::parse("$.a").unwrap(), StrategySpec::Mask)], &Keys::default()).unwrap();
        let target = |class, declared: &str, dialect| Target {
            column: ColumnRef {
                name: "c".into(),
                class,
                declared: declared.into(),
                nullable: false,
                labels: Vec::new(),
                side: crate::sql::selection::Side::Row,
            },
            dialect,
            ..inside()
        };
        let jsonb = target(TypeClass::Json, "jsonb", Dialect::Postgres);
        assert!(strategy.fits(&jsonb).is_ok() && strategy.done(&jsonb).is_some());
        let text = target(TypeClass::Text, "text", Dialect::Postgres);
        assert!(strategy.fits(&text).is_ok() && strategy.done(&text).is_none(), "a mark is needed");
        assert!(strategy.done(&target(TypeClass::Json, "json", Dialect::Postgres)).is_none());
        assert!(strategy.done(&target(TypeClass::Text, "TEXT", Dialect::Sqlite)).is_some());
        assert!(strategy.fits(&Target { max_length: Some(200), ..text.clone() }).is_err());
        assert!(strategy.fits(&Target { unique: true, ..text.clone() }).is_err());
        assert!(strategy.fits(&Target { generated: true, ..text }).is_err());
        assert!(strategy.fits(&target(TypeClass::Integer, "integer", Dialect::Postgres)).is_err());
        let random = Json::new(&[(JsonPath::parse("$.a").unwrap(), StrategySpec::Random)], &Keys::default());
        assert!(random.is_err(), "nothing tells that a random value is done");
    }

    fn values() -> impl prop::strategy::Strategy<Value = serde_json::Value> {
        let leaf = prop::strategy::Union::new([
            prop::strategy::Just(serde_json::Value::Null).boxed(),
            any::<bool>().prop_map(serde_json::Value::from).boxed(),
            any::<i64>().prop_map(serde_json::Value::from).boxed(),
            "[a-z@.\"\\\\é]{0,6}".prop_map(serde_json::Value::from).boxed(),
        ]);
        leaf.prop_recursive(4, 40, 4, |inner| {
            let key = prop::sample::select(vec!["a", "b", "\"", "é"]).prop_map(str::to_owned);
            prop::strategy::Union::new([
                prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from).boxed(),
                prop::collection::vec((key, inner), 0..4).prop_map(|members| members.into_iter().collect()).boxed(),
            ])
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn idempotent_and_always_a_document(value in values(), pretty in any::<bool>()) {
            let document = json(&[("$.a", StrategySpec::Mask), ("$.b[*].a", fixed("x", true)), ("$[*].b", StrategySpec::Null)]);
            let old = if pretty { format!("{value:#}") } else { value.to_string() };
            let new = document.compute(&old).unwrap();
            prop_assert!(serde_json::from_str::<serde_json::Value>(&new).is_ok(), "{}", new);
            prop_assert_eq!(document.compute(&new), Some(new));
        }

        #[test]
        fn any_text_leaves_a_document_or_nothing(text in ".*") {
            let new = json(&[("$.a", StrategySpec::Mask)]).compute(&text).unwrap();
            prop_assert!(new.is_empty() || document::is_valid(&new));
        }
    }
}
