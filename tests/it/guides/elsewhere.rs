//! Commands that no walk runs: those that another test runs, and those that can't be run here, each with its reason. Of the latter at
//! least the names have to be there: each stands in the file that gives it.

use std::path::Path;

use super::page::{Command, Page, all, read};

/// A command that can't be run here.
struct Exception {
    /// How it begins.
    command: &'static str,
    /// Why it is not run.
    why: &'static str,
    /// Words of it, each with the file in which it has to stand.
    names: &'static [(&'static str, &'static str)],
}

const UNIT: &str = "deploy/systemd/retentiond.service";
const SINGLE: &str = "deploy/kubernetes/base/statefulset.yaml";
const NAMESPACE: &str = "deploy/kubernetes/base/namespace.yaml";
const IMAGE: &str = "deploy/docker/Dockerfile";
const VALUES: &str = "deploy/helm/retentiond/values.yaml";
const NO_SYSTEMD: &str = "needs systemd as the first process";
const NO_CLUSTER: &str = "needs a cluster";
const NO_IMAGES: &str = "needs a builder of images";
const BUILDS: &str = "builds or fetches for minutes";

/// The only commands of all pages that are not run. Its names are looked for only in commands that have them.
const EXCEPTIONS: &[Exception] = &[
    // systemd: the unit itself is verified in `deploy/`.
    Exception { command: "systemctl restart grafana-server", why: NO_SYSTEMD, names: &[] },
    Exception { command: "systemctl ", why: NO_SYSTEMD, names: &[("retentiond", UNIT)] },
    Exception { command: "sudo systemctl ", why: NO_SYSTEMD, names: &[("retentiond", UNIT)] },
    Exception { command: "journalctl ", why: NO_SYSTEMD, names: &[("retentiond", UNIT)] },
    Exception {
        command: "rtd() {\n    sudo systemd-run",
        why: NO_SYSTEMD,
        names: &[
            ("--property=StateDirectory=retentiond", UNIT),
            ("--property=StateDirectoryMode=0700", UNIT),
            ("--uid=retentiond", UNIT),
            ("app:/etc/retentiond/secrets/app", "deploy/systemd/retentiond.service.d/sources.conf"),
        ],
    },
    Exception { command: "systemd-analyze security", why: "`deploy/` runs it on the unit", names: &[] },
    // Kubernetes: manifests and chart are rendered and validated in `deploy/`.
    Exception { command: "kubectl get pods", why: NO_CLUSTER, names: &[] },
    Exception { command: "kubectl logs --previous", why: NO_CLUSTER, names: &[] },
    Exception { command: "kubectl describe pod", why: NO_CLUSTER, names: &[] },
    Exception { command: "kubectl create configmap retentiond-dashboards", why: NO_CLUSTER, names: &[] },
    Exception { command: "kubectl label configmap retentiond-dashboards", why: NO_CLUSTER, names: &[] },
    Exception { command: "kubectl create namespace ", why: NO_CLUSTER, names: &[("retentiond", NAMESPACE)] },
    Exception { command: "kubectl apply ", why: NO_CLUSTER, names: &[] },
    Exception { command: "kubectl --namespace ", why: NO_CLUSTER, names: &[("retentiond", NAMESPACE), ("statefulset/retentiond", SINGLE)] },
    Exception {
        command: "rtd() { kubectl --namespace ",
        why: NO_CLUSTER,
        names: &[("retentiond", NAMESPACE), ("statefulset/retentiond", SINGLE), ("/usr/bin/retentiond", IMAGE)],
    },
    Exception {
        command: "helm ",
        why: NO_CLUSTER,
        names: &[("image.repository", VALUES), ("files.retentiond\\.toml", VALUES), ("files.rules-accounts\\.toml", VALUES)],
    },
    // Images.
    Exception { command: "docker build --file ", why: NO_IMAGES, names: &[("retentiond:0.1.0", IMAGE)] },
    Exception {
        command: "docker run ",
        why: NO_IMAGES,
        names: &[
            ("9464:9464", IMAGE),
            ("target=/etc/retentiond", IMAGE),
            ("target=/var/lib/retentiond", IMAGE),
            ("target=/run/secrets/retentiond", VALUES),
        ],
    },
    Exception { command: "docker tag ", why: NO_IMAGES, names: &[("retentiond:0.1.0", IMAGE)] },
    Exception { command: "docker push ", why: NO_IMAGES, names: &[] },
    // Packages and builds.
    Exception { command: "apt install ", why: "installs on this machine", names: &[] },
    Exception { command: "sudo apt install ", why: "`deploy/` installs the package into a root of its own", names: &[] },
    Exception { command: "deploy/debian/build --output ", why: "`deploy/` runs it on the program of the tests", names: &[] },
    Exception { command: "cargo install cargo-deb", why: BUILDS, names: &[("cargo-deb", "deploy/debian/build")] },
    Exception { command: "cargo install --path . --locked --features s3", why: BUILDS, names: &[("s3", "Cargo.toml")] },
    Exception {
        command: "cargo bench --bench side_by_side",
        why: "runs for an hour",
        names: &[("side_by_side", "Cargo.toml"), ("--engine", "benches/side_by_side/main.rs"), ("--rows", "benches/side_by_side/main.rs")],
    },
    Exception { command: "cargo test", why: "it is what runs here", names: &[] },
    // The tests themselves.
    Exception { command: "tests/run ", why: "it is what runs here", names: &[] },
    Exception { command: ".ci/run ", why: "it runs what runs here", names: &[] },
    // Two spans that are no commands.
    Exception { command: "retentiond evidence 1", why: "the text that begins a digest", names: &[] },
    Exception {
        command: "chown root:retentiond",
        why: "takes a group that the package makes",
        names: &[("retentiond", "deploy/systemd/sysusers.conf")],
    },
];

/// Whether a sentence only speaks of a command: `words.rs` reads its words.
pub fn is_mentioned(command: &str) -> bool {
    // What is left out is said so, or is what the command can't do without.
    command.starts_with("retentiond ") && (command.contains('…') || command == "retentiond state adopt")
}

/// A section of which another test runs the blocks.
struct Elsewhere {
    page: &'static str,
    section: &'static str,
    /// The only commands that it runs; empty: it runs whatever is there.
    commands: &'static [&'static str],
    test: &'static str,
}

const README: &str = "README.md";
const IN: &str = "tests/it/readme.rs";
const ELSEWHERE: &[Elsewhere] = &[
    Elsewhere { page: README, section: "Five minutes", commands: &[], test: "five_minutes_go_as_the_readme_says" },
    Elsewhere { page: README, section: "See it", commands: &["cargo run --release -- demo"], test: "what_the_readme_builds_can_be_built" },
    Elsewhere {
        page: README,
        section: "Install",
        commands: &["cargo install --path . --locked"],
        test: "what_the_readme_builds_can_be_built",
    },
    Elsewhere { page: README, section: "Tests", commands: &["tests/run"], test: "what_the_readme_builds_can_be_built" },
];

/// The pages of which another test has the care in part.
pub fn pages() -> impl Iterator<Item = &'static str> {
    ELSEWHERE.iter().map(|elsewhere| elsewhere.page)
}

/// Whether a command of a page is not for a walk.
pub fn claims(page: &str, command: &Command) -> bool {
    ELSEWHERE.iter().any(|elsewhere| elsewhere.runs(page, command)) || exception(&command.text).is_some()
}

impl Elsewhere {
    fn runs(&self, page: &str, command: &Command) -> bool {
        let is_listed = self.commands.is_empty() || self.commands.contains(&command.text.as_str());
        self.page == page && self.section == command.section && !command.is_inline && is_listed
    }
}

fn exception(command: &str) -> Option<&'static Exception> {
    EXCEPTIONS.iter().find(|exception| command.starts_with(exception.command))
}

/// That something stands in a file as a whole word.
fn stands(word: &str, file: &str) -> bool {
    let word = word.rsplit(['=', '/']).next().unwrap_or_default().rsplit("files.").next().unwrap_or_default().replace('\\', "");
    let last = word.rsplit('.').next().filter(|_| file == VALUES && !word.ends_with(".toml"));
    let word = last.unwrap_or(&word).trim_start_matches("--").split(':').next().unwrap_or_default().to_owned();
    let text = read(file);
    text.match_indices(&word).any(|(at, _)| {
        let is_word = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric());
        !is_word(text[..at].chars().last()) && !is_word(text[at + word.len()..].chars().next())
    })
}

#[test]
fn what_can_not_be_run_names_what_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut used = vec![false; EXCEPTIONS.len()];
    for page in all() {
        for command in &page.commands {
            let Some(exception) = exception(&command.text) else { continue };
            let at = format!("{}: `{}`", page.place(command.line), command.text);
            used[EXCEPTIONS.iter().position(|one| std::ptr::eq(one, exception)).expect("it is one of them")] = true;
            for (word, file) in exception.names.iter().filter(|(word, _)| command.text.contains(word)) {
                assert!(stands(word, file), "{at}: {file} has no {word}");
            }
            // Whatever is ours and has a path is there.
            for path in command
                .text
                .split([' ', '\n', '=', '\''])
                .filter(|word| ["deploy/", "tests/", ".ci/", "benches/"].iter().any(|own| word.starts_with(own)))
            {
                assert!(root.join(path).exists(), "{at}: there is no {path}");
            }
            if command.text.starts_with("journalctl")
                && let Some((_, pattern)) = command.text.split_once("grep ")
            {
                is_logged(&at, pattern.trim_start_matches("-E ").trim_matches('"'));
            }
        }
    }
    for (exception, used) in EXCEPTIONS.iter().zip(used) {
        assert!(used && !exception.why.is_empty(), "no page says `{}` any more", exception.command);
    }
}

/// What a runbook looks for in the log are words of lines that are logged, or names a rule, which each line of a sweep does.
fn is_logged(at: &str, pattern: &str) {
    let page = read("docs/logging.md");
    let messages: Vec<&str> = page.lines().filter(|line| line.starts_with("| ") && line.contains('`')).collect();
    for word in pattern.split('|').filter(|word| !word.contains('/')) {
        assert!(messages.iter().any(|line| line.contains(word)), "{at}: no line of the log has `{word}`");
    }
}

#[test]
fn what_another_test_runs_is_run_there() {
    let text = read(IN);
    for elsewhere in ELSEWHERE {
        assert!(text.contains(&format!("#[test]\nfn {}(", elsewhere.test)), "{IN} has no test {}", elsewhere.test);
        assert!(text.contains(&format!("section(\"{}\")", elsewhere.section)), "{IN} does not read {}", elsewhere.section);
        let page = Page::named(elsewhere.page);
        assert!(page.commands.iter().any(|command| elsewhere.runs(&page.name, command)), "{} is empty", elsewhere.section);
    }
}
