//! Fixtures, checkpoint folders and comparisons.

use crate::decoding::INSTRUCTION;
use jaco_core::codec::ACTION_BINS;
use jaco_core::{ActionUnit, Frame};
use jaco_model::{
    ActionVocab, DecodeRequest, NormStats, OpenVlaConfig, OpenVlaPolicy, Policy, Stream,
};
use safetensors::{Dtype, SafeTensors};
use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};
use tempfile::TempDir;

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

pub fn mini() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("mini")
}

/// The tensors of a safetensors file.
pub struct Tensors(HashMap<String, Tensor>);

impl Tensors {
    pub fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensor = |view: &safetensors::tensor::TensorView| {
            let kind = match view.dtype() {
                Dtype::F32 => Kind::Float,
                Dtype::F64 => Kind::Double,
                Dtype::BF16 => Kind::BFloat16,
                Dtype::I64 => Kind::Int64,
                Dtype::U8 => Kind::Uint8,
                other => panic!("{other:?} in {}", path.display()),
            };
            let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
            Tensor::from_data_size(view.data(), &shape, kind)
        };
        Self(file.iter().map(|(name, view)| (name.to_owned(), tensor(&view))).collect())
    }

    #[track_caller]
    pub fn get(&self, name: &str) -> &Tensor {
        self.0.get(name).unwrap_or_else(|| panic!("there is no tensor {name}"))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }
}

/// The tensors of a safetensors file, by name.
pub fn tensors_of(path: &Path) -> HashMap<String, Tensor> {
    Tensors::read(path).0
}

pub fn tiny_inputs() -> Tensors {
    Tensors::read(&fixtures().join("tiny-openvla/inputs.safetensors"))
}

pub fn tiny_expected() -> Tensors {
    Tensors::read(&fixtures().join("tiny-openvla/expected.safetensors"))
}

pub fn tiny_config() -> OpenVlaConfig {
    OpenVlaConfig::read(&fixtures().join("tiny-openvla/config.json")).unwrap()
}

/// A checkpoint folder of the tiny model with the statistics of one dataset and the tokenizer
/// of the mini policy, whose prompt words lie below the tiny model's action tokens.
pub fn tiny_checkpoint() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let source = fixtures().join("tiny-openvla");
    for name in ["config.json", "model.safetensors"] {
        fs::copy(source.join(name), dir.path().join(name)).unwrap();
    }
    fs::copy(mini().join("tokenizer.json"), dir.path().join("tokenizer.json")).unwrap();
    fs::write(dir.path().join("dataset_statistics.json"), ONE_DATASET).unwrap();
    dir
}

/// [`ONE_DATASET`] as it is read.
pub fn one_dataset() -> NormStats {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("dataset_statistics.json");
    fs::write(&path, ONE_DATASET).unwrap();
    NormStats::read(&path).unwrap()
}

pub const ONE_DATASET: &str = r#"{"table": {"action": {
    "q01": [-0.02, -0.02, -0.02, -0.1, -0.1, -0.1, 0.0],
    "q99": [0.02, 0.02, 0.02, 0.1, 0.1, 0.1, 1.0],
    "mask": [true, true, true, true, true, true, false],
    "mean": [0, 0, 0, 0, 0, 0, 0.5]}, "num_transitions": 12}}"#;

/// Rewrites a safetensors file: `edit` may drop (None), keep or replace what it is given.
pub fn rewrite(path: &Path, edit: impl Fn(&str, Stored) -> Option<Stored>) {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let kept: Vec<(String, Stored)> = file
        .iter()
        .filter_map(|(name, view)| {
            let stored = (view.dtype(), view.shape().to_vec(), view.data().to_vec());
            Some((name.to_owned(), edit(name, stored)?))
        })
        .collect();
    write(path, &kept);
}

pub type Stored = (Dtype, Vec<usize>, Vec<u8>);

pub fn write(path: &Path, tensors: &[(String, Stored)]) {
    let views = tensors.iter().map(|(name, (dtype, shape, data))| {
        (name, safetensors::tensor::TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    safetensors::serialize_to_file(views, None, path).unwrap();
}

/// [`tiny_checkpoint`] with the head's rows of `tokens` multiplied by `factor`.
pub fn head_scaled_checkpoint(tokens: Range<usize>, factor: f32) -> TempDir {
    let checkpoint = tiny_checkpoint();
    rewrite(&checkpoint.path().join("model.safetensors"), |name, (dtype, shape, mut data)| {
        if name == "language_model.lm_head.weight" {
            let row = shape[1] * size_of::<f32>();
            for value in data[tokens.start * row..tokens.end * row].as_chunks_mut::<4>().0 {
                *value = (factor * f32::from_le_bytes(*value)).to_le_bytes();
            }
        }
        Some((dtype, shape, data))
    });
    checkpoint
}

/// The best stream for picture number `seed`.
pub fn ask(policy: &OpenVlaPolicy, seed: u32, request: &DecodeRequest) -> Stream {
    policy.decode(&picture(56, 56, seed), INSTRUCTION, request).unwrap().into_best()
}

/// [`logits_after`] picture number `seed` and the usual instruction.
pub fn logits_of(policy: &OpenVlaPolicy, seed: u32, units: &[ActionUnit]) -> Tensor {
    logits_after(policy, &picture(56, 56, seed), INSTRUCTION, units)
}

/// Logits \[tokens, vocabulary\] that predict each token of `units`, without a cache.
pub fn logits_after(
    policy: &OpenVlaPolicy,
    frame: &Frame,
    instruction: &str,
    units: &[ActionUnit],
) -> Tensor {
    let pixels = policy.images().pixel_values(&[frame], Device::Cpu).unwrap();
    let vocab = ActionVocab::new(policy.config());
    let mut ids = policy.tokenizer().encode(instruction).unwrap();
    let prompt = ids.len() as i64;
    ids.extend(vocab.stream_tokens(units).unwrap());
    let logits =
        policy.model().forward_train(&pixels, &Tensor::from_slice(&ids).unsqueeze(0)).unwrap();
    let first = policy.config().patches() + prompt - 1;
    logits.select(0, 0).narrow(0, first, units.len() as i64 * 8)
}

/// Asserts that the log-probabilities of `stream` are those of a pass over it alone.
#[track_caller]
pub fn assert_scores_match(
    policy: &OpenVlaPolicy,
    frame: &Frame,
    instruction: &str,
    stream: &Stream,
) {
    let vocab = ActionVocab::new(policy.config());
    let log_probs = logits_after(policy, frame, instruction, &stream.units)
        .narrow(1, vocab.first(), i64::from(ACTION_BINS))
        .log_softmax(1, Kind::Double);
    for (u, unit) in stream.units.iter().enumerate() {
        for (d, token) in vocab.tokens(unit).into_iter().enumerate() {
            let expected = log_probs.double_value(&[(u * 8 + d) as i64, token - vocab.first()]);
            let found = f64::from(stream.confidence[u].log_probs[d]);
            assert!((found - expected).abs() < 1e-4, "unit {u} dimension {d}: {found} {expected}");
        }
    }
}

/// A picture without symmetry, different for each `seed`.
pub fn picture(width: u32, height: u32, seed: u32) -> Frame {
    let byte = |i: u32| (i.wrapping_mul(2_654_435_761).wrapping_add(seed * 977) >> 13) as u8;
    Frame {
        jpeg: None,
        camera: "test".into(),
        captured_ns: 0,
        width,
        height,
        rgb: (0..width * height * 3).map(byte).collect(),
    }
}

#[track_caller]
pub fn assert_close(found: &Tensor, expected: &Tensor, tolerance: f64) {
    assert_eq!(found.size(), expected.size());
    let difference = (found.to_kind(Kind::Double) - expected.to_kind(Kind::Double)).abs().max();
    let difference = difference.double_value(&[]);
    assert!(difference <= tolerance, "differs by {difference}, tolerance {tolerance}");
}
