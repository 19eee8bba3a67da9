//! What a sweep watches while it walks where nothing was counted beforehand: that its guards hold all the same.

use super::{approval::Guard, batch::Doorway, guard, obstacle::Obstacle, prepare::Target};
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
    /// A person let the rule go beyond its share, or nothing will change.
    beyond_share: bool,
    walked: u64,
    implausible: u64,
}

impl<'a> Watch<'a> {
    /// Nothing walked yet.
    pub fn new(rule: &'a Rule, estimated_rows: Option<u64>, counts: Option<&Counts>, beyond_share: bool) -> Self {
        Self { rule, estimated_rows: estimated_rows.unwrap_or(0), counted: counts.is_some(), beyond_share, walked: 0, implausible: 0 }
    }

    /// Looks at a range before it is acted on; `acted` is the sum of the batches before it.
    ///
    /// # Errors
    /// [`Reason::ImplausibleDates`] or [`Reason::MaxShare`].
    pub async fn before(&mut self, target: &Target, door: &Doorway, range: &Range, acted: u64) -> Result<(), Obstacle> {
        if self.counted {
            return Ok(());
        }
        let counts = target.engine.count(&door.selection, range).await?;
        self.walked += counts.total;
        self.implausible += counts.implausible;
        let table_rows = self.estimated_rows.max(self.walked);
        guard::plausible(self.rule, self.implausible, table_rows)?;
        let limit = guard::share_limit(self.rule, table_rows).filter(|_| !self.beyond_share);
        if limit.is_some_and(|limit| acted + counts.due > limit) {
            return Err(Guard::MaxShare.obstacle(self.rule, None));
        }
        Ok(())
    }
}
