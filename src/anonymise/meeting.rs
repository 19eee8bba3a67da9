//! Strategies that meet on one column, tried: which pairs come to rest is what [`StrategySpec::survives`] says.

use proptest::{
    prelude::{Just, ProptestConfig, prop, prop_assert_eq, prop_oneof, proptest},
    strategy::Strategy as Generator,
};

use super::{Target, strategy};
use crate::{
    policy::{Dialect, Normalise, StrategySpec, Unit},
    secret::{Key, Keys},
    sql::selection::{ColumnRef, Formula, NewValue, TypeClass},
};

/// What a strategy makes of a value in a column of text that can be NULL; `None` is NULL.
fn applied(spec: &StrategySpec, old: Option<&str>, keys: &Keys) -> Option<String> {
    let class = if matches!(spec, StrategySpec::Round { .. }) { TypeClass::Integer } else { TypeClass::Text };
    let column = ColumnRef {
        name: "c".into(),
        class,
        declared: "bigint".into(),
        nullable: true,
        labels: Vec::new(),
        side: crate::sql::selection::Side::Row,
    };
    let target = Target { column, dialect: Dialect::Sqlite, timezone: "UTC".into(), max_length: None, unique: false, generated: false };
    let value = strategy(spec, keys).unwrap().value(&target);
    match (value, old) {
        (NewValue::Null, _) => None,
        (NewValue::Fixed { value, replace_null }, old) => (old.is_some() || replace_null).then_some(value),
        (_, None) => None,
        (NewValue::Computed(compute), Some(old)) => compute.compute(old),
        (NewValue::Formula(Formula::Rounded { to, .. }), Some(old)) => rounded(old, i64::try_from(to).unwrap()),
        (NewValue::Random { .. } | NewValue::Unchanged | NewValue::Formula(Formula::Truncated { .. }), Some(_)) => panic!("not of text"),
    }
}

/// What is no number leaves nothing, as on SQLite.
fn rounded(old: &str, to: i64) -> Option<String> {
    let number: i64 = old.parse().ok()?;
    let half = if number < 0 { -to } else { to };
    Some(((2 * number + half) / (2 * to) * to).to_string())
}

fn keys() -> Keys {
    let key = |name: &str| (name.to_owned(), Key::new(format!("sixteen bytes of {name}").into_bytes()).unwrap());
    Keys::from_iter([key("pepper"), key("salt")])
}

fn specs() -> impl Generator<Value = StrategySpec> {
    let fixed = (prop::sample::select(vec!["gone", "", "***", "0.0.0.0", "70"]), prop::bool::ANY);
    let hmac = (prop::sample::select(vec!["pepper", "salt"]), prop::option::of(Just(Normalise::Email)));
    let bits = (prop::sample::select(vec![8, 16, 24]), prop::sample::select(vec![16, 32, 48, 64]));
    prop_oneof![
        Just(StrategySpec::Null),
        Just(StrategySpec::Mask),
        fixed.prop_map(|(value, replace_null)| StrategySpec::Fixed { value: value.to_owned(), replace_null }),
        hmac.prop_map(|(key, normalise)| StrategySpec::Hmac { key: key.to_owned(), normalise }),
        bits.prop_map(|(v4, v6)| StrategySpec::TruncateIp { v4, v6 }),
        prop::sample::select(Unit::ALL.to_vec()).prop_map(|(_, unit)| StrategySpec::DateTrunc { unit }),
        prop::sample::select(vec![1, 2, 3, 7, 10, 20, 70]).prop_map(|to| StrategySpec::Round { to }),
    ]
}

fn values() -> impl Generator<Value = Option<String>> {
    prop::option::of(prop_oneof![
        Just("ann@example.com".to_owned()),
        Just("+46 70 123 45 67".to_owned()),
        Just("10.1.2.3".to_owned()),
        Just("2001:db8:1:2:3::4".to_owned()),
        Just("2024-03-17T10:00:00Z".to_owned()),
        Just("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef".to_owned()),
        Just(String::new()),
        "-?[0-9]{1,4}",
        ".{0,8}",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    /// After both have acted once, in either order, neither finds anything to do.
    #[test]
    fn pairs_that_may_meet_come_to_rest(first in specs(), second in specs(), value in values()) {
        let keys = keys();
        if first.survives(&second) && second.survives(&first) {
            let once = applied(&second, applied(&first, value.as_deref(), &keys).as_deref(), &keys);
            prop_assert_eq!(&applied(&first, once.as_deref(), &keys), &once);
            prop_assert_eq!(&applied(&second, once.as_deref(), &keys), &once);
        }
    }
}

/// For each kind of pair that is refused, a value that a second sweep would change again.
#[test]
fn pairs_that_are_refused_would_not() {
    let keys = keys();
    let fixed = |value: &str, replace_null| StrategySpec::Fixed { value: value.to_owned(), replace_null };
    let hmac = StrategySpec::Hmac { key: "pepper".to_owned(), normalise: None };
    let truncate = StrategySpec::TruncateIp { v4: 24, v6: 48 };
    for (first, second, value) in [
        (fixed("x", true), StrategySpec::Null, "a"),
        (fixed("x", false), fixed("y", false), "a"),
        (fixed("x", false), hmac.clone(), "a"),
        (fixed("x", false), StrategySpec::Mask, "a"),
        (fixed("x", true), truncate.clone(), "10.1.2.3"),
        (hmac, StrategySpec::Mask, "a"),
        (truncate, StrategySpec::Mask, "10.1.2.3"),
        (StrategySpec::Round { to: 10 }, StrategySpec::Round { to: 7 }, "23"),
    ] {
        assert!(!(first.survives(&second) && second.survives(&first)), "{first:?} and {second:?}");
        let once = applied(&second, applied(&first, Some(value), &keys).as_deref(), &keys);
        assert_ne!(applied(&first, once.as_deref(), &keys), once, "{first:?} and {second:?} come to rest");
    }
}

/// Which pair of kinds may meet at all: NULL is everybody's peace, `replace_null` nobody's.
#[test]
fn null_meets_everything_but_what_replaces_it() {
    for other in [StrategySpec::Mask, StrategySpec::Random, StrategySpec::Round { to: 10 }, StrategySpec::DateTrunc { unit: Unit::Year }] {
        assert!(other.survives(&StrategySpec::Null) && StrategySpec::Null.survives(&other), "{other:?}");
    }
    assert!(!StrategySpec::Random.survives(&StrategySpec::Random), "nothing tells one random value from another");
}
