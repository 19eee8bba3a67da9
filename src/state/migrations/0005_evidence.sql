-- Keyed digests of what a batch took, in the order of its Merkle tree; removed with a batch that never committed.
CREATE TABLE evidence_leaf (
    source TEXT NOT NULL,
    lane TEXT NOT NULL,
    lane_seq BIGINT NOT NULL,
    -- 0 for the first.
    position BIGINT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (source, lane, lane_seq, position)
);
CREATE INDEX evidence_leaf_by_digest ON evidence_leaf (digest);
