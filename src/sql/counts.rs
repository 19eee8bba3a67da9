//! Numbers that statements answer with, by the order in which they are asked for.

/// Why a row is where it is: the classes of law 5, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema, serde::Deserialize)]
pub struct Counts {
    pub total: u64,
    pub outside: u64,
    pub undated: u64,
    pub running: u64,
    pub due: u64,
    pub held: u64,
    pub protected: u64,
    pub done: u64,
    /// Those of `undated` whose value is there but can't be meant.
    #[serde(skip)]
    pub implausible: u64,
}

impl Counts {
    /// The counts in the order in which `statement::count` asks for them; `None`: they are others.
    pub fn of(numbers: &[u64]) -> Option<Self> {
        let [total, outside, undated, running, due, held, protected, done, implausible] = *numbers else { return None };
        Some(Self { total, outside, undated, running, due, held, protected, done, implausible })
    }

    /// Adds another part of the same table.
    pub fn add(&mut self, other: &Self) {
        self.total += other.total;
        self.outside += other.outside;
        self.undated += other.undated;
        self.running += other.running;
        self.due += other.due;
        self.held += other.held;
        self.protected += other.protected;
        self.done += other.done;
        self.implausible += other.implausible;
    }
}

/// What a sweep that counted nothing beforehand learns of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Survey {
    pub rows: u64,
    /// Undated rows whose start can't be read or can't be meant.
    pub implausible: u64,
}

impl Survey {
    /// The numbers in the order in which `statement::survey` asks for them; `None`: they are others.
    pub fn of(numbers: &[u64]) -> Option<Self> {
        let &[rows, implausible] = numbers else { return None };
        Some(Self { rows, implausible })
    }
}
