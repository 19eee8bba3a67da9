CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    last_sign_in_at TEXT,
    last_contact_at TEXT
);
CREATE INDEX customers_last_sign_in_at ON customers (last_sign_in_at);

-- Every customer has one, if only for the free plan. One that is running has no `ended_on`. It outlives the customer's own row.
CREATE TABLE contracts (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL UNIQUE,
    ended_on TEXT
);
CREATE INDEX contracts_ended_on ON contracts (ended_on);

-- An order bears the customer's number and stays when the customer goes.
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL,
    cents INTEGER NOT NULL,
    placed_on TEXT NOT NULL
);
CREATE INDEX orders_placed_on ON orders (placed_on);

-- `plan_months` is what the tenant has asked for: NULL for nothing, 0 for ever.
CREATE TABLE tenants (
    id TEXT PRIMARY KEY,
    plan_months INTEGER
);

CREATE TABLE plans (
    id INTEGER PRIMARY KEY,
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    title TEXT NOT NULL,
    edited_at TEXT NOT NULL
);
CREATE INDEX plans_tenant_id ON plans (tenant_id);
CREATE INDEX plans_edited_at ON plans (edited_at);

-- The pseudonym of an address has 64 digits.
CREATE TABLE activity (
    id INTEGER PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    user_email TEXT,
    ip TEXT,
    what TEXT NOT NULL,
    at TEXT NOT NULL
);
CREATE INDEX activity_at ON activity (at);

-- The application sets `known_under_16_at` as soon as it learns an age: from a date of birth, or because somebody told.
CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    email TEXT NOT NULL,
    left_at TEXT,
    known_under_16_at TEXT
);
CREATE INDEX users_left_at ON users (left_at);
CREATE INDEX users_known_under_16_at ON users (known_under_16_at);

-- An application without a decision has no `decided_on`: it stays.
CREATE TABLE applications (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    decided_on TEXT
);
CREATE INDEX applications_decided_on ON applications (decided_on);

CREATE TABLE professional_contacts (
    id INTEGER PRIMARY KEY,
    email TEXT NOT NULL,
    company TEXT NOT NULL,
    last_contact_at TEXT NOT NULL
);
CREATE INDEX professional_contacts_last_contact_at ON professional_contacts (last_contact_at);

CREATE TABLE contact_forms (
    id INTEGER PRIMARY KEY,
    email TEXT NOT NULL,
    message TEXT NOT NULL,
    submitted_at TEXT NOT NULL
);
CREATE INDEX contact_forms_submitted_at ON contact_forms (submitted_at);
