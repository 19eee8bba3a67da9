//! Along a page with a shell: its commands in their order, each in the world that the page is about, with an eye on its exit status and on
//! what it says. What a page shows of the output has to be what is printed.

use std::{
    any::Any,
    collections::BTreeMap,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
};

use super::{
    elsewhere,
    page::{self, Page},
};
use crate::support::{
    binary::{self, Run},
    daemon::Daemon,
    product::Product,
};

/// What stands on the pages, and what stands in its place here; what is in braces is the world's.
const PLACEHOLDERS: &[(&str, &str)] = &[
    ("--config /etc/retentiond/retentiond.toml", "--config {folder}/retentiond.toml"),
    ("http://127.0.0.1:9464", "http://{daemon}"),
    ("https://keeper.example.com:9464", "https://{daemon}"),
    ("/run/retentiond/api.sock", "{folder}/api.sock"),
    ("release HOLD", "release {hold}"),
    ("zstd -dc FILE", "zstd -dc {folder}/archive/plans/customers/*.zst"),
    ("--role sweeper", "--role {role}"),
    ("source init NAME", "source init app"),
    ("grants SOURCE", "grants app"),
    ("psql app", "psql '{database}'"),
    ("deploy/", "{folder}/deploy/"),
    ("/etc/grafana/", "{folder}/etc/grafana/"),
    ("/var/lib/grafana/", "{folder}/var/lib/grafana/"),
    // Of the way on a Debian host: whoever runs the tests is root, postgres, and whom the package would have made.
    ("sudo -u postgres ", ""),
    ("sudo ", ""),
    ("chgrp -R retentiond ", "chgrp -R {group} "),
    ("install -d -o \"$USER\"", "install -d"),
    ("/usr/share/doc/retentiond/examples", "{root}/deploy/debian/examples"),
    ("retentiond.service.d/sources.conf /etc", "{root}/deploy/systemd/retentiond.service.d/sources.conf /etc"),
    ("/etc/systemd/", "{folder}/etc/systemd/"),
    ("/etc/retentiond/", "{folder}/etc/retentiond/"),
    ("/srv/retentiond", "{folder}/srv/retentiond"),
    ("ROLE retentiond LOGIN PASSWORD 'PASSWORD'", "ROLE {role} LOGIN PASSWORD 'PASSWORD'"),
    ("--role retentiond", "--role {role}"),
    ("postgres://retentiond:PASSWORD@db.example.com/app", "{address}"),
    ("postgres://postgres@localhost/app?host=/run/postgresql", "{database}"),
];

/// A page, the world that it is about, and what is expected of each of its commands.
pub struct Walk {
    pub page: &'static str,
    pub world: fn() -> World,
    pub steps: &'static [Step],
}

/// One step of a walk.
pub enum Step {
    /// The next command begins like this, ends with this exit status, and says this. Where the page shows what it prints, all of it counts.
    Runs(&'static str, i32, &'static str),
    /// It begins like this, runs on, says this, and is then stopped.
    Stays(&'static str, &'static str),
    /// What happens before the next.
    Then(fn(&mut World)),
}

/// Where a page makes sense.
pub struct World {
    pub product: Product,
    pub daemon: Option<Daemon>,
    /// What stands in braces in [`PLACEHOLDERS`].
    pub values: BTreeMap<&'static str, String>,
    pub environment: Vec<(&'static str, String)>,
    /// Lines of a shell that every later command has before it.
    pub before: String,
    /// Whatever has to live as long.
    pub kept: Vec<Box<dyn Any>>,
}

impl World {
    pub fn of(product: Product) -> Self {
        let folder = product.folder.path().display().to_string();
        let values = BTreeMap::from([("folder", folder), ("root", env!("CARGO_MANIFEST_DIR").to_owned())]);
        Self { product, daemon: None, values, environment: Vec::new(), before: String::new(), kept: Vec::new() }
    }

    /// Starts the daemon of the configuration as it is.
    pub fn start(&mut self) {
        let daemon = Daemon::start(&self.product);
        self.values.insert("daemon", daemon.address.clone());
        self.daemon = Some(daemon);
    }

    /// A path below the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.product.folder.path().join(name)
    }

    fn replaced(&self, text: &str) -> String {
        let text = PLACEHOLDERS.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        let text = self.values.iter().fold(text, |text, (name, value)| text.replace(&format!("{{{name}}}"), value));
        let left = PLACEHOLDERS.iter().flat_map(|(_, to)| to.split('{').skip(1)).filter_map(|rest| rest.split_once('}'));
        for (name, _) in left {
            assert!(!text.contains(&format!("{{{name}}}")), "this world has no {name}: {text}");
        }
        text
    }

    /// `sh` with a person's environment.
    pub fn shell(&self, script: &str) -> Command {
        let programs = PathBuf::from(env!("CARGO_BIN_EXE_retentiond"));
        let programs = programs.parent().expect("a folder of programs").display();
        let mut command = Command::new("sh");
        command.args(["-euc", script]).current_dir(self.product.folder.path()).stdin(Stdio::null());
        command.env_clear().env("PATH", format!("{programs}:/usr/bin:/bin")).env("HOME", self.product.folder.path());
        command.env("NO_COLOR", "1").env("USER", "ada").envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs commands to their end, both outputs in one.
    pub fn paste(&mut self, text: &str) -> Run {
        let text = self.replaced(text);
        let run = binary::run(&mut self.shell(&format!("exec 2>&1\n{}{text}", self.before)));
        if text.starts_with("export ") || text.starts_with("cd ") || text.contains("&& cd ") {
            self.before += &format!("{text}\n");
        }
        run
    }
}

/// What a walk does, in its order.
pub enum Act<'a> {
    Paste(&'a page::Command, &'a Step),
    Then(fn(&mut World)),
}

/// Deals the commands of a page out to the steps; each that is left is a mistake.
pub fn planned<'a>(page: &'a Page, steps: &'a [Step]) -> Result<Vec<Act<'a>>, Vec<String>> {
    let (mut acts, mut mistakes, mut steps) = (Vec::new(), Vec::new(), steps.iter().peekable());
    for command in &page.commands {
        while let Some(Step::Then(act)) = steps.peek() {
            acts.push(Act::Then(*act));
            steps.next();
        }
        let fits = matches!(steps.peek(), Some(Step::Runs(begin, ..) | Step::Stays(begin, _)) if command.text.starts_with(begin));
        match (fits, elsewhere::claims(&page.name, command)) {
            (true, false) => acts.extend(steps.next().map(|step| Act::Paste(command, step))),
            (true, true) => mistakes.push(format!("{}: `{}` is run, and excepted", page.place(command.line), command.text)),
            (false, true) => {}
            (false, false) if command.is_inline && elsewhere::is_mentioned(&command.text) => {}
            (false, false) => mistakes.push(format!("{}: nobody runs `{}`", page.place(command.line), command.text)),
        }
    }
    for step in steps {
        match step {
            Step::Then(act) => acts.push(Act::Then(*act)),
            Step::Runs(begin, ..) | Step::Stays(begin, _) => mistakes.push(format!("{}: there is no `{begin}` any more", page.name)),
        }
    }
    if mistakes.is_empty() { Ok(acts) } else { Err(mistakes) }
}

impl Walk {
    /// Goes along; returns where the page is wrong.
    pub fn go(&self) -> Vec<String> {
        let page = Page::named(self.page);
        let acts = match planned(&page, self.steps) {
            Ok(acts) => acts,
            Err(mistakes) => return mistakes,
        };
        let (mut world, mut mistakes) = ((self.world)(), Vec::new());
        for act in acts {
            match act {
                Act::Then(act) => act(&mut world),
                Act::Paste(command, Step::Runs(_, status, word)) => {
                    let run = world.paste(&command.text);
                    let at = format!("{}: `{}`", page.place(command.line), command.text);
                    if run.status != Some(*status) {
                        mistakes.push(format!("{at} ends with {:?}:\n{}", run.status, run.stdout));
                    } else if !run.stdout.contains(&world.replaced(word)) {
                        mistakes.push(format!("{at} does not say `{word}`:\n{}", run.stdout));
                    } else if !command.shown.trim().is_empty() && normalised(&run.stdout) != normalised(&command.shown) {
                        mistakes.push(format!("{at} prints\n{}where the page shows\n{}", run.stdout, command.shown));
                    }
                }
                Act::Paste(command, Step::Stays(_, word)) => {
                    let text = world.replaced(&command.text);
                    let mut process = binary::start(&mut world.shell(&format!("exec {text}")));
                    process.line(word);
                    process.terminate().expect(0);
                }
                Act::Paste(_, Step::Then(_)) => unreachable!("it runs nothing"),
            }
        }
        if let Some(daemon) = world.daemon.take() {
            daemon.stop().expect(0);
        }
        mistakes
    }
}

/// Goes along all of these, half of them beside the other half.
pub fn go(walks: &'static [Walk]) {
    let halves = walks.chunks(walks.len().div_ceil(2)).map(|half| thread::spawn(|| half.iter().flat_map(Walk::go).collect::<Vec<_>>()));
    let halves: Vec<_> = halves.collect();
    let mistakes: Vec<String> =
        halves.into_iter().flat_map(|half| half.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect();
    assert!(mistakes.is_empty(), "\n{}\n", mistakes.join("\n"));
}

/// What may differ from one world to the next: times, ids, hashes, addresses, who it was, and so the width of a column.
pub fn normalised(output: &str) -> String {
    let is_hex = |word: &str, length| word.len() == length && word.chars().all(|digit| digit.is_ascii_hexdigit());
    let mut lines = Vec::new();
    for line in output.trim().lines() {
        let mut words: Vec<String> = Vec::new();
        for word in line.split_whitespace() {
            let bare = word.trim_end_matches([',', ':', ')']);
            words.push(match words.last().map(String::as_str) {
                _ if [16, 32, 64].iter().any(|length| is_hex(bare, *length)) => word.replace(bare, "HEX"),
                _ if bare.parse::<jiff::Timestamp>().is_ok() => word.replace(bare, "TIME"),
                _ if word.starts_with("sqlite:") || word.contains("://") => "ADDRESS".to_owned(),
                _ if word.parse::<f64>().is_ok() && word.contains('.') => "SECONDS".to_owned(),
                Some("uid" | "(uid" | "process") => "N".to_owned() + &word[bare.len()..],
                Some("on") if words[0] == "daemon" => "HOST,".to_owned(),
                // Of the state's tables, which grow.
                Some("version") if words.len() == 1 => "N".to_owned(),
                _ => word.to_owned(),
            });
        }
        lines.push(words.join(" "));
    }
    lines.join("\n")
}
