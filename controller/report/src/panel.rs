//! Panels of a plot: captions with their legends, the look of axes, ranges. What is drawn in them is
//! the plots' own.

use super::canvas::{Area, FAINT, GRID, INK, RenderError, text};
use plotters::chart::MeshStyle;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;
use std::ops::Range;

/// Around each panel \[pixels\].
pub(super) const MARGIN: u32 = 16;
/// Room for the x axis \[pixels\].
pub(super) const X_AXIS: u32 = 52;
/// Room for a y axis \[pixels\].
pub(super) const Y_AXIS: u32 = 76;
/// Height of a panel's caption \[pixels\].
pub(super) const CAPTION: u32 = 30;

/// The sign that a series is drawn with.
#[derive(Clone, Copy)]
pub(super) enum Sign {
    Line,
    Dot,
    Triangle,
    Cross,
}

/// A legend: what is drawn with which sign in which colour. It stands beside the caption, where
/// it can hide no data.
pub(super) type Legend<'a> = [(&'a str, Sign, RGBColor)];

/// Writes `words` and the legend over a panel; the panel is what is left of the area.
pub(super) fn captioned<'a>(
    area: &Area<'a>,
    words: &str,
    legend: &Legend<'_>,
) -> Result<Area<'a>, RenderError> {
    let (title, panel) = area.margin(MARGIN, 0, MARGIN, MARGIN).split_vertically(CAPTION);
    title.draw_text(words, &text(20, INK), (Y_AXIS as i32, 6))?;
    let mut right = title.dim_in_pixel().0 as i32;
    for &(label, sign, color) in legend.iter().rev() {
        let style = text(18, INK);
        right -= title.estimate_text_size(label, &style)?.0 as i32;
        title.draw_text(label, &style, (right, 6))?;
        // The height at which the eye sees the middle of the text.
        let (x, y) = (right - 16, 9);
        match sign {
            Sign::Line => {
                let ends = [(x - 10, y), (x + 10, y)];
                title.draw(&PathElement::new(ends, color.stroke_width(3)))?;
            }
            Sign::Dot => title.draw(&Circle::new((x, y), 4, color.filled()))?,
            Sign::Triangle => title.draw(&TriangleMarker::new((x, y), 8, color.filled()))?,
            Sign::Cross => title.draw(&Cross::new((x, y), 5, color.stroke_width(2)))?,
        }
        right -= 44;
    }
    Ok(panel)
}

/// The look that all panels share.
pub(super) fn styled<'m, 'a, 'b, X, Y, DB>(
    mesh: &'m mut MeshStyle<'a, 'b, X, Y, DB>,
) -> &'m mut MeshStyle<'a, 'b, X, Y, DB>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
    DB: DrawingBackend,
{
    mesh.label_style(text(17, INK))
        .axis_desc_style(text(19, INK))
        .axis_style(FAINT)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
}

/// A time on an axis.
pub(super) fn seconds(time_s: &f64) -> String {
    format!("{time_s:.1}")
}

/// The range of `values` and a little around, at least `least` wide; 0 to `least` if there are
/// none.
pub(super) fn padded(values: impl Iterator<Item = f64>, least: f64) -> Range<f64> {
    let ends = values.fold(None, |ends: Option<(f64, f64)>, value| {
        let (low, high) = ends.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    });
    let (low, high) = ends.unwrap_or((0.0, least));
    let pad = (0.08 * (high - low)).max(0.5 * (least - (high - low)));
    low - pad..high + pad
}

/// A number with so many digits; one that is 0 then has no sign.
pub(super) fn fixed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let is_zero = text.chars().all(|c| matches!(c, '-' | '0' | '.'));
    if is_zero { text.trim_start_matches('-').to_owned() } else { text }
}
