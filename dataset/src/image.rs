//! Pictures: RGB bytes to PNG and back, and the count of every colour value for statistics.
//!
//! The compression is the fast one (fdeflate with the `Up` filter): it runs inside the step of a
//! recording, where a millisecond counts for more than a few kilobytes.

use std::io::Cursor;

/// Encodes `height * width * 3` RGB bytes. Lossless.
pub(crate) fn encode(rgb: &[u8], width: u32, height: u32) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(rgb.len() / 2);
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(|e| e.to_string())?;
    writer.write_image_data(rgb).map_err(|e| e.to_string())?;
    writer.finish().map_err(|e| e.to_string())?;
    Ok(bytes)
}

/// Decodes a PNG that must be 8-bit RGB of the given size.
pub(crate) fn decode(bytes: &[u8], width: u32, height: u32) -> Result<Vec<u8>, String> {
    let mut reader =
        png::Decoder::new(Cursor::new(bytes)).read_info().map_err(|e| e.to_string())?;
    let info = reader.info();
    let found = (info.width, info.height, info.color_type, info.bit_depth);
    if found != (width, height, png::ColorType::Rgb, png::BitDepth::Eight) {
        let (w, h, color, depth) = found;
        return Err(format!(
            "is {w}x{h} {color:?} of {depth:?} bits, not {width}x{height} RGB of 8 bits"
        ));
    }
    let mut rgb = vec![0; width as usize * height as usize * 3];
    reader.next_frame(&mut rgb).map_err(|e| e.to_string())?;
    Ok(rgb)
}

/// How often each value occurred, per colour: exact statistics over every pixel in a few
/// kilobytes.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    pub counts: Box<[[u64; 256]; 3]>,
    pub frames: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: Box::new([[0; 256]; 3]), frames: 0 }
    }
}

impl Histogram {
    pub fn add(&mut self, rgb: &[u8]) {
        let (pixels, _) = rgb.as_chunks::<3>();
        for pixel in pixels {
            for (counts, &value) in self.counts.iter_mut().zip(pixel) {
                counts[usize::from(value)] += 1;
            }
        }
        self.frames += 1;
    }
}
