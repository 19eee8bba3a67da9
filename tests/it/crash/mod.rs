//! What goes wrong around the protocols: processes killed between any two steps, paused inside a batch, told to stop,
//! servers that die or are far away, replicas that take over, networks that cut a COMMIT in two, two workers in one lane,
//! others who want the same rows.
//!
//! Everything runs through the real binary on a [`ground::Ground`]: one source with something to delete, something to
//! anonymise, something held and something that is not due. Whatever happens, [`ground::Ground::settle_and_judge`] asks the
//! same at the end: are exactly the right rows left, and does the ledger say so? A new kind of accident is a file here.

pub mod archiving;
mod contention;
pub mod dependents;
mod dropping;
mod failover;
pub mod ground;
mod interrupted;
mod latency;
mod network;
mod pause;
mod points;
pub mod seeded;
pub mod sharing;
mod workers;
