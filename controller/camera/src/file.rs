//! A camera's picture as the bytes of a file: PNG without loss, or JPEG, the camera's own where it
//! has one.

use crate::supervise::words_of;
use jaco_core::Frame;
use std::panic::catch_unwind;

/// Quality of a JPEG that the camera did not make itself.
const QUALITY: f32 = 95.0;

/// Why there is no such file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The pixels do not fit the size, or the like.
    #[error("the picture cannot be written as PNG: {0}")]
    Png(#[from] png::EncodingError),
    /// It is no picture that can be read.
    #[error("the picture cannot be read: {0}")]
    Read(String),
    /// What the encoder says.
    #[error("the picture cannot be written as JPEG: {0}")]
    Jpeg(String),
}

/// As PNG.
///
/// # Errors
/// The pixels do not fit the size.
pub fn png(frame: &Frame) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, frame.width, frame.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    encoder.set_filter(png::Filter::Up);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&frame.rgb)?;
    writer.finish()?;
    Ok(bytes)
}

/// As JPEG: the camera's own bytes, or of quality 95 where it gave pixels.
///
/// # Errors
/// The pixels do not fit the size.
pub fn jpeg(frame: &Frame) -> Result<Vec<u8>, FileError> {
    if let Some(own) = &frame.jpeg {
        return Ok(own.to_vec());
    }
    // mozjpeg tells its errors by unwinding.
    let done = catch_unwind(|| {
        let mut encoder = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_RGB);
        encoder.set_size(frame.width as usize, frame.height as usize);
        encoder.set_fastest_defaults();
        encoder.set_quality(QUALITY);
        encoder.set_chroma_sampling_pixel_sizes((1, 1), (1, 1));
        let mut encoder = encoder.start_compress(Vec::new())?;
        encoder.write_scanlines(&frame.rgb)?;
        encoder.finish()
    });
    done.map_err(|panic| FileError::Jpeg(words_of(&*panic)))?
        .map_err(|error| FileError::Jpeg(error.to_string()))
}

/// The picture in a JPEG or PNG of eight bits of red, green and blue, as this package writes them. It
/// says neither whose it is nor when it was taken.
///
/// # Errors
/// It is neither.
pub fn read(bytes: &[u8]) -> Result<Frame, FileError> {
    let frame = |width, height, rgb: Vec<u8>, jpeg| Frame {
        camera: "".into(),
        captured_ns: 0,
        width,
        height,
        rgb: rgb.into(),
        jpeg,
    };
    if bytes.starts_with(&[0xff, 0xd8]) {
        let decoded = catch_unwind(|| {
            let mut decoder = mozjpeg::Decompress::new_mem(bytes)?.rgb()?;
            let (width, height) = (decoder.width() as u32, decoder.height() as u32);
            let pixels: Vec<[u8; 3]> = decoder.read_scanlines()?;
            std::io::Result::Ok((width, height, pixels.into_flattened()))
        });
        let (width, height, rgb) = decoded
            .map_err(|panic| FileError::Read(words_of(&*panic)))?
            .map_err(|error| FileError::Read(error.to_string()))?;
        return Ok(frame(width, height, rgb, Some(bytes.into())));
    }
    let wrong = |error: png::DecodingError| FileError::Read(error.to_string());
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().map_err(wrong)?;
    if reader.output_color_type() != (png::ColorType::Rgb, png::BitDepth::Eight) {
        return Err(FileError::Read("it is a PNG of another kind".to_owned()));
    }
    let mut rgb = vec![0; reader.output_buffer_size().unwrap_or(0)];
    let info = reader.next_frame(&mut rgb).map_err(wrong)?;
    Ok(frame(info.width, info.height, rgb, None))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn frame() -> Frame {
        let rgb: Vec<u8> = (0..64 * 48 * 3).map(|i| (i / 64) as u8).collect();
        let camera = "front".into();
        Frame { camera, captured_ns: 7, width: 64, height: 48, rgb: rgb.into(), jpeg: None }
    }

    #[test]
    fn png_is_without_loss_and_jpeg_nearly() {
        let frame = frame();
        assert_eq!(read(&png(&frame).unwrap()).unwrap().rgb, frame.rgb);
        let decoded = read(&jpeg(&frame).unwrap()).unwrap();
        assert_eq!((decoded.width, decoded.height), (64, 48));
        let near = |(a, b): (&u8, &u8)| a.abs_diff(*b) < 12;
        assert!(decoded.rgb.iter().zip(frame.rgb.iter()).all(near));
        for bytes in [&b""[..], b"\xff\xd8", b"\x89PNG", &png(&frame).unwrap()[..99]] {
            assert!(read(bytes).is_err());
        }
    }

    #[test]
    fn the_cameras_own_jpeg_is_taken_as_it_is() {
        let own = Frame { jpeg: Some([1, 2, 3].into()), ..frame() };
        assert_eq!(jpeg(&own).unwrap(), [1, 2, 3]);
    }

    #[test]
    fn pixels_that_do_not_fit_are_an_error() {
        let short = Frame { height: 49, ..frame() };
        assert!(png(&short).is_err());
    }
}
