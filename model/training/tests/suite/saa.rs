//! Alignment as a stage: from a checkpoint on, with all weights, the decoder's or adapters; resumed;
//! beside its controls; and what it refuses.

use crate::support::Bench;
use jaco_training::{
    Control, Deviation, LbcConfig, Progress, Relabel, SaaConfig, Start, StepReport, Summary,
    TrainConfig, TrainError, Trainable, train_saa,
};
use std::collections::HashMap;
use std::fs;
use std::ops::ControlFlow;
use tch::Tensor;

/// A bench with a policy in `base` that knows a little, and settings to align `trainable` of it.
fn on_a_base(trainable: Trainable) -> (Bench, Start) {
    let mut bench = Bench::new();
    bench.config.steps = 4;
    bench.lbc(bench.fresh(), "base").unwrap();
    let config = TrainConfig { trainable, lora_rank: 3, steps: 24, ..bench.config };
    bench.config = TrainConfig { ema_decay: 0.0, final_learning_rate_fraction: 1.0, ..config };
    let base = Start::Checkpoint(bench.path("base"));
    (bench, base)
}

fn own() -> SaaConfig {
    SaaConfig { explore_units: 2, gap_window: 3, ..SaaConfig::default() }
}

/// A run that ends after `steps` steps if it has not before; its events.
fn align(
    bench: &Bench,
    own: &SaaConfig,
    steps: u64,
    start: &Start,
    out: &str,
) -> Result<(Summary, Vec<Progress>), TrainError> {
    let mut heard = Vec::new();
    let mut progress = |progress: &Progress| {
        heard.push(progress.clone());
        match progress {
            Progress::Step { step, .. } if *step >= steps => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    let request = bench.request(start.clone(), out);
    let summary = train_saa(&request, &bench.config, own, &mut progress)?;
    Ok((summary, heard))
}

fn reports(heard: &[Progress]) -> Vec<StepReport> {
    let reports = heard.iter().filter_map(|progress| match progress {
        Progress::Report(report) => Some(report.clone()),
        _ => None,
    });
    reports.collect()
}

fn state(bench: &Bench, out: &str) -> HashMap<String, Tensor> {
    let path = bench.path(out).join("training/state.safetensors");
    Tensor::read_safetensors(path).unwrap().into_iter().collect()
}

/// The next 20 losses of a run that was broken off after 4 steps are those of one that was not.
fn resumes_to_the_bit(bench: &Bench, own: &SaaConfig, base: &Start) {
    align(bench, own, 24, base, "straight").unwrap();
    let (broken, _) = align(bench, own, 4, base, "resumed").unwrap();
    assert_eq!((broken.step, broken.stopped), (4, true));
    align(bench, own, 24, &Start::Resume, "resumed").unwrap();
    let metrics =
        |out: &str| fs::read_to_string(bench.path(out).join("training/metrics.jsonl")).unwrap();
    assert_eq!(metrics("straight"), metrics("resumed"));
    assert_eq!(metrics("straight").matches("\"train\"").count(), 24);
    let (one, other) = (state(bench, "straight"), state(bench, "resumed"));
    assert_eq!(one.len(), other.len());
    one.iter().for_each(|(name, tensor)| assert_eq!(*tensor, other[name], "{name}"));
}

fn count(tensors: &HashMap<String, Tensor>, prefix: &str) -> usize {
    tensors.keys().filter(|name| name.starts_with(prefix)).count()
}

#[test]
fn a_decoder_is_aligned_by_the_papers_rule_and_resumes_to_the_bit() {
    let (bench, base) = on_a_base(Trainable::Decoder);
    resumes_to_the_bit(&bench, &SaaConfig { explore: "top-k:4".into(), ..own() }, &base);
    let state = state(&bench, "straight");
    assert_eq!(count(&state, "objective.reference.model.vision_backbone"), 0);
    assert!(count(&state, "objective.reference.model.language_model") > 0);
}

#[test]
fn all_weights_are_aligned_by_a_margin_and_resume_to_the_bit() {
    let (bench, base) = on_a_base(Trainable::All);
    let own = SaaConfig { deviation: Deviation::Margin, ..own() };
    resumes_to_the_bit(&bench, &own, &base);
    // The reference is the policy that the run began with, whatever became of that.
    let (state, start) = (state(&bench, "straight"), bench.path("base/model.safetensors"));
    let start: HashMap<_, _> = Tensor::read_safetensors(start).unwrap().into_iter().collect();
    assert_eq!(count(&state, "objective.reference.model."), start.len());
    for (name, before) in &start {
        assert_eq!(state[&format!("objective.reference.model.{name}")], *before, "{name}");
    }
    let head = "language_model.lm_head.weight";
    assert_ne!(state[&format!("weights.model.{head}")], start[head], "something was learnt");
}

#[test]
fn adapters_are_aligned_relative_to_what_they_were_and_resume_to_the_bit() {
    let (bench, base) = on_a_base(Trainable::Lora);
    resumes_to_the_bit(&bench, &own(), &base);
    let state = state(&bench, "straight");
    assert_eq!(count(&state, "objective.reference.model."), 0, "the base is not copied");
    let of_reference = count(&state, "objective.reference.adapter.");
    assert_eq!(of_reference, count(&state, "weights.adapter."));
}

/// While the policy is its reference no reward is above another: the first step is imitation alone.
#[test]
fn the_papers_rule_begins_with_imitation_and_then_finds_what_to_change() {
    for trainable in [Trainable::All, Trainable::Decoder, Trainable::Lora] {
        let (bench, base) = on_a_base(trainable);
        let (_, heard) = align(&bench, &own(), 6, &base, "out").unwrap();
        let reports = reports(&heard);
        let first = &reports[0];
        assert_eq!(first.values["preferred_share"], 0.0, "{trainable:?}");
        assert!((first.loss - first.values["sft_loss"]).abs() < 1e-6, "{first:?}");
        assert!(!first.values.contains_key("reward_gap"));
        let found: Vec<_> =
            reports.iter().filter(|report| report.values["preferred_share"] > 0.0).collect();
        assert!(!found.is_empty(), "{trainable:?}");
        for report in found {
            for name in ["winner_reward", "loser_reward", "preference_loss", "h_star"] {
                assert!(report.values[name].is_finite(), "{name}");
            }
            let gap = report.values["winner_reward"] - report.values["loser_reward"];
            assert!(gap < 0.0, "the policy preferred its own: {gap}");
            assert!((gap - report.values["reward_gap"]).abs() < 1e-6);
        }
    }
}

#[test]
fn units_beyond_the_margin_are_made_less_likely_than_the_experts() {
    let (mut bench, base) = on_a_base(Trainable::Decoder);
    bench.config.learning_rate = 1e-3;
    let own = SaaConfig { deviation: Deviation::Margin, margin_m: 0.001, ..own() };
    let (_, heard) = align(&bench, &own, 5, &base, "out").unwrap();
    let reports = reports(&heard);
    assert!(reports[0].values["preferred_share"] > 0.0);
    assert!((reports[0].values["preference_loss"] - 2f64.ln()).abs() < 1e-3, "{:?}", reports[0]);
    // What the policy explores changes with it, and its next stream may be one that it prefers: the
    // first steps tell whether what was found is unlearnt.
    let gaps: Vec<f64> =
        reports.iter().filter_map(|report| report.values.get("reward_gap").copied()).collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    assert!(gaps.len() == 5 && mean > 0.01, "{gaps:?}");

    // Without a loser nobody asks a reference, and none is kept.
    let own = SaaConfig { loser: false, ..own };
    let (_, heard) = align(&bench, &own, 3, &base, "alone").unwrap();
    let values = &self::reports(&heard)[0].values;
    assert!(values.contains_key("preference_loss") && !values.contains_key("winner_reward"));
    assert_eq!(count(&state(&bench, "alone"), "objective.reference."), 0);
}

/// The pure part has its own tests; here the key has to reach it, and a run with it to resume.
#[test]
fn the_experts_answer_behind_the_policys_units_is_another_one_where_it_is_relabelled() {
    let (bench, base) = on_a_base(Trainable::Decoder);
    let own = SaaConfig { deviation: Deviation::Margin, margin_m: 0.02, ..own() };
    let losses = |own: &SaaConfig, out: &str| -> Vec<f64> {
        let (_, heard) = align(&bench, own, 4, &base, out).unwrap();
        reports(&heard).iter().map(|report| report.loss).collect()
    };
    let relabelled = SaaConfig { relabel: Relabel::Path, ..own.clone() };
    assert_ne!(losses(&own, "stream"), losses(&relabelled, "path"));
    resumes_to_the_bit(&bench, &relabelled, &base);
}

/// A batch in parts has the losses and values of the batch, within rounding, drawn streams too.
#[test]
fn micro_batches_add_up() {
    for explore in ["greedy", "top-k:16"] {
        let (mut bench, base) = on_a_base(Trainable::All);
        bench.config.steps = 2;
        let own = SaaConfig { explore: explore.into(), margin_m: 0.001, ..own() };
        let own = SaaConfig { deviation: Deviation::Margin, ..own };
        let (_, whole) = align(&bench, &own, 2, &base, "whole").unwrap();
        bench.config.accumulation = 4;
        let (_, parts) = align(&bench, &own, 2, &base, "parts").unwrap();
        for (whole, parts) in reports(&whole).iter().zip(reports(&parts)) {
            assert!((whole.loss - parts.loss).abs() < 1e-4, "{explore} {whole:?} {parts:?}");
            assert_eq!(whole.values.len(), parts.values.len());
            for (name, value) in &whole.values {
                let parts = parts.values[name];
                assert!((value - parts).abs() < 1e-4, "{explore} {name}: {value}, {parts}");
            }
        }
    }
}

#[test]
fn the_controls_are_imitation_of_the_same_states() {
    let (mut bench, base) = on_a_base(Trainable::Decoder);
    bench.config.steps = 6;
    for (control, short_stream_fraction) in [(Control::ShortSft, 0.5), (Control::FullSft, 0.0)] {
        let own = SaaConfig { control, ..own() };
        let out = format!("{control:?}");
        let (_, heard) = align(&bench, &own, 6, &base, &out).unwrap();
        assert_eq!(count(&state(&bench, &out), "objective."), 0);
        bench.lbc = LbcConfig {
            short_stream_fraction,
            token_jitter_bins: own.token_jitter_bins,
            target_sigma_bins: own.target_sigma_bins,
            aux_weight: 0.0,
            ..LbcConfig::default()
        };
        let mut wanted = Vec::new();
        let request = bench.request(base.clone(), &format!("{out}-lbc"));
        jaco_training::train_lbc(&request, &bench.config, &bench.lbc, &mut |progress| {
            wanted.push(progress.clone());
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(reports(&heard), reports(&wanted), "{control:?}");
    }
}

#[test]
fn the_policy_whose_gap_is_small_and_stable_is_kept_beside_the_last() {
    let (mut bench, base) = on_a_base(Trainable::Decoder);
    bench.config.save_every = 4;
    let margin = SaaConfig { deviation: Deviation::Margin, margin_m: 0.001, ..own() };
    let stable = SaaConfig { gap_threshold: 1e3, ..margin.clone() };
    let (_, heard) = align(&bench, &stable, 24, &base, "out").unwrap();
    let kept: Vec<u64> = heard
        .iter()
        .filter_map(|news| match news {
            Progress::Note(text) => text.strip_prefix("step ")?.split(' ').next()?.parse().ok(),
            _ => None,
        })
        .collect();
    // The rule, from what was reported: a full window, and a mean nearer to 0 than at any save
    // before.
    let (mut wanted, mut best, mut gaps) = (Vec::new(), f64::INFINITY, 0);
    for report in reports(&heard) {
        gaps += usize::from(report.values.contains_key("reward_gap"));
        let mean = report.values.get("reward_gap_average").map(|mean| mean.abs());
        if let Some(mean) = mean.filter(|mean| gaps >= 3 && *mean < best)
            && report.step % 4 == 0
        {
            wanted.push(report.step);
            best = mean;
        }
    }
    assert_eq!(kept, wanted);
    assert!(!kept.is_empty() && kept.len() < 6, "some are kept: {kept:?}");
    let weights = |folder: &str| {
        let path = bench.path(folder).join("model.safetensors");
        let weights = Tensor::read_safetensors(path).unwrap().into_iter();
        weights.collect::<HashMap<String, Tensor>>()
    };
    let head = "language_model.lm_head.weight";
    let is_last = kept.last() == Some(&24);
    assert_eq!(weights("out/selected")[head] == weights("out")[head], is_last);
    assert!(bench.path("out/selected/config.json").is_file(), "a checkpoint of its own");

    let never = SaaConfig { gap_threshold: 0.0, ..margin };
    align(&bench, &never, 8, &base, "none").unwrap();
    assert!(!bench.path("none/selected").exists());
}

#[test]
fn what_cannot_be_aligned_is_refused_and_what_is_shortened_is_told() {
    let (mut bench, base) = on_a_base(Trainable::Decoder);
    bench.config.steps = 1;
    let refusal = |own: &SaaConfig, start: &Start| {
        let error = align(&bench, own, 1, start, "out").unwrap_err();
        assert!(error.is_unusable_input(), "{error}");
        assert!(!bench.path("out").exists(), "nothing was written");
        error.to_string()
    };
    let text = refusal(&own(), &bench.fresh());
    assert!(text.contains("holds no policy") && text.contains("--init"), "{text}");
    let text = refusal(&SaaConfig { explore: "beam:2".into(), ..own() }, &base);
    assert!(text.contains("explore = \"beam:2\""), "{text}");
    let text = refusal(&SaaConfig { unit_tokens: 9, ..own() }, &base);
    assert!(text.contains("unit_tokens = 9"), "{text}");

    let (_, heard) = align(&bench, &SaaConfig::default(), 1, &base, "out").unwrap();
    let told = heard.iter().any(|news| {
        matches!(news, Progress::Note(text) if text.contains("explore_units = 10") && text.contains("2 units"))
    });
    assert!(told, "{heard:?}");
}
