//! A session of the application's that stays open, for tests in which it holds locks or waits for some.

use std::{sync::mpsc, thread};

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, PgConnection, Row as _, SqliteConnection};

use super::{
    mariadb::SQL_MODE,
    product::{Data, Kind},
};

/// What a statement gave: the number in its first row's first column, where there is one.
pub type Answer = Result<Option<i64>, String>;

/// An open session, on a thread of its own. Dropped, it is closed, and rolls back.
pub struct Session {
    statements: mpsc::Sender<String>,
    answers: mpsc::Receiver<Answer>,
}

impl Session {
    /// Connects as the application. In a deadlock it is not the one that gives way on PostgreSQL.
    pub fn open(data: &Data) -> Self {
        let (statements, wanted) = mpsc::channel::<String>();
        let (answer, answers) = mpsc::channel();
        let url = data.owner_url();
        /// Answers one statement after the other.
        macro_rules! serve {
            ($connection:ty, $mode:expr) => {
                thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                    let mut connection = runtime.block_on(<$connection>::connect(&url)).expect("a connection");
                    runtime.block_on(connection.execute($mode)).expect("a mode");
                    for statement in wanted {
                        let asked = runtime.block_on(connection.fetch_optional(sqlx::raw_sql(AssertSqlSafe(statement))));
                        let answered = asked.map(|row| row.and_then(|row| row.try_get(0).ok())).map_err(|error| error.to_string());
                        if answer.send(answered).is_err() {
                            return;
                        }
                    }
                })
            };
        }
        match data.kind() {
            Kind::Sqlite => serve!(SqliteConnection, "PRAGMA busy_timeout = 60000"),
            Kind::Postgres => serve!(PgConnection, "SET deadlock_timeout = '1h'"),
            Kind::Mariadb => serve!(MySqlConnection, SQL_MODE),
        };
        Self { statements, answers }
    }

    /// Sends a statement and doesn't wait for its answer.
    pub fn send(&self, statement: &str) {
        self.statements.send(statement.to_owned()).expect("the session lives");
    }

    /// Waits for the answer to what was sent.
    pub fn answer(&self) -> Answer {
        self.answers.recv().expect("the session lives")
    }

    /// Runs a statement to its end.
    #[track_caller]
    pub fn run(&self, statement: &str) -> Option<i64> {
        self.send(statement);
        self.answer().unwrap_or_else(|error| panic!("{error} in: {statement}"))
    }
}
