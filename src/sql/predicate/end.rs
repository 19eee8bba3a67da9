//! Whether the end of a row has come, as text: dates, the latest or earliest of several, and periods that a column says.
//!
//! Three things are asked of every end, each TRUE or FALSE: whether it has *come*, whether it is *absent*, and whether what is there *can't be
//! meant*. An end that has come is neither absent nor without meaning; one that is none of the three is yet to come. Parts are put together
//! in these terms alone, so that dates of different formats never meet: the latest of two has come if both have, the earliest if one has.
//!
//! Several rows of another table are so many dates of which the latest counts. Whatever one of them leaves open, keeps the row. The questions are
//! written with `IS`, so that PostgreSQL asks them anew of a row that it had to wait for, and makes no join of them, whose other side it would
//! not look at again.

use super::{column::column, lookup, start::Start};
use crate::{
    fault,
    policy::{Dialect, Which},
    sql::selection::{DateTest, EndTest, PartTest, SettingTest},
};

/// One end of one dialect.
pub(super) struct End<'a> {
    dialect: Dialect,
    test: &'a EndTest,
}

impl<'a> End<'a> {
    pub(super) fn new(dialect: Dialect, test: &'a EndTest) -> Self {
        Self { dialect, test }
    }

    fn of(&self, test: &'a EndTest) -> Self {
        Self { dialect: self.dialect, test }
    }

    /// Conjuncts that are all TRUE exactly for the rows whose end has come. The first of them can be answered from an index, where the row's own
    /// start is compared bare.
    pub(super) fn ended(&self) -> Vec<String> {
        match self.test {
            EndTest::Date(date) if date.through.is_empty() => Start::new(self.dialect, &date.start).ended(),
            EndTest::Date(date) => self.looked_up(date),
            EndTest::Of { which: Which::Latest, parts } => self.all(parts),
            EndTest::Of { which: Which::Earliest, parts } => {
                let one = parts.iter().map(|part| self.of(&part.end).has_come()).collect::<Vec<_>>().join(" OR ");
                vec![format!("({one})"), format!("NOT {}", self.implausible())]
            }
            EndTest::Setting(setting) => vec![self.set(setting)],
        }
    }

    /// The same as one expression. TRUE, or not.
    fn has_come(&self) -> String {
        format!("({})", self.ended().join(" AND "))
    }

    /// TRUE or FALSE: the row bears no date that could be meant.
    pub(super) fn undated(&self) -> String {
        match self.test {
            EndTest::Date(date) if date.through.is_empty() => Start::new(self.dialect, &date.start).undated(),
            _ => format!("({} OR {})", self.absent(), self.implausible()),
        }
    }

    /// TRUE or FALSE: something is there that can't be read or can't be meant.
    pub(super) fn implausible(&self) -> String {
        match self.test {
            EndTest::Date(date) => {
                let implausible = Start::new(self.dialect, &date.start).implausible();
                if date.through.is_empty() { implausible } else { lookup::some(self.dialect, &date.through, &implausible) }
            }
            EndTest::Of { parts, .. } => self.any_of(parts.iter().map(|part| self.of(&part.end).implausible())),
            EndTest::Setting(setting) => {
                let name = column(&setting.column);
                let meant: Vec<String> = known(setting).map(|number| number.to_string()).collect();
                let unknown = match meant.is_empty() {
                    true => format!("{name} IS NOT NULL"),
                    false => format!("({name} IS NOT NULL AND ({name} IN ({})) IS NOT TRUE)", meant.join(", ")),
                };
                let unknown = if setting.through.is_empty() { unknown } else { lookup::some(self.dialect, &setting.through, &unknown) };
                self.any_of([unknown, self.of(&setting.dates).implausible()].into_iter())
            }
        }
    }

    /// TRUE or FALSE: it bears no date.
    fn absent(&self) -> String {
        match self.test {
            EndTest::Date(date) => {
                let absent = Start::new(self.dialect, &date.start).absent();
                if date.through.is_empty() {
                    return absent;
                }
                let any = lookup::any(self.dialect, &date.through);
                match date.optional {
                    true => format!("NOT {}", lookup::some(self.dialect, &date.through, &format!("NOT {absent}"))),
                    false => format!("(NOT {any} OR {})", lookup::some(self.dialect, &date.through, &absent)),
                }
            }
            EndTest::Of { which, parts } => {
                let all = parts.iter().map(|part| self.of(&part.end).absent()).collect::<Vec<_>>().join(" AND ");
                let required = parts.iter().filter(|part| *which == Which::Latest && !part.optional);
                self.any_of(required.map(|part| self.of(&part.end).absent()).chain([format!("({all})")]))
            }
            EndTest::Setting(setting) => {
                let dates = self.of(&setting.dates).absent();
                if setting.unset.is_some() {
                    return dates;
                }
                let unset = format!("{} IS NULL", column(&setting.column));
                if setting.through.is_empty() {
                    return format!("({unset} OR {dates})");
                }
                let (any, unset) = (lookup::any(self.dialect, &setting.through), lookup::some(self.dialect, &setting.through, &unset));
                format!("(NOT {any} OR {unset} OR {dates})")
            }
        }
    }

    fn any_of(&self, parts: impl Iterator<Item = String>) -> String {
        format!("({})", parts.collect::<Vec<_>>().join(" OR "))
    }

    /// Conjuncts of a date in other rows: one is there, and of each the end has come.
    fn looked_up(&self, date: &DateTest) -> Vec<String> {
        let start = Start::new(self.dialect, &date.start);
        let (absent, come) = (start.absent(), start.ended().join(" AND "));
        let first = self.narrowed(date);
        if fault::seeded("lookup-of-any-row") {
            return first.into_iter().chain([lookup::some(self.dialect, &date.through, &format!("({come})"))]).collect();
        }
        // What may be missing is passed over, but something has to be there.
        let counts = if date.optional { format!("NOT {absent} AND ") } else { String::new() };
        let there = if date.optional {
            lookup::some(self.dialect, &date.through, &format!("NOT {absent}"))
        } else {
            lookup::any(self.dialect, &date.through)
        };
        let open = lookup::some(self.dialect, &date.through, &format!("{counts}({come}) IS NOT TRUE"));
        first.into_iter().chain([format!("({there}) IS TRUE"), format!("({open}) IS FALSE")]).collect()
    }

    /// A comparison that no row fails of whose dates elsewhere all are before the cut-off: from their side, where an index may find them.
    fn narrowed(&self, date: &DateTest) -> Option<String> {
        let [hop] = date.through.as_slice() else { return None };
        let [(own, theirs)] = hop.pairs.as_slice() else { return None };
        let before = Start::new(self.dialect, &date.start).before_cutoff()?;
        let (own, theirs) = (super::quote_identifier(own), super::quote_identifier(theirs));
        Some(format!("t.{own} IN (SELECT p.{theirs} FROM {} AS p WHERE {before})", super::qualified(self.dialect, &hop.table)))
    }

    /// Conjuncts of the latest of several.
    fn all(&self, parts: &'a [PartTest]) -> Vec<String> {
        if fault::seeded("latest-is-earliest") {
            let one = parts.iter().map(|part| self.of(&part.end).has_come()).collect::<Vec<_>>().join(" OR ");
            return vec![format!("({one})")];
        }
        let mut conjuncts: Vec<String> = parts.iter().filter(|part| !part.optional).flat_map(|part| self.of(&part.end).ended()).collect();
        let is_any_required = !conjuncts.is_empty();
        let optional = parts.iter().filter(|part| part.optional).map(|part| self.of(&part.end));
        conjuncts.extend(optional.map(|end| format!("({} OR {})", end.absent(), end.has_come())));
        if !is_any_required {
            let absent = parts.iter().map(|part| self.of(&part.end).absent()).collect::<Vec<_>>().join(" AND ");
            conjuncts.push(format!("NOT ({absent})"));
        }
        conjuncts
    }

    /// Whether the end has come by the period that is set.
    fn set(&self, setting: &'a SettingTest) -> String {
        let name = column(&setting.column);
        let unset = setting.unset.as_ref().map_or_else(|| "FALSE".to_owned(), |end| self.of(end).has_come());
        let mut cases = format!("CASE WHEN {name} IS NULL THEN {unset}");
        for (numbers, end) in &setting.periods {
            let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
            cases.push_str(&format!(" WHEN {name} IN ({}) THEN {}", numbers.join(", "), self.of(end).has_come()));
        }
        // For ever, or set to what nobody knew when the sweep began.
        cases.push_str(" ELSE FALSE END");
        if setting.through.is_empty() {
            return cases;
        }
        let any = lookup::any(self.dialect, &setting.through);
        let open = lookup::some(self.dialect, &setting.through, &format!("({cases}) IS NOT TRUE"));
        format!("(({any} OR {unset}) AND ({open}) IS FALSE)")
    }

    /// A comparison that no row fails whose end has come: of the bare start, or of what leads to it.
    pub(super) fn before_cutoff(&self) -> Option<String> {
        match self.test {
            EndTest::Date(date) if date.through.is_empty() => Start::new(self.dialect, &date.start).before_cutoff(),
            EndTest::Date(date) => self.narrowed(date),
            EndTest::Of { which: Which::Latest, parts } => {
                let required = parts.iter().filter(|part| !part.optional).filter_map(|part| self.of(&part.end).before_cutoff());
                let all: Vec<String> = required.collect();
                (!all.is_empty()).then(|| all.join(" AND "))
            }
            EndTest::Of { which: Which::Earliest, parts } => match parts.as_slice() {
                [part] => self.of(&part.end).before_cutoff(),
                _ => None,
            },
            // By the shortest of the periods.
            EndTest::Setting(setting) => {
                let ends = setting.periods.iter().map(|(_, end)| end).chain(&setting.unset);
                self.of(ends.max_by_key(|end| end.cutoff())?).before_cutoff()
            }
        }
    }

    /// Whether the order of the row's own start is that of time.
    pub(super) fn is_in_order(&self) -> bool {
        self.test.own_start().is_some_and(|start| Start::new(self.dialect, start).is_in_order())
    }
}

/// Every number that means something.
fn known(setting: &SettingTest) -> impl Iterator<Item = i64> {
    setting.periods.iter().flat_map(|(numbers, _)| numbers).chain(&setting.forever).copied()
}
