//! `archive`: whether what a rule asks for can be done.

use super::{
    Context,
    rule::{Check, value},
};
use crate::{
    diagnostic::{fields::At, suggest},
    policy::{
        Archive, ArchivePlace,
        raw::{RawAction, RawArchive},
    },
};

/// Only rows that go are copied before. `Some(None)` where nothing is.
pub(super) fn archive(check: &Check<'_>, context: &Context) -> Option<Option<Archive>> {
    let raw = check.raw;
    let Some(at) = &raw.archive else { return (!raw.written.contains("archive")).then_some(None) };
    if raw.action.as_ref().is_some_and(|action| action.value != RawAction::Delete) {
        let help = "say `action = \"delete\"`, or leave it out";
        check.misplaced(&raw.archive, "only a rule that deletes makes copies of its rows", help);
        return Some(None);
    }
    let others = [
        ("dependents", "archive-and-dependents", "a rule with dependents can't archive: what goes with its rows would go without a copy"),
        ("suppress", "archive-and-suppress", "a rule that keeps opt-outs can't archive: both read what the statement has deleted"),
    ];
    for (key, code, why) in others.into_iter().filter(|(key, ..)| raw.written.contains(*key)) {
        check.report(check.error(code, &at.span, why).help(format!("leave out `archive` or `{key}`")));
    }
    let RawArchive { to, keep_for } = &at.value;
    if let Some(to) = to
        && let Some((bucket, _)) = to.value.bucket()
    {
        known_bucket(check, bucket, to, context);
    }
    Some(Some(Archive { to: value(to)?, keep_for: value(keep_for)? }))
}

/// How a bucket is reached must be said.
fn known_bucket(check: &Check<'_>, bucket: &str, at: &At<ArchivePlace>, context: &Context) {
    if context.complete && !context.buckets.iter().any(|known| known == bucket) {
        let unknown = check.error("unknown-bucket", &at.span, format!("nothing says how the bucket `{bucket}` is reached"));
        let help = suggest::did_you_mean(bucket, context.buckets.iter().map(String::as_str));
        let block =
            format!("add to retentiond.toml: [buckets.{bucket}] with `region` or `endpoint`, `access_key_id` and `secret_access_key_file`");
        check.report(unknown.help(help.unwrap_or(block)));
    }
}
