//! What a rule costs, or might cost, and the statements that would help.

use super::dragged::{Dragged, What};
use crate::{
    engine::shape::Shape,
    policy::{Action, ColumnAt, Dependent, Dialect, Evidence, Hop, Rule},
    sql::{selection::TableRef, statement::create_index},
    sweep::{
        dragged::fired,
        elsewhere::{self, Elsewhere},
        partitions::Drops,
        prepare::{Prepared, Target},
        suppress,
    },
};

/// Warnings, and statements that a person may run; those that make an index keep no writer out where the engine can.
#[derive(Default)]
pub struct Advice {
    pub warnings: Vec<String>,
    pub suggestions: Vec<String>,
}

impl Advice {
    /// Where no index finds the rows that name one of the rule's.
    fn unindexed(&mut self, dialect: Dialect, other: &Shape, on: &[(String, String)], what: String) {
        let columns: Vec<String> = on.iter().map(|(_, theirs)| theirs.clone()).collect();
        if columns.iter().any(|column| finds(other, column)) {
            return;
        }
        let scans = match other.estimated_rows {
            Some(rows) => format!("each row takes a scan of its {rows} rows"),
            None => "each row takes a scan of it".to_owned(),
        };
        self.warnings.push(format!("{what} no index starts with {}: {scans}", columns.join(" or ")));
        self.suggestions.push(create_index(dialect, &other.table, &columns));
    }
}

/// Whether rows of a table are found by a column without reading all of them: by an index, or by the key that the table itself is
/// sorted by, which on SQLite (`INTEGER PRIMARY KEY`) is no index.
fn finds(other: &Shape, column: &String) -> bool {
    other.index_on(column).is_some() || other.primary_key.first() == Some(column)
}

/// Looks at one of the rules of a source.
pub fn advice(target: &Target, prepared: &Prepared, all: &[Prepared], dragged: &[Dragged]) -> Advice {
    let Prepared { rule, table: Some(shape), outcome: Ok(ready), elsewhere } = prepared else { return Advice::default() };
    let dialect = target.engine.dialect();
    let mut advice = Advice::default();
    if rule.term.is_some() && rule.action.acts() {
        lookups(dialect, rule, shape, elsewhere, &mut advice);
    }
    if let Some(walked) = ready.walked.as_ref().filter(|walked| rule.action.acts() && shape.index_on(walked).is_none()) {
        advice.warnings.push(format!("no index starts with `{walked}`, so every sweep reads the whole table, also when nothing is due"));
        // An index of a partitioned table can't be made without keeping writers out, those of its partitions can.
        let heaps = shape.family.members.iter().filter(|member| member.has_rows && !member.indexed.contains(walked));
        let tables: Vec<&TableRef> =
            if shape.family.members.len() > 1 { heaps.map(|member| &member.table).collect() } else { vec![&shape.table] };
        advice.suggestions.extend(tables.into_iter().map(|table| create_index(dialect, table, std::slice::from_ref(walked))));
    }
    let mut fired = fired(rule, shape);
    fired.extend(suppress::fired(rule, elsewhere));
    for allowed in rule.triggers.iter().filter(|allowed| !fired.contains_key(&allowed.name)) {
        advice.warnings.push(format!("`triggers` lists `{}`, and no trigger of that name fires when the rule acts", allowed.name));
    }
    for wait in &rule.wait_for {
        let Some(Ok(other)) = elsewhere.tables.get(&wait.table) else { continue };
        advice.unindexed(dialect, other, &wait.on, format!("rows wait for {}, of which", wait.table));
    }
    for (_, dependent) in Dependent::all(&rule.dependents) {
        let Some(Ok(other)) = elsewhere.tables.get(&dependent.table) else { continue };
        advice.unindexed(dialect, other, &dependent.on, format!("rows of {} go along, of which", dependent.table));
    }
    if let Some(copies) = &ready.copies {
        advice.warnings.extend(copies.store.caution());
    }
    if ready.digests.is_some() {
        let of = if rule.evidence == Evidence::Row { "row" } else { "subject of a batch" };
        let price = "some 200 bytes in the state for good, and where rows are not plainly deleted a statement before that names them";
        advice.warnings.push(format!("`evidence = \"{}\"` has a price: a digest for each {of}, {price}", rule.evidence.name()));
    }
    if let Drops::None(why) = &ready.drops {
        advice.warnings.push(format!("no partition is dropped, because {why}: rows go one by one"));
    }
    for one in dragged {
        // What goes along is told above.
        let is_declared = |table: &str| Dependent::all(&rule.dependents).iter().any(|(_, dependent)| dependent.table.table == table);
        if let What::ForeignKey { table, columns, indexed: false, .. } = &one.what
            && !is_declared(table)
        {
            advice.warnings.push(one.sentence());
            let key = shape.referenced_by.iter().find(|key| key.child.table == *table && key.child_columns == *columns);
            advice.suggestions.extend(key.map(|key| create_index(dialect, &key.child, columns)));
        }
    }
    let same = |one: &&Prepared| one.table.as_ref().is_some_and(|other| other.table == shape.table);
    let of_table: Vec<&Rule> = all.iter().filter(same).map(|one| &one.rule).collect();
    advice.warnings.extend(unlisted(rule, &of_table, shape));
    advice
}

/// What is looked up in other tables: where several rows may be found, and where none can be found without reading all of them.
fn lookups(dialect: Dialect, rule: &Rule, shape: &Shape, known: &Elsewhere, advice: &mut Advice) {
    let mut looked: Vec<&Hop> = elsewhere::hops(rule).collect();
    looked.sort_unstable();
    looked.dedup();
    for hop in looked {
        let Some(Ok(other)) = known.tables.get(&hop.table) else { continue };
        let theirs: Vec<String> = hop.on.iter().map(|(_, theirs)| theirs.clone()).collect();
        if !other.is_key(&theirs) {
            advice.warnings.push(format!(
                "several rows of {} may have one {}: the one with the latest end counts, and each of them is a subject",
                hop.table,
                theirs.join(" and ")
            ));
        }
        if !theirs.iter().any(|column| finds(other, column)) {
            advice.warnings.push(format!("rows of {} are looked up by {}, with which no index starts", hop.table, theirs.join(" and ")));
            advice.suggestions.push(create_index(dialect, &other.table, &theirs));
        }
    }
    // The walk can begin on the side of a date elsewhere, if an index finds the early ones.
    for date in rule.term.iter().flat_map(|term| &term.ends).flat_map(|end| &end.start.dates) {
        let Some(Ok(other)) = date.at.through.last().and_then(|hop| known.tables.get(&hop.table)) else { continue };
        if other.index_on(&date.at.column).is_none() && other.table != shape.table {
            advice
                .warnings
                .push(format!("no index of {} starts with `{}`, so every sweep reads all of it", other.table.table, date.at.column));
            advice.suggestions.push(create_index(dialect, &other.table, std::slice::from_ref(&date.at.column)));
        }
    }
}

/// Columns that an anonymising rule leaves as they are without anybody saying so: no rule of the table anonymises, retains or
/// reads them, and they are in no key.
fn unlisted(rule: &Rule, of_table: &[&Rule], shape: &Shape) -> Option<String> {
    if !matches!(rule.action, Action::Anonymise { .. }) {
        return None;
    }
    let is_key = |name: &String| shape.primary_key.contains(name) || shape.references.iter().any(|key| key.child_columns.contains(name));
    let known = |name: &String| is_key(name) || of_table.iter().any(|rule| names(rule, name));
    let left: Vec<&str> = shape.columns.iter().map(|column| &column.name).filter(|name| !known(name)).map(String::as_str).collect();
    (!left.is_empty()).then(|| format!("these columns stay as they are; list them in `retains` if that is meant: {}", left.join(", ")))
}

/// Whether a rule says anything of a column.
fn names(rule: &Rule, name: &String) -> bool {
    let reads = |at: &ColumnAt| at.read_of_row().any(|read| read == name);
    let is_changed = match &rule.action {
        Action::Anonymise { columns, mark } => columns.iter().any(|(column, _)| column == name) || mark.as_ref() == Some(name),
        Action::Delete | Action::Keep { .. } => false,
    };
    is_changed
        || rule.retains.contains(name)
        || rule.key.contains(name)
        || rule.condition.as_ref().is_some_and(|condition| condition.columns.contains(name))
        || rule.subjects.all().iter().any(|subject| reads(&subject.at))
        || rule.term.iter().flat_map(|term| term.columns()).any(reads)
        || rule.tenant.as_ref().is_some_and(|tenant| tenant.column == *name)
        || rule.wait_for.iter().any(|wait| wait.on.iter().any(|(own, _)| own == name))
        || rule.suppress.as_ref().is_some_and(|suppress| suppress.read().any(|(from, _)| from == name))
        || rule.dependents.iter().any(|dependent| dependent.on.iter().any(|(own, _)| own == name))
}
