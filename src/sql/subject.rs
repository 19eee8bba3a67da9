//! Held subjects as values: the forms in which a workspace keeps one, and whether it can be a value of a column.
//!
//! A person writes a subject as text, once for every table. What a column of another type is compared with is made of it
//! here when the hold is written to a source: [`number_of`], [`uuid_of`], [`canonical_of`]. `predicate::held` has the
//! comparisons; a new type is an arm there, in [`can_be_subject`] and in [`subject_value_fits`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    limits::{fits_decimal_type, length, whole_numbers},
    mysql,
    selection::{ColumnRef, TypeClass},
};
use crate::policy::Dialect;

/// The longest value of a held subject, in bytes: what the index of every workspace takes beside the hold and its scope.
pub const LONGEST: usize = 1_800;

/// The longest kind of a held subject, in bytes.
pub const LONGEST_KIND: usize = 200;

/// The `number` of a held value: itself, where it is a decimal number of at most 100 digits.
pub fn number_of(value: &str) -> Option<&str> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |part: &str| !part.is_empty() && part.len() <= 50 && part.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(whole) && is_number(fraction)).then_some(value)
}

/// Whether MariaDB's widest decimal, `DECIMAL(65,30)`, holds it: the type of `number` there.
pub fn fits_decimal(value: &str) -> bool {
    number_of(value).is_some() && fits_decimal_type(value, "(65,30)")
}

/// The `uuid` of a held value, where it is one: lower case with dashes, whether or not the value has them or braces.
pub fn uuid_of(value: &str) -> Option<String> {
    let bare = value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(value);
    let dashes = [8, 13, 18, 23];
    let digits: String = match bare.len() {
        32 => bare.to_owned(),
        36 if dashes.iter().all(|&at| bare.as_bytes()[at] == b'-') => bare.replace('-', ""),
        _ => return None,
    };
    if digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let digits = digits.to_ascii_lowercase();
    Some(format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]))
}

/// The `canonical` of a held value: as servers write it in columns of bytes (`\x…`), of addresses and of truth values, where
/// it is one of these. None of them looks like another.
pub fn canonical_of(value: &str) -> Option<String> {
    let truth = ["true", "false"].into_iter().find(|word| value.eq_ignore_ascii_case(word)).map(str::to_owned);
    truth.or_else(|| hexadecimal(value)).or_else(|| Address::of(value).map(|address| address.to_string()))
}

/// `\x` with the digits of at least one whole byte, in lower case.
fn hexadecimal(value: &str) -> Option<String> {
    let digits = value.strip_prefix(HEXADECIMAL)?;
    let is_bytes = !digits.is_empty() && digits.len() % 2 == 0 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_bytes.then(|| value.to_ascii_lowercase())
}

/// What bytes begin with that are written as hexadecimal digits.
const HEXADECIMAL: &str = "\\x";

/// An IP address, perhaps with the length of its prefix.
struct Address {
    ip: IpAddr,
    /// `None`: all of it.
    prefix: Option<u8>,
}

impl Address {
    fn of(value: &str) -> Option<Self> {
        let (address, prefix) = value.split_once('/').map_or((value, None), |(address, prefix)| (address, Some(prefix)));
        let ip: IpAddr = address.parse().ok()?;
        let longest = if ip.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok().filter(|length| *length <= longest)?)
            }
            Some(_) => return None,
        };
        Some(Self { ip, prefix: prefix.filter(|length| *length < longest) })
    }

    /// No bit behind the prefix is set.
    fn is_network(&self) -> bool {
        match (self.ip, self.prefix) {
            (_, None) => true,
            (IpAddr::V4(ip), Some(prefix)) => ip.to_bits().checked_shl(prefix.into()).unwrap_or(0) == 0,
            (IpAddr::V6(ip), Some(prefix)) => ip.to_bits().checked_shl(prefix.into()).unwrap_or(0) == 0,
        }
    }
}

/// As PostgreSQL and MariaDB write it: addresses that embed one of IPv4 show it, with or without the `ffff` of mapped ones.
impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.ip {
            IpAddr::V6(ip) if embeds_ipv4(ip) => write!(f, "::{}", Ipv4Addr::from_bits(ip.to_bits() as u32))?,
            ip => write!(f, "{ip}")?,
        }
        self.prefix.map_or(Ok(()), |prefix| write!(f, "/{prefix}"))
    }
}

/// Exactly the first six groups are zero.
fn embeds_ipv4(ip: Ipv6Addr) -> bool {
    ip.to_bits() >> 32 == 0 && ip.segments()[6] != 0
}

/// Whether data subjects can be compared in a column of this class: whether equal values have one text there.
pub fn can_be_subject(class: TypeClass, dialect: Dialect) -> bool {
    use TypeClass::{Bits, Boolean, Bytes, Date, Decimal, Enum, Float, FoldedText, Inet, Integer, PaddedText, Text, Uuid};
    match dialect {
        Dialect::Postgres | Dialect::Mysql => {
            matches!(class, Bits | Boolean | Bytes | Date | Decimal | Enum | Float | FoldedText | Inet | Integer | PaddedText | Text | Uuid)
        }
        // Every value is compared for itself; only a collation that nobody knows can't be.
        Dialect::Sqlite => class != TypeClass::Other,
    }
}

/// Why data subjects can't be compared in a column of another class, and what would do, as a sentence's end.
pub fn why_no_subject(of: &ColumnRef, dialect: Dialect) -> &'static str {
    match of.class {
        TypeClass::Json => "a document is nobody's name; a generated column can hold the member that names the subject",
        TypeClass::Timestamp | TypeClass::TimestampTz => "a time is nobody's name; use a column of text, numbers or UUIDs",
        _ if of.declared.ends_with("[]") || of.declared.starts_with("set(") => {
            "it holds several values, and who of them a row belongs to is not said; use a table with a row for each"
        }
        _ if dialect == Dialect::Sqlite => "its collation is the application's own; use a column whose collation SQLite knows",
        _ => "data subjects can't be compared in that type; use a column of text, numbers or UUIDs",
    }
}

/// Whether a held subject can be written down at all, in every engine's workspace.
///
/// # Errors
/// Says why not, as a sentence's end after the subject.
pub fn is_recordable(kind: &str, value: &str) -> Result<(), String> {
    must(!value.is_empty(), "is empty")?;
    must(!value.contains('\0') && !kind.contains('\0'), "contains NUL")?;
    must(value.len() <= LONGEST, &format!("is longer than {LONGEST} bytes"))?;
    must(kind.len() <= LONGEST_KIND, &format!("is of a kind longer than {LONGEST_KIND} bytes"))
}

/// Whether a text can be a value of the column, as a held subject: told when a hold is placed.
///
/// # Errors
/// Says why not, as a sentence's end after the value: nobody could be held by it in that table.
pub fn subject_value_fits(of: &ColumnRef, dialect: Dialect, value: &str) -> Result<(), String> {
    use TypeClass::{Bits, Boolean, Bytes, Date, Decimal, Enum, Float, FoldedText, Inet, Integer, PaddedText, Text, Uuid};
    if dialect == Dialect::Sqlite {
        return Ok(());
    }
    match of.class {
        Text | PaddedText => {
            // Blanks at its end are no part of a padded text.
            let counted = if of.class == PaddedText { value.trim_end_matches(' ') } else { value };
            let longest = length(&of.declared).filter(|&longest| counted.chars().count() > longest);
            longest.map_or(Ok(()), |longest| Err(format!("is longer than {longest} characters")))
        }
        // A collation may take a longer text for equal to a shorter one.
        FoldedText => {
            let lacks =
                mysql::FOLDINGS.iter().any(|folding| mysql::collation(of) == Some(folding.collation) && !value.chars().all(folding.has));
            must(!lacks, "has a character that the column's character set lacks")
        }
        Bytes => {
            let text = value.strip_prefix(HEXADECIMAL);
            must(
                text.is_none() || hexadecimal(value).is_some(),
                "begins with `\\x`, and what follows is no hexadecimal number of whole bytes",
            )?;
            let bytes = text.map_or(value.len(), |digits| digits.len() / 2);
            let longest = length(&of.declared).filter(|&longest| dialect == Dialect::Mysql && bytes > longest);
            longest.map_or(Ok(()), |longest| Err(format!("is longer than {longest} bytes")))
        }
        Integer => {
            let number = number_of(value).and_then(whole);
            must(number.is_some(), "is not a whole number")?;
            must(number.is_some_and(|number| whole_numbers(&of.declared).contains(&number)), "is beyond the numbers of that type")
        }
        Decimal => {
            must(number_of(value).is_some(), "is not a decimal number")?;
            must(dialect == Dialect::Postgres || fits_decimal(value), "has more than 35 digits before or 30 behind the point")?;
            must(fits_decimal_type(value, &of.declared), "has more digits than that type keeps")
        }
        Float => {
            must(if dialect == Dialect::Mysql { fits_decimal(value) } else { number_of(value).is_some() }, "is not a decimal number")?;
            must(!is_single(of) || value.parse().is_ok_and(fits_single), "is beyond the numbers of that type")
        }
        Boolean => must(["true", "false"].iter().any(|word| value.eq_ignore_ascii_case(word)), "is neither `true` nor `false`"),
        Uuid => must(uuid_of(value).is_some(), "is not a UUID"),
        Date => must(value.parse::<jiff::civil::Date>().is_ok_and(|date| date.to_string() == value), "is not a date as YYYY-MM-DD"),
        Inet => fits_address(of, value),
        Enum => {
            let is = |label: &String| {
                label == value || (dialect == Dialect::Mysql && label.to_lowercase() == value.trim_end_matches(' ').to_lowercase())
            };
            must(of.labels.iter().any(is), &format!("is none of its labels: {}", of.labels.join(", ")))
        }
        Bits if dialect == Dialect::Mysql => {
            let bits = length(&of.declared).unwrap_or(1);
            let fits = number_of(value)
                .and_then(whole)
                .and_then(|number| u64::try_from(number).ok())
                .is_some_and(|number| bits >= 64 || number >> bits == 0);
            must(fits, "is not a whole number of that many bits")
        }
        Bits => {
            let fits = |bits: usize| if of.declared.starts_with("bit varying") { value.len() <= bits } else { value.len() == bits };
            must(value.bytes().all(|bit| matches!(bit, b'0' | b'1')), "is not written in the digits 0 and 1")?;
            must(length(&of.declared).is_none_or(fits), "is not of that many bits")
        }
        _ => Err("can't be compared with a column of this type".to_owned()),
    }
}

fn fits_address(of: &ColumnRef, value: &str) -> Result<(), String> {
    let Some(address) = Address::of(value) else { return Err("is not an IP address".to_owned()) };
    match of.declared.as_str() {
        "inet4" => must(address.ip.is_ipv4() && address.prefix.is_none(), "is not an address of IPv4"),
        "inet6" => must(address.ip.is_ipv6() && address.prefix.is_none(), "is not an address of IPv6"),
        "cidr" => must(address.is_network(), "has bits set behind its prefix"),
        _ => Ok(()),
    }
}

/// The number without the fraction that it has not.
fn whole(number: &str) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    whole.parse().ok().filter(|_| fraction.bytes().all(|digit| digit == b'0'))
}

/// Binary numbers of single precision.
pub(super) fn is_single(of: &ColumnRef) -> bool {
    of.class == TypeClass::Float && (of.declared == "real" || of.declared.starts_with("float"))
}

/// Far enough from the ends of single precision that no conversion to it overflows.
fn fits_single(value: f64) -> bool {
    value == 0.0 || (1e-37..=3.4e38).contains(&value.abs())
}

fn must(fits: bool, why: &str) -> Result<(), String> {
    if fits { Ok(()) } else { Err(why.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::fixture::column;

    #[test]
    fn the_canonical_form_is_what_servers_write() {
        for (value, canonical) in [
            ("TRUE", Some("true")),
            ("t", None),
            ("\\xAB0f", Some("\\xab0f")),
            ("\\xAB0", None),
            ("\\x", None),
            ("10.1.2.3", Some("10.1.2.3")),
            ("10.1.2.3/32", Some("10.1.2.3")),
            ("10.1.2.0/24", Some("10.1.2.0/24")),
            ("10.1.2.0/33", None),
            ("10.1.2.0/+8", None),
            ("10.1.2", None),
            ("2001:DB8:0:0:0:0:0:1", Some("2001:db8::1")),
            ("::FFFF:a01:203", Some("::ffff:10.1.2.3")),
            ("::a01:203", Some("::10.1.2.3")),
            ("::1:0", Some("::0.1.0.0")),
            ("::2", Some("::2")),
            ("::", Some("::")),
            ("ann", None),
        ] {
            assert_eq!(canonical_of(value).as_deref(), canonical, "{value}");
        }
    }

    #[test]
    fn a_value_that_a_column_cannot_have_is_told() {
        use TypeClass::{Bits, Boolean, Bytes, Date, Decimal, Enum, Float, Inet, Integer, Json, PaddedText, Text, Uuid};
        let (postgres, mariadb) = (Dialect::Postgres, Dialect::Mysql);
        let mut told = String::new();
        for (dialect, class, declared, good, bad) in [
            (postgres, Integer, "bigint", "-42", "4.2"),
            (postgres, Integer, "bigint", "042", "9223372036854775808"),
            (postgres, Integer, "smallint", "32767", "32768"),
            (mariadb, Integer, "tinyint(4)", "-128", "128"),
            (mariadb, Integer, "bigint(20) unsigned", "18446744073709551615", "-1"),
            (mariadb, Integer, "int(11)", "12", "12abc"),
            (postgres, Decimal, "numeric", "4.20", "1e9"),
            (postgres, Decimal, "numeric(4,2)", "04.200", "4.205"),
            (postgres, Decimal, "numeric", "4", "NaN"),
            (mariadb, Decimal, "decimal(10,2)", "99999999.99", "100000000"),
            (mariadb, Decimal, "decimal(65,0)", "1", "123456789012345678901234567890123456"),
            (postgres, Float, "real", "0.1", "99999999999999999999999999999999999999999"),
            (postgres, Float, "double precision", "0.1", "Infinity"),
            (postgres, Uuid, "uuid", "6F9619FF8B86D011B42D00C04FC964FF", "6F9619FF"),
            (postgres, Inet, "inet", "::FFFF:1.2.3.4", "10.0.0.256"),
            (postgres, Inet, "cidr", "10.0.0.0/8", "10.0.0.1/8"),
            (mariadb, Inet, "inet4", "10.0.0.1", "::1"),
            (mariadb, Inet, "inet6", "::1", "10.0.0.1"),
            (postgres, Date, "date", "2024-02-29", "2024-02-30"),
            (postgres, Boolean, "boolean", "TRUE", "1"),
            (postgres, Text, "character varying(3)", "äöü", "abcd"),
            (postgres, PaddedText, "character(3)", "abc  ", "abcd"),
            (postgres, Bytes, "bytea", "\\xAB", "\\xABC"),
            (mariadb, Bytes, "binary(2)", "\\xabcd", "abc"),
            (postgres, Bits, "bit(3)", "101", "10"),
            (postgres, Bits, "bit varying(3)", "10", "102"),
            (mariadb, Bits, "bit(3)", "7", "8"),
            (postgres, Enum, "mood", "sad", "Sad"),
            (mariadb, Enum, "enum('sad')", "SAD", "bad"),
        ] {
            let of = ColumnRef { labels: vec!["sad".to_owned()], ..column("c", class, declared) };
            assert_eq!(subject_value_fits(&of, dialect, good), Ok(()), "{good} in {declared}");
            let why = subject_value_fits(&of, dialect, bad).expect_err(bad);
            told.push_str(&format!("{bad} in {declared} {why}\n"));
        }
        let folded = column("c", TypeClass::FoldedText, "varchar(3) COLLATE latin1_swedish_ci");
        told.push_str(&format!("Ж {}\n", subject_value_fits(&folded, mariadb, "Ж").expect_err("a character")));
        assert_eq!(subject_value_fits(&folded, mariadb, "strasse"), Ok(()), "it may be equal to a shorter one");
        assert!(subject_value_fits(&column("c", Json, "jsonb"), postgres, "{}").is_err());
        assert_eq!(subject_value_fits(&column("c", Integer, "INTEGER"), Dialect::Sqlite, "ann"), Ok(()));
        insta::assert_snapshot!(told);
    }

    #[test]
    fn what_no_workspace_can_keep_is_refused() {
        assert_eq!(is_recordable("account", "7"), Ok(()));
        assert_eq!(is_recordable("account", &"x".repeat(LONGEST)), Ok(()));
        for (kind, value) in
            [("account", ""), ("account", "a\0"), ("account", &*"x".repeat(LONGEST + 1)), (&*"k".repeat(LONGEST_KIND + 1), "7")]
        {
            assert!(is_recordable(kind, value).is_err());
        }
    }
}
