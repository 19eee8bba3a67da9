-- An open account has no `closed_at`: its clock has not started.
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL,
    closed_at TEXT
);
CREATE INDEX accounts_closed_at ON accounts (closed_at);

CREATE TABLE usage_logs (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL,
    event TEXT NOT NULL,
    at TEXT NOT NULL
);
CREATE INDEX usage_logs_at ON usage_logs (at);
