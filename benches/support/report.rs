//! The rows that a benchmark prints when it ends. `benches/report` puts the rows of all benchmarks into one table.

use super::Pair;

/// The unit of a row's values.
#[derive(Clone, Copy)]
pub enum Unit {
    Nanos,
    PerSecond,
    Kibibytes,
    Bytes,
    Count,
}

/// The bound that a row's value must meet.
#[derive(Clone, Copy)]
pub enum Goal {
    /// At most this many times the floor.
    AtMost(f64),
    /// At least this many times the floor.
    AtLeast(f64),
    /// At most this much more than the floor.
    Over(f64),
    /// At most this much, whatever the floor.
    Below(f64),
    /// No bound: the row only states its values.
    Stated,
}

/// One line of the table.
struct Row {
    goal: u8,
    what: String,
    unit: Unit,
    floor: Option<f64>,
    ours: f64,
    ratio: Option<f64>,
    bound: Goal,
}

#[derive(Default)]
pub struct Report(Vec<Row>);

impl Report {
    /// Adds a row with the medians, and with the median ratio of neighbouring turns. Adds no row if criterion's filter
    /// has skipped the measurement.
    pub fn medians(
        &mut self,
        goal: u8,
        what: impl Into<String>,
        unit: Unit,
        pair: &Pair,
        bound: Goal,
    ) {
        if pair.is_empty() {
            return;
        }
        let (floor, ours) = pair.medians();
        self.push(goal, what, unit, (floor, ours, pair.ratio()), bound);
    }

    /// Adds a row of two values.
    pub fn values(
        &mut self,
        goal: u8,
        what: impl Into<String>,
        unit: Unit,
        (floor, ours): (f64, f64),
        bound: Goal,
    ) {
        self.push(goal, what, unit, (floor, ours, ours / floor), bound);
    }

    /// Adds a row for a value that has no floor.
    pub fn value(&mut self, goal: u8, what: impl Into<String>, unit: Unit, ours: f64, bound: Goal) {
        self.0.push(Row {
            goal,
            what: what.into(),
            unit,
            floor: None,
            ours,
            ratio: None,
            bound,
        });
    }

    fn push(
        &mut self,
        goal: u8,
        what: impl Into<String>,
        unit: Unit,
        (floor, ours, ratio): (f64, f64, f64),
        bound: Goal,
    ) {
        self.0.push(Row {
            goal,
            what: what.into(),
            unit,
            floor: Some(floor),
            ours,
            ratio: Some(ratio),
            bound,
        });
    }

    /// Prints the rows to stdout. A run that measured nothing has no rows.
    pub fn print(&self) {
        if self.0.is_empty() {
            return;
        }
        println!("\n| group | what | floor | ours | ratio | goal | met |");
        println!("|---|---|---|---|---|---|---|");
        for row in &self.0 {
            println!("{}", row.line());
        }
    }
}

impl Row {
    fn line(&self) -> String {
        let floor = self
            .floor
            .map_or("-".to_owned(), |floor| self.unit.show(floor));
        let ours = self.unit.show(self.ours);
        let ratio = self
            .ratio
            .map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
        let (bound, met) = match self.bound {
            Goal::AtMost(most) => (format!("<= {most}"), self.ratio <= Some(most)),
            Goal::AtLeast(least) => (format!(">= {least}"), self.ratio >= Some(least)),
            Goal::Over(most) => (
                format!("<= + {}", self.unit.show(most)),
                self.over() <= most,
            ),
            Goal::Below(most) => (format!("<= {}", self.unit.show(most)), self.ours <= most),
            Goal::Stated => ("-".to_owned(), true),
        };
        let met = match self.bound {
            Goal::Stated => "-",
            _ if met => "yes",
            _ => "no",
        };
        format!(
            "| {} | {} | {floor} | {ours} | {ratio} | {bound} | {met} |",
            self.goal, self.what
        )
    }

    fn over(&self) -> f64 {
        self.ours - self.floor.unwrap_or_default()
    }
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Nanos if value < 1e3 => format!("{value:.1} ns"),
            Self::Nanos if value < 1e6 => format!("{:.1} µs", value / 1e3),
            Self::Nanos => format!("{:.2} ms", value / 1e6),
            Self::PerSecond => format!("{value:.0}/s"),
            Self::Kibibytes => format!("{value:.0} KiB"),
            Self::Bytes => format!("{value:.0} B"),
            Self::Count => format!("{value:.1}"),
        }
    }
}
