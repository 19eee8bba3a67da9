//! What `residue` takes: rights, room on the disk, and rules of one table that ask for the same.

use crate::{
    engine,
    policy::{Mode, Residue},
    sql::selection::TableRef,
    sweep::prepare::{Prepared, Target},
};

/// What a person should know of a rule that asks for more than `logical`, and of one beside it.
pub async fn warnings(target: &Target, prepared: &Prepared, all: &[Prepared]) -> Result<Vec<String>, engine::Error> {
    let Prepared { rule, outcome: Ok(ready), .. } = prepared else { return Ok(Vec::new()) };
    let mut warnings = Vec::new();
    let asked = rule.residue.unwrap_or(Residue::Logical);
    if !rule.action.acts() || rule.mode == Mode::Observe {
        return Ok(warnings);
    }
    let selection = &ready.planned.selection;
    let is_there = |other: &&Prepared| {
        let is_same = |other: &TableRef| *other == selection.table;
        other.rule.id != rule.id && other.outcome.as_ref().is_ok_and(|other| is_same(&other.planned.selection.table))
    };
    let stricter = all.iter().filter(is_there).filter(|other| other.rule.residue.unwrap_or(Residue::Logical) > asked);
    for other in stricter.filter(|other| other.rule.mode == Mode::Enforce) {
        let level = other.rule.residue.map_or("", Residue::name);
        warnings.push(format!(
            "{} asks for the residue `{level}` in this table and this rule for less: what this rule takes leaves its bytes until then",
            other.rule.id
        ));
    }
    if asked == Residue::Logical {
        return Ok(warnings);
    }
    let tables = std::iter::once(&selection.table).chain(selection.along().into_iter().map(|dependency| &dependency.rows.table));
    for table in tables {
        let why = target.engine.untreatable(table, asked).await?;
        warnings.extend(why.map(|why| format!("residue `{}` can't be reached: {why}", asked.name())));
    }
    if asked == Residue::Rewritten {
        warnings.extend(target.engine.rewriting(ready.estimated_bytes));
    }
    Ok(warnings)
}
