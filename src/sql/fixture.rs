//! Selections that the tests of this room share.

use jiff::{Timestamp, tz::TimeZone};

use super::selection::{
    ColumnRef, DateTest, DoneTest, EndTest, HeldTest, Protector, Selection, Side, StartTest, SubjectTest, TableRef, TypeClass, WorkspaceRef,
};
use crate::policy::{Dialect, Never, RuleId, StartFormat, condition::Condition, start::Thresholds};

/// The cut-off of every test: with a fraction, so that whole seconds and milliseconds are rounded.
pub(super) const CUTOFF: &str = "2024-03-31T00:30:00.1234Z";

/// A zone whose clocks jump an hour after [`CUTOFF`].
pub(super) fn zone() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn column(name: &str, class: TypeClass, declared: &str) -> ColumnRef {
    ColumnRef { name: name.to_owned(), class, declared: declared.to_owned(), nullable: true, labels: Vec::new(), side: Side::Row }
}

pub(super) fn condition(sql: &str) -> Option<Condition> {
    Some(Condition { text: sql.to_owned(), sql: sql.to_owned(), columns: Vec::new() })
}

pub(super) fn start_test(column: ColumnRef, format: StartFormat) -> StartTest {
    let said = |text| Thresholds::at(at(text), Some(&zone()));
    let is_epoch = matches!(format, StartFormat::UnixS | StartFormat::UnixMs | StartFormat::UnixUs);
    StartTest {
        column,
        format,
        never: vec![Never::Text("9999-12-31".to_owned()), Never::Integer(0)],
        cutoff: at(CUTOFF),
        before: said(CUTOFF),
        plausible_from: is_epoch.then(|| said("1980-01-01T00:00:00Z")),
        plausible_until: said("2124-04-01T00:00:00Z"),
    }
}

/// The same of the row itself, as an end.
pub(super) fn end_test(column: ColumnRef, format: StartFormat) -> EndTest {
    EndTest::Date(Box::new(DateTest { through: Vec::new(), start: start_test(column, format), optional: false }))
}

/// Every part that a selection can have, with names that no statement may stumble over.
pub(super) fn hostile(dialect: Dialect) -> Selection {
    let (integer, text) = match dialect {
        Dialect::Postgres => ("bigint", "character varying(20)"),
        Dialect::Sqlite => ("INTEGER", "VARCHAR(20)"),
        Dialect::Mysql => ("bigint(20)", "varchar(20)"),
    };
    Selection {
        table: TableRef { schema: if dialect == Dialect::Sqlite { "main" } else { "o'dd" }.to_owned(), table: "ta\"ble; --".to_owned() },
        members: Vec::new(),
        part: None,
        workspace: WorkspaceRef { dialect, name: "re\"tentiond".to_owned() },
        condition: condition("t.\"state\" = 'closed'"),
        overridden: Vec::new(),
        end: Some(end_test(column("se\"nt", TypeClass::Integer, integer), StartFormat::UnixMs)),
        done: vec![
            DoneTest::IsNull(column("body", TypeClass::Text, text)),
            DoneTest::Equals { column: column("name", TypeClass::Text, text), value: "o'ne \\ two".to_owned(), null_is_done: true },
            DoneTest::Matches { column: column("mail", TypeClass::Text, text), pattern: "^[0-9a-f]{64}$".to_owned() },
        ],
        held: HeldTest {
            scopes: vec!["*".to_owned(), "table:[\"o'dd\",\"ta\\\"ble; --\"]".to_owned()],
            elsewhere: Vec::new(),
            subjects: vec![
                SubjectTest {
                    kind: "account".to_owned(),
                    through: Vec::new(),
                    column: column("owner", TypeClass::Integer, integer),
                    null_is_held: true,
                },
                SubjectTest {
                    kind: "e'mail".to_owned(),
                    through: Vec::new(),
                    column: column("mail", TypeClass::Text, text),
                    null_is_held: false,
                },
            ],
        },
        protectors: vec![
            Protector {
                rule: RuleId::new("law", "keep"),
                only: Vec::new(),
                condition: condition("t.\"paid\" = 1"),
                overridden: Vec::new(),
                floor: None,
                end: None,
            },
            Protector {
                rule: RuleId::new("law", "later"),
                only: Vec::new(),
                condition: None,
                overridden: Vec::new(),
                floor: None,
                end: Some(end_test(column("paid at", TypeClass::Text, text), StartFormat::Compact)),
            },
        ],
        dependents: Vec::new(),
        follows: false,
        references: vec![super::selection::Reference {
            own: false,
            child: TableRef { schema: "main".to_owned(), table: "child".to_owned() },
            pairs: vec![("parent".to_owned(), "id".to_owned())],
        }],
        shown: Vec::new(),
    }
}
