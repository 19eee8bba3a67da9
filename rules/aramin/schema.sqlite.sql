-- An open account has no `closed_at`. `content_days` is what the customer has set in the product: NULL for nothing, 0 for ever.
CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    closed_at TEXT,
    content_days INTEGER
);
CREATE INDEX customers_closed_at ON customers (closed_at);

CREATE TABLE billing_records (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customers (id) ON DELETE RESTRICT,
    cents INTEGER NOT NULL,
    issued_on TEXT NOT NULL
);
CREATE INDEX billing_records_customer_id ON billing_records (customer_id);
CREATE INDEX billing_records_issued_on ON billing_records (issued_on);

-- A contract may name the day on which the customer's content has to be gone.
CREATE TABLE contracts (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL UNIQUE REFERENCES customers (id) ON DELETE RESTRICT,
    delete_content_on TEXT,
    ended_on TEXT
);
CREATE INDEX contracts_delete_content_on ON contracts (delete_content_on);
CREATE INDEX contracts_ended_on ON contracts (ended_on);

CREATE TABLE content (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customers (id) ON DELETE RESTRICT,
    body TEXT NOT NULL,
    written_at TEXT NOT NULL,
    deletion_requested_on TEXT
);
CREATE INDEX content_customer_id ON content (customer_id);
CREATE INDEX content_written_at ON content (written_at);
CREATE INDEX content_deletion_requested_on ON content (deletion_requested_on);

CREATE TABLE security_logs (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER,
    ip TEXT,
    event TEXT NOT NULL,
    at TEXT NOT NULL
);
CREATE INDEX security_logs_at ON security_logs (at);

CREATE TABLE subscribers (
    id INTEGER PRIMARY KEY,
    email TEXT,
    unsubscribed_at TEXT,
    objected_at TEXT
);
CREATE INDEX subscribers_unsubscribed_at ON subscribers (unsubscribed_at);
CREATE INDEX subscribers_objected_at ON subscribers (objected_at);

-- Of an address its keyed hash, and nothing else.
CREATE TABLE suppressions (
    email_hash TEXT PRIMARY KEY,
    origin TEXT NOT NULL,
    since TEXT NOT NULL
);

-- Data of the customers' own people, which aramin processes for them.
CREATE TABLE processed_records (
    id INTEGER PRIMARY KEY,
    tenant_id TEXT,
    person_email TEXT NOT NULL,
    received_at TEXT NOT NULL
);
CREATE INDEX processed_records_received_at ON processed_records (received_at);

CREATE TABLE usage_records (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER,
    user_email TEXT,
    ip TEXT,
    device TEXT,
    feature TEXT NOT NULL,
    country TEXT NOT NULL,
    milliseconds INTEGER NOT NULL,
    at TEXT NOT NULL
);
CREATE INDEX usage_records_at ON usage_records (at);
