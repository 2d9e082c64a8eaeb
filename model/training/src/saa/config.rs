//! Hyper-parameters of step-wise alignment alone, their defaults and their check.
//!
//! Must never read a file or touch a tensor.

use super::relabel::Relabel;
use crate::choices::Augmentation;
use crate::config::{StageConfig, TrainConfig, Unread, hold, names_of, positive, share, width};
use crate::error::TrainError;
use crate::lbc::unread_lengths;
use crate::stage::Stage;
use jaco_core::{Decode, Word};
use serde::{Deserialize, Serialize};

/// What makes one of the policy's units the one that is to change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deviation {
    /// Its reward is above that of the expert's unit, as in the paper.
    #[default]
    Reward,
    /// It moves the arm elsewhere, whatever the rewards.
    Margin,
}

impl Word for Deviation {
    const ALL: &'static [Self] = &[Deviation::Reward, Deviation::Margin];

    fn name(self) -> &'static str {
        match self {
            Deviation::Reward => "reward",
            Deviation::Margin => "margin",
        }
    }
}

/// What is done instead of alignment, to compare it with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// Nothing: align.
    #[default]
    None,
    /// As many steps of imitation on the same states, the streams of some batches cut short.
    ShortSft,
    /// As many steps of imitation on the same states with whole streams.
    FullSft,
}

impl Word for Control {
    const ALL: &'static [Self] = &[Control::None, Control::ShortSft, Control::FullSft];

    fn name(self) -> &'static str {
        match self {
            Control::None => "none",
            Control::ShortSft => "short-sft",
            Control::FullSft => "full-sft",
        }
    }
}

/// Hyper-parameters of [`train_saa`](crate::train_saa) beside those common to all stages. The
/// defaults are the paper's rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SaaConfig {
    /// Weight of a log-ratio in rewards and in the preference loss.
    pub beta: f64,
    /// Weight of the expert's whole stream where a unit is to change; the unit's is the rest.
    pub sft_weight: f64,
    /// How the policy explores: `greedy`, or `top-k:K` with draws of seed and step.
    pub explore: String,
    /// Units that it explores, at most the horizon.
    pub explore_units: usize,
    /// Tokens of a unit that count: 8, or 7 without the separator.
    pub unit_tokens: usize,
    /// What makes a unit the one that is to change.
    pub deviation: Deviation,
    /// Distance between displacements \[m\] above which a unit moves the arm elsewhere.
    pub margin_m: f64,
    /// The same for rotations \[rad\]; 0 = rotation is not judged.
    pub margin_rad: f64,
    /// Which answer of the expert's the policy's units are compared with.
    pub relabel: Relabel,
    /// Whether the policy's unit is to become less likely. If not, the expert's is imitated behind
    /// the policy's own units.
    pub loser: bool,
    /// Standard deviation \[bins\] of the noise on the tokens of the expert's stream that are fed in
    /// (gripper excepted); those that are compared have none.
    pub token_jitter_bins: f64,
    /// Standard deviation \[bins\] of the targets of imitation; 0 = one-hot.
    pub target_sigma_bins: f64,
    /// Share of the batches whose streams for imitation are cut to `short_horizon` units.
    pub short_stream_fraction: f64,
    /// Units in the streams of such a batch.
    pub short_horizon: usize,
    /// Steps over which the gap between the rewards of winner and loser is judged.
    pub gap_window: usize,
    /// Largest standard deviation of the gap over the window that counts as stable.
    pub gap_threshold: f64,
    /// What is done instead, to compare alignment with.
    pub control: Control,
}

impl Default for SaaConfig {
    fn default() -> Self {
        Self {
            beta: 0.1,
            sft_weight: 0.1,
            explore: "greedy".to_owned(),
            explore_units: 10,
            unit_tokens: 8,
            deviation: Deviation::Reward,
            margin_m: 0.003,
            margin_rad: 0.0,
            relabel: Relabel::None,
            loser: true,
            token_jitter_bins: 0.0,
            target_sigma_bins: 0.0,
            short_stream_fraction: 0.0,
            short_horizon: 1,
            gap_window: 20,
            gap_threshold: 0.1,
            control: Control::None,
        }
    }
}

/// What alignment alone reads, and no control.
const ALIGNMENT: [&str; 12] = [
    "beta",
    "sft_weight",
    "explore",
    "explore_units",
    "unit_tokens",
    "deviation",
    "margin_m",
    "margin_rad",
    "relabel",
    "loser",
    "gap_window",
    "gap_threshold",
];

impl StageConfig for SaaConfig {
    const STAGE: Stage = Stage::Saa;

    fn check(&self, _train: &TrainConfig) -> Result<(), TrainError> {
        let (explored, tokens) = (self.explore_units, self.unit_tokens);
        hold([
            positive("beta", self.beta),
            share("sft_weight", self.sft_weight),
            ("explore_units", explored as f64, (1..=64).contains(&explored), "1..=64"),
            ("unit_tokens", tokens as f64, (7..=8).contains(&tokens), "7..=8"),
            width("margin_m", self.margin_m),
            width("margin_rad", self.margin_rad),
            width("token_jitter_bins", self.token_jitter_bins),
            width("target_sigma_bins", self.target_sigma_bins),
            share("short_stream_fraction", self.short_stream_fraction),
            ("short_horizon", self.short_horizon as f64, self.short_horizon > 0, "at least 1"),
            ("gap_window", self.gap_window as f64, self.gap_window > 1, "at least 2"),
            width("gap_threshold", self.gap_threshold),
        ])?;
        self.decode().map(drop)
    }

    fn unread(&self) -> Vec<Unread> {
        if self.control != Control::None {
            let mut names = ALIGNMENT.to_vec();
            names.push("short_stream_fraction");
            if self.control == Control::FullSft {
                names.push("short_horizon");
            }
            return vec![Unread {
                names,
                because: format!("control = \"{}\"", self.control.name()),
            }];
        }
        let mut unread: Vec<Unread> =
            unread_lengths(self.short_stream_fraction).into_iter().collect();
        if self.deviation == Deviation::Reward {
            let because = "deviation = \"reward\"".to_owned();
            unread.push(Unread { names: vec!["margin_m", "margin_rad"], because });
        }
        if !self.needs_reference() {
            let names = vec!["beta", "unit_tokens", "gap_window", "gap_threshold"];
            let because = "loser = false with deviation = \"margin\"".to_owned();
            unread.push(Unread { names, because });
        }
        unread
    }

    /// A short run at a constant rate that saves the weights themselves.
    fn train_defaults() -> TrainConfig {
        TrainConfig {
            steps: 150,
            batch_size: 16,
            learning_rate: 1e-4,
            warmup_steps: 10,
            final_learning_rate_fraction: 1.0,
            weight_decay: 0.0,
            augmentation: Augmentation::None,
            ema_decay: 0.0,
            report_every: 10,
            validate_every: 50,
            save_every: 50,
            ..TrainConfig::default()
        }
    }

    fn words(name: &str) -> Option<Vec<&'static str>> {
        match name {
            "deviation" => Some(names_of::<Deviation>()),
            "relabel" => Some(names_of::<Relabel>()),
            "control" => Some(names_of::<Control>()),
            _ => None,
        }
    }
}

impl SaaConfig {
    /// Whether the frozen policy is asked at all: without a loser and with a margin nobody compares
    /// rewards.
    pub fn needs_reference(&self) -> bool {
        self.loser || self.deviation == Deviation::Reward
    }

    /// How the policy explores.
    pub fn decode(&self) -> Result<Decode, TrainError> {
        match self.explore.parse() {
            Ok(decode @ (Decode::Greedy | Decode::TopK { .. })) => Ok(decode),
            _ => Err(TrainError::Exploration(self.explore.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn defaults_pass_their_own_check() {
        SaaConfig::default().check(&TrainConfig::default()).unwrap();
        SaaConfig::train_defaults().check().unwrap();
        assert_eq!(SaaConfig::default().decode().unwrap(), Decode::Greedy);
    }

    #[test]
    fn a_bad_setting_is_named_with_its_limits() {
        let bad =
            |config: SaaConfig| config.check(&TrainConfig::default()).unwrap_err().to_string();
        let text = bad(SaaConfig { unit_tokens: 6, ..SaaConfig::default() });
        assert!(text.contains("unit_tokens = 6") && text.contains("7..=8"), "{text}");
        let text = bad(SaaConfig { beta: f64::NAN, ..SaaConfig::default() });
        assert!(text.contains("beta"), "{text}");
        for explore in ["beam:4", "sampled", "top-k:0"] {
            let text = bad(SaaConfig { explore: explore.into(), ..SaaConfig::default() });
            assert!(text.contains(explore) && text.contains("top-k:K"), "{text}");
        }
    }

    /// What every setting does is tried elsewhere; here, that none is called unread that is read.
    #[test]
    fn what_nothing_reads_is_known() {
        let unread = |config: SaaConfig| -> Vec<&'static str> {
            config.unread().into_iter().flat_map(|it| it.names).collect()
        };
        let short = SaaConfig { short_stream_fraction: 0.5, ..SaaConfig::default() };
        assert_eq!(unread(short.clone()), ["margin_m", "margin_rad"]);
        assert!(unread(SaaConfig { deviation: Deviation::Margin, ..short.clone() }).is_empty());
        let alone = SaaConfig { deviation: Deviation::Margin, loser: false, ..short.clone() };
        assert_eq!(unread(alone), ["beta", "unit_tokens", "gap_window", "gap_threshold"]);
        let of_control = |control| unread(SaaConfig { control, ..short.clone() });
        let read = ["token_jitter_bins", "target_sigma_bins", "short_horizon"];
        assert!(read.iter().all(|name| !of_control(Control::ShortSft).contains(name)));
        assert!(of_control(Control::FullSft).contains(&"short_horizon"));
        let all = serde_json::to_value(&short).unwrap();
        let known = of_control(Control::FullSft).iter().all(|name| all.get(name).is_some());
        assert!(known, "each is a setting");
    }
}
