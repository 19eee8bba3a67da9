//! Completions and man pages, as shells and `man` get them.

use std::{fs, process::Command};

use crate::support::binary::Folder;

#[test]
fn completions_are_scripts_that_know_the_commands() {
    let folder = Folder::new("");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = folder.run(["completions", shell]).expect(0).stdout;
        for word in ["sweep", "approve", "outside-window", "subjects-file"] {
            assert!(script.contains(word), "the completions of {shell} lack {word}");
        }
    }
    folder.write("completions.bash", &folder.run(["completions", "bash"]).expect(0).stdout);
    let bash = Command::new("bash").arg("-n").arg(folder.path().join("completions.bash")).output().expect("bash");
    assert!(bash.status.success(), "{}", String::from_utf8_lossy(&bash.stderr));
}

#[test]
fn every_command_has_a_page() {
    let folder = Folder::new("");
    let main = folder.run(["man"]).expect(0).stdout;
    assert!(main.contains(".TH retentiond 1"), "{main}");
    folder.run(["man", "--dir", "man"]).expect(0);
    let page =
        |name: &str| fs::read_to_string(folder.path().join(format!("man/{name}.1"))).unwrap_or_else(|error| panic!("{name}: {error}"));
    for (name, option) in [
        ("retentiond", "ledger"),
        ("retentiond-plan", "forecast"),
        ("retentiond-hold-place", "subjects\\-file"),
        ("retentiond-ledger-verify", "file"),
        ("retentiond-state-adopt", "reason"),
        ("retentiond-schedule", "html"),
    ] {
        let text = page(name);
        assert!(text.contains(option), "{name} says nothing of {option}:\n{text}");
        assert!(text.contains("config"), "{name} says nothing of the common options");
    }
}
