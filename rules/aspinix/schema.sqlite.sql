-- An open account has no `closed_at`. `minor_known_at` says since when it is known that somebody is under 16.
CREATE TABLE accounts (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL UNIQUE,
    closed_at text,
    minor_known_at text
);
CREATE INDEX accounts_closed_at ON accounts (closed_at);
CREATE INDEX accounts_minor_known_at ON accounts (minor_known_at);

-- Deleting an account by hand would take its conversations along; the rule detaches them first.
CREATE TABLE conversations (
    id bigint PRIMARY KEY,
    account_id bigint REFERENCES accounts (id) ON DELETE CASCADE,
    contact_email text,
    body text,
    last_message_at text NOT NULL
);
CREATE INDEX conversations_account_id ON conversations (account_id);
CREATE INDEX conversations_last_message_at ON conversations (last_message_at);

CREATE TABLE leads (
    id bigint PRIMARY KEY,
    workspace_id bigint NOT NULL,
    account_id bigint REFERENCES accounts (id) ON DELETE SET NULL,
    name text,
    email text,
    created_at text NOT NULL
);
CREATE INDEX leads_workspace_id ON leads (workspace_id);
CREATE INDEX leads_account_id ON leads (account_id);
CREATE INDEX leads_created_at ON leads (created_at);

-- Of a workspace, which several accounts share.
CREATE TABLE crm_settings (
    workspace_id bigint PRIMARY KEY,
    lead_days bigint
);

CREATE TABLE usage_logs (
    id bigint PRIMARY KEY,
    account_id bigint NOT NULL,
    event text NOT NULL,
    at text NOT NULL
);
CREATE INDEX usage_logs_at ON usage_logs (at);
