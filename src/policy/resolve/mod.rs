//! From what files say to valid rules, or to diagnostics.
//!
//! `rule` makes a rule of what one `[[rule]]` says, with `term` for when its rows end and `dependents` for what goes with them, `meet` looks at rules that meet (one id, one table), `elsewhere` at what they read of each other's tables, `undo` at those
//! that anonymise one column, `overrides` at those that override others, `canonical` writes down what a rule means, and
//! `recall` reads that again, both with `meaning` for when rows end. A new key of a rule is a line in each of `rule`, `canonical` and `recall`.

mod archive;
mod canonical;
mod dependents;
mod elsewhere;
mod evidence;
mod identity;
mod meaning;
mod meet;
mod overrides;
mod recall;
mod rule;
mod suppress;
mod term;
mod undo;

use std::{cell::RefCell, collections::BTreeMap};

use jiff::tz::TimeZone;

pub use self::{
    meet::{SUBJECT, readings},
    recall::recall,
};
use super::{
    Dialect, FirstSweep, Mode, Policy, Rule,
    raw::{RawFile, RawPolicy},
    schedule::Schedule,
};
use crate::diagnostic::{Diagnostics, SourceFile, fields::At};

/// What `[defaults]` says for rules that don't say it themselves.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleDefaults {
    pub schedule: Schedule,
    pub mode: Mode,
    pub first_sweep: FirstSweep,
    /// Share of the table, more than 0 and at most 1.
    pub max_share: f64,
}

impl Default for RuleDefaults {
    fn default() -> Self {
        Self { schedule: Schedule::default(), mode: Mode::Enforce, first_sweep: FirstSweep::Approve, max_share: 0.5 }
    }
}

/// What rules need to know of the configuration.
#[derive(Debug, Clone)]
pub struct Context {
    /// By name.
    pub sources: BTreeMap<String, SourceFacts>,
    /// Names of `[keys.NAME]`.
    pub keys: Vec<String>,
    /// Names of `[buckets.NAME]`.
    pub buckets: Vec<String>,
    /// For rules that name no zone.
    pub timezone: TimeZone,
    pub defaults: RuleDefaults,
    /// The configuration could be read as a whole: a name that is not here does not exist.
    pub complete: bool,
}

/// What rules need to know of a source.
#[derive(Debug, Clone, Default)]
pub struct SourceFacts {
    /// `None` if its address could not be read: then what depends on the dialect goes unchecked.
    pub dialect: Option<Dialect>,
    pub naive: Option<TimeZone>,
    /// Where a table without a schema is.
    pub schema: Option<String>,
}

/// Reads rule files and makes rules of them, ordered by id, and policies. Every mistake is reported; the rules are all of
/// them only if no error was.
pub fn resolve(files: &[SourceFile], context: &Context, found: &RefCell<Diagnostics>) -> (Vec<Rule>, Vec<Policy>) {
    let raw: Vec<RawFile> = files.iter().map(|file| RawFile::read(file, found)).collect();
    meet::identities(&raw, found);
    overrides::names(&raw, found);
    let mut rules: Vec<Rule> =
        raw.iter().flat_map(|file| file.rules.iter().filter_map(|rule| rule::resolve(file, rule, context, found))).collect();
    rules.sort_by(|one, other| one.id.cmp(&other.id));
    meet::tables(&rules, context, found);
    overrides::meet(&rules, context, found);
    let mut policies: Vec<Policy> = raw
        .into_iter()
        .filter_map(|file| {
            let identities = identity::identities(&file, &rules, context, found);
            Some(Policy { identities, ..policy(file.policy)? })
        })
        .collect();
    policies.sort_by(|one, other| one.id.cmp(&other.id));
    (rules, policies)
}

/// `None` only if something was reported.
fn policy(raw: RawPolicy) -> Option<Policy> {
    let text = |at: Option<At<String>>| at.map(|at| at.value);
    Some(Policy {
        id: raw.id?.value,
        title: text(raw.title),
        reference: text(raw.reference),
        owner: text(raw.owner),
        reviewed: raw.reviewed.map(|at| at.value),
        identities: Vec::new(),
    })
}
