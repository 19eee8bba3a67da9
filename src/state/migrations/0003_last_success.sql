-- When the last sweep of each rule began that did all that was due: asked every few seconds, while `sweep` grows for years.
CREATE TABLE last_success (
    rule TEXT PRIMARY KEY,
    -- The ledger's entry of that sweep's start: tells which is the last, whatever the clock did.
    entry BIGINT NOT NULL,
    started_at BIGINT NOT NULL
);
INSERT INTO last_success (rule, entry, started_at)
    SELECT rule, entry, started_at FROM sweep
    WHERE entry IN (SELECT max(entry) FROM sweep WHERE outcome IN ('complete', 'nothing_due') GROUP BY rule);
