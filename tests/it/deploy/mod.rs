//! What `deploy/` has is what docs/deploying.md says: units, the Debian package, the image's recipe and the manifests are
//! given to the programs that judge them (`tests/run` installs those), and every configuration in there to ours.
//!
//! A new way to deploy is a folder in `deploy/`, a test here, and a section of the page. What can't be run without systemd as
//! the first process, an image builder or a cluster is named in that page.

mod kubernetes;

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::Signal;

use crate::support::{
    binary::{self, Folder, Run},
    daemon::Daemon,
    database::Database,
    http,
};

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    let path = root().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A program that `tests/run` installs for these tests alone.
fn tool(name: &str) -> Command {
    Command::new(std::env::var_os("RETENTIOND_TEST_DEPLOY").map_or_else(|| PathBuf::from(name), |bin| Path::new(&bin).join(name)))
}

/// What follows `key` on the only line of `text` that begins with it.
fn said<'a>(text: &'a str, key: &str) -> &'a str {
    let mut lines = text.lines().filter_map(|line| line.trim_start().strip_prefix(key));
    let value = lines.next().unwrap_or_else(|| panic!("nothing begins with {key}:\n{text}"));
    assert_eq!(lines.next(), None, "{key} is there twice");
    value
}

// --- systemd ---------------------------------------------------------------------------------------------------------

/// The unit and its drop-in, with the program that was just built.
fn unit(folder: &Folder, text: &str) -> PathBuf {
    folder.write("retentiond.service.d/sources.conf", &read("deploy/systemd/retentiond.service.d/sources.conf"));
    folder.write("retentiond.service", &text.replace("/usr/bin/retentiond", env!("CARGO_BIN_EXE_retentiond")))
}

fn exposure(unit: &Path) -> Run {
    binary::run(Command::new("systemd-analyze").args(["security", "--offline=true", "--threshold=15", "--no-pager"]).arg(unit))
}

#[test]
fn the_unit_is_sound_and_hardened() {
    let text = read("deploy/systemd/retentiond.service");
    let folder = Folder::new("");
    let file = unit(&folder, &text);
    // The manual is in the package only.
    let verified = binary::run(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&file)).expect(0);
    assert!(verified.stderr.is_empty(), "{verified:#?}");
    exposure(&file).expect(0);
    // The threshold is one: without the sandbox it is missed.
    let bare = text.lines().filter(|line| !["Protect", "Private", "Restrict", "System", "Capab"].iter().any(|word| line.starts_with(word)));
    assert_ne!(exposure(&unit(&folder, &bare.collect::<Vec<_>>().join("\n"))).status, Some(0));

    // Whether another process runs is read from /proc: `sweep::…::is_gone` would take one that is hidden for gone.
    for hides in ["\nProtectProc", "\nProcSubset"] {
        assert!(!text.contains(hides), "{hides}");
    }
    let user = read("deploy/systemd/sysusers.conf");
    assert!(user.starts_with(&format!("u {} ", said(&text, "User="))), "{user}");
    assert!(user.trim().ends_with(&format!("/var/lib/{}", said(&text, "StateDirectory="))), "{user}");
}

// --- Debian ----------------------------------------------------------------------------------------------------------

/// Our sources in a folder where a package can be built of them beside others who build. The packager that is there for the
/// tests does not know the edition, which has no part in packing.
fn sources(folder: &Path) -> PathBuf {
    let sources = folder.join("sources");
    fs::create_dir_all(sources.join("deploy")).expect("a folder");
    for name in ["Cargo.lock", "LICENSE", "README.md", "benches", "docs", "rules", "src", "tests", "deploy/systemd"] {
        symlink(root().join(name), sources.join(name)).expect("a link");
    }
    let manifest = read("Cargo.toml").replace("\nedition = \"2024\"\n", "\nedition = \"2021\"\n");
    fs::write(sources.join("Cargo.toml"), manifest).expect("a manifest");
    binary::run(Command::new("cp").arg("-r").arg(root().join("deploy/debian")).arg(sources.join("deploy"))).expect(0);
    sources
}

/// `dpkg` on a root of its own, whose scripts run outside of it.
fn dpkg(root: &Path, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Run {
    let mut command = Command::new("dpkg");
    command.arg(format!("--root={}", root.display())).args(["--force-depends", "--force-script-chrootless", "--force-not-root"]);
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C");
    binary::run(command.args(arguments)).expect(0)
}

#[test]
fn the_package_installs_starts_nothing_and_leaves_the_evidence() {
    let folder = Folder::new("");
    let (sources, package, top) = (sources(folder.path()), folder.path().join("retentiond.deb"), folder.path().join("root"));
    let program = folder.path().join("retentiond");
    binary::run(Command::new("strip").arg("-o").arg(&program).arg(env!("CARGO_BIN_EXE_retentiond"))).expect(0);
    let packager = tool("cargo-deb").get_program().to_owned();
    let mut build = Command::new(sources.join("deploy/debian/build"));
    build.env("BINARY", &program).env("CARGO_DEB", packager).env_remove("CARGO_TARGET_DIR").env("CARGO_NET_OFFLINE", "true");
    binary::run(build.args(["--fast", "--compress-type", "gz", "--no-strip", "--output"]).arg(&package)).expect(0);

    for name in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "etc"] {
        fs::create_dir_all(top.join(name)).expect("a folder");
    }
    for name in ["status", "available"] {
        fs::write(top.join("var/lib/dpkg").join(name), "").expect("a file");
    }
    dpkg(&top, [OsStr::new("--install"), package.as_os_str()]);
    let shown = dpkg(&top, ["--status", "retentiond"]).stdout;
    assert!(said(&shown, "Version: ").starts_with(VERSION), "{shown}");
    assert_eq!(said(&shown, "Status: "), "install ok installed");

    let text = |name: &str| fs::read_to_string(top.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(
        text("etc/passwd").lines().any(|line| line.starts_with("retentiond:") && line.ends_with("/var/lib/retentiond:/usr/sbin/nologin"))
    );
    for (name, mode) in [("etc/retentiond", 0o750), ("etc/retentiond/rules", 0o750), ("etc/retentiond/secrets", 0o700)] {
        assert_eq!(fs::metadata(top.join(name)).expect(name).permissions().mode() & 0o7777, mode, "{name}");
    }
    for name in ["usr/share/man/man1/retentiond-hold-place.1.gz", "usr/share/bash-completion/completions/retentiond"] {
        assert!(fs::metadata(top.join(name)).expect(name).size() > 0);
    }
    // Nothing is enabled, and there is nothing that it could start with.
    assert!(!top.join("etc/systemd").exists());
    let condition = said(&text("usr/lib/systemd/system/retentiond.service"), "ConditionPathExists=").trim_start_matches('/').to_owned();
    assert!(!top.join(&condition).exists(), "{condition} is the operator's");

    // The examples, copied as the page says, are read by the program that was installed.
    let examples = top.join("usr/share/doc/retentiond/examples");
    binary::run(
        Command::new("cp").args(["-r"]).arg(examples.join("retentiond.toml")).arg(examples.join("rules")).arg(top.join("etc/retentiond")),
    )
    .expect(0);
    fs::write(top.join("etc/retentiond/secrets/app"), "postgres://retentiond:secret@db.example.com/app\n").expect("a file");
    let mut check = Command::new(top.join("usr/bin/retentiond"));
    check.args(["check", "--offline", "--config"]).arg(top.join(&condition)).env_clear();
    let checked = binary::run(check.env("CREDENTIALS_DIRECTORY", top.join("etc/retentiond/secrets"))).expect(0);
    assert!(!checked.stderr.contains("warning"), "{checked:#?}");

    fs::create_dir_all(top.join("var/lib/retentiond")).expect("a folder");
    fs::write(top.join("var/lib/retentiond/state.db"), "evidence").expect("a file");
    dpkg(&top, ["--purge", "retentiond"]);
    assert!(!top.join("usr/bin/retentiond").exists());
    assert_eq!(text("var/lib/retentiond/state.db"), "evidence");
    assert!(top.join(&condition).exists());
}

// --- The image -------------------------------------------------------------------------------------------------------

const DOCKERFILE: &str = "deploy/docker/Dockerfile";

/// The user that the image runs as.
fn image_user() -> u64 {
    let recipe = read(DOCKERFILE);
    let (user, group) = said(&recipe, "USER ").split_once(':').expect("user and group");
    assert_eq!(user, group);
    user.parse().expect("a number: Kubernetes can't tell of a name that it isn't root")
}

#[test]
fn the_image_is_as_the_sources_say() {
    binary::run(tool("hadolint").arg("--no-color").arg(root().join(DOCKERFILE))).expect(0);
    let (recipe, manifest) = (read(DOCKERFILE), read("Cargo.toml"));
    assert!(recipe.contains(&format!("image.version=\"{VERSION}\"")) && recipe.contains(&format!("retentiond:{VERSION} ")));
    let rust = said(&manifest, "rust-version = ").trim_matches('"');
    assert!(recipe.contains(&format!("FROM rust:{rust}-bookworm AS build")), "{rust}");
    assert!(recipe.contains("\nFROM gcr.io/distroless/cc-debian12:nonroot\n"));
    assert_ne!(image_user(), 0);
    // What is copied into the build is let through to it, and is all that the program is made of.
    let ignored = read(".dockerignore");
    let sent: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    for copied in recipe.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|line| !line.starts_with("--")) {
        let (from, _) = copied.rsplit_once(' ').expect("from and to");
        assert!(from.split(' ').all(|name| sent.contains(&name)), "{copied}");
    }
    for file in glob::glob(root().join("src/**/*.rs").to_str().expect("UTF-8")).expect("a pattern").flatten() {
        let text = fs::read_to_string(&file).expect("a source");
        let up =
            text.lines().filter(|line| line.contains("include_")).flat_map(|line| line.split('"')).filter(|word| word.starts_with("../"));
        for path in up {
            let lands = file.parent().expect("a folder").join(path);
            let lands = lands.parent().expect("a folder").to_path_buf();
            let inside = ["/src/", "/rules/"].iter().any(|folder| path.contains(folder.trim_start_matches('/')));
            assert!(inside || lands.starts_with(root().join("src")), "{} reads {path}, which the image's build lacks", file.display());
        }
    }
}

// --- The page --------------------------------------------------------------------------------------------------------

#[test]
fn the_page_names_what_is_there() {
    let page = read("docs/deploying.md");
    let words = page.split(|c: char| c.is_whitespace() || "`()[]|,;".contains(c)).map(|word| word.trim_end_matches(['.', ':']));
    let named: Vec<&str> = words.filter_map(|word| word.find("deploy/").map(|at| &word[at..])).collect();
    assert!(named.len() > 8, "{named:?}");
    for path in named {
        assert!(root().join(path).exists(), "docs/deploying.md names {path}");
    }
    // Every command that a person is to paste is one.
    let folder = Folder::new("");
    let commands: Vec<&str> = page.lines().filter_map(|line| line.split_once("rtd ").map(|(_, rest)| rest)).collect();
    assert!(commands.len() > 5, "{commands:?}");
    for command in commands {
        let words = command.split(" | ").next().unwrap_or_default().split_whitespace();
        let subcommand: Vec<&str> = words.take_while(|word| word.chars().all(|c| c.is_ascii_lowercase())).collect();
        let given = if ["source", "state", "ledger", "hold"].contains(&subcommand[0]) { 2 } else { 1 };
        let help = folder.run(subcommand[..given].iter().chain(&["--help"])).expect(0).stdout;
        for option in command.split_whitespace().filter_map(|word| word.strip_prefix("--")) {
            assert!(help.contains(&format!("--{option}")), "{command}: no --{option}\n{help}");
        }
    }
}

/// The page's way on a host, line by line: where it says `rtd`, what the DBA and systemd do, and what is read over HTTP. Only the
/// paths, the port and the server are the test's.
#[test]
fn the_page_leads_from_the_package_to_the_first_sweep() {
    let page = read("docs/deploying.md");
    let (_, way) = page.split_once("\n## On a Debian host").expect("a section");
    let (way, _) = way.split_once("\n## ").expect("another section");
    let data = Database::create();
    data.execute("CREATE TABLE accounts (id bigint PRIMARY KEY, email text, closed_at timestamptz)");
    data.execute("INSERT INTO accounts VALUES (1, 'ada@example.com', '2015-03-01'), (2, 'ben@example.com', now())");

    let example = read("deploy/debian/examples/retentiond.toml").replace("127.0.0.1:9464", "127.0.0.1:0");
    let folder = Folder::new("");
    folder.write("retentiond.toml", &example.replace("/var/lib/retentiond", folder.path().to_str().expect("UTF-8")));
    folder.write("secrets/app", &data.retentiond_url);
    let (_, dba) = way.split_once("<<'TOML'\n").expect("the DBA's configuration");
    let (dba, _) = dba.split_once("TOML\n").expect("its end");
    let address = said(dba, "url = ");
    folder.write("dba/retentiond.toml", &dba.replace(address, &format!("\"{}\"", data.url)));
    let rules = read("deploy/debian/examples/rules/accounts.toml");
    let write_rules = |text: &str| ["rules/accounts.toml", "dba/rules/accounts.toml"].map(|name| folder.write(name, text));
    write_rules(&rules);

    let command = |line: &str| {
        let mut command = folder.command(line.split_whitespace());
        command.env("CREDENTIALS_DIRECTORY", folder.path().join("secrets")).env("USER", "ada");
        command
    };
    let run = |line: &str| binary::run(&mut command(line)).expect(0).stdout;
    let (mut daemon, mut granted, mut commands) = (None::<Daemon>, 0, 0);
    for line in way.lines() {
        if let Some(line) = line.strip_prefix("sudo -u postgres retentiond ") {
            data.execute(&run(line.split(['>', '|']).next().unwrap_or_default()));
            granted += 1;
        } else if let Some(line) = line.strip_prefix("rtd ") {
            run(line);
            commands += 1;
        } else if line == "sudo systemctl enable --now retentiond" {
            daemon = Some(Daemon::started(binary::start(&mut command("run --config retentiond.toml --log-format json"))));
        } else if line.contains("take that line out") {
            let enforced: Vec<&str> = rules.lines().filter(|line| !line.starts_with("mode = \"observe\"")).collect();
            assert_eq!(enforced.len() + 1, rules.lines().count());
            write_rules(&enforced.join("\n"));
        } else if line == "sudo systemctl reload retentiond" {
            let process = &mut daemon.as_mut().expect("it was started").process;
            process.signal(Signal::HUP);
            process.line("reloaded the configuration");
        } else if let Some(path) = line.strip_prefix("curl http://127.0.0.1:9464") {
            let answer = http::get(&daemon.as_ref().expect("it was started").address, path).expect("an answer");
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
        }
    }
    assert_eq!((granted, commands), (2, 6), "what the page says has been done");
    daemon.expect("it was started").process.terminate().expect(0);
    run("sweep accounts/closed");
    assert_eq!(data.column("SELECT id::text FROM accounts"), [Some("2".to_owned())]);
    let ledger = run("ledger export");
    assert!(ledger.contains("\"approved\"") && ledger.contains("ada (uid "), "{ledger}");
}
