//! The contact sheet of a try, small: a row of what was seen, from the start to the end.

use crate::KeptFrame;
use crate::canvas::{Canvas, FAINT, GREEN, INK, RED, RenderError, text};
use jaco_trials::Try;

/// Frames in the row.
const FRAMES: usize = 8;
/// Width of a frame on the sheet \[pixels\].
const TILE_WIDTH: u32 = 128;
/// Between and around the frames \[pixels\].
const GAP: u32 = 6;
/// Height of the title \[pixels\].
const TITLE_HEIGHT: u32 = 28;
/// Height of the line under a frame \[pixels\].
const CAPTION_HEIGHT: u32 = 20;

/// The contact sheet of `made` as a PNG: up to eight of `frames`, evenly picked, first and last
/// among them.
///
/// # Errors
/// A frame whose bytes do not fit its size.
pub fn try_sheet(made: &Try, frames: &[KeptFrame]) -> Result<Vec<u8>, RenderError> {
    let picked = crate::contact_sheet::pick(frames, FRAMES);
    picked.iter().try_for_each(|kept| crate::contact_sheet::check(kept))?;
    let height_of = |kept: &&KeptFrame| tile_height(kept);
    let row_height = picked.iter().map(height_of).max().unwrap_or(TILE_WIDTH);
    let width = GAP + FRAMES as u32 * (TILE_WIDTH + GAP);
    let mut canvas = Canvas::new(width, TITLE_HEIGHT + row_height + CAPTION_HEIGHT);
    let left = |index: usize| GAP + index as u32 * (TILE_WIDTH + GAP);
    for (index, kept) in picked.iter().enumerate() {
        let size = (TILE_WIDTH, tile_height(kept));
        crate::contact_sheet::paste(&mut canvas, (left(index), TITLE_HEIGHT), size, &kept.frame);
    }
    canvas.draw(|area| {
        let (word, color) = if made.success { ("success", GREEN) } else { ("failure", RED) };
        area.draw_text(word, &text(18, color), (GAP as i32, 8))?;
        area.draw_text(&title(made), &text(18, INK), (GAP as i32 + 74, 8))?;
        for (index, kept) in picked.iter().enumerate() {
            let place = (left(index) as i32, (TITLE_HEIGHT + row_height) as i32 + 3);
            area.draw_text(&format!("{:.1} s", kept.time_s), &text(15, FAINT), place)?;
        }
        Ok(())
    })?;
    canvas.png()
}

fn title(made: &Try) -> String {
    let cell = &made.cell;
    let task: String = cell.task.chars().take(40).collect();
    let mut title = format!("{task}, placement {}", made.trial);
    if made.attempt > 0 {
        title += &format!(", try {}", made.attempt + 1);
    }
    if cell.decode == cell.policy {
        return format!("{title}, {}", cell.policy);
    }
    format!("{title}, {}, H = {}, {}", cell.policy, cell.horizon, cell.decode)
}

fn tile_height(kept: &KeptFrame) -> u32 {
    (TILE_WIDTH * kept.frame.height).div_ceil(kept.frame.width.max(1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jaco_core::Frame;
    use jaco_trials::{Cell, Ended};

    fn made() -> Try {
        let cell = Cell {
            task: "put it\\there/now".to_owned(),
            policy: "a".to_owned(),
            horizon: 8,
            decode: "top-k:5:1".to_owned(),
            expectation: true,
            max_entropy: None,
        };
        Try {
            cell,
            seed: 0,
            trial: 3,
            attempt: 1,
            success: true,
            steps: Some(20),
            ran_steps: 20,
            inferences: 3,
            units: 20,
            ended: Ended::Done,
            path_m: Vec::new(),
            sheet: None,
        }
    }

    #[test]
    fn the_row_goes_from_the_first_frame_to_the_last() {
        let frame = |step: u64| {
            let rgb = std::iter::repeat_n([step as u8, 0, 0], 32 * 32).flatten().collect();
            let frame = Frame {
                camera: "front".into(),
                captured_ns: 0,
                width: 32,
                height: 32,
                rgb,
                jpeg: None,
            };
            KeptFrame { step, time_s: step as f64 * 0.1, frame }
        };
        let frames: Vec<_> = (0..21).map(|step| frame(step * 10)).collect();
        let png = try_sheet(&made(), &frames).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let width = reader.next_frame(&mut rgb).unwrap().width;
        let red = |x: u32| rgb[((TITLE_HEIGHT + 64) * width + x) as usize * 3];
        assert_eq!((red(GAP + 64), red(width - GAP - 64)), (0, 200));
        assert!(try_sheet(&made(), &[]).is_ok());
    }
}
