//! Addresses of databases.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::policy::Dialect;

/// A database's address: `postgres://…`, `postgresql://…` or `sqlite:PATH`.
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
            "postgres" | "postgresql" => match rest.strip_prefix("//") {
                Some(address) if !address.is_empty() => Ok(Self { secret: text.to_owned(), dialect: Dialect::Postgres }),
                _ => Err(InvalidUrl::NoHost),
            },
            "mysql" | "mariadb" => Err(InvalidUrl::Unsupported),
            _ => Err(InvalidUrl::NoScheme),
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
            Dialect::Postgres => None,
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
            Some((before, _)) if before.contains('?') => return "postgres://…".to_owned(),
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
    #[error("not a database's address; write \"sqlite:PATH\" or \"postgres://USER@HOST/DATABASE\"")]
    NoScheme,
    #[error("MySQL and MariaDB are not supported by this version; it takes `sqlite:` and `postgres://`")]
    Unsupported,
    #[error("names no server; write \"postgres://USER@HOST/DATABASE\"")]
    NoHost,
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
        ] {
            let url = parse(text).expect(text);
            assert_eq!(url.expose(), text);
            assert_eq!(url.redacted(), shown);
            assert_eq!(format!("{url:?}"), format!("SourceUrl({shown:?})"));
        }
    }

    #[test]
    fn what_no_driver_could_use_is_refused() {
        assert_eq!(parse("app.db"), Err(InvalidUrl::NoScheme));
        assert_eq!(parse("oracle://db"), Err(InvalidUrl::NoScheme));
        assert_eq!(parse("mysql://db/app"), Err(InvalidUrl::Unsupported));
        assert_eq!(parse("mariadb://db/app"), Err(InvalidUrl::Unsupported));
        assert_eq!(parse("postgres:db"), Err(InvalidUrl::NoHost));
        assert_eq!(parse("sqlite:"), Err(InvalidUrl::NoPath));
        assert_eq!(parse("sqlite::memory:"), Err(InvalidUrl::Memory));
        assert_eq!(parse("sqlite:a.db?mode=ro"), Err(InvalidUrl::Options));
    }
}
