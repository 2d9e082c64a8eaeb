//! From a buffer's bytes to a picture: only whole ones of the size that was set become one.
//!
//! Decoding is nokhwa's. A decoder that panics loses the buffer, not the thread.

use super::jpeg::Jpeg;
use super::negotiate::Pixel;
use crate::error::BadBuffer;
use crate::supervise::words_of;
use nokhwa::Buffer;
use nokhwa::pixel_format::RgbFormat;
use nokhwa::utils::{FrameFormat, Resolution};
use std::borrow::Cow;
use std::panic::catch_unwind;
use std::sync::Arc;

/// How pictures lie in the buffers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) pixel: Pixel,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Bytes from one row to the next in raw formats; 0 if the driver does not say.
    pub(super) stride_bytes: u32,
}

/// A picture that is whole.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Decoded {
    /// `height * width * 3` of red green blue.
    pub(super) rgb: Vec<u8>,
    /// As the camera compressed it, readable by any program.
    pub(super) jpeg: Option<Arc<[u8]>>,
}

/// The picture in `bytes`, which must end where the driver stopped to write.
pub(super) fn decode(bytes: &[u8], layout: &Layout) -> Result<Decoded, BadBuffer> {
    if bytes.is_empty() {
        return Err(BadBuffer::Empty);
    }
    let Layout { pixel, width, height, stride_bytes } = *layout;
    let (format, bytes, jpeg) = match pixel {
        Pixel::Mjpeg | Pixel::Jpeg => {
            let jpeg = Jpeg::find(bytes)?;
            let (wanted, got) = ((width, height), (jpeg.width, jpeg.height));
            if got != wanted {
                return Err(BadBuffer::OtherSize { wanted, got });
            }
            (FrameFormat::MJPEG, Cow::Borrowed(jpeg.bytes), Some(jpeg))
        }
        raw => {
            // Bytes of a row, and how many rows there are.
            let (row_bytes, rows) = match raw {
                Pixel::Yuyv => (2 * width, height),
                Pixel::Nv12 => (width, height + height / 2),
                Pixel::Grey => (width, height),
                _ => (3 * width, height),
            };
            let format = match raw {
                Pixel::Yuyv => FrameFormat::YUYV,
                Pixel::Nv12 => FrameFormat::NV12,
                Pixel::Grey => FrameFormat::GRAY,
                Pixel::Bgr => FrameFormat::RAWBGR,
                _ => FrameFormat::RAWRGB,
            };
            let stride = stride_bytes.max(row_bytes);
            let bytes = tight(bytes, row_bytes as usize, rows as usize, stride as usize)?;
            (format, bytes, None)
        }
    };
    let buffer = Buffer::new(Resolution::new(width, height), &bytes, format);
    // mozjpeg tells its errors by unwinding.
    let rgb = catch_unwind(|| buffer.decode_image::<RgbFormat>())
        .map_err(|panic| BadBuffer::Undecodable(words_of(&*panic)))?
        .map_err(|error| BadBuffer::Undecodable(error.to_string()))?
        .into_raw();
    let wanted = 3 * width as usize * height as usize;
    // An image may be longer than its size says.
    if rgb.len() != wanted {
        return Err(BadBuffer::Short { wanted, got: rgb.len() });
    }
    Ok(Decoded { rgb, jpeg: jpeg.map(|jpeg| jpeg.complete()) })
}

/// `rows` rows without the padding between them.
fn tight(
    bytes: &[u8],
    row_bytes: usize,
    rows: usize,
    stride: usize,
) -> Result<Cow<'_, [u8]>, BadBuffer> {
    // The last row need not be padded.
    let wanted = stride * rows.saturating_sub(1) + row_bytes;
    let bytes = bytes.get(..wanted).ok_or(BadBuffer::Short { wanted, got: bytes.len() })?;
    if stride == row_bytes {
        return Ok(Cow::Borrowed(bytes));
    }
    Ok(bytes.chunks(stride).flat_map(|row| &row[..row_bytes]).copied().collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn layout(pixel: Pixel, width: u32, height: u32) -> Layout {
        Layout { pixel, width, height, stride_bytes: 0 }
    }

    /// A picture of one grey with noise in it, so that it has bytes to lose.
    fn jpeg(width: usize, height: usize, grey: u8) -> Vec<u8> {
        let mut encoder = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_RGB);
        encoder.set_size(width, height);
        encoder.set_fastest_defaults();
        let mut encoder = encoder.start_compress(Vec::new()).unwrap();
        let noise = (0..width * height * 3).map(|i| grey ^ (((i * 2_654_435_761) >> 7) as u8 & 7));
        encoder.write_scanlines(&noise.collect::<Vec<_>>()).unwrap();
        encoder.finish().unwrap()
    }

    fn mjpeg(bytes: &[u8]) -> Result<Vec<u8>, BadBuffer> {
        decode(bytes, &layout(Pixel::Mjpeg, 64, 48)).map(|decoded| decoded.rgb)
    }

    #[test]
    fn a_whole_jpeg_is_a_picture_also_with_padding_behind_it() {
        let mut bytes = jpeg(64, 48, 128);
        let rgb = mjpeg(&bytes).unwrap();
        assert_eq!(rgb.len(), 64 * 48 * 3);
        assert!(rgb.iter().all(|&value| value.abs_diff(128) < 16));
        bytes.extend([0; 100]);
        assert_eq!(mjpeg(&bytes).unwrap(), rgb);
    }

    /// The JPEG without its Huffman tables, and with them.
    fn bare_and_whole() -> (Vec<u8>, Vec<u8>) {
        let bytes = jpeg(64, 48, 128);
        let mut bare = bytes[..2].to_vec();
        let mut at = 2;
        while bytes[at + 1] != 0xda {
            let length = 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
            if bytes[at + 1] != 0xc4 {
                bare.extend(&bytes[at..at + length]);
            }
            at += length;
        }
        bare.extend(&bytes[at..]);
        assert!(bare.len() < bytes.len());
        (bare, bytes)
    }

    #[test]
    fn a_jpeg_without_huffman_tables_is_a_picture_as_cameras_send_it() {
        let (bare, bytes) = bare_and_whole();
        assert_eq!(mjpeg(&bare).unwrap(), mjpeg(&bytes).unwrap());
    }

    #[test]
    fn the_cameras_own_jpeg_is_kept_with_the_tables_that_others_need() {
        let kept =
            |bytes: &[u8]| decode(bytes, &layout(Pixel::Mjpeg, 64, 48)).unwrap().jpeg.unwrap();
        let (bare, bytes) = bare_and_whole();
        assert_eq!(&*kept(&bytes), &bytes[..]);
        assert_eq!(&*kept(&[&bytes[..], &[0; 9]].concat()), &bytes[..]);
        let completed = kept(&bare);
        assert_eq!(completed.len(), bare.len() + 420);
        // A table that is there goes before those that the decoder knows: these are the right ones.
        assert_eq!(mjpeg(&completed).unwrap(), mjpeg(&bytes).unwrap());
        assert_eq!(kept(&completed), completed);
        assert_eq!(decode(&[1; 4], &layout(Pixel::Grey, 2, 2)).unwrap().jpeg, None);
    }

    /// Bytes are lost on the bus: the upper part of one picture, and all of the next.
    #[test]
    fn two_pictures_in_one_buffer_are_dropped() {
        let bytes = jpeg(64, 48, 128);
        let torn = [&bytes[..bytes.len() - 50], &bytes[..]].concat();
        assert_eq!(mjpeg(&torn), Err(BadBuffer::CutJpeg));
        assert!(mjpeg(&[&bytes[..], &bytes[..]].concat()).is_ok(), "the second lies behind it");
    }

    #[test]
    fn a_cut_jpeg_is_dropped_wherever_it_is_cut() {
        let bytes = jpeg(64, 48, 128);
        assert_eq!(mjpeg(&[]), Err(BadBuffer::Empty));
        for length in 1..bytes.len() {
            assert!(mjpeg(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
        }
        assert_eq!(mjpeg(&bytes[..bytes.len() - 1]), Err(BadBuffer::CutJpeg));
    }

    #[test]
    fn another_size_is_dropped_even_with_as_many_pixels() {
        let wanted = (64, 48);
        for got in [(48, 64), (128, 96), (32, 24)] {
            let bytes = jpeg(got.0 as usize, got.1 as usize, 128);
            assert_eq!(mjpeg(&bytes), Err(BadBuffer::OtherSize { wanted, got }));
        }
    }

    #[test]
    fn what_the_decoder_refuses_is_dropped_with_its_words() {
        let mut bytes = jpeg(64, 48, 128);
        // The quantization table is missing.
        let table = bytes.windows(2).position(|pair| pair == [0xff, 0xdb]).unwrap();
        bytes[table + 1] = 0xee;
        let error = mjpeg(&bytes).unwrap_err();
        let BadBuffer::Undecodable(words) = &error else { panic!("{error}") };
        assert!(words.contains("libjpeg"), "{words}");
    }

    #[test]
    fn raw_formats_become_red_green_blue() {
        let one = |pixel, bytes: &[u8]| decode(bytes, &layout(pixel, 2, 2)).unwrap().rgb;
        assert_eq!(one(Pixel::Grey, &[1, 2, 3, 4]), [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
        let rgb: Vec<u8> = (0..12).collect();
        assert_eq!(one(Pixel::Rgb, &rgb), rgb);
        assert_eq!(one(Pixel::Bgr, &rgb)[..6], [2, 1, 0, 5, 4, 3]);
        let white = one(Pixel::Yuyv, &[235, 128, 235, 128, 235, 128, 235, 128]);
        assert!(white.iter().all(|&value| value > 250), "{white:?}");
        let black = one(Pixel::Nv12, &[16, 16, 16, 16, 128, 128]);
        assert!(black.iter().all(|&value| value < 5), "{black:?}");
    }

    #[test]
    fn padding_between_rows_is_not_shown() {
        let padded = Layout { stride_bytes: 5, ..layout(Pixel::Grey, 2, 2) };
        // The padding of the last row may be missing.
        for bytes in [&[1, 2, 9, 9, 9, 3, 4][..], &[1, 2, 9, 9, 9, 3, 4, 9, 9, 9, 9]] {
            assert_eq!(decode(bytes, &padded).unwrap().rgb, [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
        }
        let short = decode(&[1, 2, 9, 9, 9, 3], &padded);
        assert_eq!(short, Err(BadBuffer::Short { wanted: 7, got: 6 }));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_give_another_size(
            pixel in prop::sample::select(vec![
                Pixel::Mjpeg, Pixel::Yuyv, Pixel::Nv12, Pixel::Rgb, Pixel::Bgr, Pixel::Grey,
            ]),
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            (width, height, stride_bytes) in (1..9_u32, 1..9_u32, 0..30_u32),
        ) {
            let layout = Layout { pixel, width, height, stride_bytes };
            if let Ok(Decoded { rgb, .. }) = decode(&bytes, &layout) {
                prop_assert_eq!(rgb.len(), (width * height * 3) as usize);
            }
        }

        /// Damage anywhere in a JPEG costs that picture at most.
        #[test]
        fn no_damage_makes_it_panic_or_give_another_size(
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        ) {
            let mut bytes = jpeg(64, 48, 128);
            for (at, value) in damage {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if let Ok(rgb) = mjpeg(&bytes) {
                prop_assert_eq!(rgb.len(), 64 * 48 * 3);
            }
        }
    }
}
