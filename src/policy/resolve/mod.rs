//! From what files say to valid rules, or to diagnostics.

use super::{FirstSweep, Mode};

/// What `[defaults]` says for rules that don't say it themselves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RuleDefaults {
    pub mode: Mode,
    pub first_sweep: FirstSweep,
    pub max_share: f64,
}

impl Default for RuleDefaults {
    fn default() -> Self {
        Self { mode: Mode::Enforce, first_sweep: FirstSweep::Approve, max_share: 0.5 }
    }
}
