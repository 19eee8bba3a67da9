//! `truncate_ip`: an address whose host part is zero, in its canonical form and without the length of a prefix.
//!
//! Everything that has colons goes by the rule for IPv6, addresses that map IPv4 among them. Text that is no address
//! can't be shown to be anonymous, so nothing of it is left: it becomes NULL, or the empty text where the column can't be
//! NULL.

use std::{net::IpAddr, sync::Arc};

use super::{Misfit, Strategy, Target, must};
use crate::sql::selection::{Compute, DoneTest, NewValue, TypeClass};

/// `truncate_ip` with the bits it keeps.
#[derive(Debug, Clone, Copy)]
pub struct TruncateIp {
    v4: u8,
    v6: u8,
}

impl TruncateIp {
    /// Keeps `v4` bits (8, 16 or 24) of an IPv4 address and `v6` bits (16, 32, 48 or 64) of an IPv6 address.
    pub fn new(v4: u8, v6: u8) -> Self {
        Self { v4, v6 }
    }

    /// Exactly the texts that [`Compute::compute`] gives.
    ///
    /// With at most 64 bits kept the zeros at the end are the longest run, so `::` stands there, after the last group
    /// that isn't zero.
    fn pattern(self) -> String {
        let octet = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
        let group = "(?:0|[1-9a-f][0-9a-f]{0,3})";
        let (octets, groups) = (self.v4 / 8, self.v6 / 16);
        let v4 = format!("(?:{octet}\\.){{{octets}}}0(?:\\.0){{{}}}", 3_u8.saturating_sub(octets));
        let v6 = format!("(?:(?:{group}:){{0,{}}}[1-9a-f][0-9a-f]{{0,3}})?::", groups.saturating_sub(1));
        format!("^(?:{v4}|{v6})?$")
    }
}

impl Strategy for TruncateIp {
    fn fits(&self, target: &Target) -> Result<(), Misfit> {
        let holds_addresses = target.is_text() || target.column.class == TypeClass::Inet;
        must(!target.generated, "the database computes the column")?;
        must(holds_addresses, "the column holds neither addresses nor text")?;
        must(!target.unique, "the column is part of a unique key, and neighbours would get the same address")
    }

    fn value(&self, _: &Target) -> NewValue {
        NewValue::Computed(Arc::new(*self))
    }

    fn done(&self, target: &Target) -> Option<DoneTest> {
        Some(DoneTest::Matches { column: target.column.clone(), pattern: self.pattern() })
    }
}

impl Compute for TruncateIp {
    fn compute(&self, old: &str) -> Option<String> {
        if old.is_empty() {
            return Some(String::new());
        }
        let (address, prefix) = old.trim().split_once('/').map_or((old.trim(), None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        if prefix.is_some_and(|prefix| !prefix.parse::<u8>().is_ok_and(|length| length <= longest)) {
            return None;
        }
        Some(match address {
            IpAddr::V4(address) => {
                let kept = u32::MAX.checked_shl(32 - u32::from(self.v4)).unwrap_or(0);
                std::net::Ipv4Addr::from_bits(address.to_bits() & kept).to_string()
            }
            IpAddr::V6(address) => {
                let kept = u128::MAX.checked_shl(128 - u32::from(self.v6)).unwrap_or(0);
                std::net::Ipv6Addr::from_bits(address.to_bits() & kept).to_string()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::{
        prelude::{Just, ProptestConfig, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest},
        strategy::Strategy as Generator,
    };

    use super::*;
    use crate::{policy::Dialect, sql::selection::ColumnRef};

    #[test]
    fn host_bits_go_and_nothing_else_is_left() {
        let strategy = TruncateIp::new(24, 48);
        for (old, new) in [
            ("10.1.2.3", Some("10.1.2.0")),
            (" 10.1.2.3\n", Some("10.1.2.0")),
            ("10.1.2.3/32", Some("10.1.2.0")),
            ("10.1.2.0/24", Some("10.1.2.0")),
            ("10.1.2.3/33", None),
            ("10.1.2.03", None),
            ("10.1.2.3:443", None),
            ("2001:DB8:0:7::1", Some("2001:db8::")),
            ("2001:db8:a:b:c:d:e:f/128", Some("2001:db8:a::")),
            ("0:0:5::1", Some("0:0:5::")),
            ("::1", Some("::")),
            ("::ffff:10.1.2.3", Some("::")),
            ("fe80::1%eth0", None),
            ("unknown", None),
            ("", Some("")),
        ] {
            assert_eq!(strategy.compute(old).as_deref(), new, "{old:?}");
        }
        assert_eq!(TruncateIp::new(8, 16).compute("10.1.2.3").as_deref(), Some("10.0.0.0"));
        assert_eq!(TruncateIp::new(16, 64).compute("1:0:0:4:5::").as_deref(), Some("1:0:0:4::"));
    }

    #[test]
    fn fits_text_and_addresses_that_may_be_equal() {
        let strategy = TruncateIp::new(24, 48);
        let column = ColumnRef {
            name: "ip".into(),
            class: TypeClass::Inet,
            declared: "inet".into(),
            nullable: false,
            labels: Vec::new(),
            side: crate::sql::selection::Side::Row,
        };
        let target =
            Target { column, dialect: Dialect::Postgres, timezone: "UTC".into(), max_length: None, unique: false, generated: false };
        assert_eq!(strategy.fits(&target), Ok(()));
        assert!(strategy.fits(&Target { unique: true, ..target.clone() }).is_err());
        let number = ColumnRef { class: TypeClass::Integer, ..target.column.clone() };
        assert!(strategy.fits(&Target { column: number, ..target }).is_err());
    }

    fn strategies() -> impl Generator<Value = TruncateIp> {
        (prop::sample::select(vec![8, 16, 24]), prop::sample::select(vec![16, 32, 48, 64])).prop_map(|(v4, v6)| TruncateIp::new(v4, v6))
    }

    /// Addresses with many zeros, whole and truncated, and text that is nearly one.
    fn texts() -> impl Generator<Value = String> {
        let octet = prop_oneof![Just(0_u8), any::<u8>()];
        let group = prop_oneof![2 => Just(0_u16), 1 => any::<u16>(), 1 => 0_u16..16];
        prop_oneof![
            prop::array::uniform4(octet).prop_map(|octets| std::net::Ipv4Addr::from(octets).to_string()),
            prop::array::uniform8(group).prop_map(|groups| std::net::Ipv6Addr::from(groups).to_string()),
            "[0-9a-fA-F:]{1,5}::",
            "[0-9a-f]{0,4}(:[0-9a-f]{0,4}){1,4}::",
            "[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.0(/32)?\n?",
            ".*",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn idempotent_and_exactly_what_the_pattern_takes(strategy in strategies(), text in texts()) {
            let pattern = regex_lite::Regex::new(&strategy.pattern()).unwrap();
            let new = strategy.compute(&text);
            prop_assert_eq!(pattern.is_match(&text), new.as_ref() == Some(&text), "{:?} gives {:?}", text, new);
            if let Some(new) = new {
                prop_assert!(pattern.is_match(&new), "{:?}", new);
                prop_assert_eq!(strategy.compute(&new), Some(new));
            }
        }
    }
}
