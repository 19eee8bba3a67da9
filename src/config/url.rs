//! Addresses of databases.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use url::Url;

use super::tls::{Asked, Reach, Tls, TlsMode};
use crate::{
    policy::Dialect,
    secret::{SecretPlace, UnreadableSecret},
};

/// A database's address: `postgres://…`, `postgresql://…`, `mysql://…`, `mariadb://…` or `sqlite:PATH`; with what protects
/// the way there, and where it was read.
#[derive(Clone)]
pub struct SourceUrl {
    /// With the password; SQLite paths made absolute against the configuration's folder.
    secret: String,
    dialect: Dialect,
    /// What the configuration says of TLS, and what comes of that and the address.
    written: Tls,
    tls: Tls,
    reach: Reach,
    base_dir: PathBuf,
    place: Option<SecretPlace>,
}

/// What addresses of servers may say after `?`, besides what [`Asked`] takes. The driver understands these, and would put
/// others into the log, with their values.
const PARAMETERS: [(Dialect, &[&str]); 2] = [
    (
        Dialect::Postgres,
        &["host", "hostaddr", "port", "dbname", "user", "password", "application_name", "options", "statement-cache-capacity"],
    ),
    (Dialect::Mysql, &["socket", "charset", "collation", "timezone", "time-zone", "statement-cache-capacity"]),
];

impl SourceUrl {
    /// Reads an address. A relative path of a SQLite file counts from `base_dir`.
    ///
    /// # Errors
    /// [`InvalidUrl`], without the address itself: it may hold a password.
    pub fn parse(text: &str, base_dir: &Path) -> Result<Self, InvalidUrl> {
        Self::protected(text, base_dir, &Tls::default())
    }

    /// The same for an address beside which the configuration says something of TLS.
    ///
    /// # Errors
    /// [`InvalidUrl`], also where the two contradict each other.
    pub fn protected(text: &str, base_dir: &Path, written: &Tls) -> Result<Self, InvalidUrl> {
        let text = text.trim();
        let (scheme, rest) = text.split_once(':').ok_or(InvalidUrl::NoScheme)?;
        match scheme.to_ascii_lowercase().as_str() {
            "sqlite" => Self::sqlite(rest, base_dir, written),
            "postgres" | "postgresql" => Self::server(text, rest, Dialect::Postgres, base_dir, written),
            "mysql" | "mariadb" => Self::server(text, rest, Dialect::Mysql, base_dir, written).and_then(|url| url.database().map(|_| url)),
            _ => Err(InvalidUrl::NoScheme),
        }
    }

    fn server(text: &str, rest: &str, dialect: Dialect, base_dir: &Path, written: &Tls) -> Result<Self, InvalidUrl> {
        if rest.strip_prefix("//").is_none_or(str::is_empty) {
            return Err(InvalidUrl::NoHost);
        }
        let url = parsed(text)?;
        let (mut asked, mut host) = (Asked::default(), url.host_str().map_or_else(String::new, decoded));
        if host.is_empty() && dialect == Dialect::Postgres {
            // As the driver looks for it.
            host = ["PGHOSTADDR", "PGHOST"].into_iter().find_map(|name| std::env::var(name).ok()).unwrap_or_default();
        }
        for (key, value) in url.query_pairs() {
            if asked.take(&key, &value, base_dir)? {
                continue;
            }
            match (&*key, dialect) {
                ("host" | "hostaddr", Dialect::Postgres) | ("socket", Dialect::Mysql) => host = value.into_owned(),
                (key, _) if is_known(dialect, key) => {}
                // Behind an `@` it could be a piece of a password.
                _ if text.split_once('?').is_none_or(|(_, query)| query.contains('@')) => return Err(InvalidUrl::Unreadable),
                (key, _) => return Err(InvalidUrl::UnknownParameter(key.to_owned())),
            }
        }
        let reach = Reach::of_host(&host);
        let tls = asked.with(written, reach)?;
        let (written, base_dir) = (written.clone(), base_dir.to_owned());
        Ok(Self { secret: text.to_owned(), dialect, written, tls, reach, base_dir, place: None })
    }

    fn sqlite(rest: &str, base_dir: &Path, written: &Tls) -> Result<Self, InvalidUrl> {
        let path = rest.strip_prefix("//").unwrap_or(rest);
        if path.is_empty() || path == "/" {
            return Err(InvalidUrl::NoPath);
        }
        if path == ":memory:" {
            return Err(InvalidUrl::Memory);
        }
        if path.contains('?') {
            return Err(InvalidUrl::Options);
        }
        let absolute = std::path::absolute(base_dir.join(path)).map_err(|_| InvalidUrl::NoPath)?;
        let absolute = absolute.to_str().ok_or(InvalidUrl::NotUnicode)?;
        let tls = Asked::default().with(written, Reach::File)?;
        let (secret, base_dir) = (format!("sqlite:{absolute}"), base_dir.to_owned());
        Ok(Self { secret, dialect: Dialect::Sqlite, written: written.clone(), tls, reach: Reach::File, base_dir, place: None })
    }

    /// The address was read in this place, where a newer one may come to stand.
    #[must_use]
    pub fn read_in(self, place: SecretPlace) -> Self {
        Self { place: Some(place), ..self }
    }

    /// Where the address was read, if not in the configuration itself.
    pub fn place(&self) -> Option<&SecretPlace> {
        self.place.as_ref()
    }

    /// The address as its place has it now: user and password may be others than when the configuration was read.
    ///
    /// # Errors
    /// [`NotCurrent`] says why the address that is known is the best there is.
    pub fn current(&self) -> Result<Self, NotCurrent> {
        let Some(place) = &self.place else { return Ok(self.clone()) };
        let wrong = |error| NotCurrent::Wrong { place: place.clone(), error };
        let text = String::from_utf8(place.read()?).map_err(|_| wrong(InvalidUrl::NotUnicode))?;
        let now = Self::protected(&text, &self.base_dir, &self.written).map_err(wrong)?.read_in(place.clone());
        if now.without_login() == self.without_login() { Ok(now) } else { Err(NotCurrent::Elsewhere { place: place.clone() }) }
    }

    /// Whether user and password are the same too.
    pub fn has_login_of(&self, other: &Self) -> bool {
        self.secret == other.secret
    }

    /// What the address says besides user and password, which are changed where they are kept.
    fn without_login(&self) -> String {
        let Ok(mut url) = parsed(&self.secret) else { return self.secret.clone() };
        // Neither fails on an address with a host, and one without has neither.
        let _ = (url.set_username(""), url.set_password(None));
        let rest: Vec<_> =
            url.query_pairs().filter(|(key, _)| key != "user" && key != "password").map(|(key, value)| format!("{key}={value}")).collect();
        url.set_query(Some(&rest.join("&")));
        url.into()
    }

    /// What the configuration says beside the address.
    pub(super) fn written(&self) -> &Tls {
        &self.written
    }

    /// What protects the connection, files and all.
    pub fn tls(&self) -> &Tls {
        &self.tls
    }

    /// How far away the server is.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// The name after the server's, with its escapes read.
    fn database(&self) -> Result<String, InvalidUrl> {
        let url = parsed(&self.secret)?;
        let decoded = percent_encoding::percent_decode_str(url.path().trim_start_matches('/')).decode_utf8();
        match decoded.map_err(|_| InvalidUrl::NotUnicode)? {
            name if name.is_empty() || name.contains('/') => Err(InvalidUrl::NoDatabase),
            name => Ok(name.into_owned()),
        }
    }

    /// Where a table without a schema is, unless the database is set up otherwise; `check` asks the database.
    pub fn default_schema(&self) -> String {
        match self.dialect {
            Dialect::Sqlite => "main".to_owned(),
            Dialect::Postgres => "public".to_owned(),
            // What could not be read was refused when the address was.
            Dialect::Mysql => self.database().unwrap_or_default(),
        }
    }

    /// The dialect that the scheme says.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The whole address of a server, for the driver alone: never log it. What protects the connection is in it.
    pub fn expose(&self) -> String {
        let Ok(mut url) = parsed(&self.secret) else { return self.secret.clone() };
        let kept: Vec<_> = url.query_pairs().into_owned().filter(|(key, _)| is_known(self.dialect, key)).collect();
        url.query_pairs_mut().clear().extend_pairs(kept).extend_pairs(self.tls.parameters(self.dialect));
        match (self.dialect, url.as_str().split_once(':')) {
            // The driver knows one name of the two.
            (Dialect::Mysql, Some((_, rest))) => format!("mysql:{rest}"),
            _ => url.into(),
        }
    }

    /// The file of a SQLite database, absolute. The driver must get this path and not the address: it would read `%` in
    /// an address as an escape.
    pub fn sqlite_path(&self) -> Option<PathBuf> {
        match self.dialect {
            Dialect::Sqlite => self.secret.strip_prefix("sqlite:").map(PathBuf::from),
            Dialect::Postgres | Dialect::Mysql => None,
        }
    }

    /// The address for messages: without password and options.
    pub fn redacted(&self) -> String {
        let Some(mut url) = parsed(&self.secret).ok().filter(|_| self.dialect != Dialect::Sqlite) else {
            return self.secret.clone();
        };
        // Fails on an address without a host, which has none.
        let _ = url.set_password(None);
        url.set_query(None);
        url.into()
    }
}

/// The database and the way to it are the same; the login counts only where it stands in the configuration itself.
impl PartialEq for SourceUrl {
    fn eq(&self, other: &Self) -> bool {
        let same = if self.place.is_some() { self.without_login() == other.without_login() } else { self.secret == other.secret };
        same && self.place == other.place && self.tls == other.tls
    }
}

impl Eq for SourceUrl {}

/// The parts of an address, as the driver takes it apart.
fn parsed(text: &str) -> Result<Url, InvalidUrl> {
    let url = Url::parse(text).map_err(|_| InvalidUrl::Unreadable)?;
    // It would be part of a password whose `/`, `?` or `#` was taken for the end of the host.
    let is_torn = url.path().contains('@') || url.fragment().is_some();
    if is_torn { Err(InvalidUrl::Unreadable) } else { Ok(url) }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn is_known(dialect: Dialect, key: &str) -> bool {
    let known = PARAMETERS.iter().find(|(of, _)| *of == dialect).is_some_and(|(_, known)| known.contains(&key));
    known || (dialect == Dialect::Postgres && key.starts_with("options["))
}

impl fmt::Debug for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SourceUrl").field(&self.redacted()).finish()
    }
}

/// Why a text is no address of a database, or none that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    #[error("not a database's address; write \"sqlite:PATH\", \"postgres://USER@HOST/DATABASE\" or \"mysql://USER@HOST/DATABASE\"")]
    NoScheme,
    #[error("names no server; write \"postgres://USER@HOST/DATABASE\" or \"mysql://USER@HOST/DATABASE\"")]
    NoHost,
    #[error("names no database of the server; write \"mysql://USER@HOST/DATABASE\"")]
    NoDatabase,
    #[error("names no file; write \"sqlite:PATH\", relative to the configuration file or absolute")]
    NoPath,
    #[error("a database in memory is gone when retentiond ends; name a file")]
    Memory,
    #[error("takes no options after `?`: retentiond sets them itself")]
    Options,
    #[error("the path to the configuration is not Unicode")]
    NotUnicode,
    #[error("an address that can't be taken apart; in a password, write `@` as %40, `/` as %2F, `?` as %3F, `#` as %23 and `%` as %25")]
    Unreadable,
    #[error("has the parameter `{0}`, which is not known here; leave it out")]
    UnknownParameter(String),
    #[error("has an `sslmode` that doesn't exist; leave it out, and a server on another machine is verified")]
    UnknownMode,
    #[error(
        "asks with `sslmode={0}` for a connection that may go unencrypted to another machine; leave that out, or say beside the address that this is meant: `tls.mode = \"disable\"`"
    )]
    AsksForLess(TlsMode),
    #[error("asks for more (`sslmode={0}`) than `tls.mode = \"{1}\"` gives; change one of them")]
    AsksForMore(TlsMode, TlsMode),
    #[error("names a file that `tls.{0}` names, too; keep one of them")]
    TwoFiles(&'static str),
    #[error("a client certificate and its key belong together; name both, `tls.certificate_file` and `tls.key_file`")]
    HalfACertificate,
    #[error("is a file or a socket, where `tls` has no meaning; leave that out")]
    NoNetwork,
}

/// Why an address can't be had as it is now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotCurrent {
    #[error("{0}")]
    Unreadable(#[from] UnreadableSecret),
    #[error("what is now in {place} {error}")]
    Wrong { place: SecretPlace, error: InvalidUrl },
    /// User and password may change while retentiond runs, the database may not.
    #[error("what is now in {place} is the address of another database, which counts from the next reload of the configuration on")]
    Elsewhere { place: SecretPlace },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SourceUrl, InvalidUrl> {
        SourceUrl::parse(text, Path::new("/etc/retentiond"))
    }

    #[test]
    fn sqlite_paths_are_relative_to_the_configuration() {
        for (text, path) in [
            ("sqlite:state.db", "/etc/retentiond/state.db"),
            ("sqlite://state.db", "/etc/retentiond/state.db"),
            ("sqlite:/var/lib/app.db", "/var/lib/app.db"),
            ("sqlite:///var/lib/app.db", "/var/lib/app.db"),
            ("sqlite:100% done #1.db", "/etc/retentiond/100% done #1.db"),
        ] {
            let url = parse(text).expect(text);
            assert_eq!((url.dialect(), url.sqlite_path()), (Dialect::Sqlite, Some(path.into())), "{text}");
        }
    }

    #[test]
    fn no_password_is_shown() {
        for (text, shown) in [
            ("postgres://app:s3cret@db/app", "postgres://app@db/app"),
            ("postgresql://app:s3@cre:t@db:5433/app?sslmode=require", "postgresql://app@db:5433/app"),
            ("postgres://db/app?user=a&password=s3cret", "postgres://db/app"),
            ("postgres://app@db/app", "postgres://app@db/app"),
            ("postgres:///app?host=/run/postgresql", "postgres:///app"),
            ("postgres://db/app?password=s3@cret", "postgres://db/app"),
            ("mysql://app:s3cret@db/app?ssl-mode=required", "mysql://app@db/app"),
        ] {
            let url = parse(text).expect(text);
            assert_eq!(url.redacted(), shown);
            assert_eq!(format!("{url:?}"), format!("SourceUrl({shown:?})"));
        }
    }

    #[test]
    fn the_driver_is_told_how_to_protect_the_connection() {
        for (text, told) in [
            ("postgres://app:s3@db/app", "postgres://app:s3@db/app?sslmode=verify-full"),
            ("postgres://db/app?sslmode=require&user=a", "postgres://db/app?user=a&sslmode=verify-full"),
            (
                "postgres://localhost/app?ssl-mode=verify-ca&sslrootcert=ca.pem",
                "postgres://localhost/app?sslmode=verify-ca&sslrootcert=%2Fetc%2Fretentiond%2Fca.pem",
            ),
            ("postgres:///app?host=/run/p&port=1", "postgres:///app?host=%2Frun%2Fp&port=1&sslmode=disable"),
            ("postgres://%2Frun%2Fp/app", "postgres://%2Frun%2Fp/app?sslmode=disable"),
            ("mariadb://app@127.0.0.1/app", "mysql://app@127.0.0.1/app?ssl-mode=PREFERRED"),
            ("mysql://app@db/app?ssl-mode=REQUIRED", "mysql://app@db/app?ssl-mode=VERIFY_IDENTITY"),
        ] {
            assert_eq!(parse(text).expect(text).expose(), told);
        }
    }

    #[test]
    fn a_rotated_login_is_the_same_database_and_anything_else_is_another() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let place = SecretPlace::File(file.path().to_owned());
        let known = parse("postgres://app:old@db/app").expect("an address").read_in(place.clone());
        let current = |text: &str| {
            std::fs::write(file.path(), text).expect("it can be written");
            known.current()
        };
        let rotated = current("postgres://app2:new@db/app\n").expect("the same database");
        assert!(rotated == known && !rotated.has_login_of(&known));
        assert_eq!(rotated.expose(), "postgres://app2:new@db/app?sslmode=verify-full");
        assert!(matches!(current("postgres://app:new@db2/app"), Err(NotCurrent::Elsewhere { .. })));
        assert!(matches!(current("postgres://app:new@db/app?sslmode=disable"), Err(NotCurrent::Wrong { .. })));
        assert!(matches!(current(""), Err(NotCurrent::Wrong { error: InvalidUrl::NoScheme, .. })));
        // Where it stands in the configuration itself, a new password is a change of the configuration.
        assert_ne!(parse("postgres://app:old@db/app"), parse("postgres://app:new@db/app"));
    }

    #[test]
    fn tables_without_a_schema_are_where_the_engine_looks_for_them() {
        for (text, schema) in [
            ("sqlite:app.db", "main"),
            ("postgres://db/app", "public"),
            ("mysql://app:p@ss@db:3306/app%2Ddb?socket=/run/s", "app-db"),
            ("mariadb://db/app", "app"),
        ] {
            assert_eq!(parse(text).expect(text).default_schema(), schema);
        }
    }

    #[test]
    fn what_no_driver_could_use_is_refused() {
        assert_eq!(parse("app.db"), Err(InvalidUrl::NoScheme));
        assert_eq!(parse("oracle://db"), Err(InvalidUrl::NoScheme));
        assert_eq!(parse("postgres:db"), Err(InvalidUrl::NoHost));
        assert_eq!(parse("mariadb://"), Err(InvalidUrl::NoHost));
        assert_eq!(parse("mysql://db?socket=/run/mysqld/mysqld.sock"), Err(InvalidUrl::NoDatabase));
        assert_eq!(parse("mysql://app:pass@db/"), Err(InvalidUrl::NoDatabase));
        assert_eq!(parse("sqlite:"), Err(InvalidUrl::NoPath));
        assert_eq!(parse("sqlite::memory:"), Err(InvalidUrl::Memory));
        assert_eq!(parse("sqlite:a.db?mode=ro"), Err(InvalidUrl::Options));
        for torn in
            ["postgresql://app:s3@cr/e:t@db/app", "postgres://app:wh?t@db/app", "mariadb://app:12?3=4@db/app", "postgres://a:b#c@db/app"]
        {
            assert_eq!(parse(torn), Err(InvalidUrl::Unreadable), "{torn}");
        }
        assert_eq!(parse("postgres://db/app?channel_binding=require"), Err(InvalidUrl::UnknownParameter("channel_binding".to_owned())));
        assert_eq!(parse("mysql://db/app?sslmode=disable"), Err(InvalidUrl::AsksForLess(TlsMode::Disable)));
    }
}
