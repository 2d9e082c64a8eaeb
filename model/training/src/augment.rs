//! From pictures as bytes to `pixel_values`: normalised for both towers, and varied at random where
//! that is asked for.
//!
//! The numbers of a picture depend on seed, step and its place in the step's batch alone. Must
//! never choose the pictures.

use crate::choices::Augmentation;
use crate::config::TrainConfig;
use crate::random::{Purpose, WORDS_PER_NUMBER, generator_at, symmetric};
use crate::sampling::Draw;
use jaco_model::image::ImageProcessor;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, TchError, Tensor};

/// Numbers drawn for a picture by "colour": contrast, that of three channels, brightness.
const COLOUR_NUMBERS: usize = 5;
/// Numbers drawn for a picture by "openvla": row and column of the crop, brightness, contrast,
/// saturation, hue.
const OPENVLA_NUMBERS: usize = 6;
/// Share of the area that OpenVLA's crop keeps.
const CROP_AREA: f64 = 0.9;
/// OpenVLA's half-widths.
const BRIGHTNESS: f64 = 0.2;
const CONTRAST: f64 = 0.2;
const SATURATION: f64 = 0.2;
const HUE: f64 = 0.05;

/// How the six channels of `pixel_values` are made of values in 0..=1: `gain * value + offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalisation {
    gain: [f64; 6],
    offset: [f64; 6],
}

impl Normalisation {
    /// What `images` does to a picture, found by asking it for black and white.
    pub fn of(images: &ImageProcessor) -> Result<Self, TchError> {
        let answer = |value: f64| -> Result<[f64; 6], TchError> {
            let grey = Tensor::f_full([1, 3, 1, 1], value, (Kind::Double, Device::Cpu))?;
            let channels = Vec::<f64>::try_from(images.normalize(&grey)?.f_flatten(0, -1)?)?;
            <[f64; 6]>::try_from(channels).map_err(|found| {
                TchError::Shape(format!("{} normalised channels, expected 6", found.len()))
            })
        };
        let (offset, white) = (answer(0.0)?, answer(1.0)?);
        Ok(Self { gain: std::array::from_fn(|i| white[i] - offset[i]), offset })
    }

    /// `pixel_values` \[B, 6, S, S\] of pictures \[B, S, S, 3\] (uint8) as they are.
    pub fn plain(&self, pictures: &Tensor) -> Result<Tensor, TchError> {
        let none = Shift { contrast: [1.0; 3], brightness: 0.0 };
        self.shifted(&planes(pictures)?, &vec![none; pictures.size()[0] as usize])
    }

    /// [`Normalisation::plain`] of pictures varied as `config` says, which are those of `draw`.
    pub fn varied(
        &self,
        pictures: &Tensor,
        config: &TrainConfig,
        draw: &Draw,
    ) -> Result<Tensor, TchError> {
        let rng = |numbers: usize| {
            let words = draw.first * numbers * WORDS_PER_NUMBER;
            generator_at(config.seed, Purpose::Augmentation, draw.step, words)
        };
        match config.augmentation {
            Augmentation::None => self.plain(pictures),
            Augmentation::Colour => {
                let mut rng = rng(COLOUR_NUMBERS);
                let shifts: Vec<Shift> =
                    draw.states.iter().map(|_| Shift::draw(config, &mut rng)).collect();
                self.shifted(&planes(pictures)?, &shifts)
            }
            Augmentation::Openvla => {
                let mut rng = rng(OPENVLA_NUMBERS);
                let looks: Vec<Look> = draw.states.iter().map(|_| Look::draw(&mut rng)).collect();
                let varied = look_at(&planes(pictures)?.f_div_scalar(255.0)?, &looks)?;
                let none = Shift { contrast: [1.0; 3], brightness: 0.0 };
                self.shifted(&varied.f_mul_scalar(255.0)?, &vec![none; looks.len()])
            }
        }
    }

    /// Contrast, brightness and normalisation are one multiplication and addition per example and
    /// channel. With the picture in -1..=1, contrast multiplies (a common factor and half as much
    /// again per channel) and brightness adds.
    fn shifted(&self, planes: &Tensor, shifts: &[Shift]) -> Result<Tensor, TchError> {
        let (mut scales, mut offsets) = (Vec::new(), Vec::new());
        for Shift { contrast, brightness } in shifts {
            for channel in 0..6 {
                let (contrast, gain) = (contrast[channel % 3], self.gain[channel]);
                let offset = gain * 0.5 * (1.0 + brightness - contrast) + self.offset[channel];
                scales.push((gain * contrast / 255.0) as f32);
                offsets.push(offset as f32);
            }
        }
        let factors = |values: &[f32]| -> Result<Tensor, TchError> {
            Tensor::f_from_slice(values)?.f_view([-1, 2, 3, 1, 1])?.f_to_device(planes.device())
        };
        let (_, _, height, width) = planes.size4()?;
        // Both towers see the same picture, normalised each its own way.
        let both = factors(&offsets)?.f_addcmul(&planes.f_unsqueeze(1)?, &factors(&scales)?)?;
        both.f_view([-1, 6, height, width])
    }
}

/// \[B, S, S, 3\] of any type to \[B, 3, S, S\] in float32.
fn planes(pictures: &Tensor) -> Result<Tensor, TchError> {
    pictures.f_permute([0, 3, 1, 2])?.f_contiguous()?.f_to_kind(Kind::Float)
}

/// What "colour" does to a picture.
#[derive(Clone, Copy)]
struct Shift {
    contrast: [f64; 3],
    brightness: f64,
}

impl Shift {
    fn draw(config: &TrainConfig, rng: &mut ChaCha8Rng) -> Self {
        let common = symmetric(rng, config.contrast);
        let contrast =
            std::array::from_fn(|_| 1.0 + common + 0.5 * symmetric(rng, config.contrast));
        Self { contrast, brightness: symmetric(rng, config.brightness) }
    }
}

/// What "openvla" does to a picture.
#[derive(Clone, Copy, Debug)]
struct Look {
    /// Top and left of the crop, as shares of what is left over.
    corner: [f64; 2],
    brightness: f64,
    contrast: f64,
    saturation: f64,
    hue: f64,
}

impl Look {
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        Self {
            corner: [rng.random(), rng.random()],
            brightness: symmetric(rng, BRIGHTNESS),
            contrast: 1.0 + symmetric(rng, CONTRAST),
            saturation: 1.0 + symmetric(rng, SATURATION),
            hue: symmetric(rng, HUE),
        }
    }
}

/// Pictures \[B, 3, S, S\] in 0..=1 as training of OpenVLA sees them: cropped and brought back to
/// their size (bilinearly, corners on corners), then brightness, contrast about each channel's
/// mean, saturation and hue, cut off at 0 and 1 after each.
fn look_at(pictures: &Tensor, looks: &[Look]) -> Result<Tensor, TchError> {
    let device = pictures.device();
    let column = |value: &dyn Fn(&Look) -> f64| -> Result<Tensor, TchError> {
        let values: Vec<f32> = looks.iter().map(|look| value(look) as f32).collect();
        Tensor::f_from_slice(&values)?.f_view([-1, 1, 1, 1])?.f_to_device(device)
    };
    let x = cropped(pictures, looks)?;
    let x = x.f_add(&column(&|look| look.brightness)?)?.f_clamp(0.0, 1.0)?;
    let mean = x.f_mean_dim([2i64, 3].as_slice(), true, Kind::Float)?;
    let x = x.f_sub(&mean)?.f_mul(&column(&|look| look.contrast)?)?.f_add(&mean)?;
    let x = x.f_clamp(0.0, 1.0)?;
    // Hue, saturation and value; both changes in one there and back.
    let (value, least) = (x.f_amax([1], true)?, x.f_amin([1], true)?);
    let chroma = value.f_sub(&least)?;
    let (safe_chroma, safe_value) = (chroma.f_clamp_min(1e-12)?, value.f_clamp_min(1e-12)?);
    let [red, green, blue] = [0, 1, 2].map(|channel| x.f_narrow(1, channel, 1));
    let (red, green, blue) = (red?, green?, blue?);
    let sector = |a: &Tensor, b: &Tensor, turn: f64| -> Result<Tensor, TchError> {
        a.f_sub(b)?.f_div(&safe_chroma)?.f_add_scalar(turn)
    };
    let of_red = sector(&green, &blue, 0.0)?;
    let of_green = sector(&blue, &red, 2.0)?;
    let of_blue = sector(&red, &green, 4.0)?;
    let is_red = red.f_eq_tensor(&value)?;
    let is_green = green.f_eq_tensor(&value)?;
    let hue = of_red.f_where_self(&is_red, &of_green.f_where_self(&is_green, &of_blue)?)?;
    let hue = hue.f_add(&column(&|look| 6.0 * look.hue)?)?;
    let saturation = chroma.f_div(&safe_value)?.f_mul(&column(&|look| look.saturation)?)?;
    let depth = value.f_mul(&saturation.f_clamp(0.0, 1.0)?)?;
    let channel = |turn: f64| -> Result<Tensor, TchError> {
        let k = hue.f_add_scalar(turn)?.f_remainder(6.0)?;
        let ramp = k.f_minimum(&k.f_neg()?.f_add_scalar(4.0)?)?.f_clamp(0.0, 1.0)?;
        value.f_sub(&depth.f_mul(&ramp)?)
    };
    Tensor::f_cat(&[channel(5.0)?, channel(3.0)?, channel(1.0)?], 1)
}

fn cropped(pictures: &Tensor, looks: &[Look]) -> Result<Tensor, TchError> {
    let (batch, _, height, width) = pictures.size4()?;
    let side = CROP_AREA.sqrt();
    let mut matrices = Vec::with_capacity(looks.len() * 6);
    for Look { corner: [top, left], .. } in looks {
        // Of -1..=1, which is from the first pixel's centre to the last one's.
        let shift = |share: f64| ((2.0 * share - 1.0) * (1.0 - side)) as f32;
        matrices.extend([side as f32, 0.0, shift(*left), 0.0, side as f32, shift(*top)]);
    }
    let matrices =
        Tensor::f_from_slice(&matrices)?.f_view([-1, 2, 3])?.f_to_device(pictures.device())?;
    let grid = Tensor::f_affine_grid_generator(&matrices, [batch, 3, height, width], true)?;
    // 0, 1: bilinear, the border's colour beyond.
    pictures.f_grid_sampler(&grid, 0, 1, true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn picture(values: &[f32]) -> Tensor {
        let side = ((values.len() / 3) as f64).sqrt() as i64;
        Tensor::from_slice(values).view([1, 3, side, side])
    }

    const STILL: Look =
        Look { corner: [0.5, 0.5], brightness: 0.0, contrast: 1.0, saturation: 1.0, hue: 0.0 };

    /// One flat colour is what no crop changes.
    fn seen(rgb: [f32; 3], look: Look) -> [f64; 3] {
        let flat: Vec<f32> = rgb.iter().flat_map(|&value| [value; 16]).collect();
        let seen = look_at(&picture(&flat), &[look]).unwrap();
        std::array::from_fn(|channel| seen.double_value(&[0, channel as i64, 1, 2]))
    }

    fn close(found: [f64; 3], wanted: [f64; 3]) {
        let most = (0..3).map(|i| (found[i] - wanted[i]).abs()).fold(0.0, f64::max);
        assert!(most < 1e-6, "{found:?} {wanted:?}");
    }

    #[test]
    fn colours_are_changed_as_the_formulas_say() {
        close(seen([0.2, 0.4, 0.6], STILL), [0.2, 0.4, 0.6]);
        let bright = Look { brightness: 0.15, ..STILL };
        close(seen([0.2, 0.4, 0.9], bright), [0.35, 0.55, 1.0]);
        // Half the saturation: the least channel comes half way up to the largest.
        let pale = Look { saturation: 0.5, ..STILL };
        close(seen([0.2, 0.4, 0.6], pale), [0.4, 0.5, 0.6]);
        // A third of a turn makes green of red; a sixth makes yellow.
        close(seen([0.8, 0.1, 0.1], Look { hue: 1.0 / 3.0, ..STILL }), [0.1, 0.8, 0.1]);
        close(seen([0.8, 0.1, 0.1], Look { hue: 1.0 / 6.0, ..STILL }), [0.8, 0.8, 0.1]);
        close(seen([0.8, 0.1, 0.1], Look { hue: -1.0 / 6.0, ..STILL }), [0.8, 0.1, 0.8]);
        close(seen([0.3; 3], Look { saturation: 1.2, hue: 0.05, ..STILL }), [0.3; 3]);
    }

    #[test]
    fn contrast_is_about_the_mean_of_a_channel() {
        let values: Vec<f32> = (0..48).map(|i| 0.25 + 0.5 * (i % 16 / 8) as f32).collect();
        let look = Look { contrast: 1.2, ..STILL };
        let seen = look_at(&picture(&values), &[look]).unwrap();
        assert!((seen.double_value(&[0, 0, 0, 0]) - 0.2).abs() < 1e-6);
        assert!((seen.double_value(&[0, 2, 3, 3]) - 0.8).abs() < 1e-6);
    }

    /// A ramp stays a ramp: its ends say which part of it was kept.
    #[test]
    fn a_crop_keeps_nine_tenths_of_the_area() {
        let side = 41;
        let ramp: Vec<f32> =
            (0..3 * side * side).map(|i| (i / side % side) as f32 / (side - 1) as f32).collect();
        for (top, first) in [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)] {
            let look = Look { corner: [top, 0.3], ..STILL };
            let seen = look_at(&picture(&ramp), &[look]).unwrap();
            let kept = 0.9f64.sqrt();
            let begin = first * (1.0 - kept);
            let last = i64::from(side - 1);
            for (row, wanted) in [(0, begin), (last, begin + kept)] {
                let found = seen.double_value(&[0, 1, row, 7]);
                assert!((found - wanted).abs() < 1e-5, "{found} {wanted}");
            }
        }
    }
}
