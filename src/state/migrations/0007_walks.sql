-- Sweeps whose table is walked by several processes at once: where the next part begins, and what all have done together. A walk is
-- there as long as its sweep.
CREATE TABLE walk (
    sweep TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    rule TEXT NOT NULL,
    -- The instant that whoever joins plans for, and what the plan has to come to.
    as_of BIGINT NOT NULL,
    rule_digest TEXT NOT NULL,
    statement_digest TEXT NOT NULL,
    way TEXT NOT NULL,
    -- JSON of the place that the next part comes after; NULL: the table's start.
    place TEXT,
    at_end BIGINT NOT NULL,
    parts BIGINT NOT NULL,
    -- Of intents that were not abandoned.
    acted BIGINT NOT NULL,
    dragged BIGINT NOT NULL,
    batches BIGINT NOT NULL,
    -- Rows that were looked at where nothing was counted beforehand, and those of them with a start that can't be meant.
    walked BIGINT NOT NULL,
    implausible BIGINT NOT NULL,
    UNIQUE (source, rule)
);

-- Parts of a walk that somebody has taken and not done yet.
CREATE TABLE part (
    sweep TEXT NOT NULL,
    number BIGINT NOT NULL,
    -- JSON of its bounds; NULL: none.
    after_place TEXT,
    through_place TEXT,
    -- Who has it: a claim of a lane.
    lane TEXT NOT NULL,
    fence BIGINT NOT NULL,
    -- What it has added to the same of the walk.
    walked BIGINT NOT NULL,
    implausible BIGINT NOT NULL,
    PRIMARY KEY (sweep, number)
);
