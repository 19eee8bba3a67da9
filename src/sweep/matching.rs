//! Which rows a rule is about: its `where` and its `tenant`, as one condition on a table as it is.
//!
//! What else scopes a rule to rows is a part of the condition here, so that everybody who asks for one has it: the rule's own
//! selection, those that it protects from others, and overrides.

use super::{
    obstacle::{Obstacle, Reason},
    plan::column,
};
use crate::{
    engine::shape::Shape,
    fault,
    policy::{Dialect, Rule, Tenant, condition::Condition},
    sql,
};

/// Both must be true. `None`: all rows.
///
/// # Errors
/// An [`Obstacle`] if a column is not there, or if no row can be of the tenant.
pub fn condition(rule: &Rule, shape: &Shape, dialect: Dialect) -> Result<Option<Condition>, Obstacle> {
    let mut names = rule.condition.iter().flat_map(|condition| &condition.columns);
    names.try_for_each(|name| column(shape, name, "where").map(drop)).map_err(|obstacle| obstacle.at(rule, "where"))?;
    let Some(Tenant { column: name, is }) = rule.tenant.as_ref().filter(|_| !fault::seeded("tenant-ignored")) else {
        return Ok(rule.condition.clone());
    };
    let at = |obstacle: Obstacle| obstacle.at(rule, "tenant");
    let of = column(shape, name, "tenant").map_err(at)?;
    if !sql::can_be_tenant(of.class, dialect) {
        let message = format!("`{name}` is {}, in which tenants can't be told; use a column of text, numbers or UUIDs", of.declared);
        return Err(at(Obstacle::new(Reason::Unsupported, message)));
    }
    sql::subject_value_fits(&of, dialect, is).map_err(|why| {
        at(Obstacle::new(Reason::Unsupported, format!("no row can be of the tenant \"{is}\": a value of `{name}` ({}) {why}", of.declared)))
    })?;
    let tenant = sql::is_of_tenant(dialect, &of, is);
    let own = rule.condition.clone();
    Ok(Some(Condition {
        sql: own.as_ref().map_or_else(|| tenant.clone(), |own| format!("({}) AND {tenant}", own.sql)),
        text: own.as_ref().map_or_else(String::new, |own| own.text.clone()),
        columns: own.into_iter().flat_map(|own| own.columns).chain([name.clone()]).collect(),
    }))
}
