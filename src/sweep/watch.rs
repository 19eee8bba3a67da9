//! What a sweep watches while it walks: that it takes no more than was approved, and, where nothing was counted
//! beforehand, that its guards hold all the same.

use super::{
    batch::Doorway,
    guard::{self, Request},
    obstacle::{Obstacle, Reason},
    prepare::Target,
};
use crate::{
    policy::Rule,
    sql::selection::{Counts, Range},
};

/// Sums over the ranges walked so far.
pub struct Watch<'a> {
    rule: &'a Rule,
    /// The engine's own estimate; what was walked counts where it is more.
    estimated_rows: u64,
    /// Everything was counted beforehand.
    counted: bool,
    /// How many rows a person let go in this sweep.
    approved_rows: Option<u64>,
    /// A person let the rule go beyond its share, or nothing will change.
    approved: bool,
    walked: u64,
    implausible: u64,
}

impl<'a> Watch<'a> {
    /// Nothing walked yet.
    pub fn new(rule: &'a Rule, estimated_rows: Option<u64>, counts: Option<&Counts>, request: &Request) -> Self {
        Self {
            rule,
            estimated_rows: estimated_rows.unwrap_or(0),
            counted: counts.is_some(),
            approved_rows: counts.filter(|_| request.approve).map(guard::approved_rows),
            approved: request.approve || request.dry_run,
            walked: 0,
            implausible: 0,
        }
    }

    /// Looks at a range before it is acted on; `acted` is the sum of the batches before it.
    ///
    /// # Errors
    /// [`Reason::ImplausibleDates`] or [`Reason::MaxShare`].
    pub async fn before(&mut self, target: &Target, door: &Doorway, range: &Range, acted: u64) -> Result<(), Obstacle> {
        if self.approved_rows.is_some_and(|approved| acted > approved) {
            return Err(Obstacle::new(
                Reason::Approval,
                format!(
                    "more rows became due than were counted when the rule was approved; look at `retentiond plan {}` and approve it again",
                    self.rule.id
                ),
            ));
        }
        if self.counted {
            return Ok(());
        }
        let counts = target.engine.count(&door.selection, range).await?;
        self.walked += counts.total;
        self.implausible += counts.implausible;
        let table_rows = self.estimated_rows.max(self.walked);
        guard::plausible(self.rule, self.implausible, table_rows)?;
        let limit = guard::share_limit(self.rule, table_rows).filter(|_| !self.approved);
        if limit.is_some_and(|limit| acted + counts.due > limit) {
            return Err(Obstacle::new(
                Reason::MaxShare,
                format!("more rows are due than `max_share` allows; `retentiond sweep --approve {}` takes them", self.rule.id),
            ));
        }
        Ok(())
    }
}
