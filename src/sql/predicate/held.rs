//! Law 2 as text: whether a hold covers a row, asked of the workspace's `held` table.
//!
//! A row of that table has the value of a held subject in every form that a column can be compared with: `value` as it
//! was given, `number` where it is one ([`number_of`]), `uuid` where it is one ([`uuid_of`]). What can't be decided
//! counts as held.

use super::{
    super::{
        mysql, quote_literal,
        selection::{ColumnRef, SubjectTest, TypeClass, WorkspaceRef},
    },
    column::{column, text_of},
};
use crate::policy::Dialect;

/// TRUE or FALSE: a hold in one of the scopes covers the row; FALSE without any scope. `hold` narrows it to one hold, by an expression of its id.
///
/// Written as one disjunction on purpose: PostgreSQL would make a join of a lone `NOT EXISTS`, and when a row it waits
/// for was changed meanwhile it rechecks the row without looking into joined tables again. Subqueries it can't pull up
/// are asked anew, so that a row which became a held subject's while the statement waited is left alone.
pub(in crate::sql) fn covered(workspace: &WorkspaceRef, scopes: &[String], subjects: &[SubjectTest], hold: Option<&str>) -> String {
    if scopes.is_empty() {
        return "FALSE".to_owned();
    }
    let dialect = workspace.dialect;
    let scopes: Vec<String> = scopes.iter().map(|scope| quote_literal(dialect, scope)).collect();
    let hold = hold.map(|hold| format!(" AND h.hold = {hold}")).unwrap_or_default();
    let from = format!("FROM {} h WHERE h.scope IN ({}){hold}", workspace.held(), scopes.join(", "));
    let part = |Cover { kind, row, held, listed }: Cover<'_>| match (row, listed) {
        (_, Some(Listed { value, row })) => {
            let kind = quote_literal(dialect, kind);
            format!("EXISTS (SELECT 1 FROM (SELECT DISTINCT {value} AS v {from} AND h.kind = {kind}) d WHERE d.v = {row})")
        }
        (None, None) => format!("EXISTS (SELECT 1 {from} AND {held})"),
        (Some(row), None) => format!("{row} AND EXISTS (SELECT 1 {from} AND {held})"),
    };
    let parts: Vec<String> = covers(dialect, subjects).into_iter().map(part).collect();
    format!("({})", parts.join(" OR "))
}

/// A way in which a hold covers a row.
pub(in crate::sql) struct Cover<'a> {
    /// The kind of subject that is held; empty: everything in scope.
    pub kind: &'a str,
    /// What must be true of the row by itself.
    pub row: Option<String>,
    /// What must be true of a row `h` of the `held` table.
    pub held: String,
    /// The same in a form that costs less for many held subjects.
    listed: Option<Listed>,
}

/// A list of held values that the database makes once a statement and finds by an index of its own.
struct Listed {
    /// What of a row `h` is in the list.
    value: String,
    /// What of the row is looked for there.
    row: String,
}

/// Every way in which a hold in scope can cover a row with these subjects.
pub(in crate::sql) fn covers(dialect: Dialect, subjects: &[SubjectTest]) -> Vec<Cover<'_>> {
    let cover = |kind, row, held: String| Cover { kind, row, held, listed: None };
    let mut covers = vec![cover("", None, "h.kind = ''".to_owned())];
    for SubjectTest { kind, column: of, null_is_held } in subjects {
        let quoted = quote_literal(dialect, kind);
        let compared = comparisons(dialect, of).into_iter();
        let listed = || (dialect == Dialect::Mysql && of.class == TypeClass::FoldedText).then(|| listed(of)).flatten();
        let with_list = |comparison| Cover { listed: listed(), ..cover(kind, None, format!("h.kind = {quoted} AND {comparison}")) };
        covers.extend(compared.map(with_list));
        if *null_is_held {
            covers.push(cover(kind, Some(format!("{} IS NULL", column(of))), "h.kind <> ''".to_owned()));
        }
    }
    covers
}

/// Ways in which the held value `h` can be the column's; any of them holds the row. Each is on one column of `held`, so
/// that its index serves.
fn comparisons(dialect: Dialect, of: &ColumnRef) -> Vec<String> {
    use TypeClass::{Boolean, Bytes, Date, Decimal, Float, FoldedText, Inet, Integer, PaddedText, Text, Uuid};
    let (name, text) = (column(of), text_of(dialect, of));
    match (dialect, of.class) {
        (Dialect::Postgres, Integer | Float | Decimal) => vec![format!("h.number = {name}::numeric")],
        (Dialect::Postgres, Text | Boolean | Date) => vec![format!("h.value = {text}")],
        // Through the type's own input, which forgets that `value` is compared by bytes: the column's collation decides.
        (Dialect::Postgres, FoldedText) => vec![format!("textin(textout(h.value))::{} = {name}", of.declared)],
        (Dialect::Postgres, PaddedText) => vec![format!("h.value::bpchar = {name} COLLATE \"C\"")],
        (Dialect::Postgres, Uuid) => vec![format!("h.uuid = {name}")],
        (Dialect::Postgres, Inet) => vec![format!("h.value = {text}"), format!("h.value = host({name}::inet)")],
        // Text of these says the same in many ways: any held subject of the kind could be this row's.
        (Dialect::Postgres, _) => vec![format!("{name} IS NOT NULL")],
        (Dialect::Mysql, Integer | Float | Decimal | Boolean) => vec![format!("h.number = {name}")],
        (Dialect::Mysql, Uuid) => vec![format!("h.uuid = {text}")],
        // Blanks at the end don't count in a collation that is for bytes otherwise.
        (Dialect::Mysql, PaddedText) => vec![format!("h.trimmed = CAST(CONVERT(trim(TRAILING ' ' FROM {name}) USING utf8mb4) AS BINARY)")],
        (Dialect::Mysql, FoldedText) => vec![folded(of)],
        (Dialect::Mysql, Text | Date | Inet | Bytes) => vec![format!("h.value = {text}")],
        (Dialect::Mysql, _) => vec![format!("{name} IS NOT NULL")],
        // The column on the left brings its own collation, which is what its equality means.
        (Dialect::Sqlite, FoldedText) => vec![format!("{name} = h.value"), format!("h.value = {text}")],
        (Dialect::Sqlite, Text | PaddedText) => vec![format!("h.value = {text}")],
        (Dialect::Sqlite, Uuid) => vec![format!("h.uuid = lower({text})"), format!("h.value = {text}")],
        // Any column may hold any type of value: 1, 1.0 and '1' are one subject.
        (Dialect::Sqlite, _) => vec![format!("h.number = {name}"), format!("h.value = {text}")],
    }
}

/// MariaDB: by the column of `held` that has the same collation, as far as that goes; without one, by the list.
fn folded(of: &ColumnRef) -> String {
    let folding = mysql::FOLDINGS.iter().find(|folding| mysql::collation(of) == Some(folding.collation));
    match folding {
        Some(folding) => format!("h.{} = {}", folding.column, first_characters(of)),
        None => format!("{} = {}", in_its_collation(of), column(of)),
    }
}

/// MariaDB: the list for a collation that `held` has no column of.
fn listed(of: &ColumnRef) -> Option<Listed> {
    let unknown = mysql::FOLDINGS.iter().all(|folding| mysql::collation(of) != Some(folding.collation));
    let collation = mysql::collation(of).map_or(String::new(), |collation| format!(" COLLATE {collation}"));
    let characters = in_its_collation(of).trim_end_matches(&collation).to_owned();
    unknown.then(|| Listed { value: format!("left({characters}, {}){collation}", mysql::FOLDED), row: first_characters(of) })
}

/// As much of a value as an index holds: who agrees so far counts as the same, which at worst holds a row too many.
fn first_characters(of: &ColumnRef) -> String {
    let name = column(of);
    if mysql::length(of).is_some_and(|length| length <= mysql::FOLDED) { name } else { format!("left({name}, {})", mysql::FOLDED) }
}

/// MariaDB: the held value in the column's own character set and collation. A character that the set lacks becomes
/// another, which at worst holds a row too many.
fn in_its_collation(of: &ColumnRef) -> String {
    let value = "CONVERT(h.value USING utf8mb4)";
    match mysql::collation(of) {
        Some(collation) => {
            let charset = collation.split('_').next().unwrap_or_default();
            format!("CONVERT({value} USING {charset}) COLLATE {collation}")
        }
        None => value.to_owned(),
    }
}

/// The `number` of a held value: itself, where it is a decimal number of at most 100 digits.
pub fn number_of(value: &str) -> Option<&str> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |part: &str| !part.is_empty() && part.len() <= 50 && part.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(whole) && is_number(fraction)).then_some(value)
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

/// Whether data subjects can be compared in a column of this class: whether equal values have one text there.
pub fn can_be_subject(class: TypeClass, dialect: Dialect) -> bool {
    use TypeClass::{Boolean, Bytes, Date, Decimal, Float, FoldedText, Inet, Integer, PaddedText, Text, Uuid};
    match dialect {
        Dialect::Postgres => {
            matches!(class, Boolean | Date | Decimal | Float | FoldedText | Inet | Integer | PaddedText | Text | Uuid)
        }
        Dialect::Mysql => {
            matches!(class, Boolean | Bytes | Date | Decimal | Float | FoldedText | Inet | Integer | PaddedText | Text | Uuid)
        }
        // Every value is compared for itself; only a collation that nobody knows can't be.
        Dialect::Sqlite => class != TypeClass::Other,
    }
}

/// Whether a text can be a value of a column of this class, as a held subject: told when a hold is placed.
///
/// # Errors
/// Says why not, as a sentence's end after "the value": nobody could be held by it in that table.
pub fn subject_value_fits(class: TypeClass, dialect: Dialect, value: &str) -> Result<(), String> {
    use TypeClass::{Boolean, Bytes, Date, Decimal, Float, FoldedText, Inet, Integer, PaddedText, Text, Uuid};
    let must = |fits: bool, why: &str| if fits { Ok(()) } else { Err(why.to_owned()) };
    must(!value.is_empty(), "is empty")?;
    must(!value.contains('\0'), "contains NUL")?;
    if dialect == Dialect::Sqlite {
        return Ok(());
    }
    match class {
        Text | FoldedText | PaddedText => Ok(()),
        Bytes if dialect == Dialect::Mysql => Ok(()),
        Integer if dialect == Dialect::Mysql => {
            let fits = value.parse::<i64>().is_ok() || value.parse::<u64>().is_ok();
            must(fits && number_of(value).is_some(), "is not a whole number of 64 bits")
        }
        Float | Decimal | Boolean if dialect == Dialect::Mysql => {
            must(fits_decimal(value), "is not a decimal number of at most 35 digits before and 30 behind the point")
        }
        Integer => must(value.parse::<i64>().is_ok() && number_of(value).is_some(), "is not a whole number of 64 bits"),
        Float | Decimal => must(number_of(value).is_some(), "is not a decimal number"),
        Boolean => must(matches!(value, "true" | "false"), "is neither `true` nor `false`"),
        Uuid => must(uuid_of(value).is_some(), "is not a UUID"),
        Date => must(value.parse::<jiff::civil::Date>().is_ok_and(|date| date.to_string() == value), "is not a date as YYYY-MM-DD"),
        Inet => must(is_canonical_address(value), "is not an IP address in its canonical form"),
        _ => Err("can't be compared with a column of this type".to_owned()),
    }
}

/// Whether MariaDB's widest decimal, `DECIMAL(65,30)`, holds it: the type of `number` there.
pub fn fits_decimal(value: &str) -> bool {
    let digits = number_of(value).unwrap_or("x").trim_start_matches('-');
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    digits != "x" && whole.trim_start_matches('0').len() <= 35 && fraction.trim_end_matches('0').len() <= 30
}

/// An address as PostgreSQL writes it, perhaps with the length of its prefix.
fn is_canonical_address(value: &str) -> bool {
    let (address, prefix) = value.split_once('/').map_or((value, None), |(address, prefix)| (address, Some(prefix)));
    let Ok(parsed) = address.parse::<std::net::IpAddr>() else { return false };
    let longest = if parsed.is_ipv4() { 32 } else { 128 };
    parsed.to_string() == address
        && prefix.is_none_or(|prefix| prefix.parse::<u8>().is_ok_and(|length| length < longest && length.to_string() == prefix))
}
