//! What a JPEG says of itself before anyone decodes it: whether it is whole, and its size. Pure.
//!
//! The decoder fills in what is missing and tells nobody, and allocates what the header asks
//! for. So a picture that is cut, or has another size, must not reach it.

use crate::error::BadBuffer;

const MARKER: u8 = 0xff;
const START_OF_IMAGE: u8 = 0xd8;
const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;

/// A JPEG that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Jpeg<'a> {
    /// From its start mark to its end mark.
    pub(super) bytes: &'a [u8],
    pub(super) width: u32,
    pub(super) height: u32,
}

impl<'a> Jpeg<'a> {
    /// The JPEG at the start of `bytes`; padding may follow it.
    pub(super) fn find(bytes: &'a [u8]) -> Result<Self, BadBuffer> {
        if !bytes.starts_with(&[MARKER, START_OF_IMAGE]) {
            return Err(BadBuffer::NoJpeg);
        }
        let (mut at, mut size) = (2, None);
        loop {
            let [MARKER, kind, rest @ ..] = bytes.get(at..).unwrap_or_default() else {
                // Cut within the header, or no JPEG behind its first mark.
                return Err(if at < bytes.len() { BadBuffer::NoSize } else { BadBuffer::CutJpeg });
            };
            match *kind {
                MARKER => at += 1, // Padding before a mark.
                START_OF_SCAN => break,
                _ => {
                    let [high, low, body @ ..] = rest else { return Err(BadBuffer::CutJpeg) };
                    if is_frame_header(*kind) {
                        size = frame_size(body);
                    }
                    at += 2 + usize::from(u16::from_be_bytes([*high, *low]));
                }
            }
        }
        let (width, height) = size.ok_or(BadBuffer::NoSize)?;
        // Within a scan an 0xff of the data is followed by a zero: this is the mark itself.
        let scan = bytes[at..].windows(2).rposition(|pair| pair == [MARKER, END_OF_IMAGE]);
        let end = at + scan.ok_or(BadBuffer::CutJpeg)? + 2;
        Ok(Self { bytes: &bytes[..end], width, height })
    }
}

/// SOF0 to SOF15, without the three codes among them that mean something else.
fn is_frame_header(kind: u8) -> bool {
    matches!(kind, 0xc0..=0xcf) && !matches!(kind, 0xc4 | 0xc8 | 0xcc)
}

/// Width and height, from behind a frame header's length.
fn frame_size(body: &[u8]) -> Option<(u32, u32)> {
    let [_precision, h1, h0, w1, w0, ..] = *body else { return None };
    let (width, height) = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
    (width > 0 && height > 0).then_some((width.into(), height.into()))
}
