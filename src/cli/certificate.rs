//! `retentiond ledger certificate`.

use std::path::PathBuf;

use jiff::Timestamp;

use super::{Common, Done, failure::Failure, ledger, render};
use crate::operate::{
    certificate::{self, Issued, Scope, markdown::markdown, verify},
    digests::Question,
    world::World,
};

/// The ledger, or the certificate, does not verify.
const NOT_SOUND: u8 = 4;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only what these rules did
    #[arg(value_name = "RULE")]
    rules: Vec<String>,
    /// Only from this instant on (RFC 3339)
    #[arg(long, value_name = "INSTANT")]
    from: Option<Timestamp>,
    /// Only before this instant (RFC 3339)
    #[arg(long, value_name = "INSTANT")]
    to: Option<Timestamp>,
    /// Which batches took rows of this subject (where rules say `evidence = "subject"`)
    #[arg(long, value_name = "KIND:VALUE", conflicts_with = "row")]
    subject: Option<String>,
    /// Which batches took this row (where rules say `evidence = "row"`): its table as rules name it, and its key
    #[arg(long, num_args = 2.., value_names = ["SOURCE.TABLE", "COLUMN=VALUE"])]
    row: Vec<String>,
    /// Check this certificate instead, which was issued with `--output json`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rules", "from", "to", "subject", "row"])]
    verify: Option<PathBuf>,
}

pub async fn run(common: &Common, world: &World, args: Args) -> Done {
    if let Some(file) = args.verify {
        return check(common, world, &std::fs::read_to_string(&file).map_err(crate::operate::world::Error::from)?).await;
    }
    let question = match (&args.subject, args.row.as_slice()) {
        (Some(subject), _) => Some(of_subject(subject)?),
        (None, []) => None,
        (None, [table, key @ ..]) => Some(of_row(table, key)?),
    };
    let scope = Scope { rules: args.rules, from: args.from, to: args.to, question };
    match certificate::issue(world, scope).await? {
        Issued::Refused(report) => {
            if !common.json(&report)? {
                ledger::print_verification(&report)?;
            }
            eprintln!("retentiond: no certificate is issued of a ledger that does not verify");
            Ok(NOT_SOUND)
        }
        Issued::Certificate(certificate) => {
            if !common.json(&certificate)? {
                render::line(markdown(&certificate).trim_end())?;
            }
            Ok(0)
        }
    }
}

fn of_subject(text: &str) -> Result<Question, Failure> {
    let (kind, value) = text
        .split_once(':')
        .ok_or_else(|| Failure::Arguments("a subject is written KIND:VALUE, such as `email:ada@example.com`".to_owned()))?;
    Ok(Question::Subject { kind: kind.to_owned(), value: value.to_owned() })
}

fn of_row(table: &str, key: &[String]) -> Result<Question, Failure> {
    let (source, table) =
        table.split_once('.').ok_or_else(|| Failure::Arguments("a table is written SOURCE.TABLE, as rules name it".to_owned()))?;
    let split = |part: &String| part.split_once('=').map(|(column, value)| (column.to_owned(), value.to_owned()));
    let key = key.iter().map(split).collect::<Option<Vec<_>>>();
    let key = key.ok_or_else(|| Failure::Arguments("a key is written COLUMN=VALUE, such as `id=42`".to_owned()))?;
    Ok(Question::Row { source: source.to_owned(), table: table.to_owned(), key })
}

async fn check(common: &Common, world: &World, text: &str) -> Done {
    let checked = verify::verify(world, text).await?;
    if !common.json(&checked)? {
        let verdict = if checked.sound { "The certificate holds" } else { "THE CERTIFICATE DOES NOT HOLD" };
        render::line(&format!("{verdict}: {} proofs computed again.", checked.proofs))?;
        match &checked.not_compared {
            None => render::line("ledger   all that it says of the ledger was compared with it")?,
            Some(why) => {
                render::line(&format!("warning  not compared with its ledger: {why}; its entries, counts and holds are what it says"))?
            }
        }
        for problem in &checked.problems {
            render::line(&format!("problem  {problem}"))?;
        }
    }
    Ok(if checked.sound { 0 } else { NOT_SOUND })
}
