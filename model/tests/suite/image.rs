//! Pictures against OpenVLA's image processor.

use crate::support::{Tensors, assert_close, fixtures, picture};
use jaco_core::Frame;
use jaco_model::{ImageProcessor, ModelError};
use proptest::prelude::*;
use std::fs::File;
use std::io::BufReader;
use tch::{Device, Kind, Tensor};

fn golden() -> Tensors {
    Tensors::read(&fixtures().join("preproc/expected_every_8th.safetensors"))
}

fn photograph() -> Frame {
    let file = File::open(fixtures().join("preproc/b_320x240.png")).unwrap();
    let mut reader = png::Decoder::new(BufReader::new(file)).read_info().unwrap();
    let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut rgb).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgb);
    let (width, height) = (info.width, info.height);
    Frame { camera: "png".into(), captured_ns: 0, width, height, rgb: rgb.into() }
}

fn every_8th(tensor: &Tensor, rows: i64) -> Tensor {
    let index = Tensor::arange_start_step(0, 224, 8, (Kind::Int64, Device::Cpu));
    tensor.index_select(rows, &index).index_select(rows + 1, &index)
}

#[test]
fn resizing_equals_pillow_to_the_bit() {
    let frame = photograph();
    let resized = ImageProcessor::new(224).resize(&frame).unwrap();
    let resized = Tensor::from_slice(&resized).reshape([224, 224, 3]);
    assert_eq!(every_8th(&resized, 0), *golden().get("resized_u8_hwc"));
}

#[test]
fn both_normalisations_match() {
    let golden = golden();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("preprocessor_config.json");
    let exact = ImageProcessor::read(&path, 224).unwrap();
    std::fs::write(
        &path,
        r#"{"tvf_normalize_params": [
            {"mean": [0.484375, 0.455078125, 0.40625],
             "std": [0.228515625, 0.2236328125, 0.224609375], "inplace": false},
            {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "inplace": false}],
            "means": [[0.485, 0.456, 0.406], [0.5, 0.5, 0.5]],
            "stds": [[0.229, 0.224, 0.225], [0.5, 0.5, 0.5]]}"#,
    )
    .unwrap();
    let rounded = ImageProcessor::read(&path, 224).unwrap();
    for (processor, name) in [(exact, "pixel_values"), (rounded, "pixel_values_checkpoint_norm")] {
        let values = processor.pixel_values(&[&photograph()], Device::Cpu).unwrap();
        assert_eq!(values.size(), [1, 6, 224, 224]);
        // A rounding error of float32 at values up to 2.7.
        assert_close(&every_8th(&values.select(0, 0), 1), golden.get(name), 1e-6);
    }
}

#[test]
fn damaged_constants_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("preprocessor_config.json");
    std::fs::write(&path, r#"{"tvf_normalize_params": [{"mean": [0.5], "std": [0.5]}]}"#).unwrap();
    let error = ImageProcessor::read(&path, 224).unwrap_err();
    assert!(matches!(error, ModelError::Json { .. }), "{error}");
}

#[test]
fn a_frame_with_missing_bytes_is_refused() {
    let mut frame = picture(10, 20, 1);
    frame.rgb = frame.rgb[1..].into();
    let error = ImageProcessor::new(16).pixel_values(&[&frame], Device::Cpu).unwrap_err();
    let wanted = "frame of camera \"test\": 599 bytes for 10x20 RGB pixels";
    assert_eq!(error.to_string(), wanted);
}

#[test]
fn a_picture_of_the_right_size_is_passed_through() {
    let frame = picture(48, 48, 2);
    assert_eq!(*ImageProcessor::new(48).resize(&frame).unwrap(), *frame.rgb);
}

proptest! {
    #[test]
    fn one_colour_stays_that_colour(
        width in 1u32..70, height in 1u32..70, size in 1usize..70, colour: [u8; 3]
    ) {
        let rgb = colour.repeat((width * height) as usize).into();
        let frame = Frame { camera: "test".into(), captured_ns: 0, width, height, rgb };
        let resized = ImageProcessor::new(size).resize(&frame).unwrap();
        prop_assert_eq!(resized.len(), size * size * 3);
        prop_assert!(resized.as_chunks::<3>().0.iter().all(|pixel| *pixel == colour));
    }
}
