//! What a sweep watches while it walks where nothing was counted beforehand: that its guards hold all the same.

use super::{guard, obstacle::Obstacle};
use crate::{
    policy::Rule,
    sql::selection::{Counts, Survey},
};

/// Sums over the ranges walked so far.
pub struct Watch<'a> {
    rule: &'a Rule,
    /// The engine's own estimate; what was walked counts where it is more.
    estimated_rows: Option<u64>,
    /// Everything was counted beforehand.
    counted: bool,
    /// A person let the rule go beyond its share, or nothing will change.
    beyond_share: bool,
    /// The walk meets starts that are too early to be meant before all others.
    implausible_first: bool,
    walked: Survey,
    /// A range had none of them.
    past_implausible: bool,
    /// Of the range that is looked at.
    here: Option<Survey>,
}

impl<'a> Watch<'a> {
    /// Nothing walked yet.
    pub fn new(rule: &'a Rule, estimated_rows: Option<u64>, counts: Option<&Counts>, beyond_share: bool, implausible_first: bool) -> Self {
        Self {
            rule,
            estimated_rows: estimated_rows.filter(|rows| *rows > 0),
            counted: counts.is_some(),
            beyond_share,
            implausible_first,
            walked: Survey { rows: 0, implausible: 0 },
            past_implausible: false,
            here: None,
        }
    }

    /// Whether ranges are to be looked at before they are acted on. Not where nothing can be found there any more.
    pub fn surveys(&self) -> bool {
        !(self.counted || self.past_implausible && self.estimated_rows.is_some())
    }

    /// Looks at a range before it is acted on. The same range may come again smaller: what was walked is told by
    /// [`Watch::passed`].
    ///
    /// # Errors
    /// [`Reason::ImplausibleDates`](super::obstacle::Reason).
    pub fn before(&mut self, survey: Survey) -> Result<(), Obstacle> {
        self.here = Some(survey);
        let table_rows = self.estimated_rows.unwrap_or(0).max(self.walked.rows + survey.rows);
        guard::plausible(self.rule, self.walked.implausible + survey.implausible, table_rows)
    }

    /// How many rows the next batch may take without approval, of a table of which this much is known; `acted` is the sum
    /// of the batches before it. `None`: as many as are due.
    pub fn share_left(&self, acted: u64) -> Option<u64> {
        if self.counted || self.beyond_share {
            return None;
        }
        let walked = self.walked.rows + self.here.map_or(0, |here| here.rows);
        let table_rows = self.estimated_rows.unwrap_or(0).max(walked);
        guard::share_limit_of_at_least(self.rule, table_rows).map(|limit| limit.saturating_sub(acted))
    }

    /// What all who share the walk have looked at, the range among it that comes next here.
    pub fn together(&mut self, all: Survey, here: Survey) {
        self.walked = Survey { rows: all.rows.saturating_sub(here.rows), implausible: all.implausible.saturating_sub(here.implausible) };
    }

    /// The walk begins anew further up.
    pub fn goes_back(&mut self) {
        self.past_implausible = false;
    }

    /// The range was acted on.
    pub fn passed(&mut self) {
        let Some(here) = self.here.take() else { return };
        self.walked.rows += here.rows;
        self.walked.implausible += here.implausible;
        self.past_implausible |= self.implausible_first && here.rows > 0 && here.implausible == 0;
    }
}
