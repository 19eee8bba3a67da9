//! How a sweep would find the rows of a rule, as a DBA looks at it: the way, what it reads, and the server's own plan.

use serde::Serialize;

use crate::{
    operate::report::way_name,
    sql::selection::{Range, Way},
    sweep::{
        pace,
        prepare::{Ready, Target},
        walk::Walk,
    },
};

/// The walk of a sweep with little to do, which is what most of them are.
#[derive(Debug, Clone, Serialize)]
pub struct Walked {
    pub way: String,
    /// It reads the whole table, also when nothing is due.
    pub reads_all: bool,
    /// The engine's own estimates of the table.
    pub rows: Option<u64>,
    pub bytes: Option<u64>,
    /// What finds the rows of the first batch, and the server's plan for it; empty where it could not be planned.
    pub statement: String,
    pub plan: Vec<String>,
}

impl Walked {
    /// A sentence about it.
    pub fn sentence(&self) -> String {
        let table = match (self.rows, self.bytes) {
            (Some(rows), Some(bytes)) => format!(" (about {rows} rows, {})", size(bytes)),
            (Some(rows), None) => format!(" (about {rows} rows)"),
            (None, Some(bytes)) => format!(" ({})", size(bytes)),
            (None, None) => String::new(),
        };
        match self.way.as_str() {
            "physical" => format!("the whole table in physical order{table}"),
            "unordered" => format!("the whole table from its beginning for each batch{table}"),
            way if self.reads_all => format!("the whole table by the {way}{table}"),
            way => format!("by the {way}, up to the cut-off; the table{table} is not read beyond it"),
        }
    }
}

/// Looks at the way that a sweep would take, by the engine's plan for its first batch.
///
/// # Errors
/// The engine's, where it can't be asked at all.
pub async fn walked(target: &Target, ready: &Ready) -> Result<Option<Walked>, crate::engine::Error> {
    let selection = &ready.planned.selection;
    let Ok(walk) = Walk::choose(&ready.ways, None) else { return Ok(None) };
    let way = walk.way().clone();
    let by_start = |way: &Way| matches!(way, Way::Columns { columns, .. } if !columns.is_empty() && columns.first().map(|column| column.name.as_str()) == ready.walked.as_deref());
    let whole = Range::whole(way.clone());
    let range = target.engine.next_range(selection, &whole, pace::FIRST).await?.unwrap_or(whole);
    let (statement, plan) = target.engine.explain(selection, &range).await?;
    Ok(Some(Walked {
        way: way_name(&way),
        reads_all: !by_start(&way),
        rows: ready.estimated_rows,
        bytes: ready.estimated_bytes,
        statement,
        plan,
    }))
}

/// Bytes as people read them.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let power = (0..UNITS.len() - 1).take_while(|power| bytes >> (10 * (power + 1)) > 0).count();
    match power {
        0 => format!("{bytes} bytes"),
        // In tenths, because a database of 1 GiB and one of 1.9 are not alike.
        _ => {
            let tenths = (u128::from(bytes) * 10) >> (10 * power);
            format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[power])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_unit_that_suits_them() {
        for (bytes, text) in [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (1_600_000, "1.5 MiB"), (u64::MAX, "16777215.9 TiB")]
        {
            assert_eq!(size(bytes), text);
        }
    }
}
