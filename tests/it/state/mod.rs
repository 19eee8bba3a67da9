//! The state on both of its databases: every scenario is a function of a [`Place`], and runs on each.

mod guards;
mod holds;
mod lanes;
mod ledger;
mod life;
mod members;

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use retentiond::{
    clock::{Clock, SeededRandomness, SharedClock, SystemRandomness},
    config::SourceUrl,
    hold::{HeldSubject, HoldScope},
    ledger::verify::{Verification, Verifier},
    state::{NewApproval, NewHold, Owner, State},
};

use crate::support::{database::Database, sqlite::Sqlite};

/// Where a state is kept.
pub enum Place<'s> {
    Sqlite { folder: tempfile::TempDir },
    Postgres(Database<'s>),
}

impl Place<'static> {
    fn sqlite() -> Self {
        // A name that an address would be misread for: an escape, a parameter, a blank.
        Self::Sqlite { folder: tempfile::Builder::new().prefix("100%25 state").tempdir().expect("a temporary folder") }
    }

    fn postgres() -> Self {
        Self::Postgres(Database::create())
    }
}

impl Place<'_> {
    fn url(&self) -> SourceUrl {
        match self {
            Self::Sqlite { folder } => SourceUrl::parse("sqlite:state.db", folder.path()),
            Self::Postgres(database) => SourceUrl::parse(&database.url, "/".as_ref()),
        }
        .expect("an address")
    }

    /// Does to the tables what nobody should.
    fn execute(&self, statements: &str) {
        match self {
            Self::Sqlite { folder } => Sqlite::at(folder.path().join("state.db")).execute(statements),
            Self::Postgres(database) => database.execute(&format!("SET search_path = retentiond_state; {statements}")),
        }
    }

    /// A new state at noon of a day in 2026, with a clock to move.
    async fn create(&self) -> (State, HandClock) {
        let clock = HandClock::new();
        let state = State::create(&self.url(), clock.shared(), Arc::new(SystemRandomness)).await.expect("a state");
        (state, clock)
    }

    async fn open(&self, clock: &HandClock) -> Result<State, retentiond::state::Error> {
        State::open(&self.url(), clock.shared(), Arc::new(SystemRandomness)).await
    }
}

/// A clock that tests move.
#[derive(Clone)]
pub struct HandClock(Arc<Mutex<Timestamp>>);

impl HandClock {
    fn new() -> Self {
        Self(Arc::new(Mutex::new("2026-06-15T12:00:00Z".parse().expect("a time"))))
    }

    fn shared(&self) -> SharedClock {
        Arc::new(self.clone())
    }

    fn advance(&self, span: jiff::SignedDuration) {
        let mut now = self.0.lock().expect("no test panics here");
        *now = now.checked_add(span).expect("a time");
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("no test panics here")
    }
}

fn subject(kind: &str, value: &str) -> HeldSubject {
    HeldSubject { kind: kind.to_owned(), value: value.to_owned() }
}

fn hold(subjects: &[HeldSubject], scope: HoldScope, sources: &[&str]) -> NewHold {
    NewHold {
        matter: "Smith v. Jones".to_owned(),
        subjects: subjects.to_vec(),
        scope,
        reason: "letter of 3 June".to_owned(),
        by: "counsel".to_owned(),
        sources: sources.iter().map(|source| (*source).to_owned()).collect(),
    }
}

/// An approval of a form of a rule by its digest.
fn approval(rule: &str, rule_digest: &str, max_rows: Option<u64>, by: &str) -> NewApproval {
    NewApproval {
        rule: rule.to_owned(),
        source: "app".to_owned(),
        rule_digest: rule_digest.to_owned(),
        digest: format!("{rule_digest} and more"),
        guard: "first_sweep".to_owned(),
        cutoff: None,
        max_rows,
        form: "{}".to_owned(),
        by: by.to_owned(),
    }
}

/// A process of this test, told apart from others by its number.
fn owner(number: u64) -> Owner {
    Owner::current(&SeededRandomness::new(number))
}

/// The whole ledger, verified.
async fn verified(state: &State) -> Verification {
    let mut verifier = Verifier::default();
    let mut after = 0;
    loop {
        let page = state.stored_entries(after, 7).await.expect("entries");
        let Some((last, _)) = page.last() else { return verifier.finish() };
        after = *last;
        page.into_iter().for_each(|(_, entry)| verifier.push(entry));
    }
}

/// Runs each scenario on both databases.
macro_rules! on_both {
    ($($scenario:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $scenario() {
                super::$scenario($crate::state::Place::sqlite()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $scenario() {
                super::$scenario($crate::state::Place::postgres()).await;
            })+
        }
    };
}
use on_both;
