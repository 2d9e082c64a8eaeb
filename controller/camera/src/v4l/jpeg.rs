//! What a JPEG says of itself before anyone decodes it: whether it is whole, and its size. Pure.
//!
//! The decoder fills in what is missing and tells nobody, and allocates what the header asks
//! for. So a picture that is cut, or has another size, must not reach it.
//!
//! What a camera leaves out of its pictures, because decoders of MJPEG know it, is added where they
//! are kept: any program that reads JPEG must be able to show them.

use super::huffman;
use crate::error::BadBuffer;
use std::sync::Arc;

const MARKER: u8 = 0xff;
const START_OF_IMAGE: u8 = 0xd8;
const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;
const HUFFMAN_TABLES: u8 = 0xc4;

/// A JPEG that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Jpeg<'a> {
    /// From its start mark to its end mark.
    pub(super) bytes: &'a [u8],
    pub(super) width: u32,
    pub(super) height: u32,
    /// Where the mark of the first scan is, if there are no Huffman tables before it.
    tables_missing_at: Option<usize>,
}

impl<'a> Jpeg<'a> {
    /// The JPEG at the start of `bytes`; padding may follow it.
    pub(super) fn find(bytes: &'a [u8]) -> Result<Self, BadBuffer> {
        if !bytes.starts_with(&[MARKER, START_OF_IMAGE]) {
            return Err(BadBuffer::NoJpeg);
        }
        let (mut at, mut size, mut has_tables) = (2, None, false);
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
                    has_tables |= *kind == HUFFMAN_TABLES;
                    if is_frame_header(*kind) {
                        size = frame_size(body);
                    }
                    at += 2 + usize::from(u16::from_be_bytes([*high, *low]));
                }
            }
        }
        let (width, height) = size.ok_or(BadBuffer::NoSize)?;
        let end = end_of_scans(bytes, at).ok_or(BadBuffer::CutJpeg)?;
        let tables_missing_at = (!has_tables).then_some(at);
        Ok(Self { bytes: &bytes[..end], width, height, tables_missing_at })
    }

    /// The same picture as a file that stands for itself.
    pub(super) fn complete(&self) -> Arc<[u8]> {
        match self.tables_missing_at {
            None => self.bytes.into(),
            Some(at) => [&self.bytes[..at], &huffman::SEGMENT, &self.bytes[at..]].concat().into(),
        }
    }
}

/// Where the picture ends whose first scan begins at `at`: behind the end mark. None if there is
/// none, or if another picture begins before it: then this one is cut and glued to the next.
fn end_of_scans(bytes: &[u8], at: usize) -> Option<usize> {
    // Within a scan an 0xff of the data is followed by a zero: these are the marks themselves.
    let mark = |kind: u8| {
        let pairs = bytes[at..].windows(2);
        pairs
            .enumerate()
            .filter(move |(_, pair)| *pair == [MARKER, kind])
            .map(|(index, _)| at + index)
    };
    let end = mark(END_OF_IMAGE).next()?;
    mark(START_OF_IMAGE).next().is_none_or(|start| start > end).then_some(end + 2)
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
