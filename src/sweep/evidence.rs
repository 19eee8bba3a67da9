//! `evidence`: keyed digests of exactly the rows that a batch acts on, or of their subjects.
//!
//! **Which rows.** A plain delete returns what it deletes, in the same statement. What can't (an UPDATE, a delete with what goes
//! along) is told its rows: they are picked and locked by one statement, and named by their keys in the next, which
//! restates the whole predicate. If not exactly as many rows were changed as were picked, something came in between, and
//! nothing of the batch happens. Values are those of before the act, also of a subject that the act unlinks.
//!
//! **When.** The digests go into the state with the intent, in one transaction that is durable before COMMIT; the intent has
//! the root of the tree over them, and its hash is what marks the lane. Settlement removes those of a batch that never
//! committed. The key stays here: neither server nor state sees it.

use super::{
    batch::{Doorway, Taken, act_on},
    obstacle::{Obstacle, Reason},
    plan::column,
};
use crate::{
    clock::hex,
    engine::{
        self, Engine,
        opt_outs::Refused,
        shape::{Shape, TableKind},
    },
    fault,
    ledger::{
        digest::{Digested, Digester, Form, Part, Place},
        merkle::{self, Hash},
    },
    policy::{Dialect, Evidence, Rule, evidence::KEY},
    secret::Keys,
    sql::{
        selection::{Act, Cell, ColumnRef, Range, TypeClass, Way},
        statement::{Which, pick},
    },
};

/// Rows that one statement names.
const NAMED: usize = 1_000;

/// How a rule's rows become digests.
#[derive(Debug, Clone)]
pub struct Digests {
    level: Evidence,
    digester: Digester,
    source: String,
    schema: String,
    table: String,
    /// The key that names a row; empty: none is needed.
    key: Vec<ColumnRef>,
    /// The key, then the columns of subjects.
    columns: Vec<ColumnRef>,
    /// Kinds of subject, each with the place of its column.
    subjects: Vec<(String, usize)>,
    /// Deleted rows are returned by the statement that deletes them.
    returned: bool,
}

/// What the rule asks for, as far as table and server allow it; `None`: counts are enough.
///
/// # Errors
/// [`Reason::Unsupported`] if the rows can't be told apart.
pub fn digests(rule: &Rule, shape: &Shape, engine: &dyn Engine, keys: &Keys) -> Result<Option<Digests>, Obstacle> {
    if rule.evidence == Evidence::Batch || !rule.action.acts() {
        return Ok(None);
    }
    let refuse = |why: String| {
        let message =
            format!("`evidence = \"{}\"` can't be had of {}: {why}; or say `evidence = \"batch\"`", rule.evidence.name(), rule.table);
        Obstacle::new(Reason::Unsupported, message).at(rule, "evidence")
    };
    let secret = keys.get(KEY).ok_or_else(|| refuse(format!("there is no `[keys.{KEY}]` in retentiond.toml")))?;
    let returned = engine.returns_deleted() && matches!(rule.action, crate::policy::Action::Delete) && rule.dependents.is_empty();
    let named = if rule.key.is_empty() { &shape.primary_key } else { &rule.key };
    let key = named.iter().map(|name| column(shape, name, "key")).collect::<Result<Vec<_>, _>>()?;
    if !returned || rule.evidence == Evidence::Row {
        if shape.kind == TableKind::Parent {
            return Err(refuse("tables inherit from it, whose rows may have the same key; say a rule for each of them".to_owned()));
        }
        if key.is_empty() {
            return Err(refuse("nothing names a row of it; say `key = [\"…\"]`, or give the table a primary key".to_owned()));
        }
        let is_nameable = |column: &&ColumnRef| {
            let can_be_null = column.nullable && !shape.primary_key.contains(&column.name);
            let is_odd = matches!(column.class, TypeClass::Json | TypeClass::Other)
                || (column.class == TypeClass::Bits && engine.dialect() == Dialect::Mysql);
            !can_be_null && !is_odd
        };
        if let Some(odd) = key.iter().find(|column| !is_nameable(column)) {
            return Err(refuse(format!(
                "`{}` ({}) does not name a row for certain: it may be NULL, or has no one text",
                odd.name, odd.declared
            )));
        }
    }
    let mut columns = key.clone();
    let mut subjects = Vec::new();
    for subject in rule.subjects.all().iter().filter(|_| rule.evidence == Evidence::Subject) {
        let Some(name) = subject.at.of_row() else { continue };
        let known = columns.iter().position(|column| column.name == name);
        let at = match known {
            Some(at) => at,
            None => {
                columns.push(column(shape, name, "subject")?);
                columns.len() - 1
            }
        };
        subjects.push((subject.kind.clone(), at));
    }
    Ok(Some(Digests {
        level: rule.evidence,
        digester: Digester::new(secret),
        source: rule.source.clone(),
        schema: shape.table.schema.clone(),
        table: shape.table.table.clone(),
        key,
        columns,
        subjects,
        returned,
    }))
}

/// The digests of a batch, in the order of their tree.
#[derive(Debug, Clone)]
pub struct Leaves {
    pub digested: Digested,
    /// In hex.
    pub leaves: Vec<String>,
}

impl Digests {
    /// The digests of these rows, each with the cells of these columns: sorted, so that their order tells nothing.
    pub fn leaves(&self, columns: &[ColumnRef], rows: &[Vec<Cell>]) -> Leaves {
        let place = Place { source: &self.source, schema: &self.schema, table: &self.table };
        let at: Vec<Option<usize>> =
            self.columns.iter().map(|wanted| columns.iter().position(|column| column.name == wanted.name)).collect();
        let text = |row: &[Cell], number: usize| Form::of(self.columns[number].class).of_cell(row.get(at[number]?)?);
        let mut hashes: Vec<Hash> = Vec::new();
        for row in rows {
            if self.level == Evidence::Row {
                let texts: Vec<Option<String>> = (0..self.key.len()).map(|number| text(row, number)).collect();
                let key = self.key.iter().zip(&texts).map(|(column, text)| (column.name.as_str(), text.as_deref()));
                hashes.push(self.digester.row(place, key));
            } else {
                let of = self.subjects.iter().filter_map(|(kind, number)| Some(self.digester.subject(place, kind, &text(row, *number)?)));
                hashes.extend(of);
            }
        }
        hashes.sort_unstable();
        if self.level == Evidence::Subject {
            hashes.dedup();
        }
        let of = match self.level {
            Evidence::Subject => {
                let mut parts: Vec<Part> = self.subjects.iter().map(|(kind, number)| self.part(kind, *number)).collect();
                parts.sort();
                parts.dedup();
                parts
            }
            _ => (0..self.key.len()).map(|number| self.part(&self.key[number].name, number)).collect(),
        };
        if fault::seeded("evidence-leaf-left-out") {
            hashes.pop();
        }
        let digested = Digested {
            level: self.level.name().to_owned(),
            key: self.digester.fingerprint(),
            schema: self.schema.clone(),
            of,
            leaves: hashes.len() as u64,
            root: hex(&merkle::root(&hashes)),
        };
        Leaves { digested, leaves: hashes.iter().map(|hash| hex(hash)).collect() }
    }

    fn part(&self, name: &str, number: usize) -> Part {
        Part { name: name.to_owned(), form: Form::of(self.columns[number].class) }
    }

    /// Step 3 of a batch, with the digests of what it took.
    ///
    /// # Errors
    /// The engine's; [`engine::Error::Conflict`] if rows changed in between.
    pub async fn act(
        &self,
        door: &Doorway,
        batch: &mut dyn engine::Batch,
        range: &Range,
    ) -> Result<(Taken, Vec<Refused>, Option<Leaves>), engine::Error> {
        if self.returned && matches!(*door.act, Act::Delete) {
            let rows = batch.delete_and_return(&door.selection, range, &self.columns).await?;
            return Ok((Taken::alone(rows.len() as u64), Vec::new(), Some(self.leaves(&self.columns, &rows))));
        }
        let mut rows = batch.pick(&pick(&door.selection, range, &self.columns, Which::Due, true, door.most + 1)).await?;
        if rows.len() as u64 > door.most {
            return Err(engine::Error::TooManyRows { rows: rows.len() as u64, limit: door.most });
        }
        let mut taken = Taken::default();
        for some in rows.chunks(NAMED) {
            let cells = some.iter().flat_map(|row| row[..self.key.len()].iter().cloned()).collect();
            let picked = Range { way: Way::Picked(self.key.clone()), after: None, through: Some(cells) };
            let (some, _) = act_on(door, batch, &picked).await?;
            taken.rows += some.rows;
            taken.dragged += some.dragged;
        }
        if taken.rows != rows.len() as u64 {
            return Err(engine::Error::Conflict("rows changed between being named and being acted on".to_owned()));
        }
        // Digits of bytes, as this server writes them where it picks, are told from text by what stands before them.
        if door.selection.workspace.dialect == Dialect::Mysql {
            for (at, _) in self.columns.iter().enumerate().filter(|(_, column)| column.class == TypeClass::Bytes) {
                for row in &mut rows {
                    if let Some(Cell::Text(digits)) = row.get_mut(at) {
                        digits.insert_str(0, "\\x");
                    }
                }
            }
        }
        Ok((taken, Vec::new(), Some(self.leaves(&self.columns, &rows))))
    }
}
