//! The course of one sweep between its claim and its release: range after range through the doorway, until nothing is left
//! or something is in the way. What is looked at before each batch is a step of [`Course::next`].

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    BatchDone, LEASE, Progress, Sweeper,
    approval::{Guard, Leave},
    batch::{self, Doorway, Hand, Passage, Piece, Taken},
    guard, lag,
    obstacle::{Obstacle, Reason},
    pace::{Pacer, Pause, Throttle},
    partitions,
    prepare::Ready,
    shared::{Next, Shared, Sharing},
    vacuum,
    walk::{Share, Walk},
    watch::Watch,
};
use crate::{
    config::Pace,
    engine::{self, Partition},
    fault,
    policy::Rule,
    sql::{
        selection::{Counts, Range, Selection, Survey, Way},
        statement,
    },
};

/// One sweep under way.
pub(super) struct Course<'a> {
    sweeper: &'a Sweeper<'a>,
    rule: &'a Rule,
    counts: Option<&'a Counts>,
    leave: Leave,
    door: Doorway,
    /// Partitions that may go as a whole, before their rows are walked.
    partitions: VecDeque<Partition>,
    walk: Walk,
    sharing: Sharing,
    pacer: Pacer,
    replicas: lag::Watch,
    dead_rows: vacuum::Watch,
    guards: Watch<'a>,
    /// The next range, where it was looked for during the last batch.
    ahead: Option<Found>,
    /// When the lease was last renewed.
    kept: Instant,
}

/// The next range, with what is to be known of it before it is acted on; no range: nothing is left.
type Found = Result<Option<(Range, Option<Survey>)>, engine::Error>;

/// What comes next.
enum Step {
    Batch(Piece),
    /// The same again after a while.
    Wait(Pause),
    /// Nothing is left.
    End,
}

impl<'a> Course<'a> {
    /// At the beginning of the table.
    #[expect(clippy::too_many_arguments, reason = "the whole of one sweep, named")]
    pub fn new(
        sweeper: &'a Sweeper<'a>,
        rule: &'a Rule,
        ready: &Ready,
        counts: Option<&'a Counts>,
        share: Option<Share>,
        leave: Leave,
        door: Doorway,
        sharing: Sharing,
    ) -> Result<Self, Obstacle> {
        let limits = &sweeper.target.config.limits;
        let walk = match &sharing {
            Sharing::Joined(shared) => shared.before_the_first(),
            Sharing::Alone | Sharing::Offered => Walk::choose(&ready.ways, share)?,
        };
        let implausible_first = statement::meets_implausible_first(&door.selection, walk.way());
        Ok(Self {
            sweeper,
            rule,
            counts,
            door,
            partitions: VecDeque::new(),
            walk,
            sharing,
            pacer: Pacer::new(limits.narrowed(&rule.limits)),
            replicas: lag::Watch::new(limits.max_replica_lag),
            dead_rows: vacuum::Watch::default(),
            guards: Watch::new(rule, ready.estimated_rows, counts, leave.approved, implausible_first),
            ahead: None,
            kept: Instant::now(),
            leave,
        })
    }

    /// Goes on to the end. Gives the hand back unless a batch's task died with it.
    pub async fn run(mut self, ready: &Ready, mut hand: Hand, progress: &mut Progress) -> (Option<Hand>, Result<(), Obstacle>) {
        let found = match self.sharing {
            // They are the leader's.
            Sharing::Joined(_) => Ok(Vec::new()),
            Sharing::Alone | Sharing::Offered => partitions::candidates(self.sweeper.target, ready).await,
        };
        match found {
            // What is no table of its own could not be told from the rest afterwards, when it is there still.
            Ok(found) => self.partitions = found.into_iter().filter(|partition| partition.is_table || !self.door.dry_run).collect(),
            Err(error) => return (Some(hand), Err(error.into())),
        }
        loop {
            let piece = match self.next(&mut hand, progress).await {
                Ok(Step::Batch(piece)) => piece,
                Ok(Step::Wait(pause)) => {
                    self.pause(pause).await;
                    continue;
                }
                Ok(Step::End) => return (Some(hand), progress.opt_outs.all_taken(self.rule)),
                Err(obstacle) => return (Some(hand), Err(obstacle)),
            };
            let started = Instant::now();
            // Both run to their end, whatever becomes of the other.
            let door = Doorway { is_shared: self.sharing.is_joined(), ..self.door.clone() };
            let passing = async { (batch::pass(door, hand, piece.clone()).await, started.elapsed()) };
            let ((passed, took), ahead) = tokio::join!(passing, self.look_ahead(&piece));
            let (returned, passage) = match passed {
                Ok(passed) => passed,
                Err(obstacle) => return (None, Err(obstacle)),
            };
            hand = returned;
            // A range that follows one which was not passed is none. What went wrong is asked again, now that nothing else is under
            // way: a connection that was cut then ends no sweep.
            self.ahead = ahead.filter(|found| found.is_ok() && matches!(passage, Ok(Passage::Done { .. })));
            match passage {
                Ok(passage) => match self.after(&piece, passage, took, &mut hand, progress).await {
                    Ok(Some(pause)) => self.pause(pause).await,
                    Ok(None) => return (Some(hand), Ok(())),
                    Err(obstacle) => return (Some(hand), Err(obstacle)),
                },
                Err(obstacle) => return (Some(hand), Err(obstacle)),
            }
        }
    }

    async fn next(&mut self, hand: &mut Hand, progress: &Progress) -> Result<Step, Obstacle> {
        let Sweeper { target, clock, config, request, observer, .. } = *self.sweeper;
        // 1. Asked to stop, paused, or out of the window: between batches only.
        if let Some(stop) = self.sweeper.stop.asked() {
            return Err(stop.into());
        }
        self.sweeper.not_paused(self.rule).await?;
        guard::window(self.rule, &target.config, &config.timezone, clock.now(), request)?;
        // Batches that change rows renew the lease; a long walk to the next of them has to do it by itself.
        if self.kept.elapsed() > LEASE / 3 {
            self.kept = Instant::now();
            self.sweeper.state.keep(&hand.claim).await?;
        }
        // 2. How those fare who suffer from what was done so far.
        let advice = self.replicas.before_a_batch(target, |lag| observer.replica_lag(self.rule, lag)).await?;
        if let lag::Advice::Wait(time) = advice {
            return Ok(Step::Wait(Pause { time, why: Throttle::ReplicaLag }));
        }
        self.pacer.slow_down(self.dead_rows.pile_up(target, &self.door.selection.table).await?);
        // 3. The next partition or range.
        if let Some(partition) = self.partitions.front().cloned() {
            return self.next_partition(partition, progress).await;
        }
        if matches!(self.sharing, Sharing::Offered) {
            self.offer(hand, progress).await?;
        }
        let rows = if fault::seeded("batch-unbounded") { u64::MAX / 4 } else { self.pacer.rows() };
        let found = match self.ahead.take() {
            Some(found) => found,
            None => match self.walk.next(&*target.engine, &self.door.selection, rows).await {
                Ok(range) => self.surveyed(range).await,
                Err(error) => Err(error),
            },
        };
        let range = match found {
            Ok(Some((range, survey))) => {
                if let Some(here) = survey {
                    if let Sharing::Joined(shared) = &mut self.sharing {
                        self.guards.together(shared.look(self.sweeper, hand, here).await?, here);
                    }
                    self.guards.before(here)?;
                }
                range
            }
            Ok(None) => return self.next_part(hand).await,
            Err(error) => return self.stumbled(error),
        };
        self.limit(progress);
        if fault::seeded("cutoff-refrozen")
            && let Some(refrozen) = self.sweeper.refrozen(self.rule).await
        {
            self.door.selection = Arc::new(refrozen);
        }
        Ok(Step::Batch(Piece::Rows(range)))
    }

    /// Lets others join, if the walk has an order.
    async fn offer(&mut self, hand: &Hand, progress: &Progress) -> Result<(), Obstacle> {
        self.sharing = Sharing::Alone;
        if *self.walk.way() == Way::Unordered {
            return Ok(());
        }
        let shared = Shared::offer(self.sweeper, hand, &self.door.intent, self.walk.way(), progress).await?;
        self.walk = shared.before_the_first();
        self.sharing = Sharing::Joined(shared);
        Ok(())
    }

    /// What comes when a walk is at its end: another part of the table, where it is shared.
    async fn next_part(&mut self, hand: &mut Hand) -> Result<Step, Obstacle> {
        let Sharing::Joined(shared) = &mut self.sharing else { return Ok(Step::End) };
        let wait = |time| Step::Wait(Pause { time, why: Throttle::OtherWorkers });
        match shared.next(self.sweeper, &self.door.selection, hand, self.pacer.rows()).await? {
            Next::Part(walk) => {
                self.walk = walk;
                if shared.is_second_hand() {
                    self.guards.goes_back();
                }
                Ok(wait(Duration::ZERO))
            }
            Next::Wait(time) => Ok(wait(time)),
            Next::End => Ok(Step::End),
            Next::Stumbled(error) => self.stumbled(error),
        }
    }

    /// A partition that may go as a whole, within the same guards as ranges.
    async fn next_partition(&mut self, partition: Partition, progress: &Progress) -> Result<Step, Obstacle> {
        if self.guards.surveys() {
            let selection = partition.of(&self.door.selection);
            match self.sweeper.target.engine.survey(&selection, &Range::whole(Way::Blocks)).await {
                Ok(survey) => self.guards.before(survey)?,
                Err(error) => {
                    // It takes too long to look at; its rows are looked at in ranges.
                    self.partitions.pop_front();
                    return self.stumbled(error);
                }
            }
        }
        self.limit(progress);
        Ok(Step::Batch(Piece::Partition(partition)))
    }

    /// How many rows the next batch may take; how many may go in all, where the state has the sum.
    fn limit(&mut self, progress: &Progress) {
        let acted = if self.sharing.is_joined() { 0 } else { progress.acted };
        let approved = self.leave.at_most.map(|most| (most.saturating_sub(acted), Guard::MoreRows));
        let share = self.guards.share_left(acted).map(|left| (left, Guard::MaxShare));
        self.door.at_most = approved.into_iter().chain(share).min_by_key(|(rows, _)| *rows);
    }

    /// Looks for the range after one that is being acted on, where the sweep is to be fast: two statements at once are more
    /// than a gentle one asks of a database.
    async fn look_ahead(&self, piece: &Piece) -> Option<Found> {
        let Piece::Rows(range) = piece else { return None };
        if self.pacer.pace() == Pace::Gentle {
            return None;
        }
        let (engine, selection) = (&*self.sweeper.target.engine, &self.door.selection);
        let rest = self.walk.beyond(range)?;
        Some(match engine.next_range(selection, &rest, self.pacer.rows()).await {
            Ok(range) => self.surveyed(range).await,
            Err(error) => Err(error),
        })
    }

    async fn surveyed(&self, range: Option<Range>) -> Found {
        let Some(range) = range else { return Ok(None) };
        let survey = match self.guards.surveys() {
            true => Some(self.sweeper.target.engine.survey(&self.door.selection, &range).await?),
            false => None,
        };
        Ok(Some((range, survey)))
    }

    /// What came of a batch; `None`: that was all.
    async fn after(
        &mut self,
        piece: &Piece,
        passage: Passage,
        took: Duration,
        hand: &mut Hand,
        progress: &mut Progress,
    ) -> Result<Option<Pause>, Obstacle> {
        match passage {
            Passage::Done { taken: Taken { rows, dragged, without_address } } => {
                progress.acted += rows;
                progress.opt_outs.without_address += without_address;
                progress.dragged += dragged;
                progress.batches += u64::from(rows > 0);
                let pause = match piece {
                    // No sweep puts rows back.
                    Piece::Back(_) => Pause { time: Duration::ZERO, why: Throttle::Courtesy },
                    Piece::Rows(range) => {
                        self.walk.passed(range, rows);
                        self.pacer.shared_by(hand.workers);
                        if let Sharing::Joined(shared) = &mut self.sharing {
                            shared.passed();
                        }
                        self.pacer.succeeded(took, rows + dragged)
                    }
                    // Says nothing of how long so many rows take.
                    Piece::Partition(partition) => {
                        self.partitions.pop_front();
                        if self.door.dry_run {
                            // It is there still, and not to be met again.
                            let members = self.door.selection.members.iter().copied().filter(|member| *member != partition.address);
                            self.door.selection = Arc::new(Selection { members: members.collect(), ..(*self.door.selection).clone() });
                        } else {
                            tracing::info!(partition = partition.table.table, rows, "a partition was dropped");
                        }
                        Pause { time: took, why: Throttle::Courtesy }
                    }
                };
                self.guards.passed();
                if rows > 0 {
                    tracing::debug!(rows, "a batch committed");
                    self.sweeper.observer.batch(self.rule, &BatchDone { rows, acted: progress.acted, took });
                    if self.sweeper.request.dry_run && !self.sweeper.request.all {
                        return Ok(None);
                    }
                }
                Ok(Some(pause))
            }
            Passage::Guarded(guard) => Err(guard.obstacle(self.rule, self.counts)),
            Passage::Kept { why, lasting } => {
                if let Some(partition) = self.partitions.pop_front() {
                    let partition = partition.table.table;
                    if lasting {
                        tracing::warn!(partition, why, "a partition can't be dropped and is swept row by row");
                    } else {
                        tracing::info!(partition, why, "a partition is swept row by row");
                    }
                }
                Ok(Some(Pause { time: Duration::ZERO, why: Throttle::Courtesy }))
            }
            Passage::OptOutsRefused(refused) => {
                progress.opt_outs.refused(self.rule, &refused)?;
                let values = refused.into_iter().map(|refused| refused.values);
                self.door.opt_out = self.door.opt_out.as_ref().map(|opt_out| Arc::new(opt_out.without(values)));
                Ok(Some(Pause { time: Duration::ZERO, why: Throttle::Courtesy }))
            }
            Passage::Again { epoch } => {
                hand.numbers = self.sweeper.reload(self.rule, epoch).await?;
                Ok(Some(Pause { time: Duration::ZERO, why: Throttle::Courtesy }))
            }
            Passage::Smaller { why, contended } => {
                // A partition has no smaller size; its rows have.
                self.partitions.pop_front();
                self.give_way(&why, contended).map(Some)
            }
        }
    }

    /// What an error means that was met before a batch began.
    fn stumbled(&mut self, error: engine::Error) -> Result<Step, Obstacle> {
        if !error.is_transient() {
            return Err(error.into());
        }
        self.give_way(&error.to_string(), error.is_contention()).map(Step::Wait)
    }

    /// Nothing is locked any more: what comes next is smaller, and lets others through first.
    fn give_way(&mut self, why: &str, contended: bool) -> Result<Pause, Obstacle> {
        tracing::warn!(why, "a batch met a limit and is tried again smaller");
        self.pacer.met_a_limit(contended).ok_or_else(|| {
            let message = format!("batches kept meeting a limit of the database, down to a single row: {why}; the next sweep tries again");
            Obstacle::new(Reason::Database, message)
        })
    }

    async fn pause(&self, Pause { time, why }: Pause) {
        self.sweeper.observer.throttled(self.rule, why, time);
        self.sweeper.stop.pause(time).await;
    }
}
