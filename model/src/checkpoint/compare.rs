//! Comparing the tensors that are there with those that are wanted.
//!
//! Owns the guess which tensor is only misnamed. Pure: names and shapes in, differences out.

use super::shapes::Shapes;
use crate::error::{Misnamed, Misshapen, TensorMismatch};
use std::collections::BTreeSet;

/// Share of equal name parts from which two names seem to mean the same tensor.
const SIMILAR: f64 = 0.6;

/// Ends of the names of what quantised weights are stored with: bitsandbytes, GPTQ, AWQ, FP8.
const QUANTISED: [&str; 12] = [
    ".absmax",
    ".quant_map",
    ".nested_absmax",
    ".nested_quant_map",
    ".bitsandbytes__nf4",
    ".bitsandbytes__fp4",
    ".SCB",
    ".weight_format",
    ".qweight",
    ".qzeros",
    ".g_idx",
    ".weight_scale",
];
/// Parts of the names of heads that regress or denoise actions.
const CONTINUOUS: [&str; 5] = [
    "action_decoder",
    "action_head",
    "noise_predictor",
    "proprio_projector",
    "noisy_action_projector",
];

/// How `found` differs from `wanted`; what is `ignored` by name is as good as absent.
pub(crate) fn compare<'a>(
    wanted: &Shapes,
    found: impl IntoIterator<Item = (&'a str, &'a [i64])>,
    ignored: impl Fn(&str) -> bool,
) -> TensorMismatch {
    let mut mismatch = TensorMismatch::default();
    let mut missing: BTreeSet<&str> = wanted.keys().map(String::as_str).collect();
    let mut surplus: Vec<(&str, &[i64])> = Vec::new();
    for (name, shape) in found {
        match wanted.get(name) {
            Some(expected) => {
                missing.remove(name);
                if expected != shape {
                    let (wanted, found) = (expected.clone(), shape.to_vec());
                    mismatch.misshapen.push(Misshapen { name: name.into(), wanted, found });
                }
            }
            None if ignored(&published_name(name)) => {}
            None => surplus.push((name, shape)),
        }
    }
    surplus.sort();
    for (name, shape) in surplus {
        mismatch.quantised_names |= QUANTISED.iter().any(|end| name.ends_with(end));
        mismatch.continuous_head |= CONTINUOUS.iter().any(|part| name.contains(part));
        mismatch.native_names |= missing.contains(published_name(name).as_str());
        match likeliest(name, shape, &missing, wanted) {
            Some(meant) => {
                missing.remove(meant);
                mismatch.misnamed.push(Misnamed { found: name.into(), wanted: meant.into() });
            }
            None => mismatch.unexpected.push(name.into()),
        }
    }
    mismatch.missing = missing.into_iter().map(str::to_owned).collect();
    mismatch.misshapen.sort_by(|a, b| a.name.cmp(&b.name));
    mismatch
}

/// The one missing tensor of this shape with the most similar name.
fn likeliest<'a>(
    name: &str,
    shape: &[i64],
    missing: &BTreeSet<&'a str>,
    wanted: &Shapes,
) -> Option<&'a str> {
    let published = published_name(name);
    let mut best: Option<(f64, &str)> = None;
    let mut tied = false;
    for &candidate in missing.iter().filter(|candidate| wanted[**candidate] == shape) {
        let score = similarity(&published, candidate);
        if best.is_none_or(|(most, _)| score > most) {
            (best, tied) = (Some((score, candidate)), false);
        } else {
            tied |= best.is_some_and(|(most, _)| score == most);
        }
    }
    best.filter(|(score, _)| *score >= SIMILAR && !tied).map(|(_, candidate)| candidate)
}

/// Share of the dotted parts that two names have in common at their ends; none where the parts
/// between differ in a number, as those are different tensors and no misspelling.
fn similarity(a: &str, b: &str) -> f64 {
    let (a, b): (Vec<&str>, Vec<&str>) = (a.split('.').collect(), b.split('.').collect());
    let shorter = a.len().min(b.len());
    let head = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let tail = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    let tail = tail.min(shorter - head);
    let between = |parts: &[&str]| {
        parts[head..parts.len() - tail].iter().any(|part| part.parse::<u64>().is_ok())
    };
    if between(&a) || between(&b) {
        return 0.0;
    }
    (head + tail) as f64 / a.len().max(b.len()) as f64
}

/// The published name of a tensor of a native (Prismatic) checkpoint; other names as they are.
fn published_name(name: &str) -> String {
    const PREFIXES: [(&str, &str); 10] = [
        ("vision_backbone.dino_featurizer.", "vision_backbone.featurizer."),
        ("vision_backbone.siglip_featurizer.", "vision_backbone.fused_featurizer."),
        ("projector.projector.0.", "projector.fc1."),
        ("projector.projector.2.", "projector.fc2."),
        ("projector.projector.4.", "projector.fc3."),
        ("projector.0.", "projector.fc1."),
        ("projector.2.", "projector.fc2."),
        ("projector.4.", "projector.fc3."),
        ("llm_backbone.llm.", "language_model."),
        ("llm.", "language_model."),
    ];
    let renamed = PREFIXES
        .iter()
        .find_map(|(native, published)| Some(format!("{published}{}", name.strip_prefix(native)?)));
    let renamed = renamed.unwrap_or_else(|| name.to_owned());
    match renamed.strip_suffix(".gamma") {
        Some(path) => format!("{path}.scale_factor"),
        None => renamed,
    }
}
