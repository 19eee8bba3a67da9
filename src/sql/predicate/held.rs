//! Law 2 as text: whether a hold covers a row, asked of the workspace's `held` table.
//!
//! A row of that table has the value of a held subject in every form that a column can be compared with: `value` as it
//! was given, and `number`, `uuid` and `canonical` where it is one, see [`subject`](crate::sql::subject). What can't be
//! decided counts as held.

use super::{
    super::{
        limits::length,
        mysql, quote_identifier, quote_literal,
        selection::{ColumnRef, HeldTest, HopRef, Side, SubjectTest, TypeClass, WorkspaceRef},
        subject::is_single,
    },
    column::{column, text_of},
    in_members, lookup,
};
use crate::{fault, policy::Dialect};

/// TRUE or FALSE: a hold in one of the scopes covers the row; FALSE without any scope. `hold` narrows it to one hold, by an expression of its id.
///
/// Written as one disjunction on purpose: PostgreSQL would make a join of a lone `NOT EXISTS`, and when a row it waits
/// for was changed meanwhile it rechecks the row without looking into joined tables again. Subqueries it can't pull up
/// are asked anew, so that a row which became a held subject's while the statement waited is left alone.
pub(in crate::sql) fn covered(workspace: &WorkspaceRef, test: &HeldTest, hold: Option<&str>) -> String {
    if test.scopes.is_empty() {
        return "FALSE".to_owned();
    }
    let dialect = workspace.dialect;
    let hold = hold.map(|hold| format!(" AND h.hold = {hold}")).unwrap_or_default();
    let from = format!("FROM {} h WHERE {}{hold}", workspace.held(), in_scope(dialect, test));
    let part = |cover: &Cover<'_>| cover.question(dialect, &from);
    let covers = covers(dialect, &test.subjects);
    let alike = |one: &Cover<'_>, next: &Cover<'_>| (one.kind, one.row.is_some()) == (next.kind, next.row.is_some());
    let of_kinds = covers.chunk_by(alike).map(|of_kind| {
        let parts = of_kind.iter().map(part).collect::<Vec<_>>().join(" OR ");
        let asks_each_row = dialect != Dialect::Postgres && of_kind.iter().all(|cover| cover.row.is_none() && !cover.kind.is_empty());
        match of_kind.first() {
            // Whether any subject of the kind is held is asked once a statement, and mostly none is. PostgreSQL makes a list of
            // them by itself.
            Some(cover) if asks_each_row => {
                format!("EXISTS (SELECT 1 {from} AND h.kind = {}) AND ({parts})", quote_literal(dialect, cover.kind))
            }
            _ => parts,
        }
    });
    format!("({})", of_kinds.collect::<Vec<_>>().join(" OR "))
}

/// The same as [`covered`] in parts: TRUE or FALSE each, and a hold covers the row if one of them is TRUE. Each names `held` once.
pub(in crate::sql) fn covered_one_by_one(workspace: &WorkspaceRef, test: &HeldTest) -> Vec<String> {
    let from = format!("FROM {} h WHERE {}", workspace.held(), in_scope(workspace.dialect, test));
    covers(workspace.dialect, &test.subjects).iter().map(|cover| cover.question(workspace.dialect, &from)).collect()
}

/// TRUE or FALSE of a row `h` of the `held` table: it concerns the row.
pub(in crate::sql) fn in_scope(dialect: Dialect, test: &HeldTest) -> String {
    let one_of = |scopes: &[String]| {
        let scopes: Vec<String> = scopes.iter().map(|scope| quote_literal(dialect, scope)).collect();
        format!("h.scope IN ({})", scopes.join(", "))
    };
    let own = one_of(&test.scopes);
    let elsewhere = test.elsewhere.iter().map(|elsewhere| match in_members(&elsewhere.only) {
        Some(there) => format!(" OR {} AND {there}", one_of(&elsewhere.scopes)),
        None => format!(" OR {}", one_of(&elsewhere.scopes)),
    });
    let elsewhere: String = elsewhere.collect();
    if elsewhere.is_empty() { own } else { format!("({own}{elsewhere})") }
}

/// A way in which a hold covers a row.
pub(in crate::sql) struct Cover<'a> {
    /// The kind of subject that is held; empty: everything in scope.
    pub kind: &'a str,
    /// What must be true of the row by itself.
    pub row: Option<String>,
    /// What must be true of a row `h` of the `held` table, with a row that `through` leads to.
    held: String,
    /// The way to the rows that name the subject; empty: the row itself.
    through: &'a [HopRef],
    /// The same in a form that costs less for many held subjects.
    listed: Option<Listed>,
}

impl Cover<'_> {
    /// TRUE or FALSE: it covers the row. `from` names the rows `h` in scope.
    fn question(&self, dialect: Dialect, from: &str) -> String {
        let Cover { kind, row, held, through, listed } = self;
        let question = match (row, listed) {
            (_, Some(Listed { value, row })) => {
                let kind = quote_literal(dialect, kind);
                format!("EXISTS (SELECT 1 FROM (SELECT DISTINCT {value} AS v {from} AND h.kind = {kind}) d WHERE d.v = {row})")
            }
            (None, None) => format!("EXISTS (SELECT 1 {from} AND {held})"),
            (Some(row), None) => format!("{row} AND EXISTS (SELECT 1 {from} AND {held})"),
        };
        if through.is_empty() { question } else { lookup::some(dialect, through, &question) }
    }

    /// What must be true of a row `h` of the `held` table.
    pub fn concerns(&self, dialect: Dialect) -> String {
        if self.through.is_empty() { self.held.clone() } else { lookup::some(dialect, self.through, &self.held) }
    }
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
    let cover = |kind, row, held: String| Cover { kind, row, held, through: &[], listed: None };
    let mut covers = vec![cover("", None, "h.kind = ''".to_owned())];
    for SubjectTest { kind, through, column: of, null_is_held } in subjects {
        let quoted = quote_literal(dialect, kind);
        let compared = comparisons(dialect, of).into_iter();
        let listed =
            || (dialect == Dialect::Mysql && matches!(of.class, TypeClass::FoldedText | TypeClass::Enum)).then(|| listed(of)).flatten();
        let with_list =
            |comparison| Cover { through, listed: listed(), ..cover(kind, None, format!("h.kind = {quoted} AND {comparison}")) };
        covers.extend(compared.map(with_list));
        if !through.is_empty() && !fault::seeded("missing-parent-is-nobody") {
            covers.push(cover(kind, Some(leads_nowhere(dialect, through)), "h.kind <> ''".to_owned()));
        }
        if *null_is_held {
            let is_null = format!("{} IS NULL", column(of));
            let is_null =
                if through.is_empty() { is_null } else { format!("({} OR {})", no_key(through), lookup::some(dialect, through, &is_null)) };
            covers.push(cover(kind, Some(is_null), "h.kind <> ''".to_owned()));
        }
    }
    covers
}

/// TRUE or FALSE: the row names rows of another table, and there is none, or one that leads no further.
fn leads_nowhere(dialect: Dialect, through: &[HopRef]) -> String {
    let last = through.len().checked_sub(2).and_then(|_| through.last()).map(|hop| {
        let (_, theirs) = &hop.pairs[0];
        let missing = format!("{}.{} IS NULL", Side::behind(through.len()).alias(), quote_identifier(theirs));
        format!(" OR {}", lookup::some(dialect, through, &missing))
    });
    format!("(NOT {} AND (NOT {}{}))", no_key(through), lookup::any(dialect, through), last.unwrap_or_default())
}

/// TRUE or FALSE: the row names nothing.
fn no_key(through: &[HopRef]) -> String {
    let own = through.first().into_iter().flat_map(|hop| &hop.pairs).map(|(own, _)| format!("t.{} IS NULL", quote_identifier(own)));
    format!("({})", own.collect::<Vec<_>>().join(" OR "))
}

/// Ways in which the held value `h` can be the column's; any of them holds the row. Each is on one column of `held`, so
/// that its index serves.
fn comparisons(dialect: Dialect, of: &ColumnRef) -> Vec<String> {
    use TypeClass::{Bits, Boolean, Bytes, Date, Decimal, Enum, Float, FoldedText, Inet, Integer, PaddedText, Text, Untyped, Uuid};
    let (name, text) = (column(of), text_of(dialect, of));
    match (dialect, of.class) {
        (Dialect::Postgres, Integer | Decimal) => vec![format!("h.number = {name}::numeric")],
        // In the column's own precision, of which a number keeps only the digits that are sure. Beyond its ends nothing is equal.
        (Dialect::Postgres, Float) if is_single(of) => {
            let fits = "h.number = 0 OR abs(h.number) BETWEEN 1e-37 AND 3.4e38";
            vec![format!("CASE WHEN {fits} THEN h.number::float4 END = {name}")]
        }
        (Dialect::Postgres, Float) => vec![format!("h.number::float8 = {name}")],
        (Dialect::Postgres, Text | Date | Enum | Bits) => vec![format!("h.value = {text}")],
        (Dialect::Postgres, Boolean) => vec![format!("h.canonical = {text}")],
        // Through the type's own input, which forgets that `value` is compared by bytes: the column's collation decides.
        // Without the length of the type, at which the value would be cut off.
        (Dialect::Postgres, FoldedText) => {
            let value = if of.declared.starts_with("character(") {
                "::bpchar"
            } else {
                of.declared.strip_prefix("citext").map_or("", |_| "::citext")
            };
            vec![format!("textin(textout(h.value)){value} = {name}")]
        }
        (Dialect::Postgres, PaddedText) => vec![format!("h.value::bpchar = {name} COLLATE \"C\"")],
        (Dialect::Postgres, Uuid) => vec![format!("h.uuid = {name}")],
        (Dialect::Postgres, Inet) if of.declared == "cidr" => vec![format!("h.canonical = {text}")],
        // An address with the length of its network is one of that network's addresses.
        (Dialect::Postgres, Inet) => vec![format!("h.canonical = {text}"), format!("h.canonical = host({name})")],
        // Bytes are said in hexadecimal digits, or as the text that they are.
        (Dialect::Postgres, Bytes) => {
            let is_text = "left(h.value, 2) <> '\\x'";
            vec![format!("h.canonical = '\\x' || encode({name}, 'hex')"), format!("{is_text} AND convert_to(h.value, 'UTF8') = {name}")]
        }
        // Text of these says the same in many ways: any held subject of the kind could be this row's.
        (Dialect::Postgres, _) => vec![format!("{name} IS NOT NULL")],
        (Dialect::Mysql, Float) if is_single(of) => vec![format!("CAST(h.number AS FLOAT) = {name}")],
        (Dialect::Mysql, Integer | Float | Decimal | Boolean | Bits) => vec![format!("h.number = {name}")],
        (Dialect::Mysql, Uuid) => vec![format!("h.uuid = {text}")],
        // Blanks at the end don't count in a collation that is for bytes otherwise.
        (Dialect::Mysql, PaddedText) => vec![format!("h.trimmed = CAST(CONVERT(trim(TRAILING ' ' FROM {name}) USING utf8mb4) AS BINARY)")],
        (Dialect::Mysql, FoldedText | Enum) => vec![folded(of)],
        (Dialect::Mysql, Text | Date) => vec![format!("h.value = {text}")],
        (Dialect::Mysql, Inet) => vec![format!("h.canonical = {text}")],
        (Dialect::Mysql, Bytes) => vec![format!("h.value = {text}"), format!("h.canonical = concat('\\x', lower(hex({name})))")],
        (Dialect::Mysql, _) => vec![format!("{name} IS NOT NULL")],
        // The column on the left brings its own collation, which is what its equality means.
        (Dialect::Sqlite, FoldedText) => vec![format!("{name} = h.value"), format!("h.value = {text}")],
        (Dialect::Sqlite, Text | PaddedText) => vec![format!("h.value = {text}")],
        (Dialect::Sqlite, Uuid) => vec![format!("h.uuid = lower({text})"), format!("h.value = {text}")],
        // Any column may hold any type of value: 1, 1.0 and '1' are one subject.
        (Dialect::Sqlite, _) => {
            let bytes = format!("h.canonical = CASE typeof({name}) WHEN 'blob' THEN '\\x' || lower(hex({name})) END");
            let bytes = matches!(of.class, Untyped | Bytes | Decimal).then_some(bytes);
            let folded = of.declared.contains(" COLLATE ").then(|| format!("{name} = h.value"));
            [format!("h.number = {name}"), format!("h.value = {text}")].into_iter().chain(bytes).chain(folded).collect()
        }
    }
}

/// MariaDB: by the column of `held` that has the same collation, as far as that goes; without one, by the list.
fn folded(of: &ColumnRef) -> String {
    let folding = mysql::FOLDINGS.iter().find(|folding| mysql::collation(of) == Some(folding.collation));
    let whole = format!("{} = {}", in_its_collation(of), column(of));
    match folding {
        // What an index holds is the beginning of longer values.
        Some(folding) => format!("h.{} = {} AND {whole}", folding.column, first_characters(of)),
        None => whole,
    }
}

/// MariaDB: the list for a collation that `held` has no column of. Who agrees in as many characters as a list is searched by
/// counts as the same there, which at worst holds a row too many.
fn listed(of: &ColumnRef) -> Option<Listed> {
    let unknown = mysql::FOLDINGS.iter().all(|folding| mysql::collation(of) != Some(folding.collation));
    let collation = mysql::collation(of).map_or(String::new(), |collation| format!(" COLLATE {collation}"));
    let characters = in_its_collation(of).trim_end_matches(&collation).to_owned();
    unknown.then(|| Listed { value: format!("left({characters}, {}){collation}", mysql::FOLDED), row: first_characters(of) })
}

/// As much of a value as an index holds.
fn first_characters(of: &ColumnRef) -> String {
    let name = column(of);
    if length(&of.declared).is_some_and(|length| length <= mysql::FOLDED) { name } else { format!("left({name}, {})", mysql::FOLDED) }
}

/// MariaDB: the held value in the column's own character set and collation; NULL, which is nobody, where the set lacks one of its
/// characters.
fn in_its_collation(of: &ColumnRef) -> String {
    let value = "CONVERT(h.value USING utf8mb4)";
    match mysql::collation(of) {
        Some(collation) => {
            let converted = format!("CONVERT({value} USING {})", mysql::charset(collation));
            if mysql::has_all_characters(collation) {
                return format!("{converted} COLLATE {collation}");
            }
            let is_whole = format!("CAST(CONVERT({converted} USING utf8mb4) AS BINARY) = h.value");
            format!("CASE WHEN {is_whole} THEN {converted} END COLLATE {collation}")
        }
        None => value.to_owned(),
    }
}
