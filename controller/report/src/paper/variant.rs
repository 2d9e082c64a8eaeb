//! Which row of the paper a policy is: told by its label.
//!
//! `single-step`, `lbc`, `saa`, `saa-paper`, `saa-margin`, `sft-short` and `sft-full` are the paper's
//! rows and S-AA's controls, and so are the names that they have in tables (`L-BC + S-AA`); what
//! follows a full stop tells runs of training apart (`saa.2`). Any other label is a row of its own.

use jaco_trials::{Cell, EXPERT};
use std::cmp::Ordering;

/// What a policy is in the paper, in the order of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Trained on one action at a time: the paper's baseline.
    SingleStep,
    /// Long-horizon behaviour cloning.
    Lbc,
    /// As many further SFT steps on streams of one unit.
    ShortSft,
    /// As many further SFT steps on full streams.
    FullSft,
    /// S-AA as shipped.
    Saa,
    /// S-AA by the paper's rule, where another is shipped.
    SaaPaper,
    /// S-AA by a physical margin, where another is shipped.
    SaaMargin,
    /// None of the paper's.
    Other,
    /// The scripted expert.
    Expert,
}

/// Labels of the roles and their names in tables.
const NAMES: [(&str, Role, &str); 8] = [
    ("single-step", Role::SingleStep, "single-step policy"),
    ("lbc", Role::Lbc, "L-BC"),
    ("sft-short", Role::ShortSft, "short-stream SFT"),
    ("sft-full", Role::FullSft, "full-stream SFT"),
    ("saa", Role::Saa, "L-BC + S-AA"),
    ("saa-paper", Role::SaaPaper, "L-BC + S-AA, paper's rule"),
    ("saa-margin", Role::SaaMargin, "L-BC + S-AA, margin"),
    (EXPERT, Role::Expert, "scripted expert"),
];

impl Role {
    /// Whether it is one of S-AA's controls by more SFT.
    pub fn is_control(self) -> bool {
        matches!(self, Role::ShortSft | Role::FullSft)
    }

    /// Whether it was aligned by S-AA.
    pub fn is_aligned(self) -> bool {
        matches!(self, Role::Saa | Role::SaaPaper | Role::SaaMargin)
    }
}

/// A policy and how its streams became actions: a row of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Label of the policy.
    pub label: String,
    /// Whether means were executed.
    pub expectation: bool,
    /// Entropy above which streams ended \[nats per token\].
    pub max_entropy: Option<f32>,
}

impl Variant {
    /// The policy of this label, asked plainly.
    pub fn plain(label: &str) -> Self {
        Self { label: label.to_owned(), expectation: false, max_entropy: None }
    }

    /// The row that a cell belongs to.
    pub fn of(cell: &Cell) -> Self {
        let Cell { policy, expectation, max_entropy, .. } = cell;
        Self { label: policy.clone(), expectation: *expectation, max_entropy: *max_entropy }
    }

    /// What it is in the paper.
    pub fn role(&self) -> Role {
        self.known().map_or(Role::Other, |(_, role, _)| *role)
    }

    /// Its name in tables.
    pub fn name(&self) -> String {
        let mut name = match (self.known(), self.run()) {
            (Some((.., name)), "") => (*name).to_owned(),
            (Some((.., name)), run) => format!("{name} (run {run})"),
            (None, _) => self.label.clone(),
        };
        if self.expectation {
            name += ", means";
        }
        if let Some(nats) = self.max_entropy {
            name += &format!(", cut off above {nats} nats");
        }
        name
    }

    /// What tells its run of training from others of the same policy; empty for the first.
    pub fn run(&self) -> &str {
        self.label.split_once('.').map_or("", |(_, run)| run)
    }

    fn known(&self) -> Option<&'static (&'static str, Role, &'static str)> {
        let base = self.label.split('.').next().unwrap_or_default();
        NAMES.iter().find(|(label, _, name)| [*label, *name].contains(&base))
    }

    /// The order of rows.
    pub fn compare(&self, other: &Self) -> Ordering {
        let entropy = |variant: &Self| variant.max_entropy.unwrap_or(-1.0);
        (self.role(), &self.label, self.expectation)
            .cmp(&(other.role(), &other.label, other.expectation))
            .then_with(|| entropy(self).total_cmp(&entropy(other)))
    }
}

/// Whether the policy of this label is asked for single steps only.
pub fn is_single_step(label: &str) -> bool {
    Variant::plain(label).role() == Role::SingleStep
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_steps_are_known_by_label_by_name_and_by_run() {
        for label in ["single-step", "single-step.2", "single-step policy"] {
            assert!(is_single_step(label), "{label}");
        }
        assert!(!is_single_step("lbc"));
    }

    #[test]
    fn labels_tell_the_row() {
        let of = |label: &str| (Variant::plain(label).role(), Variant::plain(label).name());
        assert_eq!(of("lbc"), (Role::Lbc, "L-BC".to_owned()));
        assert_eq!(of("saa.2"), (Role::Saa, "L-BC + S-AA (run 2)".to_owned()));
        assert_eq!(of("L-BC + S-AA"), (Role::Saa, "L-BC + S-AA".to_owned()));
        assert_eq!(of("v1.2"), (Role::Other, "v1.2".to_owned()));
        assert_eq!(of("mine"), (Role::Other, "mine".to_owned()));
        let means = Variant { expectation: true, ..Variant::plain("sft-short") };
        assert_eq!(means.name(), "short-stream SFT, means");
        assert!(means.role().is_control() && !means.role().is_aligned());
    }

    #[test]
    fn rows_stand_in_the_papers_order() {
        let mut rows = ["expert", "a", "saa", "sft-full", "lbc", "single-step"].map(Variant::plain);
        rows.sort_by(Variant::compare);
        let labels = rows.map(|row| row.label);
        assert_eq!(labels, ["single-step", "lbc", "sft-full", "saa", "a", "expert"]);
    }
}
