//! Fixtures, checkpoint folders and comparisons.

use jaco_core::Frame;
use jaco_model::OpenVlaConfig;
use safetensors::{Dtype, SafeTensors};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};
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

    pub fn get(&self, name: &str) -> &Tensor {
        &self.0[name]
    }
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

/// A picture without symmetry, different for each `seed`.
pub fn picture(width: u32, height: u32, seed: u32) -> Frame {
    let byte = |i: u32| (i.wrapping_mul(2_654_435_761).wrapping_add(seed * 977) >> 13) as u8;
    Frame {
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
