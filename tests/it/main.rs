//! The one integration binary: every further one would link sqlx and SQLite again.
//!
//! A new subject is a file beside this one and a `mod` line below. What tests share is in `tests/support`.

#[path = "../support/mod.rs"]
mod support;

mod api;
mod commands;
mod conformance;
mod connections;
mod crash;
mod daemon;
mod demo;
mod deploy;
mod engine_postgres;
mod freeradius;
mod guides;
mod harness;
mod house;
mod laws;
mod logging;
mod manual;
mod mediawiki;
mod memory;
mod model_drop;
mod model_gate;
mod model_settlement;
mod model_walk;
mod oracle;
mod policies;
mod races;
mod readme;
mod remote;
mod schema;
mod seeded_faults;
mod soak;
mod state;
mod watching;
