//! Constants, normalisation, and what is refused at the door.

use super::{PICTURES, frame, png};
use crate::support::{Tensors, assert_close, fixtures, picture, tiny_checkpoint};
use jaco_model::{
    ImageProcessor, LiberoView, ModelError, OpenVlaConfig, OpenVlaPolicy, ResizeStrategy,
};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use tch::{Device, Kind, Tensor};
use tempfile::TempDir;

/// A rounding error of float32 at values up to 2.7.
const ROUNDING: f64 = 1e-6;

fn golden() -> Tensors {
    Tensors::read(&fixtures().join("preproc/expected_every_8th.safetensors"))
}

fn every_8th(tensor: &Tensor, rows: i64) -> Tensor {
    let index = Tensor::arange_start_step(0, 224, 8, (Kind::Int64, Device::Cpu));
    tensor.index_select(rows, &index).index_select(rows + 1, &index)
}

fn naive(size: usize) -> ImageProcessor {
    ImageProcessor::new(size, ResizeStrategy::ResizeNaive)
}

fn preprocessor_config(content: &Value) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("preprocessor_config.json");
    fs::write(&path, content.to_string()).unwrap();
    (dir, path)
}

/// The constants as the published checkpoint stores them.
fn published() -> Value {
    json!({
        "tvf_normalize_params": [
            {"mean": [0.484375, 0.455078125, 0.40625],
             "std": [0.228515625, 0.2236328125, 0.224609375], "inplace": false},
            {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "inplace": false}],
        "tvf_do_letterbox": false, "tvf_letterbox_fill": null,
        "means": [[0.485, 0.456, 0.406], [0.5, 0.5, 0.5]],
        "stds": [[0.229, 0.224, 0.225], [0.5, 0.5, 0.5]]
    })
}

#[track_caller]
fn assert_values(processor: &ImageProcessor, name: &str, key: &str) {
    let values = processor.pixel_values(&[&png(name)], Device::Cpu).unwrap();
    assert_eq!(values.size(), [1, 6, 224, 224]);
    let golden = golden();
    let expected = golden.get(&format!("{name}.{key}"));
    assert_close(&every_8th(&values.select(0, 0), 1), expected, ROUNDING);
}

#[test]
fn resizing_equals_pillow_to_the_bit() {
    for name in PICTURES {
        let frame = png(name);
        let resized = Tensor::from_slice(&naive(224).resize(&frame).unwrap());
        let resized = every_8th(&resized.reshape([224, 224, 3]), 0);
        assert_eq!(resized, *golden().get(&format!("{name}.resized_u8_hwc")), "{name}");
    }
}

#[test]
fn pixel_values_match_with_openvlas_constants() {
    for name in PICTURES {
        assert_values(&naive(224), name, "pixel_values");
    }
    for (strategy, name) in
        [(ResizeStrategy::Letterbox, "letterbox"), (ResizeStrategy::ResizeCrop, "resize-crop")]
    {
        let processor = ImageProcessor::new(224, strategy);
        assert_values(&processor, "b_320x240", &format!("{name}.pixel_values"));
    }
}

#[test]
fn pixel_values_match_with_the_published_rounded_constants() {
    let (_dir, path) = preprocessor_config(&published());
    let rounded = ImageProcessor::read(&path, 224, ResizeStrategy::ResizeNaive).unwrap();
    assert_values(&rounded, "b_320x240", "pixel_values_checkpoint_norm");
}

#[test]
fn without_stored_parameters_the_means_count_and_without_a_file_openvlas() {
    let mut content = published();
    content.as_object_mut().unwrap().remove("tvf_normalize_params");
    let (dir, path) = preprocessor_config(&content);
    let strategy = ResizeStrategy::Letterbox;
    let openvla = ImageProcessor::new(224, strategy);
    assert_eq!(ImageProcessor::read(&path, 224, strategy).unwrap(), openvla);
    let absent = dir.path().join("absent.json");
    assert_eq!(ImageProcessor::read(&absent, 224, strategy).unwrap(), openvla);
}

#[test]
fn the_letterbox_colour_is_the_stored_one_or_the_second_towers_mean() {
    let corner = |content: Value| {
        let (_dir, path) = preprocessor_config(&content);
        let processor = ImageProcessor::read(&path, 32, ResizeStrategy::Letterbox).unwrap();
        processor.resize(&picture(64, 32, 3)).unwrap()[..3].to_vec()
    };
    assert_eq!(corner(published()), [127; 3]);
    let mut content = published();
    content["means"][1] = json!([0.25, 0.5, 1.0]);
    assert_eq!(corner(content.clone()), [63, 127, 255]);
    content["tvf_letterbox_fill"] = json!([1, 2, 3]);
    assert_eq!(corner(content), [1, 2, 3]);
}

#[test]
fn damaged_constants_are_refused() {
    let content = json!({"tvf_normalize_params": [{"mean": [0.5], "std": [0.5]}]});
    let (_dir, path) = preprocessor_config(&content);
    let error = ImageProcessor::read(&path, 224, ResizeStrategy::ResizeNaive).unwrap_err();
    assert!(matches!(error, ModelError::Key { .. }), "{error}");
}

#[test]
fn a_policy_resizes_as_its_config_says_and_keeps_its_constants() {
    let dir = tiny_checkpoint();
    let path = dir.path().join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config["image_resize_strategy"] = json!("letterbox");
    fs::write(&path, config.to_string()).unwrap();
    let stored = json!({"tvf_letterbox_fill": [1, 2, 3]}).to_string();
    fs::write(dir.path().join("preprocessor_config.json"), stored).unwrap();
    let policy = OpenVlaPolicy::load(dir.path(), Device::Cpu).unwrap();
    let frame = picture(64, 32, 4);
    let seen = policy.images().resize(&frame).unwrap();
    assert_eq!(seen[..3], [1, 2, 3]);

    let copy = dir.path().join("copy");
    policy.save(&copy, Kind::Float).unwrap();
    let again = OpenVlaPolicy::load(&copy, Device::Cpu).unwrap();
    assert_eq!(again.images(), policy.images());
}

#[test]
fn an_unknown_strategy_is_refused_with_the_known_ones() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.json");
    fs::write(&path, r#"{"image_resize_strategy": "squash"}"#).unwrap();
    let error = OpenVlaConfig::read(&path).unwrap_err().to_string();
    for word in ["config.json", "\"squash\"", "resize-naive", "letterbox", "resize-crop"] {
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_frame_with_missing_bytes_is_refused() {
    let mut frame = picture(10, 20, 1);
    frame.rgb = frame.rgb[1..].into();
    let wanted = "frame of camera \"test\": 599 bytes for 10x20 RGB pixels";
    let error = naive(16).pixel_values(&[&frame], Device::Cpu).unwrap_err();
    assert_eq!(error.to_string(), wanted);
    let error = LiberoView::LIBERO.apply(&frame, 16).unwrap_err();
    assert_eq!(error.to_string(), wanted);
}

#[test]
fn a_frame_too_small_or_too_long_is_refused() {
    for (width, height) in [(1, 1), (0, 0), (7, 100), (100, 7), (8193, 8), (u32::MAX, u32::MAX)] {
        let frame = frame(width, height, vec![0; 3]);
        let wanted = format!(
            "frame of camera \"test\": {width}x{height} pixels, each side must have 8 to 8192"
        );
        let error = naive(16).pixel_values(&[&frame], Device::Cpu).unwrap_err();
        assert_eq!(error.to_string(), wanted);
        let error = LiberoView::BRIDGE.apply(&frame, 16).unwrap_err();
        assert_eq!(error.to_string(), wanted);
    }
    assert!(naive(16).pixel_values(&[&picture(8, 9, 1)], Device::Cpu).is_ok());
}
