-- What a rule was approved as. Approvals of before were of the rule's digest alone, and stay in force for it.
ALTER TABLE approval ADD COLUMN rule_digest TEXT NOT NULL DEFAULT '';
ALTER TABLE approval ADD COLUMN guard TEXT NOT NULL DEFAULT 'first_sweep';
ALTER TABLE approval ADD COLUMN cutoff BIGINT;
-- JSON of the rule with its competitors and its table, to tell later what has changed.
ALTER TABLE approval ADD COLUMN form TEXT NOT NULL DEFAULT '';
-- The ledger's entry: batches after it count towards max_rows.
ALTER TABLE approval ADD COLUMN entry BIGINT NOT NULL DEFAULT 0;
-- 1 once a sweep has taken everything that was due: from then on the usual guards apply.
ALTER TABLE approval ADD COLUMN spent BIGINT NOT NULL DEFAULT 0;
UPDATE approval SET rule_digest = digest, spent = 1;

CREATE TABLE pause (
    -- 'rule', 'source' or 'all'.
    scope TEXT NOT NULL,
    -- Empty for 'all'.
    name TEXT NOT NULL,
    reason TEXT NOT NULL,
    paused_by TEXT NOT NULL,
    paused_at BIGINT NOT NULL,
    PRIMARY KEY (scope, name)
);

-- Rules whose last sweep was not what was promised: why, and since when for that reason.
CREATE TABLE blocked (
    rule TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    message TEXT NOT NULL,
    since BIGINT NOT NULL
);
