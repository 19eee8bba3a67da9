//! `demo`, from an empty folder: what it shows is what the README promises.

use std::fs;

use crate::support::{
    binary::{Folder, run},
    sqlite::Sqlite,
};

fn demo(folder: &Folder, arguments: &[&str]) -> crate::support::binary::Run {
    run(folder.command(arguments).env("RETENTIOND_TEST_NOW", "2026-06-01T10:00:00Z"))
}

#[test]
fn it_tells_the_whole_story() {
    let folder = Folder::new("");
    let told = demo(&folder, &["demo"]).expect(0);
    assert_eq!(told.stderr, "");
    insta::with_settings!({ filters => vec![
        (r"\b[0-9a-f]{64}\b", "<hash>"),
        (r"\b[0-9a-f]{16}\b", "<id>"),
        (r"sqlite:\S+/app\.db", "sqlite:app.db"),
        (r"URL +IS", "URL  IS"),
        (r" +[0-9]+\.[0-9]\n", "  <seconds>\n"),
        // How rows are spread over batches follows the speed of the machine.
        (r"(?m)( [0-9,]+) +[0-9]+( +[0-9]+ +[0-9]+  (?:complete|nothing_due|guarded))", "$1  <batches>$2"),
        (r"verifies: [0-9]+ entries", "verifies: <n> entries"),
        (r"VERIFY: [0-9]+ entries", "VERIFY: <n> entries"),
        (r"head     entry [0-9]+", "head     entry <n>"),
        (r"entry [0-9]+: ", "entry <n>: "),
        (r"that entry [0-9]+ announces", "that entry <n> announces"),
    ] }, { insta::assert_snapshot!(told.stdout) });
}

#[test]
fn its_folder_is_there_to_go_on_with() {
    let folder = Folder::new("");
    demo(&folder, &["demo", "here"]).expect(0);
    let inside = |arguments: &[&str]| {
        let mut command = folder.command(arguments);
        run(command.current_dir(folder.path().join("here")).env("RETENTIOND_TEST_NOW", "2026-06-01T10:00:00Z"))
    };
    for arguments in [&["check"][..], &["plan", "--forecast", "12"], &["ledger", "show"], &["sweep"], &["ledger", "verify"]] {
        inside(arguments).expect(0);
    }
    let data = Sqlite::at(folder.path().join("here/app.db"));
    assert_eq!(data.number("SELECT count(*) FROM accounts WHERE id = 17"), 1, "the held account is still there");
    assert_eq!(data.number("SELECT count(*) FROM message_logs WHERE account_id = 17 AND payload_preview IS NULL"), 0);
    assert_eq!(data.number("SELECT count(*) FROM suppressions"), 150, "what is kept is kept");
    assert_eq!(data.number("SELECT count(*) FROM invoices"), 250);
}

#[test]
fn it_never_writes_over_anything() {
    let folder = Folder::new("");
    fs::create_dir(folder.path().join("retentiond-demo")).expect("a folder");
    let refused = demo(&folder, &["demo"]).expect(2);
    assert!(refused.stderr.contains("retentiond-demo is there already"), "{}", refused.stderr);
    assert_eq!(fs::read_dir(folder.path().join("retentiond-demo")).expect("the folder").count(), 0);
}
