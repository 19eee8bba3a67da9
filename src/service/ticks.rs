//! Ticks: once a second somebody says "look". What there is to do at that moment is not the scheduler's business.

use tokio_cron_scheduler::{Job, JobScheduler};

use super::{Event, Events};

const EVERY_SECOND: &str = "* * * * * *";

/// Starts ticking; it ends with the scheduler.
pub(super) async fn start(events: &Events) -> std::io::Result<JobScheduler> {
    let events = events.clone();
    let scheduler = JobScheduler::new().await.map_err(std::io::Error::other)?;
    // The keeper that no longer listens has ended, and the process with it.
    let look = Job::new(EVERY_SECOND, move |_, _| drop(events.send(Event::Look))).map_err(std::io::Error::other)?;
    scheduler.add(look).await.map_err(std::io::Error::other)?;
    scheduler.start().await.map_err(std::io::Error::other)?;
    Ok(scheduler)
}
