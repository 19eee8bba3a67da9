//! The syntax of starts that are text, as regular expressions that mean the same to PostgreSQL and to SQLite.
//!
//! PostgreSQL reads its own advanced expressions, SQLite the `regex` crate's through `REGEXP`. In common they have
//! classes, `(?:…)`, `{m,n}`, `|`, and `^` and `$` for the ends of the whole text, newlines within it included. Nothing
//! else is used. Each pattern takes exactly the values that exist: what it takes, a cast can read.

/// A day of the years 1 to 9999, with `$dash` between its parts: months of 31 days, of 30, February, leap days.
macro_rules! date {
    ($dash:literal) => {
        concat!(
            "(?:(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])",
            $dash,
            "(?:(?:0[13578]|1[02])",
            $dash,
            "(?:0[1-9]|[12][0-9]|3[01])",
            "|(?:0[469]|11)",
            $dash,
            "(?:0[1-9]|[12][0-9]|30)",
            "|02",
            $dash,
            "(?:0[1-9]|1[0-9]|2[0-8]))",
            "|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)",
            $dash,
            "02",
            $dash,
            "29)",
        )
    };
}

/// A date and a time of day: hours and minutes, then perhaps seconds, then perhaps a fraction. Neither 24:00 nor a leap second.
macro_rules! naive {
    () => {
        concat!(date!("-"), "[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]{1,9})?)?")
    };
}

/// `YYYY-MM-DD`, of a day that exists in the years 1 to 9999.
pub const DATE: &str = concat!("^", date!("-"), "$");

/// A date in a column of `iso8601`.
pub const ISO_DATE: &str = DATE;

/// A time without an offset: `2024-02-29T13:07`, `2024-02-29 13:07:09.25`.
pub const ISO_NAIVE: &str = concat!("^", naive!(), "$");

/// A time with an offset: `Z`, `+01`, `+0130` or `+01:30`, of less than 15 hours.
pub const ISO_OFFSET: &str = concat!("^", naive!(), "(?:[Zz]|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)$");

/// `YYYYMMDDHHMMSS`, of a second that exists on the calendar.
pub const COMPACT: &str = concat!("^", date!(""), "(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]$");

/// A whole number that fits 64 bits.
pub const WHOLE_NUMBER: &str = "^-?[0-9]{1,18}$";
