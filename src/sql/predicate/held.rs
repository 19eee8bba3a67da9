//! Law 2 as text: whether a hold covers a row, asked of the workspace's `held` table.
//!
//! A row of that table has the value of a held subject in every form that a column can be compared with: `value` as it
//! was given, `number` where it is one ([`number_of`]), `uuid` where it is one ([`uuid_of`]). What can't be decided
//! counts as held.

use super::{
    super::{
        quote_literal,
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
    let exists =
        |what: &str| format!("EXISTS (SELECT 1 FROM {} h WHERE h.scope IN ({}){hold} AND {what})", workspace.held(), scopes.join(", "));

    let part = |Cover { row, held, .. }: Cover<'_>| match row {
        None => exists(&held),
        Some(row) => format!("{row} AND {}", exists(&held)),
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
}

/// Every way in which a hold in scope can cover a row with these subjects.
pub(in crate::sql) fn covers(dialect: Dialect, subjects: &[SubjectTest]) -> Vec<Cover<'_>> {
    let mut covers = vec![Cover { kind: "", row: None, held: "h.kind = ''".to_owned() }];
    for SubjectTest { kind, column: of, null_is_held } in subjects {
        let quoted = quote_literal(dialect, kind);
        let compared = comparisons(dialect, of).into_iter();
        covers.extend(compared.map(|comparison| Cover { kind, row: None, held: format!("h.kind = {quoted} AND {comparison}") }));
        if *null_is_held {
            covers.push(Cover { kind, row: Some(format!("{} IS NULL", column(of))), held: "h.kind <> ''".to_owned() });
        }
    }
    covers
}

/// Ways in which the held value `h` can be the column's; any of them holds the row. Each is on one column of `held`, so
/// that its index serves.
fn comparisons(dialect: Dialect, of: &ColumnRef) -> Vec<String> {
    use TypeClass::{Boolean, Date, Decimal, Float, FoldedText, Inet, Integer, PaddedText, Text, Uuid};
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
        // The column on the left brings its own collation, which is what its equality means.
        (Dialect::Sqlite, FoldedText) => vec![format!("{name} = h.value"), format!("h.value = {text}")],
        (Dialect::Sqlite, Text | PaddedText) => vec![format!("h.value = {text}")],
        (Dialect::Sqlite, Uuid) => vec![format!("h.uuid = lower({text})"), format!("h.value = {text}")],
        // Any column may hold any type of value: 1, 1.0 and '1' are one subject.
        (Dialect::Sqlite, _) => vec![format!("h.number = {name}"), format!("h.value = {text}")],
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
    use TypeClass::{Boolean, Date, Decimal, Float, FoldedText, Inet, Integer, PaddedText, Text, Uuid};
    match dialect {
        Dialect::Postgres => {
            matches!(class, Boolean | Date | Decimal | Float | FoldedText | Inet | Integer | PaddedText | Text | Uuid)
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
    use TypeClass::{Boolean, Date, Decimal, Float, FoldedText, Inet, Integer, PaddedText, Text, Uuid};
    let must = |fits: bool, why: &str| if fits { Ok(()) } else { Err(why.to_owned()) };
    must(!value.is_empty(), "is empty")?;
    must(!value.contains('\0'), "contains NUL")?;
    if dialect == Dialect::Sqlite {
        return Ok(());
    }
    match class {
        Text | FoldedText | PaddedText => Ok(()),
        Integer => must(value.parse::<i64>().is_ok() && number_of(value).is_some(), "is not a whole number of 64 bits"),
        Float | Decimal => must(number_of(value).is_some(), "is not a decimal number"),
        Boolean => must(matches!(value, "true" | "false"), "is neither `true` nor `false`"),
        Uuid => must(uuid_of(value).is_some(), "is not a UUID"),
        Date => must(value.parse::<jiff::civil::Date>().is_ok_and(|date| date.to_string() == value), "is not a date as YYYY-MM-DD"),
        Inet => must(is_canonical_address(value), "is not an IP address in its canonical form"),
        _ => Err("can't be compared with a column of this type".to_owned()),
    }
}

/// An address as PostgreSQL writes it, perhaps with the length of its prefix.
fn is_canonical_address(value: &str) -> bool {
    let (address, prefix) = value.split_once('/').map_or((value, None), |(address, prefix)| (address, Some(prefix)));
    let Ok(parsed) = address.parse::<std::net::IpAddr>() else { return false };
    let longest = if parsed.is_ipv4() { 32 } else { 128 };
    parsed.to_string() == address
        && prefix.is_none_or(|prefix| prefix.parse::<u8>().is_ok_and(|length| length < longest && length.to_string() == prefix))
}
