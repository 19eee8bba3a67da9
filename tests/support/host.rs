//! A database server of either kind, for tests that do the same to both.

use std::path::{Path, PathBuf};

use super::{
    database::Database,
    mariadb, postgres,
    product::{Data, Kind},
};

/// A running server. Private ones live as long as the process, and so do the guards that clean up after them.
#[derive(Clone, Copy)]
pub enum Host {
    Postgres(&'static postgres::Server),
    Mariadb(&'static mariadb::Server),
}

impl Host {
    /// The server of this kind that tests share.
    pub fn shared(kind: Kind) -> Self {
        match kind {
            Kind::Postgres => Self::Postgres(postgres::Server::shared()),
            Kind::Mariadb => Self::Mariadb(mariadb::Server::shared()),
            Kind::Sqlite => panic!("SQLite has no server"),
        }
    }

    /// One for this test alone. It writes through, so that what was committed survives a kill.
    pub fn private(kind: Kind) -> Self {
        Self::made(kind, postgres::Options { fsync: true, ..Default::default() }, mariadb::Options { fsync: true, ..Default::default() })
    }

    /// One for this test alone that replicas can follow.
    pub fn followed(kind: Kind) -> Self {
        Self::made(kind, postgres::Options::default(), mariadb::Options { tcp: true, binlog: true, ..Default::default() })
    }

    /// One for this test alone, with its data in a folder of `base`.
    pub fn private_in(kind: Kind, base: &Path) -> Self {
        match kind {
            Kind::Postgres => Self::Postgres(Box::leak(Box::new(postgres::Server::private_in(base, postgres::Options::default())))),
            Kind::Mariadb => Self::Mariadb(Box::leak(Box::new(mariadb::Server::private_in(base, mariadb::Options::default())))),
            Kind::Sqlite => panic!("SQLite has no server"),
        }
    }

    fn made(kind: Kind, postgres: postgres::Options, mariadb: mariadb::Options) -> Self {
        match kind {
            Kind::Postgres => Self::Postgres(Box::leak(Box::new(postgres::Server::private(postgres)))),
            Kind::Mariadb => Self::Mariadb(Box::leak(Box::new(mariadb::Server::private(mariadb)))),
            Kind::Sqlite => panic!("SQLite has no server"),
        }
    }

    /// A replica that follows this server, through a port of the loopback device that leads to it (a proxy's), or directly.
    pub fn replica(self, port: Option<u16>) -> Self {
        match self {
            Self::Postgres(server) => Self::Postgres(Box::leak(Box::new(server.replica_through(port)))),
            Self::Mariadb(server) => Self::Mariadb(Box::leak(Box::new(server.replica_through(port)))),
        }
    }

    /// The same database as it stands on this server, which is a replica of the one that it was made on.
    pub fn replicated(self, data: &Data) -> Data {
        match (self, data) {
            (Self::Postgres(server), Data::Postgres(database)) => Data::Postgres(database.on_replica(server)),
            (Self::Mariadb(server), Data::Mariadb(database)) => Data::Mariadb(database.on_replica(server)),
            _ => panic!("a database and a server of one kind"),
        }
    }

    /// A new database.
    pub fn database(self) -> Data {
        match self {
            Self::Postgres(server) => Data::Postgres(Database::on(server)),
            Self::Mariadb(server) => Data::Mariadb(mariadb::Database::on(server)),
        }
    }

    /// The path of its socket.
    pub fn socket(self) -> PathBuf {
        match self {
            Self::Postgres(server) => server.socket(),
            Self::Mariadb(server) => server.socket(),
        }
    }

    /// `kill -9` for all of it.
    pub fn kill(self) {
        match self {
            Self::Postgres(server) => server.kill(),
            Self::Mariadb(server) => server.kill(),
        }
    }

    /// Starts it again; returns when it has recovered.
    pub fn restart(self) {
        match self {
            Self::Postgres(server) => server.restart(),
            Self::Mariadb(server) => server.restart(),
        }
    }
}

/// What can be done to a replica.
impl Host {
    /// What it has received is not replayed any more, as under a long query.
    pub fn stop_replaying(self) {
        match self {
            Self::Postgres(server) => server.execute("SELECT pg_wal_replay_pause()"),
            Self::Mariadb(server) => server.execute("STOP SLAVE SQL_THREAD"),
        }
    }

    /// Ends [`Host::stop_replaying`].
    pub fn go_on_replaying(self) {
        match self {
            Self::Postgres(server) => server.execute("SELECT pg_wal_replay_resume()"),
            Self::Mariadb(server) => server.execute("START SLAVE SQL_THREAD"),
        }
    }

    /// Makes it a server of its own, with what it has received.
    pub fn promote(self) {
        match self {
            Self::Postgres(server) => server.execute("SELECT pg_promote(true)"),
            Self::Mariadb(server) => server.execute("STOP SLAVE; RESET SLAVE ALL; SET GLOBAL read_only = OFF"),
        }
    }
}
