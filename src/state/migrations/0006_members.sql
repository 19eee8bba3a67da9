-- The oldest code that can work with these tables, by the newest step that it knows.
ALTER TABLE schema_version ADD COLUMN oldest BIGINT NOT NULL DEFAULT 6;

-- Daemons that share the state. One whose lease has ended has gone, or is cut off.
CREATE TABLE member (
    instance TEXT PRIMARY KEY,
    -- JSON of the process.
    owner TEXT NOT NULL,
    release TEXT NOT NULL,
    -- The newest step that it knows.
    knows BIGINT NOT NULL,
    lease_until BIGINT NOT NULL
);

-- Who looks after what is looked after once, however many daemons there are.
CREATE TABLE leader (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    instance TEXT NOT NULL
);
INSERT INTO leader (only_row, instance) VALUES (1, '');
