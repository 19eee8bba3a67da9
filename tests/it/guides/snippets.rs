//! What stands on a page and is no command: configurations are loaded, SQL is run by the engine that it is for, and files of others are
//! read by their programs. A new kind of snippet is a line in [`READERS`].

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::Value;

use super::{
    page::{Page, Snippet, read},
    pages,
    walk::normalised,
};
use crate::support::{
    binary::Folder,
    certificates::{Authority, Valid},
    database::Database,
    mariadb,
    pgbouncer::Pgbouncer,
    product::{Kind, Product},
    prometheus::promtool,
};

/// Who reads the snippets of a page.
enum By {
    This(fn(&[Snippet])),
    /// A test of a file, which reads all that the page has of the language.
    Test(&'static str, &'static str),
}
use By::{Test, This};

/// For each page and language who reads its snippets, all of them.
const READERS: &[(&str, &str, By)] = &[
    ("README.md", "toml", Test("tests/it/readme.rs", "five_minutes_go_as_the_readme_says")),
    ("docs/api.md", "toml", This(configurations)),
    ("docs/archive.md", "", This(files_of_an_archive)),
    ("docs/archive.md", "json", This(policy_of_a_bucket)),
    ("docs/archive.md", "toml", Test("tests/it/readme.rs", "the_examples_of_archives_load")),
    ("docs/configuration.md", "ini", This(before_pgbouncer)),
    ("docs/configuration.md", "toml", Test("tests/it/readme.rs", "the_examples_of_the_guides_load")),
    ("docs/deploying.md", "toml", This(configurations)),
    ("docs/deploying.md", "yaml", This(for_prometheus)),
    ("docs/evidence.md", "python", Test("tests/it/commands/digests.rs", "anybody_can_compute_a_proof_again")),
    ("docs/evidence.md", "toml", This(configurations)),
    ("docs/metrics.md", "yaml", This(for_prometheus)),
    ("docs/operating.md", "toml", This(configurations)),
    ("docs/performance.md", "yaml", This(relabelling)),
    ("docs/residue.md", "json", This(report_of_residue)),
    ("docs/rules.md", "text", This(a_third_rule)),
    ("docs/rules.md", "toml", Test("tests/it/readme.rs", "the_examples_of_the_guides_load")),
    ("docs/runbooks/RetentionThrottled.md", "sql", This(questions)),
    ("deploy/alerts/README.md", "yaml", This(for_prometheus)),
];

/// The pages of which something is read.
pub fn pages() -> impl Iterator<Item = &'static str> {
    READERS.iter().map(|(page, ..)| *page)
}

/// Snippets that nobody reads, or two do.
pub fn unclaimed(page: &Page) -> Vec<String> {
    let readers = |language: &str| READERS.iter().filter(|reader| reader.0 == page.name && reader.1 == language).count();
    let unclaimed = page.snippets.iter().filter(|snippet| readers(&snippet.language) != 1);
    unclaimed.map(|snippet| format!("{}: nobody reads this `{}`", page.place(snippet.line), snippet.language)).collect()
}

#[test]
fn every_snippet_is_what_it_says() {
    for (name, language, by) in READERS {
        let page = Page::named(name);
        let snippets: Vec<Snippet> = page.snippets.into_iter().filter(|snippet| snippet.language == *language).collect();
        assert!(!snippets.is_empty(), "{name} has no `{language}` any more");
        match by {
            This(reader) => reader(&snippets),
            Test(file, test) => assert!(read(file).contains(&format!("#[test]\nfn {test}(")), "{file} has no test {test}"),
        }
    }
}

/// A rule, where there has to be one.
const KEPT: &str = "[policy]\nid = \"p\"\n[[rule]]\nid = \"k\"\ncategory = \"other\"\nsource = \"app\"\ntable = \"t\"\naction = \"keep\"\nreason = \"r\"\n";

/// Parts of a `retentiond.toml`: each with the least that has to stand before it.
fn configurations(snippets: &[Snippet]) {
    let pair = Authority::new().issue("DNS:retentiond", Valid::Now);
    for snippet in snippets {
        let text = snippet.text.replace("/run/secrets/", "");
        let folder = Folder::new(&format!(
            "rules = [\"rules/*.toml\"]\n[sources.app]\nurl = \"postgres://retentiond@localhost/app\"\nnaive_timestamps = \"UTC\"\n{text}"
        ));
        for (name, text) in
            [("rules/p.toml", KEPT), ("evidence", "a key of sufficient length"), ("api.pem", &pair.certificate), ("api.key", &pair.key)]
        {
            let file = folder.write(name, text);
            fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("our own file");
        }
        let checked = folder.run(["check", "--offline"]).expect(0);
        assert!(!checked.stderr.contains("warning"), "{text}\n{checked:#?}");
    }
}

/// Configurations of Prometheus, as its own program reads them.
fn for_prometheus(snippets: &[Snippet]) {
    for snippet in snippets {
        let folder = Folder::new("");
        let rules = folder.write("retentiond.rules.yaml", &read("deploy/alerts/retentiond.rules.yaml"));
        let text = snippet.text.replace("/etc/prometheus/retentiond.rules.yaml", &rules.display().to_string());
        let file = folder.write("prometheus.yml", &text);
        let checked = promtool(&["check", "config", &file.display().to_string()]);
        assert!(checked.status.success(), "{text}\n{checked:?}");
        let listen = read("deploy/debian/examples/retentiond.toml");
        let target = text.split('"').find(|word| word.ends_with(":9464")).expect("a target");
        assert!(listen.contains(&format!("listen = \"{target}\"")), "{target}");
    }
}

/// What is dropped when scraping, by names that there are.
fn relabelling(snippets: &[Snippet]) {
    let metrics = read("docs/metrics.md");
    for snippet in snippets {
        let indented: String = snippet.text.lines().map(|line| format!("    {line}\n")).collect();
        let whole = format!("scrape_configs:\n  - job_name: retentiond\n{indented}");
        let folder = Folder::new("");
        let file = folder.write("prometheus.yml", &whole);
        let checked = promtool(&["check", "config", &file.display().to_string()]);
        assert!(checked.status.success(), "{whole}\n{checked:?}");
        let regex = snippet.text.split('"').nth(1).expect("a pattern");
        for name in regex.replace("(sweep|batch)", "sweep").split('|') {
            assert!(metrics.contains(&format!("`{}`", name.trim_end_matches("_bucket"))), "no metric {name}");
        }
    }
}

/// Where copies lie, and what they are called.
fn files_of_an_archive(snippets: &[Snippet]) {
    let world = pages::archived();
    let pattern = world.path("archive/**/*");
    let paths = glob::glob(pattern.to_str().expect("a path in UTF-8")).expect("a pattern").map(|path| path.expect("a path"));
    let shape = |path: &str| {
        path.split(['-', '.'])
            .map(|part| if part.bytes().any(|letter| letter.is_ascii_digit()) { part.len().to_string() } else { part.to_owned() })
            .collect::<Vec<_>>()
    };
    let below = |path: String| path.split("/archive/").nth(1).map(str::to_owned).expect("below the archive");
    let mut found: Vec<_> = paths.filter(|path| path.is_file()).map(|path| shape(&below(path.display().to_string()))).collect();
    let mut shown: Vec<_> =
        snippets[0].text.lines().filter_map(|line| line.split_whitespace().next()).map(|path| shape(&below(path.to_owned()))).collect();
    found.sort();
    shown.sort();
    assert_eq!(found, shown);
}

/// What the key of a bucket has to be allowed is what the sources ask a store for.
fn policy_of_a_bucket(snippets: &[Snippet]) {
    let policy: Value = serde_json::from_str(&snippets[0].text).expect("JSON");
    let statements = policy["Statement"].as_array().expect("statements");
    assert!(
        statements
            .iter()
            .all(|statement| statement["Effect"] == "Allow"
                && statement["Resource"].as_str().is_some_and(|of| of.contains("archive.example")))
    );
    let allowed: Vec<&str> = statements
        .iter()
        .flat_map(|statement| match &statement["Action"] {
            Value::Array(actions) => actions.iter().filter_map(Value::as_str).collect(),
            action => action.as_str().into_iter().collect::<Vec<_>>(),
        })
        .collect();
    let sources: String = glob::glob(concat!(env!("CARGO_MANIFEST_DIR"), "/src/archive/**/*.rs"))
        .expect("a pattern")
        .map(|path| fs::read_to_string(path.expect("a path")).expect("a source"))
        .collect();
    for (asked, action) in [
        ("put_object", "s3:PutObject"),
        ("get_object", "s3:GetObject"),
        ("delete_object", "s3:DeleteObject"),
        ("list_objects", "s3:ListBucket"),
    ] {
        assert_eq!(sources.contains(asked), allowed.contains(&action), "{asked}, {action}");
    }
    assert!(allowed.contains(&"s3:DeleteObjectVersion") && sources.contains("versionId"));
}

/// pgbouncer takes the lines as they stand, and lets both the state and the source through.
fn before_pgbouncer(snippets: &[Snippet]) {
    let (source, state) = (Database::create(), Database::create());
    let folder = source.server().socket().parent().expect("a folder").to_owned();
    let pooler = Pgbouncer::before(&folder, 1, &snippets[0].text);
    let mut product = Product::new(Kind::Sqlite, "");
    product.connect_by(&pooler.url(source.name()));
    product.keep_state_as(&format!("url = \"{}\"", pooler.url(state.name())));
    source.execute("CREATE TABLE t (id bigint)");
    product.rules("p", KEPT);
    product.cli("source init app").expect(0);
    product.cli("hold place --matter m --table app.t --reason r --by b").expect(0);
}

/// The keys that the page shows are those of a sweep's report.
fn report_of_residue(snippets: &[Snippet]) {
    let shown: Value = serde_json::from_str(&format!("{{{}}}", snippets[0].text)).expect("JSON");
    let world = pages::unclean();
    let report = world.product.cli("sweep --output json").expect(0).json();
    let printed = &report["rules"][0]["residue"];
    let keys = |value: &Value| value.as_object().map(|object| object.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let (mut shown_keys, mut printed_keys) = (keys(&shown["residue"]), keys(printed));
    shown_keys.sort();
    printed_keys.sort();
    assert_eq!(shown_keys, printed_keys, "{printed:#}");
    assert_eq!(keys(&shown["residue"]["remains"][0]), keys(&printed["remains"][0]), "{printed:#}");
    assert_eq!((&printed["asked"], &printed["reached"]), (&shown["residue"]["asked"], &shown["residue"]["reached"]), "{printed:#}");
}

/// It stands behind an example, and goes on with it: on the same table.
fn a_third_rule(snippets: &[Snippet]) {
    let page = Page::named("docs/rules.md");
    for snippet in snippets {
        let before =
            page.snippets.iter().rfind(|other| other.language == "toml" && other.line < snippet.line && other.text.contains("message-log"));
        let before = &before.expect("the example that it speaks of").text;
        let said = |key: &str| before.lines().find(|line| line.starts_with(&format!("{key} = "))).expect("a key of the example").to_owned();
        let more = ["source", "table", "start"]
            .map(|key| if snippet.text.contains(&format!("\n{key} = ")) { String::new() } else { said(key) })
            .join("\n");
        let folder = Folder::new("rules = [\"rules/*.toml\"]\n[sources.app]\nurl = \"sqlite:app.db\"\nnaive_timestamps = \"UTC\"\n");
        folder.write("rules/p.toml", &format!("{before}\n{}\n{more}\n", snippet.text));
        folder.run(["check", "--offline"]).expect(0);
    }
}

/// Each by a server of the engine that its first line names.
fn questions(snippets: &[Snippet]) {
    for snippet in snippets {
        if snippet.text.starts_with("-- PostgreSQL") {
            Database::create().execute(&snippet.text);
        } else {
            assert!(snippet.text.starts_with("-- MariaDB"), "{}", snippet.text);
            mariadb::Server::shared().execute(&snippet.text);
        }
    }
}

/// The shape of an output, of which the walks make much, tells different ones apart.
#[test]
fn what_is_normalised_still_differs() {
    assert_eq!(normalised("by        uid 0\n"), normalised("by  uid 1000"));
    assert_ne!(normalised("rows 2 of 3"), normalised("rows 2 of 4"));
    assert_ne!(normalised("2026-11-23T09:50:36Z  -"), normalised("-  2026-11-23T09:50:36Z"));
}
