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

use crate::support::binary::{self, Folder, Run};

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
}
