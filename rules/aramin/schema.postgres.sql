-- An open account has no `closed_at`. `content_days` is what the customer has set in the product: NULL for nothing, 0 for ever.
CREATE TABLE customers (
    id bigint PRIMARY KEY,
    email text NOT NULL UNIQUE,
    closed_at timestamptz,
    content_days bigint
);
CREATE INDEX customers_closed_at ON customers (closed_at);

CREATE TABLE billing_records (
    id bigint PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers (id) ON DELETE RESTRICT,
    cents bigint NOT NULL,
    issued_on date NOT NULL
);
CREATE INDEX billing_records_customer_id ON billing_records (customer_id);
CREATE INDEX billing_records_issued_on ON billing_records (issued_on);

-- A contract may name the day on which the customer's content has to be gone.
CREATE TABLE contracts (
    id bigint PRIMARY KEY,
    customer_id bigint NOT NULL UNIQUE REFERENCES customers (id) ON DELETE RESTRICT,
    delete_content_on date,
    ended_on date
);
CREATE INDEX contracts_delete_content_on ON contracts (delete_content_on);
CREATE INDEX contracts_ended_on ON contracts (ended_on);

CREATE TABLE content (
    id bigint PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers (id) ON DELETE RESTRICT,
    body text NOT NULL,
    written_at timestamptz NOT NULL,
    deletion_requested_on date
);
CREATE INDEX content_customer_id ON content (customer_id);
CREATE INDEX content_written_at ON content (written_at);
CREATE INDEX content_deletion_requested_on ON content (deletion_requested_on);

CREATE TABLE security_logs (
    id bigint PRIMARY KEY,
    customer_id bigint,
    ip inet,
    event text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX security_logs_at ON security_logs (at);

CREATE TABLE subscribers (
    id bigint PRIMARY KEY,
    email text,
    unsubscribed_at timestamptz,
    objected_at timestamptz
);
CREATE INDEX subscribers_unsubscribed_at ON subscribers (unsubscribed_at);
CREATE INDEX subscribers_objected_at ON subscribers (objected_at);

-- Of an address its keyed hash, and nothing else.
CREATE TABLE suppressions (
    email_hash text PRIMARY KEY,
    origin text NOT NULL,
    since timestamptz NOT NULL
);

-- Data of the customers' own people, which aramin processes for them.
CREATE TABLE processed_records (
    id bigint PRIMARY KEY,
    tenant_id text,
    person_email text NOT NULL,
    received_at timestamptz NOT NULL
);
CREATE INDEX processed_records_received_at ON processed_records (received_at);

CREATE TABLE usage_records (
    id bigint PRIMARY KEY,
    customer_id bigint,
    user_email text,
    ip inet,
    device text,
    feature text NOT NULL,
    country text NOT NULL,
    milliseconds bigint NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX usage_records_at ON usage_records (at);
