//! `dependents` of one rule.

use std::{cell::RefCell, collections::BTreeMap, ops::Range};

use super::{Context, SourceFacts};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, fields::At, suggest},
    policy::{
        Dependent, StrategySpec, TableName, Then,
        condition::Condition,
        raw::{RawAction, RawDependent, RawFile, RawRule, RawThen},
    },
};

/// Makes dependents of what a rule says. `None` only if something was reported.
pub(super) fn dependents(file: &RawFile, raw: &RawRule, context: &Context, found: &RefCell<Diagnostics>) -> Option<Vec<Dependent>> {
    let Some(written) = &raw.dependents else { return (!raw.written.contains("dependents")).then(Vec::new) };
    let facts = raw.source.as_ref().and_then(|source| context.sources.get(&source.value));
    let reader = Reader { file, facts, context, found };
    if raw.action.as_ref().is_some_and(|action| action.value != RawAction::Delete) {
        if !written.shared {
            let error = reader.error("misplaced-key", &written.span, "only a rule that deletes has dependents");
            reader.report(error.help("say `action = \"delete\"`, or leave `dependents` out"));
        }
        return Some(Vec::new());
    }
    let own = raw.table.as_ref().map(|table| reader.place(raw.schema.as_ref(), &table.value));
    reader.all(&written.value, &own.into_iter().collect::<Vec<_>>())
}

/// Where each of them is written: `dependents.0`, `dependents.0.1`.
pub(super) fn spans(written: &Option<At<Vec<RawDependent>>>, place: &str, spans: &mut BTreeMap<String, Range<usize>>) {
    for (number, one) in written.iter().flat_map(|written| &written.value).enumerate() {
        let place = format!("{place}.{number}");
        spans.insert(place.clone(), one.table.as_ref().map_or_else(|| one.span.clone(), |table| table.span.clone()));
        self::spans(&one.dependents, &place, spans);
    }
}

/// A table, with the schema in which it is looked for.
type Place = (String, String);

struct Reader<'a> {
    file: &'a RawFile,
    facts: Option<&'a SourceFacts>,
    context: &'a Context,
    found: &'a RefCell<Diagnostics>,
}

impl Reader<'_> {
    fn error(&self, code: &'static str, span: &Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, self.file.file.at(span.clone()), message)
    }

    fn report(&self, diagnostic: Diagnostic) {
        self.found.borrow_mut().push(diagnostic);
    }

    fn place(&self, schema: Option<&At<String>>, table: &str) -> Place {
        let default = || self.facts.and_then(|facts| facts.schema.clone()).unwrap_or_default();
        (schema.map_or_else(default, |schema| schema.value.clone()), table.to_owned())
    }

    /// `above`: the tables that these lie within, the rule's own first.
    fn all(&self, written: &[RawDependent], above: &[Place]) -> Option<Vec<Dependent>> {
        // Each is read before any is given up, so that all mistakes are told at once.
        let read: Vec<Option<Dependent>> = written.iter().map(|one| self.one(one, above)).collect();
        read.into_iter().collect()
    }

    fn one(&self, raw: &RawDependent, above: &[Place]) -> Option<Dependent> {
        let (condition, then) = (self.condition(raw), self.then(raw));
        let place = raw.table.as_ref().map(|table| self.place(raw.schema.as_ref(), &table.value));
        let circle = place.as_ref().is_some_and(|place| above.contains(place));
        if let Some(at) = raw.table.as_ref().filter(|_| circle) {
            let message = format!("rows of `{}` can't go along with rows of `{0}`", at.value);
            let help = "a row of the rule's own table ends by the rule, and one that others of its table refer to waits until those are gone; \
                        leave this out, and let the foreign key, if there is one, forbid the delete (NO ACTION)";
            self.report(self.error("circle", &at.span, message).label("lies within itself").help(help));
        }
        let within: Vec<Place> = above.iter().cloned().chain(place).collect();
        let nested = match &raw.dependents {
            None => (!raw.written.contains("dependents")).then(Vec::new),
            Some(nested) => self.all(&nested.value, &within),
        };
        let pair = |(own, theirs): &(At<String>, At<String>)| (own.value.clone(), theirs.value.clone());
        Some(Dependent {
            table: TableName { schema: raw.schema.as_ref().map(|at| at.value.clone()), table: raw.table.as_ref()?.value.clone() },
            on: raw.on.as_ref()?.value.iter().map(pair).collect(),
            condition: condition?,
            then: then?,
            unlinks: raw.unlinks.as_ref().is_some_and(|unlinks| unlinks.value),
            dependents: nested?,
        })
        .filter(|_| !circle)
    }

    /// `Some(None)` where there is none.
    fn condition(&self, raw: &RawDependent) -> Option<Option<Condition>> {
        let Some(at) = &raw.condition else { return (!raw.written.contains("where")).then_some(None) };
        let error = match Condition::parse(&at.value, self.facts?.dialect?) {
            Ok(condition) => return Some(Some(condition)),
            Err(error) => error,
        };
        let span = at.inside(&self.file.file, &error.span);
        self.report(self.error("invalid-condition", &span, error.message).maybe_help(error.help));
        None
    }

    fn then(&self, raw: &RawDependent) -> Option<Then> {
        let then = raw.then.as_ref()?.value;
        if then != RawThen::Anonymise
            && let Some(at) = &raw.anonymise
        {
            let error = self.error("misplaced-key", &at.span, "only dependents that are anonymised have strategies");
            self.report(error.help("say `then = \"anonymise\"`, or leave it out"));
        }
        if then == RawThen::Delete
            && let Some(at) = &raw.unlinks
        {
            let error = self.error("misplaced-key", &at.span, "only dependents that stay are unlinked from their subjects");
            self.report(error.help("leave `unlinks` out"));
        }
        match then {
            RawThen::Delete => Some(Then::Delete),
            RawThen::Detach => Some(Then::Detach),
            RawThen::Anonymise => {
                if raw.anonymise.is_none() && !raw.written.contains("anonymise") && !raw.written.contains("anonymize") {
                    let error = self.error("missing-key", &raw.span, "dependents that are anonymised lack `anonymise`");
                    self.report(error.help("say what becomes of which column: anonymise = { body = \"null\" }"));
                }
                let columns = &raw.anonymise.as_ref()?.value;
                let unknown = |key: &&At<String>| self.context.complete && !self.context.keys.contains(&key.value);
                for key in columns.iter().flat_map(|column| &column.keys).filter(unknown) {
                    let error = self.error("unknown-key-name", &key.span, format!("there is no key `{}`", key.value));
                    let help = suggest::did_you_mean(&key.value, self.context.keys.iter().map(String::as_str));
                    self.report(error.help(help.unwrap_or_else(|| format!("add [keys.{}] to retentiond.toml", key.value))));
                }
                for column in columns.iter().filter(|column| column.strategy == StrategySpec::Random) {
                    let message = "`random` can't tell from a value that it is done, and dependents have no `mark`";
                    let error = self.error("mark-needed", &column.column.span, message).label("anonymised by `random`");
                    self.report(error.help("use `null`, `fixed` or `hmac`"));
                }
                Some(Then::Anonymise(columns.iter().map(|column| (column.column.value.clone(), column.strategy.clone())).collect()))
            }
        }
    }
}
