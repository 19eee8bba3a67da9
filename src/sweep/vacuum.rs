//! Dead rows (law 8): a sweep that leaves them faster than the server cleans up goes on slowly, and says so.
//!
//! **Why it slows down and does not stop.** What a delete leaves behind takes no more room than the rows did, and what an
//! update leaves doubles its table at most: the harm is bounded by what is due, whoever cleans up. What keeps vacuum from
//! its work (a transaction that somebody forgot, a replication slot without a reader, autovacuum switched off) may last for
//! weeks, and a promise that waits for it is broken by somebody who never heard of it. So the sweep takes a tenth of its
//! time, which gives autovacuum its turn where it merely is behind, and the log names once in a sweep what is in its way.
//! The walk itself is not slowed: its cursors never scan again what it left dead behind it.

use std::time::{Duration, Instant};

use super::{obstacle::Obstacle, prepare::Target};
use crate::{engine::DeadRows, sql::selection::TableRef};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);

/// Autovacuum begins at what it tolerates and needs its time; so many times that much is a pile.
const PILE: u64 = 2;

/// Looks after a table's dead rows during one sweep.
#[derive(Debug, Default)]
pub struct Watch {
    looked: Option<Instant>,
    piled: bool,
    told: bool,
}

impl Watch {
    /// Asked before each batch: whether dead rows pile up on the table.
    ///
    /// # Errors
    /// The engine's, where it can't be asked.
    pub async fn pile_up(&mut self, target: &Target, table: &TableRef) -> Result<bool, Obstacle> {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return Ok(self.piled);
        }
        let dead = match target.engine.dead_rows(table).await {
            Ok(dead) => dead,
            // Then somebody is busy; a look that comes later does as well.
            Err(error) if error.is_transient() => return Ok(self.piled),
            Err(error) => return Err(error.into()),
        };
        self.looked = Some(Instant::now());
        self.piled = dead.as_ref().is_some_and(piled);
        if let Some(dead) = dead.filter(piled)
            && !std::mem::replace(&mut self.told, true)
        {
            let DeadRows { rows, tolerated, causes } = dead;
            let causes = if causes.is_empty() { "autovacuum has not caught up yet".to_owned() } else { causes.join("; ") };
            tracing::warn!(
                table = table.table,
                rows,
                tolerated,
                causes,
                "dead rows pile up: a gentle sweep goes on at a tenth of its pace"
            );
        }
        Ok(self.piled)
    }
}

fn piled(dead: &DeadRows) -> bool {
    dead.rows > dead.tolerated.saturating_mul(PILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pile_is_more_than_autovacuum_waits_for() {
        let dead = |rows| DeadRows { rows, tolerated: 1_050, causes: Vec::new() };
        assert!(!piled(&dead(2_100)));
        assert!(piled(&dead(2_101)));
    }
}
