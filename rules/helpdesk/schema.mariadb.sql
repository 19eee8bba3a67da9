-- A client whose service is still needed has no `service_ended_at`.
CREATE TABLE clients (
    id bigint PRIMARY KEY,
    email varchar(120) NOT NULL UNIQUE,
    service_ended_at datetime(6),
    erasure_requested_at datetime(6)
);
CREATE INDEX clients_service_ended_at ON clients (service_ended_at);

-- A client may have several; one whose obligations have not ended has no date. Contracts and retentions outlive the client's own row.
CREATE TABLE contracts (
    id bigint PRIMARY KEY,
    client_id bigint NOT NULL,
    obligations_ended_on date
);
CREATE INDEX contracts_client_id ON contracts (client_id);
CREATE INDEX contracts_obligations_ended_on ON contracts (obligations_ended_on);

-- What the law keeps of a client, and until when.
CREATE TABLE legal_retentions (
    id bigint PRIMARY KEY,
    client_id bigint NOT NULL,
    law varchar(60) NOT NULL,
    expires_on date NOT NULL
);
CREATE INDEX legal_retentions_client_id ON legal_retentions (client_id);
CREATE INDEX legal_retentions_expires_on ON legal_retentions (expires_on);

CREATE TABLE tickets (
    id bigint PRIMARY KEY,
    client_id bigint NOT NULL REFERENCES clients (id),
    title varchar(120) NOT NULL
);
CREATE INDEX tickets_client_id ON tickets (client_id);

CREATE TABLE ticket_messages (
    id bigint PRIMARY KEY,
    ticket_id bigint NOT NULL REFERENCES tickets (id),
    body text NOT NULL
);
CREATE INDEX ticket_messages_ticket_id ON ticket_messages (ticket_id);

CREATE TABLE access_logs (
    id bigint PRIMARY KEY,
    client_id bigint,
    ip varchar(45),
    user_agent varchar(120),
    event varchar(60) NOT NULL,
    at datetime(6) NOT NULL
);
CREATE INDEX access_logs_at ON access_logs (at);

CREATE TABLE usage_metadata (
    id bigint PRIMARY KEY,
    client_id bigint NOT NULL,
    calls bigint NOT NULL,
    at_ms bigint NOT NULL
);
CREATE INDEX usage_metadata_at_ms ON usage_metadata (at_ms);
