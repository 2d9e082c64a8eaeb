//! The heading that both pictures of a report share.

use super::canvas::{Area, FAINT, GREEN, INK, ORANGE, RED, RenderError, text};
use jaco_core::Outcome;
use plotters::prelude::*;

/// What stands above a picture.
#[derive(Clone, Debug)]
pub struct Heading {
    /// What the policy was told.
    pub instruction: String,
    /// How the attempt ended.
    pub outcome: Outcome,
    /// Why, and whatever else tells the attempt from others.
    pub detail: String,
}

impl Heading {
    /// Draws the heading from the point `left`, `top` on \[pixels\].
    pub(super) fn draw(&self, area: &Area<'_>, left: i32, top: i32) -> Result<(), RenderError> {
        let color = match self.outcome {
            Outcome::Success => GREEN,
            Outcome::Failure => RED,
            Outcome::Stopped => ORANGE,
        };
        area.draw_text(&self.instruction, &text(30, INK), (left, top + 4))?;
        let word = self.outcome.to_string();
        let style = text(20, WHITE);
        let (width, _) = area.estimate_text_size(&word, &style)?;
        let badge = [(left, top + 36), (left + width as i32 + 20, top + 62)];
        area.draw(&Rectangle::new(badge, color.filled()))?;
        area.draw_text(&word, &style, (left + 10, top + 46))?;
        area.draw_text(&self.detail, &text(20, FAINT), (badge[1].0 + 12, top + 46))?;
        Ok(())
    }
}

/// A heading without an outcome: a title and a line of details.
pub(super) fn draw_title(area: &Area<'_>, title: &str, detail: &str) -> Result<(), RenderError> {
    area.draw_text(title, &text(30, INK), (14, 18))?;
    area.draw_text(detail, &text(20, FAINT), (14, 58))?;
    Ok(())
}
