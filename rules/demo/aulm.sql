CREATE TABLE message_logs (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL,
    recipient TEXT,
    payload_preview TEXT,
    status TEXT NOT NULL,
    sent_at INTEGER NOT NULL
);
CREATE INDEX message_logs_sent_at ON message_logs (sent_at);

-- An account with invoices can't go before they do: the foreign key forbids it.
CREATE TABLE invoices (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE RESTRICT,
    cents INTEGER NOT NULL,
    issued_on TEXT NOT NULL
);
CREATE INDEX invoices_account_id ON invoices (account_id);
