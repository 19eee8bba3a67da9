//! What a type's own text says of the values that it holds: lengths, ranges and digits, in any dialect.

/// How many characters, bytes or bits a column holds at most, where its type says so: the number in its first parentheses.
pub fn length(declared: &str) -> Option<usize> {
    declared.split_once('(')?.1.split_once(')')?.0.parse().ok()
}

/// The numbers that a type of whole numbers holds.
pub fn whole_numbers(declared: &str) -> std::ops::RangeInclusive<i128> {
    let name = declared.split([' ', '(']).next().unwrap_or_default();
    let bits = match name {
        "tinyint" => 8,
        "smallint" => 16,
        "mediumint" => 24,
        "int" | "integer" => 32,
        _ => 64,
    };
    if declared.contains("unsigned") { 0..=(1 << bits) - 1 } else { -(1 << (bits - 1))..=(1 << (bits - 1)) - 1 }
}

/// The precision and scale of a type of decimals, where it says them.
pub fn digits(declared: &str) -> Option<(u32, i32)> {
    let (limits, _) = declared.split_once('(')?.1.split_once(')')?;
    let (precision, scale) = limits.split_once(',').unwrap_or((limits, "0"));
    Some((precision.trim().parse().ok()?, scale.trim().parse().ok()?))
}

/// Whether a decimal number, written without an exponent, is a value of the type: nothing of it is rounded off, zeros at
/// the ends aside. A type that says no digits takes any.
pub fn fits_decimal_type(value: &str, declared: &str) -> bool {
    let Some((precision, scale)) = digits(declared) else { return true };
    let count = |digits: &str| i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let unsigned = value.strip_prefix('-').unwrap_or(value);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    // A scale below zero rounds whole numbers off, and so the last digit may stand before the point.
    let last = if fraction.is_empty() { count(whole.trim_end_matches('0')) - count(whole) } else { count(fraction) };
    let is_zero = whole.is_empty() && fraction.is_empty();
    is_zero || (last <= scale.into() && count(whole).saturating_add(scale.into()) <= precision.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_says_its_limits() {
        assert_eq!(
            (length("character varying(20)"), length("bit(3)"), length("text"), length("enum('a')")),
            (Some(20), Some(3), None, None)
        );
        assert_eq!((digits("numeric(5,2)"), digits("decimal(4) unsigned"), digits("numeric")), (Some((5, 2)), Some((4, 0)), None));
        assert_eq!(*whole_numbers("mediumint(8) unsigned").end(), 16_777_215);
        assert_eq!(*whole_numbers("INTEGER").start(), i128::from(i64::MIN), "SQLite has one width");
    }

    #[test]
    fn zeros_at_the_ends_are_no_digits() {
        for (value, declared, fits) in [
            ("0001.50", "numeric(2,1)", true),
            ("-1.55", "numeric(3,1)", false),
            ("10", "numeric(2,1)", false),
            ("123456.789", "numeric", true),
            ("12300", "numeric(3,-2)", true),
            ("12310", "numeric(3,-2)", false),
            ("0.5", "numeric(3,-2)", false),
            ("0", "numeric(3,-2)", true),
        ] {
            assert_eq!(fits_decimal_type(value, declared), fits, "{value} in {declared}");
        }
    }
}
