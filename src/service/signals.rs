//! Signals: SIGTERM and SIGINT stop, SIGHUP reloads.

use tokio::signal::unix::{SignalKind, signal};

use super::{Event, Events};

/// Passes signals on from now on.
pub(super) fn listen(events: &Events) -> std::io::Result<()> {
    let kinds: [(SignalKind, fn() -> Event); 3] = [
        (SignalKind::terminate(), || Event::Terminate),
        (SignalKind::interrupt(), || Event::Terminate),
        (SignalKind::hangup(), || Event::Reload(None)),
    ];
    for (kind, event) in kinds {
        let mut signals = signal(kind)?;
        let events = events.clone();
        tokio::spawn(async move { while signals.recv().await.is_some() && events.send(event()).is_ok() {} });
    }
    Ok(())
}
