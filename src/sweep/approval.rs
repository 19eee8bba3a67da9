//! What a rule waits for, and what a person's approval is given for.
//!
//! A new rule waits, and so does one that may take rows which its approved form would not have taken: its text, the rules
//! it meets, or the shape of its table are others, and not only by keeping longer. What only keeps longer is let through and
//! entered in the ledger, and is what the next form is compared with: a protection that came may not go unseen.
//!
//! An approval lets go as many rows as were counted and ten per cent more; until a sweep has taken all that was due,
//! `max_share` does not count. From then on the approved form goes by itself, within its share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    form::{Form, digest_of},
    guard::{Request, share_limit},
    obstacle::{Obstacle, Reason},
    prepare::Ready,
};
use crate::{
    fault,
    policy::{FirstSweep, Rule},
    sql::selection::{Counts, EndTest},
    state::{self, AUTO, Allowance, Approval, NewApproval, State},
};

/// Why a rule waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// Nobody has approved it yet.
    FirstSweep,
    /// It is not what was approved.
    Changed,
    /// More rows are due than were approved.
    MoreRows,
    /// It would take a larger share of its table than it may.
    MaxShare,
}

impl Guard {
    /// The word in JSON and ledger.
    pub fn name(self) -> &'static str {
        match self {
            Self::FirstSweep => "first_sweep",
            Self::Changed => "changed",
            Self::MoreRows => "more_rows",
            Self::MaxShare => "max_share",
        }
    }

    /// What a sweep says that ends for it.
    pub fn obstacle(self, rule: &Rule, counts: Option<&Counts>) -> Obstacle {
        let (reason, why) = match self {
            Self::FirstSweep => (Reason::Approval, "the rule is new".to_owned()),
            Self::Changed => (Reason::Approval, "the rule, its competitors or its table changed since it was approved".to_owned()),
            Self::MoreRows => (Reason::Approval, "more rows became due than were counted when the rule was approved".to_owned()),
            Self::MaxShare => {
                let share = counts.map_or_else(
                    || "more rows are due".to_owned(),
                    |counts| format!("{} of {} rows are due, more", counts.due, counts.total),
                );
                (Reason::MaxShare, format!("{share} than `max_share` ({}) allows", rule.max_share))
            }
        };
        let id = &rule.id;
        Obstacle::new(reason, format!("{why}; look at `retentiond plan {id}`, then let it go with `retentiond approve {id}`"))
    }
}

/// What a rule waits for; `None`: it may go.
pub fn waits(rule: &Rule, ready: &Ready, approval: Option<&Approval>, counts: Option<&Counts>) -> Option<Guard> {
    let in_force = in_force(ready, approval);
    // What fires is another program: that is nobody's to let through by itself.
    let approved = approval.and_then(|approval| Form::from_text(&approval.form));
    if approved.is_some_and(|approved| approved.fires_otherwise(&ready.form)) {
        return Some(Guard::Changed);
    }
    if rule.first_sweep == FirstSweep::Approve && in_force.is_none() {
        return Some(if approval.is_some() { Guard::Changed } else { Guard::FirstSweep });
    }
    let counts = counts?;
    match in_force.map(|approval| approval.allowance) {
        Some(Allowance::Unlimited) => None,
        Some(Allowance::Rows(rows)) => (counts.due > rows).then_some(Guard::MoreRows),
        Some(Allowance::Spent) | None => share_limit(rule, counts.total).is_some_and(|limit| counts.due > limit).then_some(Guard::MaxShare),
    }
}

/// The approval, if it is of this form, or of one that took no less.
fn in_force<'a>(ready: &Ready, approval: Option<&'a Approval>) -> Option<&'a Approval> {
    let is_of_it = |approval: &&Approval| {
        approval.rule_digest == ready.digest || Form::from_text(&approval.form).is_some_and(|approved| approved.allows(&ready.form))
    };
    approval.filter(|approval| is_of_it(approval) || fault::seeded("approval-of-another-form"))
}

/// How far a person lets a rule go.
#[derive(Debug, Clone, Copy)]
pub struct Leave {
    /// Beyond the share of its table that it may take by itself.
    pub approved: bool,
    /// No more rows than these.
    pub at_most: Option<u64>,
}

/// Whether a rule may go, and how far; enters a person's approval where one is given and something waits for it.
///
/// # Errors
/// [`Reason::Approval`] or [`Reason::MaxShare`], or the state's.
pub async fn leave(state: &State, rule: &Rule, ready: &Ready, counts: Option<&Counts>, request: &Request) -> Result<Leave, Obstacle> {
    if request.dry_run {
        return Ok(Leave { approved: true, at_most: None });
    }
    let mut approval = state.approval(rule.id.as_str()).await?;
    match waits(rule, ready, approval.as_ref(), counts) {
        None => {}
        Some(guard) if request.approve => {
            approve(state, rule, ready, guard, counts, &request.by).await?;
            approval = state.approval(rule.id.as_str()).await?;
        }
        Some(guard) => return Err(guard.obstacle(rule, counts)),
    }
    let in_force = in_force(ready, approval.as_ref());
    match in_force {
        Some(approval) if approval.rule_digest != ready.digest => {
            let changes = changes(approval, ready).unwrap_or_default();
            state.carry_approval(approval, &form_of(rule, ready, &request.by), &changes).await?;
        }
        None if rule.first_sweep == FirstSweep::Auto => {
            let changes = approval.as_ref().and_then(|approval| changes(approval, ready));
            state.let_through(&form_of(rule, ready, &request.by), changes.as_deref()).await?;
        }
        _ => {}
    }
    Ok(match in_force.map(|approval| approval.allowance) {
        Some(Allowance::Unlimited) => Leave { approved: true, at_most: None },
        Some(Allowance::Rows(rows)) => Leave { approved: true, at_most: Some(rows) },
        Some(Allowance::Spent) | None => Leave { approved: false, at_most: None },
    })
}

/// Enters an approval of a rule as it is now, for the rows that were counted and ten per cent more.
///
/// # Errors
/// The state's.
pub async fn approve(
    state: &State,
    rule: &Rule,
    ready: &Ready,
    guard: Guard,
    counts: Option<&Counts>,
    by: &str,
) -> Result<NewApproval, state::Error> {
    let max_rows = counts.map(approved_rows);
    let cutoff = ready.planned.selection.end.as_ref().and_then(EndTest::cutoff);
    let parts = [
        "retentiond approval 1".to_owned(),
        ready.digest.clone(),
        guard.name().to_owned(),
        cutoff.map(|cutoff| cutoff.to_string()).unwrap_or_default(),
        max_rows.map(|rows| rows.to_string()).unwrap_or_default(),
    ];
    let approval = NewApproval { digest: digest_of(parts), guard: guard.name().to_owned(), cutoff, max_rows, ..form_of(rule, ready, by) };
    state.approve(&approval).await?;
    Ok(approval)
}

/// What became otherwise since a form was approved; `None`: a version that kept none approved it.
fn changes(approval: &Approval, ready: &Ready) -> Option<String> {
    let changes = Form::from_text(&approval.form)?.changes(&ready.form);
    Some(changes.sentences().collect::<Vec<_>>().join("; "))
}

/// The form of a rule, to be remembered; by itself it is that of one that waits for nobody.
fn form_of(rule: &Rule, ready: &Ready, by: &str) -> NewApproval {
    NewApproval {
        rule: rule.id.to_string(),
        source: rule.source.clone(),
        rule_digest: ready.digest.clone(),
        digest: String::new(),
        guard: AUTO.to_owned(),
        cutoff: None,
        max_rows: None,
        form: ready.form.to_text(),
        by: by.to_owned(),
    }
}

/// How many rows an approval lets go: ten per cent more than were counted, because rows go on arriving.
fn approved_rows(counts: &Counts) -> u64 {
    counts.due + counts.due.div_ceil(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_is_of_what_was_counted_and_ten_per_cent_more() {
        let counts = |due| Counts { due, total: 10_000, ..Counts::default() };
        assert_eq!([0, 1, 10, 1_000, 1_001].map(|due| approved_rows(&counts(due))), [0, 2, 11, 1_100, 1_102]);
    }
}
