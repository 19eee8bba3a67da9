//! What the scenario produced, query by query: a line is a panel's title (with the query's letter, where there are several)
//! and its series.
//!
//! A series is `LABELS=VALUE`: the values of the labels that tell it from its neighbours, by the labels' names; without
//! labels a value alone. A value is a number, `NaN`, or `LOW..HIGH`, which holds both. What stands in braces is what
//! `scenario.rs` says it is. No series at all is a dash.

/// Every query of each dashboard.
pub const EXPECTED: [(&str, &str, &str); 3] =
    [("retentiond-promises", ".*", PROMISES), ("retentiond-operations", ".*", OPERATIONS), ("retentiond-rule", "p/closed", ONE_RULE)];

/// Some of a rule that waits.
pub const WAITS: &str = "
The promise             | p/waits=1
Enforced                | 0
Its source              | app=1
Not enforced because    | approval=0..300
Overdue for             | {overdue}
Last success            | NaN
Rows                    | done=0 due=36 held=0 outside=0 protected=4 running=0 undated=0
Comes due               | 30d=0 7d=0 90d=0
Rows taken              | 0
Enforced over time      | 0
";

const PROMISES: &str = "
Promises                | 7
Kept                    | 3
Broken                  | 2
Wait for a person       | 1
Rows that should be gone | 47
Tables without a rule   | 1
Rows on hold            | 3
Holds in force          | 2
Held subjects           | 4
Holds not in force everywhere | 1
Evidence                | 1
Evidence verified       | 0..300
Each promise A          | p/away=0 p/broken=0 p/closed=1 p/disputed=1 p/observes=0 p/suppressions=1 p/waits=0
Each promise B          | p/away=NaN p/broken=NaN p/closed=0 p/disputed=0 p/observes={overdue} p/suppressions=0 p/waits={overdue}
Each promise C          | p/away=NaN p/broken=NaN p/closed=0 p/disputed=0 p/observes=11 p/suppressions=0 p/waits=36
Each promise D          | p/away=NaN p/broken=NaN p/closed=3 p/disputed=0 p/observes=0 p/suppressions=0 p/waits=0
Each promise E          | p/away=NaN p/broken=NaN p/closed=0 p/disputed=0 p/observes=0 p/suppressions=0 p/waits=4
Each promise F          | p/away=NaN p/broken=NaN p/closed=1 p/disputed=0 p/observes=2 p/suppressions=0 p/waits=0
Each promise G          | p/away=NaN p/broken=NaN p/closed={since} p/disputed=NaN p/observes=NaN p/suppressions=NaN p/waits=NaN
Each promise H          | p/away={january} p/broken={january} p/closed={january} p/disputed=NaN p/observes=NaN p/suppressions=NaN p/waits={january}
Each promise I          | p/away=NaN p/broken=NaN p/closed={since} p/disputed={since} p/observes={since} p/suppressions={since} p/waits={since}
Why promises wait A     | approval,p/waits=1 connection,p/away=1 missing_column,p/broken=1 observe,p/observes=1
Why promises wait B     | approval,p/waits=0..300 connection,p/away=0..300 missing_column,p/broken=0..300 observe,p/observes=0..300
Comes due               | 30d=5 7d=2 90d=9
Comes due, rule by rule A | p/away=NaN p/broken=NaN p/closed=2 p/disputed=0 p/observes=0 p/suppressions=0 p/waits=0
Comes due, rule by rule B | p/away=NaN p/broken=NaN p/closed=5 p/disputed=0 p/observes=0 p/suppressions=0 p/waits=0
Comes due, rule by rule C | p/away=NaN p/broken=NaN p/closed=9 p/disputed=0 p/observes=0 p/suppressions=0 p/waits=0
Rows taken              | delete=117..129 keep=0
Rows by state           | done=0 due=47 held=3 outside=36 protected=4 running=49 undated=3
Oldest overdue row      | p/away=NaN p/broken=NaN p/closed=0 p/disputed=0 p/observes={overdue} p/suppressions=0 p/waits={overdue}
";

const OPERATIONS: &str = "
Daemons                 | 1
Versions                | {version}=1
Configuration           | 1
Configuration loaded    | 0..300
Sweeps under way        | 0
Sweeps that wait        | 0
Sources                 | app=1 gone=0
Leader                  | 1
Rules that are not enforced | approval=1 connection=1 missing_column=1 observe=1
Rows a second           | delete,app=0.39..0.43 delete,gone=0 keep,app=0
Batches a second        | app={batches_a_second} gone=0
Rows a batch            | app={rows_a_batch} gone=NaN
Batch duration A        | app=0.0001..30 gone=NaN
Batch duration B        | app=0.0001..30 gone=NaN
Sweeps by outcome       | complete=1..1.1 failed={failed} guarded=0 interrupted={interrupted} nothing_due={nothing_due} paused={paused} refused=0
Sweeps that failed      | p/away={failed}
Sweep duration          | app=0.001..60 gone=0.001..60
Throttled               | contention,app={contention} contention,gone=0 courtesy,app={courtesy} courtesy,gone=0 dead_rows,app=0 dead_rows,gone=0 other_workers,app=0 other_workers,gone=0 rate,app={rate} rate,gone=0 replica_lag,app=0 replica_lag,gone=0
Replica lag             | app=NaN gone=NaN
Ledger entries          | {entries}
Evidence                | 1
Up for                  | 0..300
Memory                  | 1000000..4000000000
Processor               | 0..{processor}
Open files              | 0.000001..0.9
";

const ONE_RULE: &str = "
The promise             | p/closed=1
Enforced                | 1
Its source              | app=1
Not enforced because    | -
Overdue for             | 0
Last success            | {since}
Next sweep              | {january}
Residue owed since      | 0
Counted                 | {since}
Rows                    | done=0 due=0 held=3 outside=0 protected=0 running=39 undated=1
Comes due               | 30d=5 7d=2 90d=9
Rows over time          | done=0 due=0 held=3 outside=0 protected=0 running=39 undated=1
Rows taken              | 117..129
Being swept             | 0
Sweeps by outcome       | complete=1..1.1 failed=0 guarded=0 interrupted={interrupted} nothing_due={nothing_due} paused={paused} refused=0
Enforced over time      | 1
Rows a second           | 0.39..0.43
Mean batch and sweep A  | 0.0001..30
Mean batch and sweep B  | 0.0001..60
Throttling of its source | contention={contention} courtesy={courtesy} dead_rows=0 other_workers=0 rate={rate} replica_lag=0
";
