//! The keeper: hears every event, one after the other, and is the only one who changes what the daemon is up to. `asked`
//! are the sweeps that somebody asked for, `figures` what is read from the state and who shows it, `passes` what is done once a day.

pub(super) mod asked;
mod figures;
mod passes;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tracing::Instrument as _;

use self::{asked::Asked, figures::Leading};
use super::{
    Event, Events,
    away::Away,
    mounts::Mounts,
    notify,
    recorder::Recorder,
    reload,
    runner::{Ending, Runner},
};
use crate::{
    metrics::Metrics,
    operate::{
        attend,
        report::{RulesReport, Swept},
        sweep::{self, SweepRequest},
        world::World,
    },
    state::{Owner, State},
    sweep::{
        Observer as _,
        guard::Request,
        obstacle::{Outcome, Reason},
        stop::{Stop, StopSwitch},
    },
};

/// How often each source that answers is attended to: pending holds delivered, and rules looked at that can't be enforced.
const ATTEND: Duration = Duration::from_secs(30);
/// How often a mounted configuration is looked at.
const REMOUNT: Duration = Duration::from_secs(5);
/// How often rows are counted, and how often the ledger is verified.
const DAILY: Duration = Duration::from_hours(24);

/// What the daemon is up to.
pub(super) struct Keeper {
    /// The configuration in force, and its number.
    world: Arc<World>,
    /// The same, for whoever answers requests.
    shown: watch::Sender<Arc<World>>,
    generation: u64,
    state: State,
    owner: Owner,
    recorder: Arc<Recorder>,
    ready: Arc<AtomicBool>,
    events: Events,
    runner: Runner,
    /// The sweeps under way, by rule.
    sweeps: BTreeMap<String, Sweeping>,
    asked: Asked,
    /// Sources that are being attended to, and when the others are next.
    attending: BTreeSet<String>,
    attend_at: BTreeMap<String, Instant>,
    /// Sources that don't answer.
    away: BTreeMap<String, Away>,
    leading: Leading,
    measuring: Option<StopSwitch>,
    measure_at: Instant,
    verifying: bool,
    verify_at: Instant,
    refresh_at: Instant,
    /// Where the mounted configuration in force lies, and when it is looked at next.
    mounts: Mounts,
    remount_at: Instant,
    /// The log has said that the state can't be read.
    unreadable: bool,
    stopping: bool,
}

/// A sweep under way, and the configuration that it began with.
struct Sweeping {
    switch: StopSwitch,
    world: Arc<World>,
    by: String,
    since: Timestamp,
}

impl Keeper {
    pub(super) fn new(world: World, state: State, metrics: Arc<Metrics>, ready: Arc<AtomicBool>, events: Events) -> Self {
        let owner = Owner::current(&*world.randomness);
        let now = Instant::now();
        let recorder = Recorder::new(metrics);
        recorder.follow(&world, world.now());
        let world = Arc::new(world);
        Self {
            shown: watch::Sender::new(world.clone()),
            world,
            generation: 0,
            state,
            owner,
            recorder: Arc::new(recorder),
            ready,
            events,
            runner: Runner::default(),
            sweeps: BTreeMap::new(),
            asked: Asked::default(),
            attending: BTreeSet::new(),
            attend_at: BTreeMap::new(),
            away: BTreeMap::new(),
            leading: Leading::not(now),
            measuring: None,
            measure_at: now,
            verifying: false,
            verify_at: now,
            refresh_at: now,
            mounts: Mounts::default(),
            remount_at: now + REMOUNT,
            unreadable: false,
            stopping: false,
        }
    }

    /// The configuration in force, as it changes.
    pub(super) fn shown(&self) -> watch::Receiver<Arc<World>> {
        self.shown.subscribe()
    }

    /// Keeps until it is asked to stop and every sweep has ended; `false`: it was asked twice, and did not wait.
    pub(super) async fn keep(mut self, mut received: mpsc::UnboundedReceiver<Event>) -> bool {
        self.live().await;
        self.take_up().await;
        self.look().await;
        notify::ready();
        tracing::info!(rules = self.world.rules.len(), sources = self.world.config.sources.len(), "running");
        while let Some(event) = received.recv().await {
            match event {
                Event::Look => self.look().await,
                Event::Terminate if self.stopping => {
                    tracing::warn!("asked twice to stop: what is under way is cut off, and settled at the next start");
                    return false;
                }
                Event::Terminate => self.stop().await,
                Event::Reload(reply) => {
                    let reloaded = self.reload().await;
                    // Who asked may be gone.
                    let _ = reply.map(|reply| reply.send(reloaded));
                }
                Event::Ask { ask, reply } => drop(reply.send(self.ask(ask).await)),
                Event::Sweeps(reply) => drop(reply.send(self.sweeps_now())),
                Event::Swept { rule, report } => self.swept(&rule, report).await,
                Event::Attended(attended) => self.attended(&attended),
                Event::Measured { generation, measured } if generation == self.generation => self.recorder.measured(&measured),
                Event::MeasureEnded { generation } if generation == self.generation => self.measuring = None,
                Event::Measured { .. } | Event::MeasureEnded { .. } => {}
                Event::Verified { sound } => {
                    self.verifying = false;
                    if let Some(sound) = sound {
                        self.recorder.verified(sound, self.world.now());
                    }
                }
            }
            if self.stopping && self.sweeps.is_empty() {
                self.leave().await;
                tracing::info!("stopped: every sweep has ended");
                return true;
            }
        }
        true
    }

    /// Takes up the configuration in force, whose series are there already.
    async fn take_up(&mut self) {
        let now = self.world.now();
        let since = self.swept_or_approved().await.unwrap_or_else(|error| self.unreadable(&error));
        match self.state.blocked().await {
            Ok(blocked) => blocked.iter().for_each(|blocked| self.recorder.remembered(blocked)),
            Err(error) => self.unreadable(&error),
        }
        self.runner.replace(reload::jobs(&self.world), &since, now);
        self.forget_what_is_gone();
        self.attend_at.clear();
        self.measuring.take().inspect(|counting| counting.stop(Stop::Changed));
        (self.measure_at, self.refresh_at) = (Instant::now(), Instant::now());
    }

    /// A tick.
    async fn look(&mut self) {
        notify::watchdog();
        self.live().await;
        if self.stopping {
            notify::draining();
            return;
        }
        self.begin_what_is_due().await;
        let tick = Instant::now();
        if self.remount_at <= tick {
            self.remount_at = tick + REMOUNT;
            self.look_at_mounts();
        }
        for source in self.world.config.sources.keys().cloned().collect::<Vec<_>>() {
            if !self.attending.contains(&source) && self.attend_at.get(&source).is_none_or(|at| *at <= tick) {
                self.attend(source);
            }
        }
        if self.leading.leads() && self.measuring.is_none() && self.measure_at <= tick {
            self.measure_at = tick + DAILY;
            self.measure();
        }
        if self.leading.leads() && !self.verifying && self.verify_at <= tick {
            self.verify_at = tick + DAILY;
            self.verify();
        }
        if self.refresh_at <= tick {
            self.refresh().await;
        }
    }

    /// A mounted configuration that was swapped is read again: once, whether or not it is good. Where it lies is looked up before it
    /// is read, so that no swap goes unnoticed, which costs one reload after the start.
    fn look_at_mounts(&mut self) {
        let mounts = Mounts::of(&self.world);
        if mounts != self.mounts {
            tracing::info!("what is mounted may be newer than what was read: reading it again");
            self.mounts = mounts;
            // The keeper hears itself.
            let _ = self.events.send(Event::Reload(None));
        }
    }

    /// Begins the sweeps whose turn it is.
    async fn begin_what_is_due(&mut self) {
        let now = self.world.now();
        if self.stopping || !self.runner.is_due(now) {
            return;
        }
        match self.state.last_successes().await {
            Ok(answered) => {
                let decision = self.runner.look(now, &answered);
                decision.start.into_iter().for_each(|rule| self.sweep(rule));
                for rule in decision.give_way {
                    tracing::info!(rule, "has had its share of the source, others wait");
                    self.ask_to_stop(&rule, Stop::Turn);
                }
            }
            Err(error) => self.unreadable(&error),
        }
    }

    /// Begins a sweep: the same path as the command's, in a task that runs to its end.
    fn sweep(&mut self, rule: String) {
        let (switch, signal) = StopSwitch::new();
        let on_schedule = || Request { by: "the daemon's schedule".to_owned(), answers: self.runner.next(&rule), ..Request::default() };
        let request = self.asked.begin(&rule).unwrap_or_else(on_schedule);
        let sweeping = Sweeping { switch, world: self.world.clone(), by: request.by.clone(), since: self.world.now() };
        self.sweeps.insert(rule.clone(), sweeping);
        self.recorder.started(&rule);
        let (world, recorder) = (self.world.clone(), self.recorder.clone());
        let asked = SweepRequest { rules: vec![rule.clone()], no_count: true, request };
        let name = rule.clone();
        let swept = async move {
            let report = sweep::sweep(&world, &asked, &signal, &*recorder).await.map_err(|error| error.to_string());
            Event::Swept { rule: name, report }
        };
        self.task(swept, |panic| Event::Swept { rule, report: Err(panic) });
    }

    /// Begins a task that runs to its end and tells; should it die, the keeper hears `instead`, with its last words.
    fn task(&self, work: impl Future<Output = Event> + Send + 'static, instead: impl FnOnce(String) -> Event + Send + 'static) {
        let (events, running) = (self.events.clone(), tokio::spawn(work));
        tokio::spawn(async move {
            let event = running.await.unwrap_or_else(|panic| {
                tracing::error!(%panic, "a task died");
                instead(panic.to_string())
            });
            events.send(event)
        });
    }

    fn ask_to_stop(&self, rule: &str, why: Stop) {
        if let Some(sweeping) = self.sweeps.get(rule) {
            sweeping.switch.stop(why);
        }
    }

    async fn swept(&mut self, rule: &str, report: Result<RulesReport, String>) {
        self.sweeps.remove(rule);
        let now = self.world.now();
        let swept = match &report {
            Ok(report) => report.rules.first().and_then(|report| report.swept.as_ref()),
            Err(error) => {
                tracing::error!(rule, error, "a sweep could not be begun");
                None
            }
        };
        self.recorder.swept(rule, swept, now);
        self.look_after(rule, swept);
        let ending = swept.map_or(Ending::TryAgain, ending);
        self.runner.ended(rule, now, ending);
        self.asked_ended(rule, report);
        // Whoever waits for the source does not wait for a tick too. A sweep that goes on does: should it be cut short each
        // time, it begins once a second and no more often.
        if ending != Ending::GoesOn {
            self.begin_what_is_due().await;
        }
        self.refresh().await;
    }

    /// A sweep that found its source gone, or back: the source is looked at now, and not in its turn.
    fn look_after(&mut self, rule: &str, swept: Option<&Swept>) {
        let Some(rule) = self.world.rules.iter().find(|one| one.id.as_str() == rule) else { return };
        let is_away = swept.is_some_and(|swept| swept.reason == Some(Reason::Connection));
        if swept.is_some() && is_away != self.away.contains_key(&rule.source) {
            self.attend_at.remove(&rule.source);
        }
    }

    fn attend(&mut self, source: String) {
        self.attending.insert(source.clone());
        let (world, state, owner) = (self.world.clone(), self.state.clone(), self.owner.clone());
        let (span, name) = (tracing::info_span!("attend", source), source.clone());
        let attended = async move { Event::Attended(attend::attend(&world, &state, &owner, &name).await) };
        self.task(attended.instrument(span), |panic| Event::Attended(attend::Attended::unanswered(source, panic)));
    }

    fn attended(&mut self, attended: &attend::Attended) {
        self.attending.remove(&attended.source);
        let wait = self.until_next(&attended.source, attended.away.as_deref());
        self.attend_at.insert(attended.source.clone(), Instant::now() + wait);
        self.recorder.asked(&attended.source, attended.away.is_none(), attended.uncovered_tables);
        attended.recovered.iter().for_each(|recovered| self.recorder.recovered(recovered));
        let now = self.world.now();
        for (rule, obstacle) in &attended.rules {
            self.recorder.looked_at(rule, obstacle.as_ref(), now);
        }
    }

    /// When a source is attended to next. The log says that it went, why, and that it is back: each once.
    fn until_next(&mut self, source: &str, away: Option<&str>) -> Duration {
        let Some(why) = away else {
            if let Some(was) = self.away.remove(source) {
                tracing::info!(source, tries = was.tries(), "the source answers again");
            }
            return ATTEND;
        };
        let away = self.away.entry(source.to_owned()).or_default();
        if away.is_news(why) {
            tracing::warn!(source, why, "the source does not answer; it is tried again, ever more rarely");
        }
        away.next(&*self.world.randomness)
    }

    /// The first request to stop: nothing begins any more, and what runs ends at its next batch.
    async fn stop(&mut self) {
        notify::stopping();
        tracing::info!(sweeps = self.sweeps.len(), "asked to stop: sweeps end after the batch under way");
        self.stopping = true;
        self.ready.store(false, Ordering::Relaxed);
        self.measuring.take().inspect(|counting| counting.stop(Stop::Shutdown));
        self.sweeps.values().for_each(|sweeping| sweeping.switch.stop(Stop::Shutdown));
        self.give_up().await;
    }

    /// Reads the configuration again. A bad one changes nothing.
    async fn reload(&mut self) -> Result<(), String> {
        if self.stopping {
            return Err("the daemon is stopping".to_owned());
        }
        notify::reloading();
        let reloaded = match reload::read(&self.world) {
            Ok(new) => {
                for (rule, sweeping) in &self.sweeps {
                    if reload::ends_sweep(rule, &sweeping.world, &new) {
                        sweeping.switch.stop(Stop::Changed);
                    }
                }
                self.world = Arc::new(new);
                self.shown.send_replace(self.world.clone());
                self.generation += 1;
                self.recorder.follow(&self.world, self.world.now());
                self.take_up().await;
                tracing::info!(rules = self.world.rules.len(), "reloaded the configuration");
                self.look().await;
                Ok(())
            }
            Err(mistakes) => {
                self.recorder.refused();
                tracing::error!(%mistakes, "the new configuration was refused, the one before stays in force");
                Err(mistakes)
            }
        };
        notify::ready();
        reloaded
    }
}

/// What a sweep's outcome means for its schedule.
fn ending(swept: &Swept) -> Ending {
    match (swept.outcome, swept.reason) {
        (Outcome::Complete | Outcome::NothingDue, _) => Ending::Done,
        (_, Some(Reason::HoldPending | Reason::AnotherWorker | Reason::Shared | Reason::Paused)) | (Outcome::Failed, _) => Ending::TryAgain,
        (_, Some(Reason::Observe)) | (Outcome::Guarded | Outcome::Refused, _) => Ending::NextTime,
        (Outcome::Paused | Outcome::Interrupted, _) => Ending::GoesOn,
    }
}
