CREATE TABLE customers (
    id bigint PRIMARY KEY,
    email varchar(120) NOT NULL UNIQUE,
    last_sign_in_at datetime(6),
    last_contact_at datetime(6)
);
CREATE INDEX customers_last_sign_in_at ON customers (last_sign_in_at);

-- Every customer has one, if only for the free plan. One that is running has no `ended_on`. It outlives the customer's own row.
CREATE TABLE contracts (
    id bigint PRIMARY KEY,
    customer_id bigint NOT NULL UNIQUE,
    ended_on date
);
CREATE INDEX contracts_ended_on ON contracts (ended_on);

-- An order bears the customer's number and stays when the customer goes.
CREATE TABLE orders (
    id bigint PRIMARY KEY,
    customer_id bigint NOT NULL,
    cents bigint NOT NULL,
    placed_on date NOT NULL
);
CREATE INDEX orders_placed_on ON orders (placed_on);

-- `plan_months` is what the tenant has asked for: NULL for nothing, 0 for ever.
CREATE TABLE tenants (
    id varchar(40) PRIMARY KEY,
    plan_months bigint
);

CREATE TABLE plans (
    id bigint PRIMARY KEY,
    tenant_id varchar(40) NOT NULL REFERENCES tenants (id),
    title varchar(120) NOT NULL,
    edited_at datetime(6) NOT NULL
);
CREATE INDEX plans_tenant_id ON plans (tenant_id);
CREATE INDEX plans_edited_at ON plans (edited_at);

-- The pseudonym of an address has 64 digits.
CREATE TABLE activity (
    id bigint PRIMARY KEY,
    tenant_id varchar(40) NOT NULL,
    user_email varchar(120),
    ip varchar(45),
    what varchar(60) NOT NULL,
    at datetime(6) NOT NULL
);
CREATE INDEX activity_at ON activity (at);

-- The application sets `known_under_16_at` as soon as it learns an age: from a date of birth, or because somebody told.
CREATE TABLE users (
    id bigint PRIMARY KEY,
    tenant_id varchar(40) NOT NULL,
    email varchar(120) NOT NULL,
    left_at datetime(6),
    known_under_16_at datetime(6)
);
CREATE INDEX users_left_at ON users (left_at);
CREATE INDEX users_known_under_16_at ON users (known_under_16_at);

-- An application without a decision has no `decided_on`: it stays.
CREATE TABLE applications (
    id bigint PRIMARY KEY,
    name varchar(120) NOT NULL,
    email varchar(120) NOT NULL,
    decided_on date
);
CREATE INDEX applications_decided_on ON applications (decided_on);

CREATE TABLE professional_contacts (
    id bigint PRIMARY KEY,
    email varchar(120) NOT NULL,
    company varchar(120) NOT NULL,
    last_contact_at datetime(6) NOT NULL
);
CREATE INDEX professional_contacts_last_contact_at ON professional_contacts (last_contact_at);

CREATE TABLE contact_forms (
    id bigint PRIMARY KEY,
    email varchar(120) NOT NULL,
    message text NOT NULL,
    submitted_at datetime(6) NOT NULL
);
CREATE INDEX contact_forms_submitted_at ON contact_forms (submitted_at);
