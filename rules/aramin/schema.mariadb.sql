-- An open account has no `closed_at`. `content_days` is what the customer has set in the product: NULL for nothing, 0 for ever.
CREATE TABLE customers (
    id bigint PRIMARY KEY,
    email varchar(120) NOT NULL UNIQUE,
    closed_at datetime(6),
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
    written_at datetime(6) NOT NULL,
    deletion_requested_on date
);
CREATE INDEX content_customer_id ON content (customer_id);
CREATE INDEX content_written_at ON content (written_at);
CREATE INDEX content_deletion_requested_on ON content (deletion_requested_on);

CREATE TABLE security_logs (
    id bigint PRIMARY KEY,
    customer_id bigint,
    ip varchar(45),
    event varchar(60) NOT NULL,
    at datetime(6) NOT NULL
);
CREATE INDEX security_logs_at ON security_logs (at);

CREATE TABLE subscribers (
    id bigint PRIMARY KEY,
    email varchar(120),
    unsubscribed_at datetime(6),
    objected_at datetime(6)
);
CREATE INDEX subscribers_unsubscribed_at ON subscribers (unsubscribed_at);
CREATE INDEX subscribers_objected_at ON subscribers (objected_at);

-- Of an address its keyed hash, and nothing else.
CREATE TABLE suppressions (
    email_hash varchar(64) PRIMARY KEY,
    origin varchar(20) NOT NULL,
    since datetime(6) NOT NULL
);

-- Data of the customers' own people, which aramin processes for them.
CREATE TABLE processed_records (
    id bigint PRIMARY KEY,
    tenant_id varchar(40),
    person_email varchar(120) NOT NULL,
    received_at datetime(6) NOT NULL
);
CREATE INDEX processed_records_received_at ON processed_records (received_at);

CREATE TABLE usage_records (
    id bigint PRIMARY KEY,
    customer_id bigint,
    user_email varchar(120),
    ip varchar(45),
    device varchar(60),
    feature varchar(60) NOT NULL,
    country varchar(2) NOT NULL,
    milliseconds bigint NOT NULL,
    at datetime(6) NOT NULL
);
CREATE INDEX usage_records_at ON usage_records (at);
