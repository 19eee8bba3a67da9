-- A client whose service is still needed has no `service_ended_at`.
CREATE TABLE clients (
    id INTEGER PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    service_ended_at TEXT,
    erasure_requested_at TEXT
);
CREATE INDEX clients_service_ended_at ON clients (service_ended_at);

-- A client may have several; one whose obligations have not ended has no date. Contracts and retentions outlive the client's own row.
CREATE TABLE contracts (
    id INTEGER PRIMARY KEY,
    client_id INTEGER NOT NULL,
    obligations_ended_on TEXT
);
CREATE INDEX contracts_client_id ON contracts (client_id);
CREATE INDEX contracts_obligations_ended_on ON contracts (obligations_ended_on);

-- What the law keeps of a client, and until when.
CREATE TABLE legal_retentions (
    id INTEGER PRIMARY KEY,
    client_id INTEGER NOT NULL,
    law TEXT NOT NULL,
    expires_on TEXT NOT NULL
);
CREATE INDEX legal_retentions_client_id ON legal_retentions (client_id);
CREATE INDEX legal_retentions_expires_on ON legal_retentions (expires_on);

CREATE TABLE tickets (
    id INTEGER PRIMARY KEY,
    client_id INTEGER NOT NULL REFERENCES clients (id),
    title TEXT NOT NULL
);
CREATE INDEX tickets_client_id ON tickets (client_id);

CREATE TABLE ticket_messages (
    id INTEGER PRIMARY KEY,
    ticket_id INTEGER NOT NULL REFERENCES tickets (id),
    body TEXT NOT NULL
);
CREATE INDEX ticket_messages_ticket_id ON ticket_messages (ticket_id);

CREATE TABLE access_logs (
    id INTEGER PRIMARY KEY,
    client_id INTEGER,
    ip TEXT,
    user_agent TEXT,
    event TEXT NOT NULL,
    at TEXT NOT NULL
);
CREATE INDEX access_logs_at ON access_logs (at);

CREATE TABLE usage_metadata (
    id INTEGER PRIMARY KEY,
    client_id INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    at_ms INTEGER NOT NULL
);
CREATE INDEX usage_metadata_at_ms ON usage_metadata (at_ms);
