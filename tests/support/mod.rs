//! What the integration tests share: throwaway databases, a network that fails on command, the real binary.
//!
//! Nothing here sleeps and hopes: helpers wait on a line, a pipe or a process. To add one: a file and a `mod` line.

// Each helper is for several tests; which of them use it is not its business.
#![allow(dead_code)]

pub mod binary;
pub mod cases;
pub mod database;
pub mod exploration;
pub mod oracle;
pub mod postgres;
pub mod product;
pub mod proxy;
pub mod sqlite;

use std::{future::Future, thread};

/// Runs a future to its end from code that may or may not be inside a runtime (`Drop` is both).
///
/// The thread and the runtime are new each time, so nothing of the caller's can be blocked on.
pub fn wait<F, T>(future: F) -> T
where
    F: Future<Output = T> + Send,
    T: Send,
{
    let run = move || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future);
    thread::scope(|scope| scope.spawn(run).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}
