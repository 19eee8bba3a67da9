//! What systemd is told (`Type=notify`; version 252 ignores `notify-reload`). Without systemd nobody listens.

use sd_notify::{NotifyState, notify};

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

/// Draining.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Alive. Told with each tick, which is more often than any sensible `WatchdogSec` asks for.
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
