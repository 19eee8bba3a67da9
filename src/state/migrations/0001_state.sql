-- Times are microseconds since 1970. Only BIGINT and TEXT: both databases read them alike.

CREATE TABLE schema_version (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    version BIGINT NOT NULL
);

CREATE TABLE identity (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    id TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Appends take turns by updating this row.
CREATE TABLE ledger_head (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    seq BIGINT NOT NULL,
    hash TEXT NOT NULL
);

CREATE TABLE ledger (
    seq BIGINT PRIMARY KEY,
    canonical TEXT NOT NULL,
    prev TEXT NOT NULL,
    hash TEXT NOT NULL,
    -- Copies of what the canonical text says, to find entries by.
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    rule TEXT,
    source TEXT
);
CREATE INDEX ledger_by_rule ON ledger (rule, seq);

-- Texts that the chain only commits to. Erasing one empties salt and body.
CREATE TABLE ledger_text (
    seq BIGINT NOT NULL REFERENCES ledger (seq),
    field TEXT NOT NULL,
    salt TEXT NOT NULL,
    body TEXT,
    PRIMARY KEY (seq, field)
);

CREATE TABLE source (
    name TEXT PRIMARY KEY,
    source_id TEXT NOT NULL UNIQUE,
    fingerprint TEXT NOT NULL UNIQUE,
    wanted BIGINT NOT NULL,
    confirmed BIGINT NOT NULL
);

CREATE TABLE hold (
    id TEXT PRIMARY KEY,
    matter TEXT NOT NULL,
    reason TEXT NOT NULL,
    placed_by TEXT NOT NULL,
    placed_at BIGINT NOT NULL,
    -- JSON of the scope.
    scope TEXT NOT NULL,
    subject_count BIGINT NOT NULL,
    -- The salt of the digest in the ledger.
    subjects_salt TEXT NOT NULL,
    released_at BIGINT,
    released_by TEXT,
    release_reason TEXT,
    -- A released hold is in force until then.
    lapses_at BIGINT
);

-- Without a reference to its hold, which is written in the same transaction: checking 100,000 of them takes longer than
-- writing them.
CREATE TABLE hold_subject (
    hold TEXT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (hold, kind, value)
);

-- A hold in a source that it reaches: from the moment that it is wanted there until its rows are gone from there.
CREATE TABLE hold_source (
    hold TEXT NOT NULL REFERENCES hold (id),
    source TEXT NOT NULL,
    -- JSON list of scope keys: the reaches that are wanted, and once confirmed are there.
    reach TEXT NOT NULL,
    -- The epoch that the gate has to reach with it.
    epoch BIGINT NOT NULL,
    confirmed BIGINT NOT NULL,
    PRIMARY KEY (hold, source)
);
CREATE INDEX hold_source_by_source ON hold_source (source);

CREATE TABLE lane (
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    fence BIGINT NOT NULL,
    -- The last intent that was settled.
    seq BIGINT NOT NULL,
    applied_seq BIGINT NOT NULL,
    applied_rows BIGINT NOT NULL,
    applied_hash TEXT NOT NULL,
    -- The entry of the open intent.
    open_entry BIGINT REFERENCES ledger (seq),
    -- JSON of the process that works here.
    owner TEXT,
    lease_until BIGINT,
    PRIMARY KEY (source, name)
);

CREATE TABLE sweep (
    id TEXT PRIMARY KEY,
    rule TEXT NOT NULL,
    source TEXT NOT NULL,
    table_name TEXT NOT NULL,
    action TEXT NOT NULL,
    cutoff BIGINT,
    rule_digest TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    -- The ledger's entry: tells which sweep of a rule is the last, whatever the clock did.
    entry BIGINT NOT NULL,
    ended_at BIGINT,
    acted BIGINT,
    dragged BIGINT,
    batches BIGINT,
    outcome TEXT,
    reason TEXT
);
CREATE INDEX sweep_by_rule ON sweep (rule, entry);

CREATE TABLE approval (
    rule TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    max_rows BIGINT,
    approved_by TEXT NOT NULL,
    approved_at BIGINT NOT NULL
);
