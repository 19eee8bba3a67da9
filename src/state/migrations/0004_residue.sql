-- What deleted rows left behind and somebody asked to be rid of: owed from before a batch commits until it was treated.
CREATE TABLE residue (
    source TEXT NOT NULL,
    rule TEXT NOT NULL,
    schema_name TEXT NOT NULL,
    table_name TEXT NOT NULL,
    -- 'compacted' or 'rewritten': what the rule asked for last.
    level TEXT NOT NULL,
    since BIGINT NOT NULL,
    -- The ledger's entry of the last intent that it is owed for.
    intent BIGINT NOT NULL,
    PRIMARY KEY (source, rule, schema_name, table_name)
);
