//! What the integration tests share: throwaway databases, a network that fails on command, the real binary.
//!
//! Nothing here sleeps and hopes: helpers wait on a line, a pipe or a process. To add one: a file and a `mod` line.

// Each helper is for several tests; which of them use it is not its business.
#![allow(dead_code)]

pub mod binary;
pub mod cases;
pub mod certificates;
pub mod daemon;
pub mod database;
pub mod exploration;
pub mod files;
pub mod host;
pub mod http;
pub mod mariadb;
pub mod markdown;
pub mod oracle;
pub mod pgbouncer;
pub mod postgres;
pub mod product;
pub mod prometheus;
pub mod proxy;
pub mod s3;
pub mod server;
pub mod session;
pub mod sqlite;
pub mod tmpfs;

use std::{
    future::Future,
    thread,
    time::{Duration, Instant},
};

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

/// Asks again and again until there is an answer.
///
/// # Panics
/// After a minute, which no machine that is fit to run the tests needs.
#[track_caller]
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    const PATIENCE: Duration = Duration::from_secs(60);
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
