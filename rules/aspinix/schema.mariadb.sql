-- An open account has no `closed_at`. `minor_known_at` says since when it is known that somebody is under 16.
CREATE TABLE accounts (
    id bigint PRIMARY KEY,
    name varchar(200) NOT NULL,
    email varchar(200) NOT NULL UNIQUE,
    closed_at datetime(6),
    minor_known_at datetime(6)
);
CREATE INDEX accounts_closed_at ON accounts (closed_at);
CREATE INDEX accounts_minor_known_at ON accounts (minor_known_at);

-- Deleting an account by hand would take its conversations along; the rule detaches them first.
CREATE TABLE conversations (
    id bigint PRIMARY KEY,
    account_id bigint REFERENCES accounts (id) ON DELETE CASCADE,
    contact_email varchar(200),
    body varchar(200),
    last_message_at datetime(6) NOT NULL
);
CREATE INDEX conversations_account_id ON conversations (account_id);
CREATE INDEX conversations_last_message_at ON conversations (last_message_at);

CREATE TABLE leads (
    id bigint PRIMARY KEY,
    workspace_id bigint NOT NULL,
    account_id bigint REFERENCES accounts (id) ON DELETE SET NULL,
    name varchar(200),
    email varchar(200),
    created_at datetime(6) NOT NULL
);
CREATE INDEX leads_workspace_id ON leads (workspace_id);
CREATE INDEX leads_account_id ON leads (account_id);
CREATE INDEX leads_created_at ON leads (created_at);

-- Of a workspace, which several accounts share.
CREATE TABLE crm_settings (
    workspace_id bigint PRIMARY KEY,
    lead_days bigint
);

-- One part a year here, and by month where there are more of them.
CREATE TABLE usage_logs (
    id bigint NOT NULL,
    account_id bigint NOT NULL,
    event varchar(200) NOT NULL,
    at datetime(6) NOT NULL,
    PRIMARY KEY (at, id)
) PARTITION BY RANGE COLUMNS (at) (
    PARTITION before_2024 VALUES LESS THAN ('2024-01-01 00:00:00'),
    PARTITION in_2024 VALUES LESS THAN ('2025-01-01 00:00:00'),
    PARTITION in_2025 VALUES LESS THAN ('2026-01-01 00:00:00'),
    PARTITION after_2025 VALUES LESS THAN (MAXVALUE)
);
CREATE INDEX usage_logs_at ON usage_logs (at);
