//! What systemd is told (`Type=notify`; version 252 ignores `notify-reload`). Without systemd nobody listens.

use std::time::Duration;

use sd_notify::{NotifyState, notify};

/// How long systemd is to wait from each tick on while sweeps end: well above a tick, and little for one that hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Running, with a configuration in force.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Reading the configuration again; [`ready`] ends it.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// Draining, from now on.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
    draining();
}

/// Still draining: a batch that takes longer than `TimeoutStopSec` is not cut off. What it may take is the source's
/// `statement_timeout`, and not systemd's to decide.
pub(super) fn draining() {
    let patience = u32::try_from(PATIENCE.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::ExtendTimeoutUsec(patience)]);
}

/// Alive. Told by the keeper with each tick that it took up, so a keeper that hangs is silent, whatever other threads do; and more
/// often than any sensible `WatchdogSec` asks for.
pub(super) fn watchdog() {
    if sd_notify::watchdog_enabled().is_some() {
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = notify(states) {
        tracing::debug!(%error, "systemd could not be told");
    }
}
