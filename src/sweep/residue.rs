//! What rows that went left behind, after the batches: treated as far as the rule asks, or owed.
//!
//! What is owed is in the state before a batch commits (`State::intend`), and a treatment that succeeded takes it out again: so
//! neither a crash nor a closed window in between loses it, and a sweep that finds nothing due still pays it. The rows are gone
//! whatever happens here; what is in the way of a treatment is told, never fails the sweep, and the next one tries again.
//!
//! **What may be claimed.** A treatment serves what had an outcome when it began: a batch whose outcome is unknown might commit
//! behind it. It serves other rules, too, that asked for no more in the same tables: so the strictest of a table decides.
//!
//! Nothing runs here inside a batch's transaction. A treatment runs in a task of its own to its end, bounded by the server: it is
//! never cut off, because a cancelled statement can leave its connection in a state that nobody knows.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::Instrument as _;

use super::{
    Progress, Sweeper, guard,
    obstacle::{Obstacle, Reason},
    prepare::Ready,
};
use crate::{
    engine::residue::{Remains, Treated, Treatment},
    fault,
    ledger::{AskedResidue, Event, LedgerTable},
    policy::{Mode, Residue, Rule},
    sql::selection::{Selection, TableRef},
    state::Owed,
};

/// A treatment takes no longer than that, in however wide a window.
const LONGEST: Duration = Duration::from_secs(6 * 60 * 60);

/// What became of the residue of one rule.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct ResidueReport {
    pub asked: Residue,
    /// How far it is surely so; `None`: there was nothing to treat.
    pub reached: Option<Residue>,
    /// The tables that were treated.
    pub tables: Vec<String>,
    /// When the first row went of which that was not so yet.
    pub since: Option<Timestamp>,
    /// What is in the way of what was asked for; the next sweep tries again.
    pub pending: Option<String>,
    /// What stays of the rows that went.
    pub remains: Vec<Remains>,
}

impl ResidueReport {
    fn nothing(asked: Residue) -> Self {
        Self { asked, reached: None, tables: Vec::new(), since: None, pending: None, remains: Vec::new() }
    }

    /// A sentence without its full stop; `None`: there is nothing to say.
    pub fn sentence(&self) -> Option<String> {
        let reached = self.reached?.name();
        let asked = self.asked.name();
        Some(match (&self.pending, self.since) {
            (Some(why), since) => {
                let since = since.map_or_else(String::new, |since| format!(" since {since}"));
                format!("residue: `{asked}` is owed{since}, because {why}; the next sweep tries again")
            }
            (None, _) if self.tables.is_empty() => format!("residue: `{reached}`"),
            (None, _) => format!("residue: `{reached}` in {}", self.tables.join(", ")),
        })
    }
}

/// What each batch of a rule enters.
pub fn asked(rule: &Rule, selection: &Selection) -> Option<AskedResidue> {
    let tables = std::iter::once(&selection.table).chain(selection.along().into_iter().map(|dependency| &dependency.rows.table));
    let tables: BTreeSet<LedgerTable> =
        tables.map(|table| LedgerTable { schema: table.schema.clone(), table: table.table.clone() }).collect();
    rule.residue.map(|level| AskedResidue { level: level.name().to_owned(), tables: tables.into_iter().collect() })
}

/// Comes after the batches of a sweep, which `ended` early for that reason.
pub(super) async fn after(
    sweeper: &Sweeper<'_>,
    rule: &Rule,
    ready: &Ready,
    progress: &Progress,
    ended: Option<&Obstacle>,
) -> Option<ResidueReport> {
    let asked = rule.residue?;
    if sweeper.request.dry_run || rule.mode == Mode::Observe || ready.planned.act.is_none() || progress.is_joined {
        return None;
    }
    let report = match treat(sweeper, rule, asked, progress.acted, ended).await {
        Ok(report) => report,
        Err(obstacle) => {
            ResidueReport { reached: Some(Residue::Logical), pending: Some(obstacle.message), ..ResidueReport::nothing(asked) }
        }
    };
    match (&report.pending, report.reached) {
        (Some(why), _) => tracing::warn!(asked = report.asked.name(), why, "the residue of rows that went could not be treated yet"),
        (None, Some(reached)) if !report.tables.is_empty() => {
            tracing::info!(reached = reached.name(), "the residue of rows that went was treated")
        }
        _ => {}
    }
    let remains = match report.reached {
        Some(reached) => sweeper.target.engine.remains(reached).await.unwrap_or_else(|error| vec![unknown(&error)]),
        None => Vec::new(),
    };
    Some(ResidueReport { remains, ..report })
}

/// What can't be asked may be anywhere.
fn unknown(error: &crate::engine::Error) -> Remains {
    Remains { place: "the database's files and logs".to_owned(), until: format!("they could be asked about: {error}") }
}

async fn treat(
    sweeper: &Sweeper<'_>,
    rule: &Rule,
    asked: Residue,
    acted: u64,
    ended: Option<&Obstacle>,
) -> Result<ResidueReport, Obstacle> {
    let nothing = ResidueReport::nothing(asked);
    let known = sweeper.state.owed(Some(&rule.source)).await?;
    let (own, others): (Vec<Owed>, Vec<Owed>) = known.into_iter().partition(|owed| owed.rule == rule.id.as_str());
    let Some(since) = own.iter().map(|owed| owed.since).min() else {
        // Where something went and nothing is owed, another sweep was faster.
        return Ok(ResidueReport { reached: (acted > 0).then_some(asked), ..nothing });
    };
    if asked == Residue::Logical {
        // The rule asked for more once, and does not any more.
        sweeper.state.treated(&rule.source, &own, None).await?;
        return Ok(ResidueReport { reached: Some(asked), ..nothing });
    }
    let pending = |why: String| ResidueReport {
        reached: Some(Residue::Logical),
        since: Some(since),
        pending: Some(why),
        ..ResidueReport::nothing(asked)
    };
    if own.iter().any(|owed| !owed.is_settled) {
        return Ok(pending("whether the last batch was committed is not known yet".to_owned()));
    }
    let mut done: Vec<TableRef> = Vec::new();
    let mut left: Vec<TableRef> = own.iter().map(table_of).collect();
    let mut why = None;
    while !left.is_empty() && why.is_none() {
        let tables = if sweeper.target.engine.treats_all_at_once() { std::mem::take(&mut left) } else { vec![left.remove(0)] };
        let within = match may_go_on(sweeper, rule, ended).await {
            Ok(within) => within,
            Err(obstacle) => {
                why = Some(obstacle.message);
                break;
            }
        };
        fault::point("residue.before");
        match run(sweeper, Treatment { tables: tables.clone(), level: asked, within }).await {
            Ok(Treated::Done) => done.extend(tables),
            Ok(Treated::NotYet(because)) => why = Some(because),
            Err(obstacle) => why = Some(obstacle.message),
        }
    }
    fault::point("residue.done");
    if !done.is_empty() {
        enter(sweeper, rule, asked, since, &done, own, others).await?;
    }
    let tables: Vec<String> = done.iter().map(|table| table.table.clone()).collect();
    Ok(match why {
        Some(why) => ResidueReport { tables, ..pending(why) },
        None => ResidueReport { reached: Some(asked), tables, since: Some(since), ..nothing },
    })
}

/// Forgets what the treatment has paid, with the entry that says so.
async fn enter(
    sweeper: &Sweeper<'_>,
    rule: &Rule,
    reached: Residue,
    since: Timestamp,
    done: &[TableRef],
    own: Vec<Owed>,
    others: Vec<Owed>,
) -> Result<(), Obstacle> {
    let is_treated = |owed: &Owed| sweeper.target.engine.treats_all_at_once() || done.contains(&table_of(owed));
    let served = others.into_iter().filter(|owed| owed.is_settled && owed.level <= reached && is_treated(owed));
    let served: Vec<Owed> = served.collect();
    let also: BTreeSet<String> = served.iter().map(|owed| owed.rule.clone()).collect();
    let tables = done.iter().map(|table| LedgerTable { schema: table.schema.clone(), table: table.table.clone() });
    let event = Event::ResidueTreated {
        rule: rule.id.to_string(),
        source: rule.source.clone(),
        action: rule.action.name().to_owned(),
        reached: reached.name().to_owned(),
        tables: tables.collect(),
        since,
        also: also.into_iter().collect(),
    };
    let paid: Vec<Owed> = own.into_iter().filter(|owed| done.contains(&table_of(owed))).chain(served).collect();
    Ok(sweeper.state.treated(&rule.source, &paid, Some(event)).await?)
}

/// Whether a treatment may begin now, and for how long it may go on.
async fn may_go_on(sweeper: &Sweeper<'_>, rule: &Rule, ended: Option<&Obstacle>) -> Result<Duration, Obstacle> {
    const BESIDES: [Reason; 4] = [Reason::Approval, Reason::MaxShare, Reason::OptOut, Reason::Archive];
    if let Some(obstacle) = ended
        && !BESIDES.contains(&obstacle.reason)
    {
        return Err(Obstacle::new(obstacle.reason, format!("the sweep ended before ({})", obstacle.reason.name())));
    }
    if let Some(stop) = sweeper.stop.asked() {
        return Err(stop.into());
    }
    sweeper.not_paused(rule).await?;
    let (config, zone, now) = (&sweeper.target.config, &sweeper.config.timezone, sweeper.clock.now());
    guard::window(rule, config, zone, now, sweeper.request)?;
    if sweeper.request.outside_window.is_some() {
        return Ok(LONGEST);
    }
    let closes = [(&config.window, zone), (&rule.window, &rule.timezone)];
    let closes = closes.into_iter().filter_map(|(window, zone)| window.as_ref()?.closes(now, zone));
    let left = closes.map(|closes| closes.duration_since(now).unsigned_abs()).min();
    Ok(left.unwrap_or(LONGEST).min(LONGEST))
}

/// To its end, whatever becomes of whoever waits for it.
async fn run(sweeper: &Sweeper<'_>, treatment: Treatment) -> Result<Treated, Obstacle> {
    let engine = sweeper.target.engine.clone();
    let task = async move { engine.treat(&treatment).await };
    match tokio::spawn(task.in_current_span()).await {
        Ok(treated) => Ok(treated?),
        Err(error) => Err(Obstacle::new(Reason::Database, format!("the treatment's task ended: {error}"))),
    }
}

fn table_of(owed: &Owed) -> TableRef {
    TableRef { schema: owed.schema.clone(), table: owed.table.clone() }
}
