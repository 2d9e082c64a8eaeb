//! The contact sheet: what the policy saw over an attempt, on one page.

use super::canvas::{Area, Canvas, INK, RenderError, text};
use super::heading::{Heading, draw_title};
use jaco_core::Frame;

/// Frames on a sheet, at most.
const SHEET_FRAMES: usize = 12;
/// Frames in a row.
const COLUMNS: u32 = 4;
/// Width of a frame on the sheet \[pixels\].
const TILE_WIDTH: u32 = 320;
/// Between and around the frames \[pixels\].
const GAP: u32 = 14;
/// Height of the title \[pixels\].
const TITLE_HEIGHT: u32 = 84;
/// Height of the line under a frame \[pixels\].
const CAPTION_HEIGHT: u32 = 26;

/// A frame and when the policy took it up.
#[derive(Clone, Debug)]
pub struct KeptFrame {
    /// The step.
    pub step: u64,
    /// Since the attempt began \[s\].
    pub time_s: f64,
    /// The frame.
    pub frame: Frame,
}

/// Keeps a bounded number of frames, evenly spread over all that were offered, and always the
/// last one. When it is full it drops every second frame and from then on takes in only every
/// second of those it took in before.
#[derive(Clone, Debug)]
pub struct FrameKeeper {
    capacity: usize,
    stride: u64,
    offered: u64,
    kept: Vec<KeptFrame>,
    last: Option<KeptFrame>,
}

impl Default for FrameKeeper {
    /// Four frames for each on the sheet, so that those picked look evenly spread: 44 MB of
    /// 640 x 480 pixels.
    fn default() -> Self {
        Self::new(4 * SHEET_FRAMES)
    }
}

impl FrameKeeper {
    /// A keeper of at most `capacity` frames, of which there must be three: the first, the last
    /// and one between. Fewer count as three.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(3);
        Self { capacity, stride: 1, offered: 0, kept: Vec::with_capacity(capacity), last: None }
    }

    /// Offers the next frame.
    pub fn offer(&mut self, frame: KeptFrame) {
        if self.offered.is_multiple_of(self.stride) {
            // One place is the last frame's.
            if self.kept.len() == self.capacity - 1 {
                let mut index = 0;
                self.kept.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.stride *= 2;
            }
            if self.offered.is_multiple_of(self.stride) {
                self.kept.push(frame.clone());
            }
        }
        self.last = Some(frame);
        self.offered += 1;
    }

    /// The frames kept, oldest first.
    pub fn frames(&self) -> Vec<KeptFrame> {
        let newest_is_kept = self.offered > 0 && (self.offered - 1).is_multiple_of(self.stride);
        let last = self.last.iter().filter(|_| !newest_is_kept);
        self.kept.iter().chain(last).cloned().collect()
    }
}

/// The contact sheet of an attempt as a PNG: up to 12 of `frames`, evenly picked, first and last
/// among them, each with its step and time.
///
/// # Errors
/// A frame whose bytes do not fit its size.
pub fn contact_sheet(heading: &Heading, frames: &[KeptFrame]) -> Result<Vec<u8>, RenderError> {
    sheet(|area| heading.draw(area, GAP as i32, GAP as i32), frames)
}

/// The contact sheet of a recorded episode as a PNG, under a title and a line of details.
///
/// # Errors
/// As [`contact_sheet`].
pub fn episode_sheet(
    title: &str,
    detail: &str,
    frames: &[KeptFrame],
) -> Result<Vec<u8>, RenderError> {
    sheet(|area| draw_title(area, title, detail), frames)
}

fn sheet(
    head: impl FnOnce(&Area<'_>) -> Result<(), RenderError>,
    frames: &[KeptFrame],
) -> Result<Vec<u8>, RenderError> {
    let picked = pick(frames, SHEET_FRAMES);
    picked.iter().try_for_each(|kept| check(kept))?;
    let tile_height = picked.iter().map(|kept| tile_size(&kept.frame).1).max().unwrap_or(0);
    let rows = (picked.len() as u32).div_ceil(COLUMNS).max(1);
    let row_height = tile_height + CAPTION_HEIGHT + GAP;
    let width = GAP + COLUMNS * (TILE_WIDTH + GAP);
    let height = TITLE_HEIGHT + rows * row_height + GAP;
    let corner = |index: usize| {
        let (row, column) = (index as u32 / COLUMNS, index as u32 % COLUMNS);
        (GAP + column * (TILE_WIDTH + GAP), TITLE_HEIGHT + GAP + row * row_height)
    };

    let mut canvas = Canvas::new(width, height);
    for (index, kept) in picked.iter().enumerate() {
        paste(&mut canvas, corner(index), tile_size(&kept.frame), &kept.frame);
    }
    canvas.draw(|area| {
        head(area)?;
        for (index, kept) in picked.iter().enumerate() {
            let (x, y) = corner(index);
            let caption = format!("step {}, {:.1} s", kept.step, kept.time_s);
            let place = (x as i32 + 1, (y + tile_height) as i32 + 8);
            area.draw_text(&caption, &text(18, INK), place)?;
        }
        Ok(())
    })?;
    canvas.png()
}

/// At most `most` of `items`, evenly spread, the first and the last among them.
pub(crate) fn pick<T>(items: &[T], most: usize) -> Vec<&T> {
    if items.len() <= most {
        return items.iter().collect();
    }
    let last = items.len() - 1;
    (0..most).map(|i| &items[(i * last + (most - 1) / 2) / (most - 1)]).collect()
}

pub(crate) fn check(kept: &KeptFrame) -> Result<(), RenderError> {
    let (step, width, height) = (kept.step, kept.frame.width, kept.frame.height);
    let (bytes, expected) = (kept.frame.rgb.len(), width as usize * height as usize * 3);
    if bytes == expected && bytes > 0 {
        Ok(())
    } else {
        Err(RenderError::Frame { step, width, height, bytes, expected })
    }
}

fn tile_size(frame: &Frame) -> (u32, u32) {
    (TILE_WIDTH, (TILE_WIDTH * frame.height).div_ceil(frame.width))
}

/// Draws `frame` at a tile's size: each pixel is the mean of the pixels it covers.
pub(crate) fn paste(
    canvas: &mut Canvas,
    (left, top): (u32, u32),
    (to_width, to_height): (u32, u32),
    frame: &Frame,
) {
    let covered = |i: u32, from: u32, to: u32| {
        let start = i * from / to;
        start..((i + 1) * from / to).max(start + 1)
    };
    for y in 0..to_height {
        for x in 0..to_width {
            let rows = covered(y, frame.height, to_height);
            let columns = covered(x, frame.width, to_width);
            let pixels = rows.len() * columns.len();
            let mut sum = [0_usize; 3];
            for (row, column) in rows.flat_map(|row| columns.clone().map(move |c| (row, c))) {
                let start = (row * frame.width + column) as usize * 3;
                for (sum, value) in sum.iter_mut().zip(&frame.rgb[start..start + 3]) {
                    *sum += usize::from(*value);
                }
            }
            canvas.set_pixel(left + x, top + y, sum.map(|sum| (sum / pixels) as u8));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use jaco_core::Outcome;
    use proptest::prelude::*;

    /// A frame whose colour tells its step.
    fn frame(step: u64, width: u32, height: u32) -> KeptFrame {
        let rgb = std::iter::repeat_n([step as u8, 200, 90], (width * height) as usize).flatten();
        let frame = Frame {
            jpeg: None,
            camera: "front".into(),
            captured_ns: step * 100_000_000,
            width,
            height,
            rgb: rgb.collect(),
        };
        KeptFrame { step, time_s: step as f64 * 0.1, frame }
    }

    fn heading() -> Heading {
        Heading {
            instruction: "put the blue cube on the green plate".to_owned(),
            outcome: Outcome::Success,
            detail: "in 12.4 s".to_owned(),
        }
    }

    fn decode(png: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rgb).unwrap();
        (info.width, info.height, rgb)
    }

    proptest! {
        #[test]
        fn the_keeper_is_bounded_even_and_never_loses_the_ends(
            capacity in 3_usize..40,
            offered in 1_u64..900,
        ) {
            let mut keeper = FrameKeeper::new(capacity);
            for step in 0..offered {
                keeper.offer(frame(step, 1, 1));
                prop_assert!(keeper.frames().len() <= capacity);
            }
            let steps: Vec<u64> = keeper.frames().iter().map(|kept| kept.step).collect();
            prop_assert_eq!(steps[0], 0);
            prop_assert_eq!(*steps.last().unwrap(), offered - 1);
            let gaps: Vec<u64> = steps.windows(2).map(|pair| pair[1] - pair[0]).collect();
            if let Some((last, even)) = gaps.split_last() {
                prop_assert!(even.iter().all(|gap| *gap == even[0]), "uneven: {:?}", steps);
                prop_assert!(even.is_empty() || (1..=even[0]).contains(last), "{:?}", steps);
            }
            // At least half of the places are used once they could be.
            prop_assert!(steps.len() >= (offered as usize).min(capacity / 2), "{:?}", steps);
        }

        #[test]
        fn picked_items_rise_from_the_first_to_the_last(count in 1_usize..200) {
            let items: Vec<usize> = (0..count).collect();
            let picked = pick(&items, SHEET_FRAMES);
            prop_assert_eq!(picked.len(), count.min(SHEET_FRAMES));
            prop_assert_eq!((*picked[0], **picked.last().unwrap()), (0, count - 1));
            prop_assert!(picked.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    #[test]
    fn the_sheet_holds_the_frames_in_order() {
        let frames: Vec<_> = (0..30).map(|step| frame(step * 8, 64, 48)).collect();
        let (width, height, rgb) = decode(&contact_sheet(&heading(), &frames).unwrap());
        assert_eq!((width, height), (14 + 4 * 334, 84 + 3 * (240 + 26 + 14) + 14));
        let pixel = |x: u32, y: u32| rgb[((y * width + x) * 3) as usize];
        let reds: Vec<u8> = (0..12)
            .map(|i| pixel(14 + (i % 4) * 334 + 160, 84 + 14 + (i / 4) * 280 + 120))
            .collect();
        assert_eq!(reds[0], 0);
        assert_eq!(reds[11], 29 * 8);
        assert!(reds.windows(2).all(|pair| pair[0] < pair[1]), "{reds:?}");
    }

    #[test]
    fn a_sheet_without_frames_still_has_its_heading() {
        let (_, _, rgb) = decode(&contact_sheet(&heading(), &[]).unwrap());
        assert!(rgb.iter().any(|&value| value < 100), "nothing was drawn");
    }

    #[test]
    fn a_frame_with_missing_bytes_is_refused() {
        let mut broken = frame(3, 4, 2);
        broken.frame.width = 5;
        let error = contact_sheet(&heading(), &[broken]).unwrap_err();
        assert_eq!(error.to_string(), "frame at step 3 has 24 bytes, but 5 x 2 RGB pixels have 30");
    }

    #[test]
    fn shrinking_takes_the_mean() {
        // Columns of black and white, two to a pixel of the sheet.
        let (width, height) = (2 * TILE_WIDTH, 2);
        let rgb = (0..width * height).flat_map(|i| [if i % 2 == 0 { 0 } else { 200 }; 3]);
        let mut kept = frame(0, 1, 1);
        kept.frame = Frame { jpeg: None, width, height, rgb: rgb.collect(), ..kept.frame };
        let (sheet_width, _, rgb) = decode(&contact_sheet(&heading(), &[kept]).unwrap());
        let tile = ((84 + 14) * sheet_width + 14 + 50) as usize * 3;
        assert_eq!(rgb[tile..tile + 3], [100, 100, 100]);
    }
}
