//! `suppress`, as a file says it.

use toml::de::DeValue;

use crate::{
    diagnostic::fields::{At, Fields},
    policy::{Normalise, OptOutValue, StrategySpec},
};

/// `suppress`.
#[derive(Debug, Clone, PartialEq)]
pub struct RawSuppress {
    pub schema: Option<At<String>>,
    pub table: Option<At<String>>,
    /// In the order of the file.
    pub columns: Option<Vec<RawOptOut>>,
}

/// A column of the other table.
#[derive(Debug, Clone, PartialEq)]
pub struct RawOptOut {
    pub column: At<String>,
    pub value: OptOutValue,
    /// The secret that it names.
    pub key: Option<At<String>>,
}

/// `suppress`.
pub(super) fn suppress(fields: &Fields<'_>) -> Option<At<RawSuppress>> {
    let at = fields.value("suppress")?;
    let inner = fields.inner("suppress")?;
    let (schema, table) = (inner.words("schema"), inner.words("table"));
    let table = inner.need("table", table);
    let written = inner.value("columns");
    inner.need("columns", written.as_ref().map(|written| written.with(())));
    let columns = written.and_then(|written| {
        let all = if let DeValue::Table(table) = written.value.get_ref() { table.len() } else { 0 };
        // What is no table is told there.
        let named = inner.named("columns", "the column");
        if all == 0 && matches!(written.value.get_ref(), DeValue::Table(_)) {
            let empty = inner.reader.error("empty", &written.span, "`columns` names no column");
            inner.reader.report(empty.help(EXAMPLE));
        }
        let columns: Vec<RawOptOut> = named.into_iter().filter_map(|(column, fields)| opt_out(column, &fields)).collect();
        (columns.len() == all && all > 0).then_some(columns)
    });
    inner.finish();
    Some(at.with(RawSuppress { schema, table, columns }))
}

/// What a column may be, for whoever wrote something else.
const EXAMPLE: &str = "write columns = { email_hash = { from = \"email\", strategy = \"hmac\", key = \"pepper\", normalise = \"email\" } }";

/// One column: `from`, hashed or as it is, `fixed`, or `now`.
fn opt_out(column: At<String>, fields: &Fields<'_>) -> Option<RawOptOut> {
    let (from, fixed, now) = (fields.words("from"), fields.text("fixed"), fields.boolean("now"));
    let strategy = fields.choice("strategy", &[("hmac", ())]);
    let key = fields.words("key");
    let normalise = fields.choice("normalise", &[("email", Normalise::Email)]);
    let broken = fields.written().iter().any(|name| match name.as_str() {
        "from" => from.is_none(),
        "fixed" => fixed.is_none(),
        "now" => now.is_none(),
        "strategy" => strategy.is_none(),
        "key" => key.is_none(),
        "normalise" => normalise.is_none(),
        _ => false,
    });
    fields.finish();
    if broken {
        return None;
    }
    let refuse = |message: String, help: &str| {
        fields.reader.report(fields.reader.error("invalid-value", &fields.span, message).help(help));
        None
    };
    let name = &column.value;
    let value = match (from, fixed, now) {
        (Some(from), None, None) if strategy.is_some() => match &key {
            Some(key) => {
                let strategy = StrategySpec::Hmac { key: key.value.clone(), normalise: normalise.map(|at| at.value) };
                OptOutValue::Hashed { from: from.value, strategy }
            }
            None => return refuse(format!("the strategy `hmac` of `{name}` lacks `key`"), "write key = \"…\": the name of a [keys.NAME]"),
        },
        (Some(_), None, None) if key.is_some() || normalise.is_some() => {
            return refuse(format!("`{name}` is copied as it is, without `key` or `normalise`"), "add strategy = \"hmac\" to hash it");
        }
        (Some(from), None, None) => OptOutValue::Copied { from: from.value },
        (None, Some(_), None) | (None, None, Some(_)) if strategy.is_some() || key.is_some() || normalise.is_some() => {
            return refuse(format!("only what comes `from` a column can be hashed, which `{name}` does not"), EXAMPLE);
        }
        (None, Some(fixed), None) => OptOutValue::Fixed(fixed.value),
        (None, None, Some(now)) if now.value => OptOutValue::Now,
        _ => return refuse(format!("`{name}` must be one of `from`, `fixed` and `now = true`"), EXAMPLE),
    };
    Some(RawOptOut { column, value, key })
}
