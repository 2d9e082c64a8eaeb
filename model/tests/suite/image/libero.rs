//! The evaluation path against TensorFlow's, and its properties.

use super::{PICTURES, frame, one_colour, pixels, png};
use crate::support::picture;
use jaco_model::LiberoView;
use proptest::prelude::*;

const PLAIN: LiberoView = LiberoView { rotate: false, jpeg: false, center_crop: false };

#[test]
fn the_whole_path_equals_tensorflow_to_the_bit() {
    for name in PICTURES {
        let view = LiberoView::LIBERO.apply(&png(name), 224).unwrap();
        let expected = png(&format!("{name}.libero_crop"));
        assert_eq!((view.width, view.height), (224, 224));
        assert!(view.rgb == expected.rgb, "{name}: {}", difference(&view.rgb, &expected.rgb));
    }
}

#[test]
fn the_jpeg_equals_libjpeg_turbos_to_the_bit_where_blocks_are_cut() {
    let view = LiberoView::LIBERO.full_size(&png("c_173x301")).unwrap();
    let expected = png("c_173x301.libero_jpeg");
    assert_eq!((view.width, view.height), (173, 301));
    assert!(view.rgb == expected.rgb, "{}", difference(&view.rgb, &expected.rgb));
}

fn difference(found: &[u8], expected: &[u8]) -> String {
    let differences = found.iter().zip(expected).map(|(a, b)| a.abs_diff(*b));
    let count = differences.clone().filter(|d| *d > 0).count();
    format!("{count} of {} bytes differ, by up to {:?}", found.len(), differences.max())
}

#[test]
fn rotation_reverses_both_axes_and_keeps_the_stamp() {
    let mut frame = picture(20, 11, 7);
    frame.captured_ns = 42;
    let turned = LiberoView { rotate: true, ..PLAIN }.full_size(&frame).unwrap();
    let backwards: Vec<[u8; 3]> = pixels(&frame.rgb).iter().rev().copied().collect();
    assert_eq!(pixels(&turned.rgb), backwards);
    assert_eq!((turned.camera, turned.captured_ns), (frame.camera, 42));
}

#[test]
fn the_bridge_view_neither_turns_nor_crops() {
    let frame = picture(64, 64, 8);
    let coded = LiberoView { jpeg: true, ..PLAIN }.full_size(&frame).unwrap();
    let expected = PLAIN.apply(&coded, 32).unwrap();
    assert_eq!(LiberoView::BRIDGE.apply(&frame, 32).unwrap(), expected);
}

proptest! {
    #[test]
    fn one_colour_stays_one_colour(
        width in 8u32..70, height in 8u32..70, size in 1usize..70, colour: [u8; 3]
    ) {
        let frame = one_colour(width, height, colour);
        let uncoded = LiberoView { jpeg: false, ..LiberoView::LIBERO };
        let view = uncoded.apply(&frame, size).unwrap();
        prop_assert_eq!(view.rgb.len(), size * size * 3);
        prop_assert!(pixels(&view.rgb).iter().all(|pixel| *pixel == colour));

        let coded = LiberoView::LIBERO.apply(&frame, size).unwrap();
        let first = pixels(&coded.rgb)[0];
        prop_assert!(pixels(&coded.rgb).iter().all(|pixel| *pixel == first));
        // Rounded luma and chroma, and quantisation steps of 2 over a block.
        prop_assert!((0..3).all(|i| first[i].abs_diff(colour[i]) <= 5), "{first:?}");
    }

    /// A side of sqrt(0.9) leaves out 2.57 % at each end, whatever the size.
    #[test]
    fn the_crop_reads_all_corners_inside_and_nothing_outside(
        side in 48usize..160, right: bool, bottom: bool, seed in 0u32..1000
    ) {
        let crop = |rgb: Vec<u8>| {
            let frame = frame(side as u32, side as u32, rgb);
            let crop = LiberoView { center_crop: true, ..PLAIN };
            crop.apply(&frame, side).unwrap().rgb
        };
        let original = picture(side as u32, side as u32, seed).rgb.to_vec();
        let start = (side - 1) as f64 * (1.0 - 0.9f64.sqrt()) / 2.0;
        let outside = start.floor() as usize;

        let mut rim = original.clone();
        for (index, pixel) in rim.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            let (x, y) = (index % side, index / side);
            if [x, y, side - 1 - x, side - 1 - y].into_iter().any(|d| d < outside) {
                *pixel = pixel.map(|value| value ^ 0x80);
            }
        }
        prop_assert!(crop(rim) == crop(original.clone()));

        // The nearest pixel of a corner weighs at least a quarter there.
        let nearest = start.round() as usize;
        let x = if right { side - 1 - nearest } else { nearest };
        let y = if bottom { side - 1 - nearest } else { nearest };
        let mut corner = original.clone();
        corner[(y * side + x) * 3] ^= 0x80;
        prop_assert!(crop(corner) != crop(original));
    }

    /// Triangle-filtered chroma and cut blocks at any size: nothing panics, and grey stays grey.
    #[test]
    fn any_size_survives_the_jpeg(width in 8u32..50, height in 8u32..50, seed in 0u32..1000) {
        let grey = picture(width, height, seed).rgb.iter().step_by(3).flat_map(|&v| [v; 3]).collect();
        let coded = LiberoView { jpeg: true, ..PLAIN }.full_size(&frame(width, height, grey)).unwrap();
        prop_assert_eq!((coded.width, coded.height), (width, height));
        for [red, green, blue] in pixels(&coded.rgb) {
            prop_assert!(red.abs_diff(*green) <= 1 && blue.abs_diff(*green) <= 2);
        }
    }
}
