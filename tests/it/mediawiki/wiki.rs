//! A MediaWiki of a test's own: its installer makes the database, its maintenance scripts the content, PHP's own web server
//! serves it.
//!
//! `tests/run` unpacks Debian's `mediawiki` and installs PHP. More of a wiki's life is one more call of
//! [`Wiki::maintain`], or of [`Session::api`] where only somebody who is logged in can do it.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    database::Database,
    http, mariadb,
    product::{Data, Kind},
    server::{self, free_port},
    sqlite::Sqlite,
    until,
};

/// Everybody's.
const PASSWORD: &str = "correct horse 4711";

/// What a wiki's operator adds to the settings that the installer wrote: what expires is no longer the wiki's own business.
const SETTINGS: &str = "
$wgWatchlistExpiry = true;
$wgWatchlistPurgeRate = 0;
$wgRCMaxAge = 3650 * 86400;
$wgJobRunRate = 0;
";

/// A wiki that is served; its server stops when it is dropped.
pub struct Wiki {
    program: PathBuf,
    /// Settings and log; on SQLite the databases too.
    folder: TempDir,
    address: String,
    server: Option<Child>,
}

impl Wiki {
    /// An empty wiki with a main page, and its database.
    ///
    /// # Panics
    /// Without MediaWiki and PHP: a test without its wiki has failed.
    pub fn install(kind: Kind) -> (Self, Data) {
        let program = std::env::var_os("RETENTIOND_TEST_MEDIAWIKI");
        let program =
            program.expect("MediaWiki is needed: run the tests with tests/run, which unpacks it and sets RETENTIOND_TEST_MEDIAWIKI");
        let folder = tempfile::Builder::new().prefix("rtd-wiki-").tempdir().expect("a temporary folder");
        // Free now; whoever takes it in between makes the server end, and the test say so.
        let address = format!("127.0.0.1:{}", free_port());
        let mut wiki = Self { program: program.into(), folder, address, server: None };
        let data = wiki.make_database(kind);
        wiki.serve();
        (wiki, data)
    }

    fn make_database(&self, kind: Kind) -> Data {
        let files = self.folder.path().join("data");
        let data = match kind {
            Kind::Sqlite => None,
            Kind::Postgres => Some(Data::Postgres(Database::create())),
            Kind::Mariadb => Some(Data::Mariadb(mariadb::Database::create())),
        };
        let place = match &data {
            Some(Data::Postgres(database)) => {
                let socket = database.server().socket();
                let folder = socket.parent().expect("a socket in a folder").display().to_string();
                ["--dbtype=postgres", "--dbuser=postgres", "--installdbuser=postgres"]
                    .map(str::to_owned)
                    .into_iter()
                    .chain([format!("--dbserver={folder}"), format!("--dbname={}", database.name())])
                    .collect()
            }
            Some(Data::Mariadb(database)) => {
                let socket = database.server().socket();
                let (user, password) = ("--dbuser=root --installdbuser=root", server::PASSWORD);
                let place = [format!("--dbserver=localhost:{}", socket.display()), format!("--dbname={}", database.name())];
                let passwords = [format!("--dbpass={password}"), format!("--installdbpass={password}")];
                ["--dbtype=mysql"].into_iter().chain(user.split(' ')).map(str::to_owned).chain(place).chain(passwords).collect()
            }
            _ => vec!["--dbtype=sqlite".to_owned(), "--dbname=wiki".to_owned(), format!("--dbpath={}", files.display())],
        };
        let (settings, server) = (format!("--confpath={}", self.folder.path().display()), format!("--server=http://{}", self.address));
        let wiki = [settings.as_str(), &server, "--scriptpath=", "--skins=MonoBook", "--pass", PASSWORD, "Wiki", "Admin"];
        let mut install = self.php();
        // There are no settings yet that it could read.
        install.env_remove("MW_CONFIG_FILE").arg(self.program.join("maintenance/install.php")).args(place).args(wiki);
        finish(&mut install, "");
        let mut file = fs::OpenOptions::new().append(true).open(self.settings()).expect("the installer writes the settings");
        file.write_all(SETTINGS.as_bytes()).expect("a file");
        data.unwrap_or_else(|| Data::Sqlite(Sqlite::of_another(files.join("wiki.sqlite"))))
    }

    /// Runs one of MediaWiki's maintenance scripts to its end.
    #[track_caller]
    pub fn maintain(&self, script: &str, arguments: &[&str], input: &str) {
        let script = self.program.join("maintenance").join(script).with_extension("php");
        finish(self.php().arg(script).args(arguments), input);
    }

    /// Creates an account, with an address that was confirmed.
    pub fn register(&self, name: &str) {
        self.maintain("createAndPromote", &[name, PASSWORD], "");
        self.maintain("resetUserEmail", &["--no-reset-password", name, &address_of(name)], "");
    }

    /// The page of that title, as anybody sees it.
    pub fn page(&self, title: &str) -> String {
        let answer = http::get(&self.address, &format!("/index.php?title={title}")).expect("the wiki answers");
        assert_eq!(answer.status, 200, "{title}: {answer:?}\n{}", self.log());
        answer.body
    }

    /// Logs in as a person does.
    #[track_caller]
    pub fn log_in(&self, name: &str) -> Session<'_> {
        let mut session = Session { wiki: self, cookies: BTreeMap::new() };
        let token = session.token("login");
        let answer = session.api(&[
            ("action", "clientlogin"),
            ("username", name),
            ("password", PASSWORD),
            ("logintoken", &token),
            ("loginreturnurl", "http://127.0.0.1/"),
        ]);
        assert_eq!(answer["clientlogin"]["status"], "PASS", "{answer}");
        session
    }

    fn serve(&mut self) {
        let log = fs::File::create(self.folder.path().join("log")).expect("a file");
        let mut php = self.php();
        php.args(["-S", &self.address, "-t"]).arg(&self.program).current_dir(&self.program);
        let server = php.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("php is installed (tests/run does it)");
        self.server = Some(server);
        until("the wiki is served", || {
            let ended = self.server.as_mut().and_then(|server| server.try_wait().expect("the process is our child"));
            assert!(ended.is_none(), "PHP's web server ended: {}", self.log());
            http::get(&self.address, "/index.php?title=Main_Page").ok()
        });
    }

    fn php(&self) -> Command {
        let mut php = Command::new("php");
        // Nothing of the developer's environment decides a test.
        php.env_clear().env("PATH", "/usr/bin:/bin").env("MW_CONFIG_FILE", self.settings());
        php
    }

    fn settings(&self) -> PathBuf {
        self.folder.path().join("LocalSettings.php")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Wiki {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// The address that [`Wiki::register`] gives somebody.
pub fn address_of(name: &str) -> String {
    format!("{}@example.com", name.to_lowercase())
}

/// Somebody at the wiki, with the cookies that say who.
pub struct Session<'w> {
    wiki: &'w Wiki,
    cookies: BTreeMap<String, String>,
}

impl Session<'_> {
    /// Asks the wiki's API.
    #[track_caller]
    pub fn api(&mut self, fields: &[(&str, &str)]) -> Value {
        let form: Vec<_> = [("format", "json"), ("formatversion", "2")].iter().chain(fields).copied().collect();
        let answer = http::post_form(&self.wiki.address, "/api.php", &self.cookies, &form).expect("the wiki answers");
        assert_eq!(answer.status, 200, "{fields:?}: {answer:?}\n{}", self.wiki.log());
        let cookies = answer.header("set-cookie").filter_map(|cookie| cookie.split(';').next()?.split_once('='));
        self.cookies.extend(cookies.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let said: Value = serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.body));
        assert!(said["error"].is_null(), "{fields:?}: {said}");
        said
    }

    /// A token for acts of that kind.
    #[track_caller]
    pub fn token(&mut self, kind: &str) -> String {
        let answer = self.api(&[("action", "query"), ("meta", "tokens"), ("type", kind)]);
        answer["query"]["tokens"][format!("{kind}token")].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }
}

/// Runs a command with that input.
#[track_caller]
fn finish(command: &mut Command, input: &str) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("php is installed (tests/run does it)");
    child.stdin.take().expect("a pipe was asked for").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("the process is our child");
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}
