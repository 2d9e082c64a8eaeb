//! The three ways to a square, against torchvision and by their properties.

use super::{frame, one_colour, pixels};
use crate::support::{Tensors, fixtures, picture};
use jaco_model::{ImageProcessor, ResizeStrategy};
use proptest::prelude::*;
use tch::Tensor;

const STRATEGIES: [ResizeStrategy; 3] =
    [ResizeStrategy::ResizeNaive, ResizeStrategy::Letterbox, ResizeStrategy::ResizeCrop];
/// The letterbox colour without a preprocessor_config.json.
const FILL: [u8; 3] = [127; 3];

fn resized(strategy: ResizeStrategy, size: usize, picture: &jaco_core::Frame) -> Vec<u8> {
    ImageProcessor::new(size, strategy).resize(picture).unwrap().into_owned()
}

#[test]
fn every_strategy_equals_torchvision_to_the_bit_at_any_aspect() {
    let golden = Tensors::read(&fixtures().join("preproc/strategies_28.safetensors"));
    let shapes = ["48x33", "33x48", "61x40", "57x30", "40x40", "19x16", "37x90", "28x28", "29x80"];
    for shape in shapes {
        let source = golden.get(shape);
        let (height, width) = (source.size()[0] as u32, source.size()[1] as u32);
        let source = frame(width, height, Vec::try_from(source.flatten(0, -1)).unwrap());
        for strategy in STRATEGIES {
            let name = serde_json::to_value(strategy).unwrap();
            let name = format!("{shape}.{}", name.as_str().unwrap());
            let found = Tensor::from_slice(&resized(strategy, 28, &source)).view([28, 28, 3]);
            assert_eq!(found, *golden.get(&name), "{name}");
        }
    }
}

#[test]
fn a_picture_of_the_right_size_is_passed_through() {
    let frame = picture(48, 48, 2);
    for strategy in STRATEGIES {
        assert_eq!(resized(strategy, 48, &frame), *frame.rgb);
    }
}

proptest! {
    #[test]
    fn one_colour_stays_that_colour(
        width in 8u32..70, height in 8u32..70, size in 1usize..70, colour: [u8; 3]
    ) {
        let frame = one_colour(width, height, colour);
        for strategy in [ResizeStrategy::ResizeNaive, ResizeStrategy::ResizeCrop] {
            let resized = resized(strategy, size, &frame);
            prop_assert_eq!(resized.len(), size * size * 3);
            prop_assert!(pixels(&resized).iter().all(|pixel| *pixel == colour));
        }
        let filled = resized(ResizeStrategy::Letterbox, size, &one_colour(width, height, FILL));
        prop_assert_eq!(filled.len(), size * size * 3);
        prop_assert!(pixels(&filled).iter().all(|pixel| *pixel == FILL));
    }

    /// Two source pixels on either side of a bar's edge are mixed; beyond them, bar and picture
    /// have their own colours, in the picture's proportions.
    #[test]
    fn a_letterbox_keeps_the_aspect(
        width in 8u32..300, height in 8u32..300, size in 24usize..80, colour: [u8; 3]
    ) {
        let resized = resized(ResizeStrategy::Letterbox, size, &one_colour(width, height, colour));
        let scale = size as f64 / f64::from(width.max(height));
        let reach = 2.0 * scale.max(1.0) + 1.5 * scale + 1.0;
        let inside = |position: usize, side: u32| {
            let from_middle = (position as f64 + 0.5 - size as f64 / 2.0).abs();
            from_middle - f64::from(side) * scale / 2.0
        };
        for (index, pixel) in pixels(&resized).iter().enumerate() {
            let beyond = inside(index % size, width).max(inside(index / size, height));
            let bars = width != height && beyond > reach;
            if bars {
                prop_assert_eq!(*pixel, FILL);
            } else if beyond < -reach || width == height {
                prop_assert_eq!(*pixel, colour);
            }
        }
    }

    /// What the square in the middle does not show has no influence.
    #[test]
    fn a_resize_crop_ignores_the_ends_of_the_longer_side(
        height in 8u32..40, more in 1u32..5, size in 16usize..64, colour: [u8; 3]
    ) {
        // The kernel reaches two source pixels, or two target pixels' worth of them, further.
        let margin = 2 * (height as usize / size + 1) + 3;
        let width = height + 2 * (margin as u32 + more);
        let original = picture(width, height, 5);
        let mut rgb = original.rgb.to_vec();
        for (index, pixel) in rgb.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            let column = index % width as usize;
            if column < more as usize || column >= (width - more) as usize {
                *pixel = colour;
            }
        }
        let changed = frame(width, height, rgb);
        let crop = |frame| resized(ResizeStrategy::ResizeCrop, size, frame);
        prop_assert_eq!(crop(&original), crop(&changed));
    }
}
