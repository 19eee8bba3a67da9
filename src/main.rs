//! The binary: composition of clock, randomness and runtime; everything else is in the library.

use std::{process::ExitCode, sync::Arc};

use retentiond::{
    cli::{self, Surroundings},
    clock::{FixedClock, SharedClock, SystemClock, SystemRandomness, WrongClock},
    fault,
};

fn main() -> ExitCode {
    if fault::list() {
        return ExitCode::SUCCESS;
    }
    let clock: SharedClock = match (fault::frozen_now(), fault::clock_error()) {
        (Some(now), _) => Arc::new(FixedClock(now)),
        (None, Some(error)) => Arc::new(WrongClock(error)),
        (None, None) => Arc::new(SystemClock),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("retentiond: the runtime could not be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(cli::run(Surroundings { clock, randomness: Arc::new(SystemRandomness) }))
}
