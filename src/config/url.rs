//! Addresses of databases.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::policy::Dialect;

/// A database's address: `postgres://…`, `postgresql://…`, `mysql://…`, `mariadb://…` or `sqlite:PATH`.
#[derive(Clone, PartialEq, Eq)]
pub struct SourceUrl {
    /// With the password; SQLite paths made absolute against the configuration's folder.
    secret: String,
    dialect: Dialect,
}

impl SourceUrl {
    /// Reads an address. A relative path of a SQLite file counts from `base_dir`.
    ///
    /// # Errors
    /// [`InvalidUrl`], without the address itself: it may hold a password.
    pub fn parse(text: &str, base_dir: &Path) -> Result<Self, InvalidUrl> {
        let text = text.trim();
        let (scheme, rest) = text.split_once(':').ok_or(InvalidUrl::NoScheme)?;
        match scheme.to_ascii_lowercase().as_str() {
            "sqlite" => Self::sqlite(rest, base_dir),
            "postgres" | "postgresql" => Self::server(text, rest, Dialect::Postgres),
            "mysql" | "mariadb" => Self::server(text, rest, Dialect::Mysql).and_then(|url| url.database().map(|_| url)),
            _ => Err(InvalidUrl::NoScheme),
        }
    }

    fn server(text: &str, rest: &str, dialect: Dialect) -> Result<Self, InvalidUrl> {
        match rest.strip_prefix("//") {
            Some(address) if !address.is_empty() => Ok(Self { secret: text.to_owned(), dialect }),
            _ => Err(InvalidUrl::NoHost),
        }
    }

    fn sqlite(rest: &str, base_dir: &Path) -> Result<Self, InvalidUrl> {
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
        Ok(Self { secret: format!("sqlite:{absolute}"), dialect: Dialect::Sqlite })
    }

    /// The name after the server's, with its escapes read.
    fn database(&self) -> Result<String, InvalidUrl> {
        let (_, rest) = self.secret.split_once("://").unwrap_or_default();
        let address = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        let path = address.split(['?', '#']).next().and_then(|address| address.split_once('/')).map(|(_, path)| path);
        let decoded = path.map(|path| percent_encoding::percent_decode_str(path).decode_utf8().map_err(|_| InvalidUrl::NotUnicode));
        match decoded {
            Some(Ok(name)) if !name.is_empty() && !name.contains('/') => Ok(name.into_owned()),
            Some(Err(error)) => Err(error),
            _ => Err(InvalidUrl::NoDatabase),
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

    /// The whole address, for the driver alone: never log it.
    pub fn expose(&self) -> &str {
        &self.secret
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
        if self.dialect == Dialect::Sqlite {
            return self.secret.clone();
        }
        // The last `@`, because a password may contain others. After a `?` it could be part of an option: then nothing
        // that is shown would be sure to be no secret.
        let address = match self.secret.rsplit_once('@') {
            Some((before, _)) if before.contains('?') => {
                return format!("{}://…", before.split_once("://").map_or("postgres", |(scheme, _)| scheme));
            }
            Some((before, host)) => {
                let (scheme, user) = before.split_once("://").unwrap_or(("postgres", ""));
                let user = user.split([':', '/', '@']).next().unwrap_or_default();
                format!("{scheme}://{user}@{host}")
            }
            None => self.secret.clone(),
        };
        address.split(['?', '#']).next().unwrap_or_default().to_owned()
    }
}

impl fmt::Debug for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SourceUrl").field(&self.redacted()).finish()
    }
}

/// Why a text is no address of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
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
            ("postgresql://app:s3@cr/e:t@db:5433/app?sslmode=require", "postgresql://app@db:5433/app"),
            ("postgres://db/app?user=a&password=s3cret", "postgres://db/app"),
            ("postgres://app@db/app", "postgres://app@db/app"),
            ("postgres://app:wh?t@db/app", "postgres://…"),
            ("postgres:///app?host=/run/postgresql", "postgres:///app"),
            ("postgres://db/app?password=s3@cret", "postgres://…"),
            ("mysql://app:s3cret@db/app?ssl-mode=required", "mysql://app@db/app"),
            ("mariadb://app:wh?t@db/app", "mariadb://…"),
        ] {
            let url = parse(text).expect(text);
            assert_eq!(url.expose(), text);
            assert_eq!(url.redacted(), shown);
            assert_eq!(format!("{url:?}"), format!("SourceUrl({shown:?})"));
        }
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
    }
}
