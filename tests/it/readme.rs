//! What the documents say is what happens: README's "Five minutes", command by command, and every example of the guides.

use std::{fs, path::Path, process::Command};

use crate::support::{
    binary::{self, Folder},
    sqlite::Sqlite,
};

/// A block between fences, with its language, in the order of the page.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push((language.to_owned(), body.join("\n")));
        }
    }
    blocks
}

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn five_minutes_go_as_the_readme_says() {
    let readme = page("README.md");
    let section = readme.split("\n## ").find(|section| section.starts_with("Five minutes")).expect("README has five minutes");
    let blocks = blocks(section);
    let shell: Vec<&str> = blocks.iter().filter(|(language, _)| language == "sh").map(|(_, body)| body.as_str()).collect();
    let [prepare, look, act] = shell[..] else { panic!("three blocks of commands: {shell:#?}") };
    let folder = Folder::new("");
    for (_, toml) in blocks.iter().filter(|(language, _)| language == "toml") {
        folder.write(if toml.contains("[[rule]]") { "rules/accounts.toml" } else { "retentiond.toml" }, toml);
    }
    let database = folder.path().join("app.db");
    let statements = prepare.strip_prefix("sqlite3 app.db \"").and_then(|rest| rest.strip_suffix('"')).expect("the command of sqlite3");
    Sqlite::at(&database).execute(statements);

    shell_run(&folder, look);
    let counts = |status| {
        let rule = folder.run(["plan", "--output", "json"]).expect(status).json()["rules"][0]["rows"].clone();
        ["due", "held", "running", "undated"].map(|class| rule[class].as_u64().unwrap_or(u64::MAX))
    };
    assert_eq!(counts(0), [2, 0, 1, 1]);
    let output = shell_run(&folder, act);
    assert_eq!(counts(0), [0, 1, 1, 1], "{output}");
    assert!(output.contains("The ledger verifies"), "{output}");
    assert_eq!(Sqlite::at(&database).column("SELECT CAST(id AS text) FROM accounts ORDER BY id").len(), 3);
    assert_eq!(Sqlite::at(&database).number("SELECT count(*) FROM accounts WHERE id = 2"), 0);
    let release = folder.run(["hold", "list", "--output", "json"]).expect(0).json();
    assert_eq!(release["holds"][0]["matter"], "Case 17");
}

/// Runs commands as a person would paste them; every one must succeed.
fn shell_run(folder: &Folder, script: &str) -> String {
    let programs = Path::new(env!("CARGO_BIN_EXE_retentiond")).parent().expect("a folder of programs");
    let mut command = Command::new("sh");
    command.args(["-euc", script]).current_dir(folder.path()).env_clear().env("PATH", format!("{}:/usr/bin:/bin", programs.display()));
    binary::run(&mut command).expect(0).stdout
}

#[test]
fn the_examples_of_the_guides_load() {
    let (configuration, rules) = (page("docs/configuration.md"), page("docs/rules.md"));
    let toml = |page: &str| blocks(page).into_iter().filter(|(language, _)| language == "toml").map(|(_, body)| body).collect::<Vec<_>>();
    let (configurations, rules) = (toml(&configuration), toml(&rules));
    assert!(!configurations.is_empty() && !rules.is_empty());
    for configuration in &configurations {
        for rule in &rules {
            let folder = Folder::new(configuration).with_rules("example", rule);
            folder.write("pepper.key", "a key of sufficient length");
            let run = folder.run(["check", "--offline"]).expect(0);
            assert!(!run.stderr.contains("warning"), "{run:#?}");
        }
    }
}
