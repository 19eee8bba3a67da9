//! `archive`, as a file says it.

use std::str::FromStr as _;

use crate::policy::period::Period;
use crate::{
    diagnostic::fields::{At, Fields},
    policy::archive::ArchivePlace,
};

/// What `archive` says.
#[derive(Debug, Clone, PartialEq)]
pub struct RawArchive {
    pub to: Option<At<ArchivePlace>>,
    pub keep_for: Option<At<Period>>,
}

/// `archive`.
pub(super) fn archive(fields: &Fields<'_>) -> Option<At<RawArchive>> {
    let at = fields.value("archive")?;
    let inner = fields.inner("archive")?;
    let (to, keep_for) = (inner.parsed("to", ArchivePlace::from_str), inner.parsed("keep_for", Period::parse));
    let archive = RawArchive { to: inner.need("to", to), keep_for: inner.need("keep_for", keep_for) };
    inner.finish();
    Some(at.with(archive))
}
