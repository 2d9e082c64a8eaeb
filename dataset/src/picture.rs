//! How pictures are compressed: RGB bytes to PNG or JPEG, or a camera's own JPEG kept.
//!
//! The compression runs inside the step of a recording, where a millisecond counts for more than a
//! few kilobytes: PNG by fdeflate with the `Up` filter alone (what `Adaptive` tries costs more than
//! all the rest), JPEG by libjpeg's fastest settings, without sharing colours between pixels.
//! `examples/encoders.rs` measures them.

use crate::image::jpeg_size;
use std::panic::catch_unwind;

/// How pictures are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pictures {
    /// PNG, without loss.
    #[default]
    Png,
    /// JPEG, with a colour for each pixel (4:4:4).
    Jpeg {
        /// 1 to 100; 95 is hard to tell from the original.
        quality: u8,
    },
    /// The camera's own JPEG where there is one, byte for byte; PNG where there is none.
    Camera,
}

impl Pictures {
    /// Compresses `height * width * 3` RGB bytes.
    pub(crate) fn encode(
        self,
        rgb: &[u8],
        jpeg: Option<&[u8]>,
        width: u32,
        height: u32,
    ) -> Result<Vec<u8>, String> {
        match (self, jpeg) {
            (Pictures::Jpeg { quality }, _) => jpeg_of(rgb, width, height, quality),
            // One of another size or without an end is not the picture, whatever the camera says.
            (Pictures::Camera, Some(jpeg)) if jpeg_size(jpeg) == Ok((width, height)) => {
                Ok(jpeg.to_vec())
            }
            _ => png_of(rgb, width, height),
        }
    }
}

fn png_of(rgb: &[u8], width: u32, height: u32) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(rgb.len());
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    encoder.set_filter(png::Filter::Up);
    let mut writer = encoder.write_header().map_err(|e| e.to_string())?;
    writer.write_image_data(rgb).map_err(|e| e.to_string())?;
    writer.finish().map_err(|e| e.to_string())?;
    Ok(bytes)
}

fn jpeg_of(rgb: &[u8], width: u32, height: u32, quality: u8) -> Result<Vec<u8>, String> {
    let encoded = catch_unwind(|| {
        let mut encoder = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_RGB);
        encoder.set_fastest_defaults();
        encoder.set_size(width as usize, height as usize);
        encoder.set_quality(f32::from(quality.clamp(1, 100)));
        encoder.set_chroma_sampling_pixel_sizes((1, 1), (1, 1));
        let mut encoder = encoder.start_compress(Vec::with_capacity(rgb.len() / 4))?;
        encoder.write_scanlines(rgb)?;
        encoder.finish()
    });
    match encoded {
        Ok(bytes) => bytes.map_err(|e| e.to_string()),
        Err(_) => Err("the picture cannot be compressed as JPEG".to_owned()),
    }
}
