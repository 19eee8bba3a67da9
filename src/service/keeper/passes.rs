//! What the keeper has done once a day: every rule counted, and the ledger verified.

use tracing::Instrument as _;

use super::{Event, Keeper};
use crate::{
    operate::{evidence, measure::measure},
    sweep::stop::StopSwitch,
};

impl Keeper {
    pub(super) fn measure(&mut self) {
        let (switch, signal) = StopSwitch::new();
        self.measuring = Some(switch);
        let (world, state, events, generation) = (self.world.clone(), self.state.clone(), self.events.clone(), self.generation);
        let span = tracing::info_span!("count");
        let measured = async move {
            let tell = |measured| drop(events.send(Event::Measured { generation, measured }));
            match measure(&world, &state, &signal, tell).await {
                Ok(()) => tracing::info!("every rule was counted"),
                Err(obstacle) => tracing::info!(reason = obstacle.reason.name(), "the count was ended"),
            }
            Event::MeasureEnded { generation }
        };
        self.task(measured.instrument(span), move |_| Event::MeasureEnded { generation });
    }

    pub(super) fn verify(&mut self) {
        self.verifying = true;
        let world = self.world.clone();
        let verified = async move {
            let sound = match evidence::verify(&world).await {
                Ok(report) if report.sound => Some(true),
                Ok(report) => {
                    tracing::error!(
                        problems = report.verification.problems.len(),
                        "the ledger does not verify; `retentiond ledger verify` says where"
                    );
                    Some(false)
                }
                Err(error) => {
                    tracing::error!(%error, "the ledger could not be verified");
                    None
                }
            };
            Event::Verified { sound }
        };
        self.task(verified, |_| Event::Verified { sound: None });
    }
}
