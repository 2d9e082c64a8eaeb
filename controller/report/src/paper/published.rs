//! The figures that the paper published, as far as they are at hand: "From Language to Action
//! Streams: Bridging LLM Autoregression for Long-Horizon Robot Action Prediction" (OpenReview
//! ztBF43TsTg). Data, and nothing else; a figure that is not here is printed as "-", never guessed.
//!
//! The simulated ones are of OpenVLA-7B on LIBERO's four suites, ours of other tasks on another arm:
//! they stand beside ours for their shape, not to be subtracted.

use super::variant::Role;
use serde::Serialize;

/// LIBERO's suites, in the order of the paper's Table 1.
pub const SUITES: [&str; 4] = ["Spatial", "Object", "Goal", "Long"];

/// What stands under a table where a "-" is.
pub const NOT_AT_HAND: &str = "-: the published figure is not at hand.";

/// What stands under a table whose cells hold ours and the published figure where it is at hand.
pub const NOT_AT_HAND_ELSEWHERE: &str =
    "Where a cell names no figure of the paper, it is not at hand.";

/// A published success rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Published {
    /// The rate \[%\].
    pub percent: f64,
    /// What must be known of it.
    pub note: Option<&'static str>,
}

const fn plain(percent: f64) -> Option<Published> {
    Some(Published { percent, note: None })
}

const fn noted(percent: f64, note: &'static str) -> Option<Published> {
    Some(Published { percent, note: Some(note) })
}

/// Table 1: success at this horizon, by suite and the mean.
pub fn table_1(role: Role, horizon: u8) -> [Option<Published>; 5] {
    match (role, horizon) {
        // The baseline's row, OpenVLA; the mean is taken over the row.
        (Role::SingleStep, 1) => [
            plain(84.4),
            plain(86.6),
            plain(77.2),
            plain(53.7),
            noted(75.5, "The paper's mean of OpenVLA is taken here over its row."),
        ],
        // Quoted of "Action Stream", not of one of its two rows.
        (Role::Saa, 8) => [
            None,
            None,
            None,
            None,
            noted(
                60.3,
                "60.3 is quoted of Action Stream at H = 8, without its row: after S-AA as read here.",
            ),
        ],
        _ => [None; 5],
    }
}

/// Table 2: mean over the suites of Pass@N with top-k.
pub fn table_2(role: Role, horizon: u8, n: u32) -> Option<Published> {
    match (role, horizon, n) {
        // Section 4.3 of the paper compares these two.
        (Role::SingleStep, 1, 2) => plain(77.9),
        (Role::Saa, 6, 2) => plain(82.1),
        _ => None,
    }
}

/// What is known of Table 2 and belongs to no cell for certain.
pub const TABLE_2_NOTE: &str = "The paper's Table 2 goes from 78.0 to 90.2 at H = 2 with more tries; which N \
     each belongs to is not at hand.";

/// Table 3, the real arm (20 trials a task): mean over its four tasks. Its rows by task are not at
/// hand.
pub fn table_3_mean(horizon: u8) -> Option<Published> {
    const OVER_ROWS: &str = "The paper's means of Table 3 are taken over its rows.";
    match horizon {
        1 => noted(82.5, OVER_ROWS),
        2 => noted(87.5, OVER_ROWS),
        3 => noted(81.25, OVER_ROWS),
        4 => noted(76.25, OVER_ROWS),
        5 => noted(68.75, OVER_ROWS),
        _ => None,
    }
}

/// What is known of Figure 3; its points are not at hand.
pub const FIGURE_3_NOTE: &str = "Of the paper's Figure 3 only this is at hand: beams of 4 and 5 lift H = 4 above the \
     single-step baseline.";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_baselines_mean_is_that_of_its_row() {
        let row = table_1(Role::SingleStep, 1).map(|p| p.unwrap().percent);
        let mean = row[..4].iter().sum::<f64>() / 4.0;
        assert!((mean - row[4]).abs() <= 0.05, "{mean}");
    }
}
