//! Triggers, and rewrite rules, which change what a statement does just as well.

use std::collections::HashMap;

use sqlx::{Row as _, postgres::types::Oid};

use super::about;
use crate::engine::{Error, postgres::session::Transaction, shape::Trigger};

/// Those of children and partitions fire when the statement names their parent, if they are for each row; clones of the
/// parent's own are left out, unless somebody switched one of them on or off. `enabled` is for this session: on a replica's role the other half of the triggers fires.
const TRIGGERS: &str = "
    WITH RECURSIVE family AS (
      SELECT root.oid AS root, root.oid FROM unnest($1) AS root (oid)
      UNION SELECT family.root, i.inhrelid FROM pg_inherits i JOIN family ON i.inhparent = family.oid)
    SELECT family.root, t.tgname::text AS name, t.tgtype & 8 <> 0 AS on_delete, t.tgtype & 16 <> 0 AS on_update, t.tgtype & 4 <> 0 AS on_insert,
      ARRAY(SELECT a.attname::text FROM unnest(t.tgattr::int2[]) WITH ORDINALITY AS u (attnum, place)
            JOIN pg_attribute a ON a.attrelid = t.tgrelid AND a.attnum = u.attnum ORDER BY place) AS update_columns,
      fires.enabled,
      encode(sha256(convert_to(pg_get_triggerdef(t.oid) || pg_get_functiondef(t.tgfoid), 'UTF8')), 'hex') AS digest
    FROM pg_trigger t JOIN family ON family.oid = t.tgrelid
    CROSS JOIN LATERAL (SELECT t.tgenabled IN ('A', CASE current_setting('session_replication_role') WHEN 'replica' THEN 'R' ELSE 'O' END)) AS fires (enabled)
    WHERE NOT t.tgisinternal AND (t.tgrelid = family.root OR t.tgtype & 1 <> 0
      AND NOT EXISTS (SELECT FROM pg_trigger p WHERE p.oid = t.tgparentid AND p.tgenabled = t.tgenabled))
    UNION ALL
    SELECT r.ev_class, 'rule ' || r.rulename, r.ev_type = '4', r.ev_type = '2', r.ev_type = '3', '{}', fires.enabled,
      encode(sha256(convert_to(pg_get_ruledef(r.oid), 'UTF8')), 'hex')
    FROM pg_rewrite r
    CROSS JOIN LATERAL (SELECT r.ev_enabled IN ('A', CASE current_setting('session_replication_role') WHEN 'replica' THEN 'R' ELSE 'O' END)) AS fires (enabled)
    WHERE r.ev_class = ANY ($1) AND r.rulename <> '_RETURN'
    ORDER BY name";

pub(super) async fn of(transaction: &mut Transaction, relations: &[Oid]) -> Result<HashMap<Oid, Vec<Trigger>>, Error> {
    about(transaction, TRIGGERS, relations, |row| {
        Ok(Trigger {
            name: row.try_get("name")?,
            digest: row.try_get("digest")?,
            on_delete: row.try_get("on_delete")?,
            on_update: row.try_get("on_update")?,
            on_insert: row.try_get("on_insert")?,
            update_columns: row.try_get("update_columns")?,
            enabled: row.try_get("enabled")?,
        })
    })
    .await
}
