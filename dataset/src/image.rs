//! Pictures read: PNG and JPEG of any kind to RGB, and the count of every colour value for
//! statistics. How they are compressed is in `picture.rs`.
//!
//! JPEG is decoded by libjpeg (mozjpeg's), as Python's Pillow does, so that training sees the same
//! values.

use png::{ColorType, Transformations};
use std::io::Cursor;
use std::panic::catch_unwind;

/// Decodes a PNG or JPEG, which must be of the given size, to `height * width * 3` RGB bytes.
///
/// As Pillow's `convert("RGB")`: grey becomes three equal colours, transparency is left out. Of
/// 16 bits the upper 8 are taken.
pub(crate) fn decode(bytes: &[u8], width: u32, height: u32) -> Result<Vec<u8>, String> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => decode_png(bytes, width, height),
        [0xff, 0xd8, ..] => decode_jpeg(bytes, width, height),
        _ => Err(format!("{}, neither PNG nor JPEG", format_of(bytes))),
    }
}

/// What a picture is that is not decoded here.
fn format_of(bytes: &[u8]) -> String {
    match bytes {
        [] => "the picture is empty".to_owned(),
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => "the picture is a TIFF".to_owned(),
        [b'G', b'I', b'F', b'8', ..] => "the picture is a GIF".to_owned(),
        [b'B', b'M', ..] => "the picture is a BMP".to_owned(),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => {
            "the picture is a WebP".to_owned()
        }
        _ => format!("the picture is {} bytes of another format", bytes.len()),
    }
}

fn right_size(found: (u32, u32), expected: (u32, u32)) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    let ((w, h), (width, height)) = (found, expected);
    Err(format!("the picture has {w}x{h} pixels, but info.json says {width}x{height}"))
}

fn decode_png(bytes: &[u8], width: u32, height: u32) -> Result<Vec<u8>, String> {
    let fault = |e: png::DecodingError| format!("the PNG is damaged: {e}");
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(fault)?;
    right_size((reader.info().width, reader.info().height), (width, height))?;
    let size = reader.output_buffer_size().ok_or("the PNG is too large")?;
    let mut pixels = vec![0; size];
    reader.next_frame(&mut pixels).map_err(fault)?;
    Ok(match reader.output_color_type().0 {
        ColorType::Rgb => pixels,
        ColorType::Rgba => {
            pixels.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect()
        }
        ColorType::Grayscale => pixels.into_iter().flat_map(|v| [v; 3]).collect(),
        ColorType::GrayscaleAlpha => {
            pixels.as_chunks::<2>().0.iter().flat_map(|&[v, _]| [v; 3]).collect()
        }
        ColorType::Indexed => return Err("the PNG has colours without a palette".to_owned()),
    })
}

fn decode_jpeg(bytes: &[u8], width: u32, height: u32) -> Result<Vec<u8>, String> {
    if !has_end(bytes) {
        return Err("the JPEG is cut off".to_owned());
    }
    // libjpeg's faults come by unwinding, without a panic's message.
    let decoded = catch_unwind(|| -> Result<Vec<u8>, String> {
        let started = mozjpeg::Decompress::new_mem(bytes).map_err(|e| e.to_string())?;
        let size = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        right_size((size(started.width()), size(started.height())), (width, height))?;
        let mut started = started.rgb().map_err(|e| e.to_string())?;
        let rgb: Vec<u8> = started.read_scanlines().map_err(|e| e.to_string())?;
        started.finish().map_err(|e| e.to_string())?;
        Ok(rgb)
    });
    let rgb = match decoded {
        Ok(result) => result?,
        Err(reason) => {
            let reason = reason.downcast_ref::<String>().map_or("", String::as_str);
            return Err(format!("the JPEG is damaged ({reason})"));
        }
    };
    let whole = rgb.len() == width as usize * height as usize * 3;
    if whole { Ok(rgb) } else { Err("the JPEG is damaged".to_owned()) }
}

/// Width and height of a JPEG, by its head alone; an error if it is none, or cut off.
pub(crate) fn jpeg_size(bytes: &[u8]) -> Result<(u32, u32), String> {
    if !bytes.starts_with(&[0xff, 0xd8]) || !has_end(bytes) {
        return Err("the JPEG is cut off".to_owned());
    }
    let size = catch_unwind(|| mozjpeg::Decompress::new_mem(bytes).map(|started| started.size()));
    match size {
        Ok(Ok((width, height))) => Ok((width as u32, height as u32)),
        _ => Err("the JPEG is damaged".to_owned()),
    }
}

/// Whether the mark of a JPEG's end comes after its first scan: libjpeg makes up what is missing
/// in silence. Segments before the scan, such as a preview, may hold an end of their own.
fn has_end(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[0xff, mark, high, low]) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        match mark {
            0xda => return bytes[at..].windows(2).any(|pair| pair == [0xff, 0xd9]),
            // Filling between segments.
            0xff => at += 1,
            _ => at += 2 + usize::from(u16::from_be_bytes([high, low])),
        }
    }
    false
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use png::BitDepth;

    /// A PNG of 2x1 pixels.
    fn png(color: ColorType, depth: BitDepth, palette: Option<&[u8]>, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if let Some(palette) = palette {
            encoder.set_palette(palette.to_owned());
        }
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(data).unwrap();
        writer.finish().unwrap();
        bytes
    }

    fn jpeg(width: usize, height: usize) -> Vec<u8> {
        let mut encoder = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_RGB);
        encoder.set_size(width, height);
        encoder.set_quality(95.0);
        let mut encoder = encoder.start_compress(Vec::new()).unwrap();
        let pixels: Vec<u8> =
            (0..width * height).flat_map(|i| [200, 100, (i % 50) as u8]).collect();
        encoder.write_scanlines(&pixels).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_kind_of_png_becomes_rgb_of_8_bits() {
        use BitDepth::{Eight, One, Sixteen};
        for (color, depth, palette, data, rgb) in [
            (ColorType::Rgb, Eight, None, &[1, 2, 3, 4, 5, 6][..], [1, 2, 3, 4, 5, 6]),
            (ColorType::Rgba, Eight, None, &[1, 2, 3, 0, 4, 5, 6, 99], [1, 2, 3, 4, 5, 6]),
            (ColorType::Grayscale, Eight, None, &[7, 200], [7, 7, 7, 200, 200, 200]),
            (ColorType::GrayscaleAlpha, Eight, None, &[7, 0, 200, 9], [7, 7, 7, 200, 200, 200]),
            (ColorType::Grayscale, Sixteen, None, &[7, 255, 200, 1], [7, 7, 7, 200, 200, 200]),
            (ColorType::Grayscale, One, None, &[0b0100_0000], [0, 0, 0, 255, 255, 255]),
            (ColorType::Indexed, Eight, Some(&[9, 8, 7, 6, 5, 4][..]), &[1, 0], [6, 5, 4, 9, 8, 7]),
        ] {
            assert_eq!(decode(&png(color, depth, palette, data), 2, 1).unwrap(), rgb, "{color:?}");
        }
    }

    #[test]
    fn a_jpeg_is_decoded_and_one_that_is_cut_off_or_damaged_is_named() {
        let bytes = jpeg(32, 16);
        let rgb = decode(&bytes, 32, 16).unwrap();
        assert_eq!(rgb.len(), 32 * 16 * 3);
        assert!(rgb.chunks(3).all(|p| p[0].abs_diff(200) < 12 && p[1].abs_diff(100) < 12));
        for length in [3, 20, bytes.len() / 2, bytes.len() - 2] {
            assert!(decode(&bytes[..length], 32, 16).unwrap_err().contains("cut off"), "{length}");
        }
        let mut damaged = bytes.clone();
        damaged[160..170].fill(0x55);
        let _ = decode(&damaged, 32, 16);
        assert!(decode(&bytes, 16, 32).unwrap_err().contains("32x16"));
    }

    #[test]
    fn other_formats_and_other_sizes_are_named() {
        for (bytes, words) in [
            (&b"II\x2a\0rest"[..], "TIFF"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "WebP"),
            (b"", "empty"),
            (b"abc", "3 bytes"),
        ] {
            assert!(decode(bytes, 2, 1).unwrap_err().contains(words));
        }
        let bytes = png(ColorType::Rgb, BitDepth::Eight, None, &[0; 6]);
        let error = decode(&bytes, 4, 3).unwrap_err();
        assert!(error.contains("2x1") && error.contains("4x3"), "{error}");
        assert!(decode(&bytes[..bytes.len() - 20], 2, 1).unwrap_err().contains("damaged"));
    }
}
