-- An application without a decision has no `decided_on`: it stays.
CREATE TABLE applications (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    decided_on TEXT
);

CREATE TABLE contact_forms (
    id INTEGER PRIMARY KEY,
    email TEXT NOT NULL,
    message TEXT NOT NULL,
    submitted_at TEXT NOT NULL
);
