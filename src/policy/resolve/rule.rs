//! One rule.

use std::{cell::RefCell, collections::BTreeMap, ops::Range};

use super::{
    Context, SourceFacts, archive,
    canonical::canonical,
    dependents::{self, dependents},
    evidence,
};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, Place, fields::At, suggest},
    policy::{
        Action, AllowedTrigger, Dialect, OnErasure, OnNull, Origin, Residue, Rule, RuleId, StrategySpec, Subject, Subjects, TableName,
        Tenant, Wait,
        condition::Condition,
        raw::{RawAction, RawAnonymised, RawFile, RawRule, RawSubject, RawTenant, RawTrigger, RawWait},
    },
};

/// Makes a rule of what is written, or reports why not. `None` only if something was reported.
pub(super) fn resolve(file: &RawFile, raw: &RawRule, context: &Context, found: &RefCell<Diagnostics>) -> Option<Rule> {
    let check = Check { file, raw, found };
    // Everything is looked at before anything is given up, so that all mistakes are told at once.
    let id = check.need("id", &raw.id);
    let category = check.need("category", &raw.category);
    let source = check.source(context);
    let table = check.need("table", &raw.table);
    let action = check.need("action", &raw.action).map(|action| action.value);
    let facts = source.and_then(|source| context.sources.get(&source.value));
    let term = action.and_then(|action| check.term(action, facts));
    let subjects = action.and_then(|action| check.subjects(action));
    let condition = check.condition(facts);
    let tenant = check.tenant();
    let action = action.and_then(|action| check.action(action, context));
    check.floor();
    check.format();
    check.overrides();
    check.on_erasure();
    check.partitions(facts);
    let (wait_for, triggers, dependents) = (check.waits(), check.triggers(), dependents(file, raw, context, found));
    let (suppress, archive) = (check.suppress(context), archive::archive(&check, context));

    let policy = file.policy.id.as_ref()?;
    let mut rule = Rule {
        id: RuleId::new(&policy.value, &id?.value),
        category: category?.value.clone(),
        source: source?.value.clone(),
        table: TableName { schema: value(&raw.schema), table: table?.value.clone() },
        key: names(&raw.key),
        condition: condition?,
        tenant: tenant?,
        subjects: subjects?,
        overrides: overridden(file, raw).into_iter().map(|(id, _)| id).collect(),
        term: term?,
        action: action?,
        timezone: value(&raw.timezone).unwrap_or_else(|| context.timezone.clone()),
        schedule: value(&raw.schedule).unwrap_or_else(|| context.defaults.schedule.clone()),
        window: value(&raw.window),
        limits: value(&raw.limits).unwrap_or_default(),
        mode: value(&raw.mode).unwrap_or(context.defaults.mode),
        first_sweep: value(&raw.first_sweep).unwrap_or(context.defaults.first_sweep),
        max_share: value(&raw.max_share).unwrap_or(context.defaults.max_share),
        retains: names(&raw.retains),
        unlinks: value(&raw.unlinks).unwrap_or(false),
        drops_partitions: value(&raw.drops_partitions).unwrap_or(false),
        triggers: triggers?,
        wait_for: wait_for?,
        suppress: suppress?,
        on_erasure: value(&raw.on_erasure),
        dependents: dependents?,
        archive: archive?,
        residue: check.residue(),
        evidence: evidence::level(&check, context),
        basis: value(&raw.basis),
        purpose: value(&raw.purpose),
        reason: value(&raw.reason),
        owner: value(&raw.owner).or_else(|| value(&file.policy.owner)),
        canonical: String::new(),
        origin: check.origin(),
    };
    rule.canonical = canonical(&rule);
    Some(rule)
}

/// One rule as it is written.
pub(super) struct Check<'a> {
    pub(super) file: &'a RawFile,
    pub(super) raw: &'a RawRule,
    found: &'a RefCell<Diagnostics>,
}

impl Check<'_> {
    pub(super) fn error(&self, code: &'static str, span: &Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, self.file.file.at(span.clone()), message)
    }

    pub(super) fn place(&self, span: &Range<usize>) -> Place {
        self.file.file.at(span.clone())
    }

    pub(super) fn report(&self, diagnostic: Diagnostic) {
        self.found.borrow_mut().push(diagnostic);
    }

    /// A value that must be there. One that is written but could not be read is reported already.
    fn need<'v, T>(&self, key: &'static str, value: &'v Option<At<T>>) -> Option<&'v At<T>> {
        if value.is_none() {
            self.missing(key, format!("the rule lacks `{key}`"), None);
        }
        value.as_ref()
    }

    pub(super) fn missing(&self, key: &str, message: String, help: Option<String>) {
        if !self.raw.written.contains(key) && !self.file.broken {
            self.report(self.error("missing-key", &self.raw.header, message).label(format!("`{key}` is required")).maybe_help(help));
        }
    }

    /// Reports a key that makes no sense beside the others, unless it came from the category: that may serve other rules.
    pub(super) fn misplaced<T>(&self, value: &Option<At<T>>, message: &str, help: &str) {
        if let Some(at) = value.as_ref().filter(|at| !at.shared) {
            self.report(self.error("misplaced-key", &at.span, message).help(help));
        }
    }

    fn source(&self, context: &Context) -> Option<&At<String>> {
        let source = self.need("source", &self.raw.source)?;
        if context.sources.contains_key(&source.value) {
            return Some(source);
        }
        if !context.complete {
            return None;
        }
        let known = context.sources.keys().map(String::as_str);
        let unknown = self.error("unknown-source", &source.span, format!("there is no source `{}`", source.value));
        let help = suggest::did_you_mean(&source.value, known);
        self.report(unknown.help(help.unwrap_or_else(|| format!("add [sources.{}] to retentiond.toml", source.value))));
        None
    }

    fn subjects(&self, action: RawAction) -> Option<Subjects> {
        let raw = self.raw;
        match raw.subject.as_ref().map(|subject| &subject.value) {
            Some(RawSubject::Of(subjects)) => {
                self.misplaced(
                    &raw.no_subject_reason,
                    "the rule has a subject, so there is no reason to give",
                    "leave `no_subject_reason` out",
                );
                let subjects =
                    subjects.iter().map(|(kind, column)| Subject { kind: kind.value.clone(), at: column.value.clone() }).collect();
                Some(Subjects::Of { subjects, on_null: value(&raw.on_null_subject).unwrap_or(OnNull::Nobody) })
            }
            Some(RawSubject::Nobody) => {
                self.misplaced(&raw.on_null_subject, "the rule has no subject that could be NULL", "leave `on_null_subject` out");
                if raw.no_subject_reason.is_none() {
                    let help = "a hold on a person can't protect rows without a subject: say why these are nobody's";
                    self.missing("no_subject_reason", "`subject = \"none\"` needs a reason".to_owned(), Some(help.to_owned()));
                }
                Some(Subjects::Nobody { reason: value(&raw.no_subject_reason)? })
            }
            None => {
                self.misplaced(&raw.no_subject_reason, "a reason for no subject needs `subject = \"none\"`", "add `subject = \"none\"`");
                self.misplaced(&raw.on_null_subject, "the rule has no subject that could be NULL", "add `subject`");
                if action == RawAction::Keep && !raw.written.contains("subject") {
                    return Some(Subjects::Unstated);
                }
                let help = "say whose rows these are: subject = { account = \"account_id\" }, or subject = \"none\" with a reason";
                self.missing("subject", "the rule lacks `subject`".to_owned(), Some(help.to_owned()));
                None
            }
        }
    }

    /// `Some(None)` where there is none.
    fn tenant(&self) -> Option<Option<Tenant>> {
        match &self.raw.tenant {
            None => (!self.raw.written.contains("tenant")).then_some(None),
            Some(At { value: RawTenant { column, is }, .. }) => Some(Some(Tenant { column: value(column)?, is: value(is)? })),
        }
    }

    /// The `where`: `Some(None)` where there is none.
    fn condition(&self, facts: Option<&SourceFacts>) -> Option<Option<Condition>> {
        let Some(at) = &self.raw.condition else {
            return (!self.raw.written.contains("where")).then_some(None);
        };
        let error = match Condition::parse(&at.value, facts?.dialect?) {
            Ok(condition) => return Some(Some(condition)),
            Err(error) => error,
        };
        let span = at.inside(&self.file.file, &error.span);
        self.report(self.error("invalid-condition", &span, error.message).maybe_help(error.help));
        None
    }

    fn action(&self, action: RawAction, context: &Context) -> Option<Action> {
        let raw = self.raw;
        if action != RawAction::Anonymise {
            let help = "say `action = \"anonymise\"`, or leave it out";
            self.misplaced(&raw.anonymise, "only a rule that anonymises has strategies", help);
            self.misplaced(&raw.mark, "only a rule that anonymises has a mark", help);
            self.misplaced(&raw.unlinks, "only a rule that anonymises unlinks its rows from their subjects", help);
        }
        match action {
            RawAction::Delete => Some(Action::Delete),
            RawAction::Keep => {
                if raw.reason.is_none() {
                    let help = "what is kept must be kept for a reason that a person can check";
                    self.missing("reason", "a rule that keeps lacks `reason`".to_owned(), Some(help.to_owned()));
                }
                Some(Action::Keep { reason: value(&raw.reason)? })
            }
            RawAction::Anonymise => {
                let written = raw.written.contains("anonymise") || raw.written.contains("anonymize");
                if raw.anonymise.is_none() && !written {
                    let help = "say what becomes of which column: anonymise = { ip = \"truncate_ip\" }";
                    self.missing("anonymise", "a rule that anonymises lacks `anonymise`".to_owned(), Some(help.to_owned()));
                }
                let columns = &raw.anonymise.as_ref()?.value;
                columns.iter().flat_map(|column| &column.keys).for_each(|key| self.known_key(key, context));
                for column in columns.iter().filter(|column| column.strategy == StrategySpec::Random && !raw.written.contains("mark")) {
                    let message = "`random` can't tell from a value that it is done, so the rule needs a `mark`";
                    let error = self.error("mark-needed", &column.column.span, message).label("anonymised by `random`");
                    self.report(error.help("add `mark = \"…\"`: a column that is NULL, false or 0 until the row is anonymised"));
                }
                self.retained(columns);
                self.unlinked(columns);
                let columns: Vec<(String, StrategySpec)> =
                    columns.iter().map(|column| (column.column.value.clone(), column.strategy.clone())).collect();
                Some(Action::Anonymise { columns, mark: value(&raw.mark) })
            }
        }
    }

    /// A column can't both stay and go.
    fn retained(&self, columns: &[RawAnonymised]) {
        for retained in self.raw.retains.iter().flat_map(|retains| &retains.value) {
            if let Some(anonymised) = columns.iter().find(|column| column.column.value == retained.value) {
                let error = self.error(
                    "retained-and-anonymised",
                    &retained.span,
                    format!("`{}` can't be both retained and anonymised", retained.value),
                );
                self.report(error.label("retained here").also(self.file.file.at(anonymised.column.span.clone()), "anonymised here"));
            }
        }
    }

    /// What says that a subject column is anonymised must be so.
    fn unlinked(&self, columns: &[RawAnonymised]) {
        let Some(unlinks) = self.raw.unlinks.as_ref().filter(|unlinks| unlinks.value && !unlinks.shared) else { return };
        let Some(RawSubject::Of(subjects)) = self.raw.subject.as_ref().map(|subject| &subject.value) else {
            return self.report(self.error(
                "unlinks-nothing",
                &unlinks.span,
                "the rule has no subject that its rows could be unlinked from",
            ));
        };
        if !subjects.iter().any(|(_, subject)| columns.iter().any(|column| subject.value.of_row() == Some(&column.column.value))) {
            let names: Vec<&str> = subjects.iter().filter_map(|(_, column)| column.value.of_row()).collect();
            let error = self.error("unlinks-nothing", &unlinks.span, "`unlinks` says that a subject column is anonymised, but none is");
            self.report(error.help(format!("anonymise {} too, or leave `unlinks` out", suggest::one_of(&names))));
        }
    }

    /// A request can't pass what a rule keeps, and has only the strategies that the rule has.
    fn on_erasure(&self) {
        let action = self.raw.action.as_ref().map(|action| action.value);
        match self.raw.on_erasure.as_ref().map(|on_erasure| on_erasure.value) {
            Some(OnErasure::Delete | OnErasure::Anonymise) if action == Some(RawAction::Keep) => {
                let help = "say `on_erasure = \"withhold\"`, or leave it out, which means the same here";
                self.misplaced(&self.raw.on_erasure, "a rule that keeps its rows withholds them from requests", help);
            }
            Some(OnErasure::Anonymise) if action == Some(RawAction::Delete) => {
                let help = "say it of a rule that anonymises, which has the strategies";
                self.misplaced(&self.raw.on_erasure, "a rule that deletes has no strategies to anonymise with", help);
            }
            _ => {}
        }
    }

    /// What overrides rules for all rows would make them pointless.
    fn overrides(&self) {
        if let Some(overrides) = &self.raw.overrides
            && !self.raw.written.contains("where")
            && !self.raw.written.contains("tenant")
        {
            let error = self.error("override-without-where", &overrides.span, "a rule that overrides others needs a `where` or a `tenant`");
            let error = error.label("overrides them for every row");
            self.report(error.help("say for which rows: where = \"kind = 'spam'\"; to replace a rule for all rows, remove it"));
        }
    }

    /// Rows that stay fire nothing. `None` only if something was reported.
    fn triggers(&self) -> Option<Vec<AllowedTrigger>> {
        let raw = self.raw;
        if raw.action.as_ref().is_some_and(|action| action.value == RawAction::Keep) {
            self.misplaced(&raw.triggers, "a rule that keeps its rows fires no triggers", "leave `triggers` out");
            return Some(Vec::new());
        }
        let trigger = |trigger: &RawTrigger| Some(AllowedTrigger { name: value(&trigger.name)?, reason: value(&trigger.reason)? });
        raw.triggers.iter().flat_map(|triggers| &triggers.value).map(trigger).collect()
    }

    /// Rows that stay wait for nothing. `None` only if something was reported.
    fn waits(&self) -> Option<Vec<Wait>> {
        let raw = self.raw;
        if raw.action.as_ref().is_some_and(|action| action.value == RawAction::Keep) {
            let help = "say what happens when nothing is waited for any more, or leave it out";
            self.misplaced(&raw.wait_for, "a rule that keeps its rows waits for nothing", help);
            return Some(Vec::new());
        }
        let name = |at: &At<String>| at.value.clone();
        let wait = |wait: &RawWait| {
            let on = wait.on.as_ref()?.value.iter().map(|(own, other)| (name(own), name(other))).collect();
            Some(Wait { table: TableName { schema: value(&wait.schema), table: value(&wait.table)? }, on })
        };
        raw.wait_for.iter().flat_map(|waits| &waits.value).map(wait).collect()
    }

    /// A secret that a rule names must be there.
    pub(super) fn known_key(&self, key: &At<String>, context: &Context) {
        if context.complete && !context.keys.contains(&key.value) {
            let unknown = self.error("unknown-key-name", &key.span, format!("there is no key `{}`", key.value));
            let help = suggest::did_you_mean(&key.value, context.keys.iter().map(String::as_str));
            self.report(unknown.help(help.unwrap_or_else(|| format!("add [keys.{}] to retentiond.toml", key.value))));
        }
    }

    /// Rows that stay leave nothing behind.
    fn residue(&self) -> Option<Residue> {
        let raw = self.raw;
        if raw.action.as_ref().is_some_and(|action| action.value == RawAction::Keep) {
            self.misplaced(&raw.residue, "a rule that keeps its rows leaves nothing behind", "leave `residue` out");
            return None;
        }
        value(&raw.residue)
    }

    /// Only rows that go can go with their partition.
    fn partitions(&self, facts: Option<&SourceFacts>) {
        let raw = self.raw;
        if raw.action.as_ref().is_some_and(|action| action.value != RawAction::Delete) {
            let help = "say `action = \"delete\"`, or leave it out";
            self.misplaced(&raw.drops_partitions, "only a rule that deletes drops partitions", help);
        }
        if let Some(at) = &raw.drops_partitions
            && facts.is_some_and(|facts| facts.dialect == Some(Dialect::Sqlite))
        {
            let error = self.error("no-partitions", &at.span, "tables of SQLite have no partitions that could be dropped");
            self.report(error.help("leave `partitions` out"));
        }
    }

    fn origin(&self) -> Origin {
        let raw = self.raw;
        let mut spans = BTreeMap::new();
        let texts = [
            ("id", &raw.id),
            ("category", &raw.category),
            ("source", &raw.source),
            ("schema", &raw.schema),
            ("table", &raw.table),
            ("where", &raw.condition),
            ("mark", &raw.mark),
        ];
        spans.extend(texts.into_iter().filter_map(|(key, at)| Some((key.to_owned(), at.as_ref()?.span.clone()))));
        spans.extend(self.spans_of_term());
        spans.extend(overridden(self.file, raw).into_iter().map(|(id, span)| (format!("overrides.{id}"), span)));
        spans.extend(raw.tenant.iter().map(|tenant| ("tenant".to_owned(), tenant.span.clone())));
        spans.extend(raw.start_format.iter().map(|format| ("start_format".to_owned(), format.span.clone())));
        spans.extend(raw.window.iter().map(|window| ("window".to_owned(), window.span.clone())));
        spans.extend(raw.drops_partitions.iter().map(|drops| ("partitions".to_owned(), drops.span.clone())));
        spans.extend(raw.residue.iter().map(|residue| ("residue".to_owned(), residue.span.clone())));
        spans.extend(raw.archive.iter().map(|archive| ("archive".to_owned(), archive.span.clone())));
        spans.extend(raw.evidence.iter().map(|evidence| ("evidence".to_owned(), evidence.span.clone())));
        spans.extend(raw.action.iter().map(|action| ("action".to_owned(), action.span.clone())));
        for (key, columns) in [("key", &raw.key), ("retains", &raw.retains)] {
            spans.extend(
                columns.iter().flat_map(|columns| &columns.value).map(|column| (format!("{key}.{}", column.value), column.span.clone())),
            );
        }
        let triggers = raw.triggers.iter().flat_map(|triggers| &triggers.value).filter_map(|trigger| trigger.name.as_ref());
        spans.extend(triggers.map(|name| (format!("triggers.{}", name.value), name.span.clone())));
        for (number, wait) in raw.wait_for.iter().flat_map(|waits| &waits.value).enumerate() {
            spans.extend(wait.table.iter().map(|table| (format!("wait_for.{number}"), table.span.clone())));
            let pairs = wait.on.iter().flat_map(|on| &on.value);
            spans.extend(pairs.map(|(own, other)| (format!("wait_for.{number}.{}", own.value), own.span.start..other.span.end)));
        }
        spans.extend(raw.suppress.iter().flat_map(|suppress| super::suppress::spans(&suppress.value)));
        dependents::spans(&raw.dependents, "dependents", &mut spans);
        if let Some(RawSubject::Of(subjects)) = raw.subject.as_ref().map(|subject| &subject.value) {
            spans.extend(subjects.iter().map(|(kind, column)| (format!("subject.{}", kind.value), column.span.clone())));
        }
        let columns = raw.anonymise.iter().flat_map(|columns| &columns.value);
        spans.extend(columns.map(|RawAnonymised { column, .. }| (format!("anonymise.{}", column.value), column.span.clone())));
        Origin { file: self.file.file.clone(), header: raw.header.clone(), spans }
    }
}

/// The rules that a rule overrides, with their places. A name without a policy is one of the same policy.
pub(super) fn overridden(file: &RawFile, raw: &RawRule) -> Vec<(RuleId, Range<usize>)> {
    let policy = file.policy.id.as_ref().map_or("", |policy| policy.value.as_str());
    let names = raw.overrides.iter().flat_map(|names| &names.value);
    let id = |name: &str| if name.contains('/') { RuleId::from_full(name) } else { RuleId::new(policy, name) };
    names.map(|name| (id(&name.value), name.span.clone())).collect()
}

pub(super) fn value<T: Clone>(at: &Option<At<T>>) -> Option<T> {
    at.as_ref().map(|at| at.value.clone())
}

fn names(at: &Option<At<Vec<At<String>>>>) -> Vec<String> {
    at.iter().flat_map(|names| &names.value).map(|name| name.value.clone()).collect()
}
