-- An open account has no `closed_at`.
CREATE TABLE accounts (
    id bigint PRIMARY KEY,
    email text NOT NULL UNIQUE,
    name text,
    phone text,
    closed_at text
);
CREATE INDEX accounts_closed_at ON accounts (closed_at);

-- Milliseconds since 1970. The API writes many of these and reads few, so nothing refers to them.
CREATE TABLE message_logs (
    id bigint PRIMARY KEY,
    account_id bigint NOT NULL,
    recipient text,
    status text NOT NULL,
    payload_preview text,
    sent_at bigint NOT NULL
);
CREATE INDEX message_logs_sent_at ON message_logs (sent_at);

CREATE TABLE api_keys (
    id bigint PRIMARY KEY,
    account_id bigint NOT NULL,
    key_hash text NOT NULL,
    revoked_at bigint NOT NULL DEFAULT 0
);
CREATE INDEX api_keys_revoked_at ON api_keys (revoked_at);

CREATE TABLE sessions (
    id bigint PRIMARY KEY,
    account_id bigint NOT NULL,
    ip text,
    expires_at bigint NOT NULL
);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

CREATE TABLE webhook_deliveries (
    id bigint PRIMARY KEY,
    account_id bigint NOT NULL,
    url text NOT NULL,
    delivered_at bigint NOT NULL
);
CREATE INDEX webhook_deliveries_delivered_at ON webhook_deliveries (delivered_at);

CREATE TABLE tickets (
    id bigint PRIMARY KEY,
    account_id bigint NOT NULL,
    subject text NOT NULL,
    closed_at text
);
CREATE INDEX tickets_closed_at ON tickets (closed_at);

CREATE TABLE ticket_messages (
    id bigint PRIMARY KEY,
    ticket_id bigint NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
    author_id bigint,
    body text NOT NULL
);
CREATE INDEX ticket_messages_ticket_id ON ticket_messages (ticket_id);

CREATE TABLE feedback (
    id bigint PRIMARY KEY,
    ticket_id bigint NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
    stars bigint NOT NULL
);
CREATE INDEX feedback_ticket_id ON feedback (ticket_id);

-- No foreign key: the invoices come from another system.
CREATE TABLE invoices (
    id bigint PRIMARY KEY,
    account_id bigint NOT NULL,
    cents bigint NOT NULL,
    issued_on text NOT NULL
);
CREATE INDEX invoices_issued_on ON invoices (issued_on);
CREATE INDEX invoices_account_id ON invoices (account_id);
