//! What compressing a picture costs: milliseconds and kilobytes for a 640x480 photo on one core, by
//! encoder.
//! `cargo run -p jaco-dataset --example encoders`.

#[path = "common/photo.rs"]
mod photo;

use photo::{HEIGHT, WIDTH, photo};
use png::{Compression, Filter};
use std::error::Error;
use std::time::Instant;

const ROUNDS: u32 = 10;
const PHOTOS: u32 = 4;

fn main() -> Result<(), Box<dyn Error>> {
    for (name, compression) in [("Fast", Compression::Fast), ("Fastest", Compression::Fastest)] {
        for filter in [None, Some(Filter::Up), Some(Filter::Sub), Some(Filter::Paeth)] {
            measure(&format!("PNG {name}, {filter:?}"), |rgb| png_of(rgb, compression, filter))?;
        }
    }
    for quality in [90.0, 95.0] {
        measure(&format!("JPEG {quality}, fastest, 4:4:4"), |rgb| jpeg_of(rgb, quality, true))?;
        measure(&format!("JPEG {quality}, default, 4:4:4"), |rgb| jpeg_of(rgb, quality, false))?;
    }
    Ok(())
}

fn measure(
    name: &str,
    encode: impl Fn(&[u8]) -> Result<Vec<u8>, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let (mut best_ms, mut bytes) = (f64::MAX, 0);
    let photos: Vec<_> = (0..PHOTOS).map(photo).collect();
    for round in 0..ROUNDS {
        let start = Instant::now();
        for rgb in &photos {
            let encoded = encode(rgb)?;
            bytes += if round == 0 { encoded.len() } else { 0 };
        }
        best_ms = best_ms.min(start.elapsed().as_secs_f64() * 1e3 / f64::from(PHOTOS));
    }
    let kilobytes = bytes as f64 / f64::from(PHOTOS) / 1e3;
    println!("{name:32} {best_ms:6.2} ms  {kilobytes:7.1} kB");
    Ok(())
}

fn png_of(
    rgb: &[u8],
    compression: Compression,
    filter: Option<Filter>,
) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut bytes = Vec::with_capacity(rgb.len());
    let mut encoder = png::Encoder::new(&mut bytes, WIDTH, HEIGHT);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(compression);
    if let Some(filter) = filter {
        encoder.set_filter(filter);
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(rgb)?;
    writer.finish()?;
    Ok(bytes)
}

fn jpeg_of(rgb: &[u8], quality: f32, fastest: bool) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut encoder = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_RGB);
    if fastest {
        encoder.set_fastest_defaults();
    }
    encoder.set_size(WIDTH as usize, HEIGHT as usize);
    encoder.set_quality(quality);
    encoder.set_chroma_sampling_pixel_sizes((1, 1), (1, 1));
    let mut encoder = encoder.start_compress(Vec::new())?;
    encoder.write_scanlines(rgb)?;
    Ok(encoder.finish()?)
}
