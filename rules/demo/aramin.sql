CREATE TABLE security_logs (
    id INTEGER PRIMARY KEY,
    account_id INTEGER,
    ip TEXT,
    event TEXT NOT NULL,
    at TEXT NOT NULL
);
CREATE INDEX security_logs_at ON security_logs (at);

CREATE TABLE suppressions (
    id INTEGER PRIMARY KEY,
    email_hash TEXT NOT NULL UNIQUE,
    since TEXT NOT NULL
);
