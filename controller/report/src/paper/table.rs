//! Tables as values: what stands where, with its numbers. HTML, Markdown and JSON are made from the
//! same ones, so that they cannot differ.

use super::evidence::Rate;
use super::published::Published;
use crate::motion::Mean;
use jaco_trials::Paired;
use serde::Serialize;

/// What a cell holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Value {
    /// A success rate.
    Rate(Rate),
    /// A mean with its interval.
    Mean {
        /// The mean and its interval.
        #[serde(flatten)]
        mean: Mean,
        /// Digits after the point.
        #[serde(skip)]
        digits: usize,
    },
    /// How two policies differ on the same placements.
    Difference {
        /// The first's rate less the second's.
        difference: f64,
        /// Low end of the 95 % interval.
        low: f64,
        /// High end of it.
        high: f64,
        /// McNemar's exact test.
        mcnemar_p: f64,
        /// How the placements part.
        #[serde(flatten)]
        counts: Paired,
    },
    /// A published rate alone.
    Published,
    /// Nothing was tried.
    Empty,
    /// There can be no number, or no try gives one.
    Absent,
}

/// A cell of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cell {
    /// Ours.
    #[serde(flatten)]
    pub value: Value,
    /// The published figure that belongs here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
}

impl Cell {
    /// Ours alone.
    pub fn ours(value: Value) -> Self {
        Self { value, published: None }
    }

    /// A rate, or that nothing was tried.
    pub fn rate(rate: Option<Rate>) -> Self {
        Self::ours(rate.map_or(Value::Empty, Value::Rate))
    }

    /// A mean with so many digits, or "-".
    pub fn mean(mean: Option<Mean>, digits: usize) -> Self {
        Self::ours(mean.map_or(Value::Absent, |mean| Value::Mean { mean, digits }))
    }

    /// How two differ, or that no placement was tried by both.
    pub fn difference(counts: Paired) -> Self {
        if counts.placements() == 0 {
            return Self::ours(Value::Empty);
        }
        let (low, high) = counts.difference_95();
        let (difference, mcnemar_p) = (counts.difference(), counts.mcnemar_p());
        Self::ours(Value::Difference { difference, low, high, mcnemar_p, counts })
    }

    /// A published figure in a column of its own.
    pub fn published(published: Option<Published>) -> Self {
        Self { value: Value::Published, published }
    }

    /// What is large in the cell.
    pub fn text(&self) -> String {
        let percent = |share: f64| format!("{:.1}", 100.0 * share);
        match &self.value {
            Value::Rate(rate) => percent(rate.rate),
            Value::Mean { mean, digits } => format!("{:.digits$}", mean.mean),
            Value::Difference { difference, .. } => format!("{:+.1}", 100.0 * difference),
            Value::Published => self.published.map_or("-".to_owned(), |p| p.percent.to_string()),
            Value::Empty => "not tried".to_owned(),
            Value::Absent => "-".to_owned(),
        }
    }

    /// What is small below it.
    pub fn small(&self) -> String {
        let percent = |share: f64| format!("{:.1}", 100.0 * share);
        match &self.value {
            Value::Rate(Rate { low, high, placements, .. }) => {
                format!("[{}, {}] n={placements}", percent(*low), percent(*high))
            }
            Value::Mean { mean, digits } => {
                format!("[{:.digits$}, {:.digits$}] n={}", mean.low, mean.high, mean.n)
            }
            Value::Difference { low, high, mcnemar_p, counts, .. } => {
                let n = counts.placements();
                let [low, high] = [low, high].map(|end| format!("{:+.1}", 100.0 * end));
                let p = match mcnemar_p {
                    p if *p < 0.001 => "p<0.001".to_owned(),
                    p => format!("p={p:.3}"),
                };
                format!("[{low}, {high}] {p} n={n}")
            }
            Value::Published | Value::Empty | Value::Absent => String::new(),
        }
    }

    /// The published figure beside ours, in words; in its own column it is the text.
    pub fn beside(&self) -> Option<String> {
        let published = self.published.filter(|_| self.value != Value::Published)?;
        Some(format!("paper {}", published.percent))
    }
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What the row is of: as many words as the table has heads.
    pub head: Vec<String>,
    /// Its cells.
    pub cells: Vec<Cell>,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// Name within the report.
    pub id: &'static str,
    /// Its title.
    pub title: String,
    /// What it shows, on what, and what the intervals are.
    pub caption: String,
    /// Names of the columns that say what a row is of.
    pub heads: Vec<&'static str>,
    /// Names of the other columns.
    pub columns: Vec<String>,
    /// How many of them, from the right, hold published figures only.
    pub published_columns: usize,
    /// Its rows.
    pub rows: Vec<Row>,
    /// What stands below it.
    pub notes: Vec<String>,
}

impl Table {
    /// Adds the notes that its cells ask for.
    pub fn with_notes(mut self) -> Self {
        let cells = || self.rows.iter().flat_map(|row| &row.cells);
        let mut notes: Vec<String> = Vec::new();
        if cells().any(|cell| cell.value == Value::Empty) {
            notes.push("not tried: no stored try belongs here.".to_owned());
        }
        if cells().any(|cell| cell.value == Value::Published && cell.published.is_none()) {
            notes.push(super::published::NOT_AT_HAND.to_owned());
        }
        for note in cells().filter_map(|cell| cell.published?.note) {
            if notes.iter().all(|known| known != note) {
                notes.push(note.to_owned());
            }
        }
        self.notes.extend(notes);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_says_its_number_and_how_sure_it_is() {
        let rate = Rate { rate: 0.85, low: 0.766, high: 0.9075, placements: 100 };
        let cell =
            Cell { published: super::super::published::table_3_mean(3), ..Cell::rate(Some(rate)) };
        assert_eq!((&*cell.text(), &*cell.small()), ("85.0", "[76.6, 90.8] n=100"));
        assert_eq!(cell.beside().as_deref(), Some("paper 81.25"));
        let pair = Paired { both: 36, first_only: 12, second_only: 2, neither: 0 };
        let cell = Cell::difference(pair);
        assert_eq!((&*cell.text(), &*cell.small()), ("+20.0", "[+5.7, +34.0] p=0.013 n=50"));
        assert_eq!(Cell::difference(Paired::default()).text(), "not tried");
        assert_eq!(Cell::published(None).text(), "-");
    }

    #[test]
    fn a_table_explains_what_stands_in_it_once() {
        let row = |horizon| Row {
            head: vec![],
            cells: vec![
                Cell::rate(None),
                Cell::published(super::super::published::table_3_mean(horizon)),
            ],
        };
        let table = Table {
            id: "t",
            title: String::new(),
            caption: String::new(),
            heads: vec![],
            columns: vec![],
            published_columns: 1,
            rows: vec![row(1), row(2), row(9)],
            notes: vec![],
        };
        let table = table.with_notes();
        assert_eq!(table.notes.len(), 3, "{:?}", table.notes);
    }
}
