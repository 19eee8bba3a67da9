//! retentiond keeps the promise "we keep your data for N years, then delete or anonymise it".
//!
//! # The way of a rule
//!
//! ```text
//!  rules/*.toml ── policy ──> Rule ── plan ──> Selection ── walk ──> range ── batch ──> gate · act · mark · COMMIT
//!                  (pure)      │ shape of the table      (which rows,        │               (one transaction in the target)
//!                              │ precedence, cascades     as data)           │ intent before, outcome after
//!                              └ guards, cut-off                             └──> ledger ──> report
//! ```
//!
//! One direction, no way back. Rows change in one place only, [`sweep::batch`], whatever asks for it. One
//! [`Selection`](sql::selection::Selection), the predicate of the laws as data, serves plan and sweep alike, so that
//! they can't disagree about a row.
//!
//! # The rooms
//!
//! ```text
//! cli          one command a file: arguments in, report out
//! service      the daemon: composition, lifecycle, the runner that decides, metrics and the API over HTTP
//! operate      one use case a file, returning the typed report that is also the JSON
//! sweep        the loop: plan, walk, gate, batch (the doorway), settle, pace, guard
//! engine       connected databases behind one trait      state    retentiond's own database
//! anonymise    strategies      hold    who is held       ledger   entries, chain, verification
//! archive      copies of rows that were deleted
//! sql          pure text: dialects, the selection, statements
//! config       retentiond.toml
//! policy       the rule language: pure, from TOML to valid rules, and the arithmetic of law 1
//! clock  secret  diagnostic  fault  metrics
//! ```
//!
//! Imports run downwards only; rooms on one line don't import each other, and `sqlx` appears only in `sql/mod.rs`,
//! `engine/` and `state/`. The test `house` reads every path in the sources against this picture.
//!
//! # Where to add things
//!
//! An engine: a file in [`engine`] and a line in `engine::connect`. A strategy: a file in [`anonymise`] and a line in
//! `anonymise::strategy`. A command: a file in [`cli`] and a line in its `Command`. A use case: a file in [`operate`].
//! A metric: a field in [`metrics`].

pub mod anonymise;
pub mod archive;
pub mod cli;
pub mod clock;
pub mod config;
pub mod diagnostic;
pub mod engine;
pub mod fault;
pub mod hold;
pub mod ledger;
pub mod metrics;
pub mod operate;
pub mod policy;
pub mod secret;
pub mod service;
pub mod sql;
pub mod state;
pub mod sweep;
