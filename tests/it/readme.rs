//! What the documents say is what happens: README's "Five minutes" with all that they print, its table of commands, and
//! every example of the guides.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use crate::support::{
    binary::{self, Folder},
    certificates::{Authority, Valid},
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

/// README's section of that name.
fn section(name: &str) -> String {
    let readme = page("README.md");
    let section = readme.split("\n## ").find(|section| section.starts_with(name));
    section.unwrap_or_else(|| panic!("README has a section {name}")).to_owned()
}

/// Commands of a console with what each of them printed.
fn session(block: &str) -> Vec<(&str, String)> {
    let mut session: Vec<(&str, String)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), session.last_mut()) {
            (Some(command), _) => session.push((command, String::new())),
            (None, Some((_, output))) => {
                output.push_str(line);
                output.push('\n');
            }
            (None, None) => panic!("a console begins with a command: {block}"),
        }
    }
    session
}

/// What may differ from one run to the next: times, ids, hashes, the folder, and so the width of a column.
fn normalised(output: &str) -> String {
    let word = |word: &str| {
        let is_hex = |length| word.len() == length && word.chars().all(|digit| digit.is_ascii_hexdigit());
        match word {
            _ if is_hex(16) || is_hex(64) => "HEX".to_owned(),
            _ if word.trim_end_matches(',').parse::<jiff::Timestamp>().is_ok() => "TIME".to_owned(),
            _ if word.starts_with("sqlite:/") => "ADDRESS".to_owned(),
            _ if word.parse::<f64>().is_ok() && word.contains('.') => "SECONDS".to_owned(),
            _ => word.to_owned(),
        }
    };
    output.lines().map(|line| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ") + "\n").collect()
}

#[test]
fn five_minutes_go_as_the_readme_says() {
    let blocks = blocks(&section("Five minutes"));
    let of = |wanted: &'static str| blocks.iter().filter(move |(language, _)| language == wanted).map(|(_, body)| body.as_str());
    let [prepare] = of("sh").collect::<Vec<_>>()[..] else { panic!("one block of commands") };
    let [configuration, rules, more] = of("toml").collect::<Vec<_>>()[..] else { panic!("three files") };
    let folder = Folder::new(configuration).with_rules("accounts", rules);
    let database = folder.path().join("app.db");
    let statements = prepare.strip_prefix("sqlite3 app.db \"").and_then(|rest| rest.strip_suffix('"')).expect("the command of sqlite3");
    Sqlite::at(&database).execute(statements);

    for (command, expected) in of("console").flat_map(session) {
        let printed = shell_run(&folder, command);
        assert_eq!(normalised(&printed), normalised(&expected), "$ {command}\n{printed}");
    }
    let left = Sqlite::at(&database).column("SELECT CAST(id AS text) FROM accounts ORDER BY id");
    assert_eq!(left.into_iter().flatten().collect::<Vec<_>>(), ["1", "3", "4"]);

    // The daemon would begin with the whole of it.
    folder.write("retentiond.toml", &format!("{configuration}\n{more}"));
    folder.run(["check"]).expect(0);
}

/// Everything between back-ticks of the first column of README's commands, word by word.
fn documented_commands() -> Vec<Vec<String>> {
    let section = section("Commands");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let (commands, _) = row.rsplit_once(" | ").expect("two columns");
        let plain = commands.replace("\\|", " ").replace(['`', '[', ']', ',', '|', '…'], " ");
        plain.split_whitespace().map(ToOwned::to_owned).collect()
    })
    .collect()
}

/// The subcommands that a page of help lists.
fn listed(help: &str) -> Vec<String> {
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| line.starts_with("  "));
    let names = commands.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(ToOwned::to_owned).collect()
}

#[test]
fn every_command_and_option_is_as_the_readme_says() {
    let folder = Folder::new("");
    let help = |words: &[&str]| folder.run(words.iter().copied().chain(["--help"])).expect(0).stdout;
    let all = listed(&help(&[]));
    let mut documented = Vec::new();
    for row in documented_commands() {
        let of_row: Vec<&String> = row.iter().take_while(|word| all.contains(word)).collect();
        assert!(!of_row.is_empty(), "no command begins the row {row:?}");
        let options = row.iter().filter(|word| word.starts_with("--"));
        // A row may be of two commands that take the same, and of one with its subcommands.
        for command in of_row {
            let page = help(&[command]);
            let below = listed(&page);
            let pages: String = below.iter().map(|sub| help(&[command, sub])).chain([page.clone()]).collect();
            for option in options.clone() {
                assert!(pages.contains(option.as_str()), "`{command}` has no {option}:\n{pages}");
            }
            for sub in &below {
                assert!(row.contains(sub), "README does not tell of `{command} {sub}`");
            }
            documented.push(command.clone());
        }
    }
    documented.sort();
    let mut all = all;
    all.sort();
    assert_eq!(documented, all, "commands in README's table and in the help");

    let common = section("Commands").lines().skip_while(|line| !line.starts_with("Common:")).take(3).collect::<String>();
    let options: Vec<&str> = common.split(['`', ' ']).filter(|word| word.starts_with("--")).collect();
    assert!(options.len() >= 3, "{common}");
    for option in options {
        assert!(help(&[]).contains(option), "{option} is no option of every command");
    }
}

/// What README runs with cargo and by path is there to be run; `demo` and the tests themselves are run elsewhere.
#[test]
fn what_the_readme_builds_can_be_built() {
    assert_eq!(blocks(&section("See it"))[0].1, "cargo run --release -- demo");
    assert_eq!(blocks(&section("Install"))[0].1, "cargo install --path . --locked");
    assert_eq!(blocks(&section("Tests"))[0].1, "tests/run");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = fs::metadata(root.join("tests/run")).expect("tests/run is there");
    assert_ne!(std::os::unix::fs::PermissionsExt::mode(&script.permissions()) & 0o111, 0, "tests/run can be run");
    // `--locked` fails where the lock file is behind the manifest.
    let cargo = |arguments: &[&str]| {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        binary::run(cargo.args(arguments).args(["--locked", "--offline"]).current_dir(root)).expect(0)
    };
    // Of this platform alone: what others need was never fetched.
    cargo(&["tree", "--depth", "0"]);
    let metadata = cargo(&["metadata", "--no-deps", "--format-version", "1"]).json();
    let own = metadata["packages"].as_array().into_iter().flatten().find(|package| package["name"] == "retentiond");
    let targets = own.map(|package| package["targets"].clone()).expect("our own package");
    assert!(targets.as_array().into_iter().flatten().any(|target| target["name"] == "retentiond" && target["kind"][0] == "bin"));
}

/// Runs commands as a person would paste them; every one must succeed.
fn shell_run(folder: &Folder, script: &str) -> String {
    let programs = Path::new(env!("CARGO_BIN_EXE_retentiond")).parent().expect("a folder of programs");
    let mut command = Command::new("sh");
    command.args(["-euc", script]).current_dir(folder.path()).env_clear().env("PATH", format!("{}:/usr/bin:/bin", programs.display()));
    binary::run(&mut command).expect(0).stdout
}

/// The rule that archives, to a folder and to the bucket of the same page.
#[test]
fn the_examples_of_archives_load() {
    let page = page("docs/archive.md");
    let toml: Vec<String> = blocks(&page).into_iter().filter(|(language, _)| language == "toml").map(|(_, body)| body).collect();
    let [rule, bucket] = &toml[..] else { panic!("a rule and a bucket: {toml:?}") };
    let folder =
        Folder::new(&format!("rules = [\"rules/*.toml\"]\n[sources.app]\nurl = \"sqlite:app.db\"\nnaive_timestamps = \"UTC\"\n{bucket}"));
    folder.write("archive.key", "a key of sufficient length");
    folder.write("store-ca.pem", &Authority::new().pem());
    for rule in [rule.clone(), rule.replace("file:///srv/archive", "s3://archive.example/retention")] {
        folder.write("rules/example.toml", &rule);
        let checked = folder.run(["check", "--offline"]).expect(0);
        assert!(!checked.stderr.contains("warning"), "{checked:#?}");
    }
}

#[test]
fn the_examples_of_the_guides_load() {
    let (configuration, rules) = (page("docs/configuration.md"), page("docs/rules.md"));
    let toml = |page: &str| blocks(page).into_iter().filter(|(language, _)| language == "toml").map(|(_, body)| body).collect::<Vec<_>>();
    let (configurations, rules) = (toml(&configuration), toml(&rules));
    assert!(!configurations.is_empty() && !rules.is_empty());
    let authority = Authority::new();
    let pair = authority.issue("DNS:retentiond", Valid::Now);
    for configuration in &configurations {
        for rule in &rules {
            let folder = Folder::new(configuration).with_rules("example", rule);
            folder.write("pepper.key", "a key of sufficient length");
            folder.write("archive.key", "a key of sufficient length");
            let pem = [("db-ca.pem", &authority.pem()), ("client.pem", &pair.certificate), ("client.key", &pair.key)];
            for (name, text) in pem.into_iter().chain([("api.pem", &pair.certificate), ("api.key", &pair.key)]) {
                let file = folder.write(name, text);
                fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("our own file");
            }
            let run = folder.run(["check", "--offline"]).expect(0);
            assert!(!run.stderr.contains("warning"), "{run:#?}");
        }
    }
}
