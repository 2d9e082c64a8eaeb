//! The plot of a recorded episode: the path of the tool seen from above, and its numbers over time.
//! What the numbers are is the caller's business.

use super::canvas::{Area, BLUE, Canvas, FAINT, GREEN, INK, ORANGE, RED, RenderError, text};
use super::heading::draw_title;
use super::panel::{MARGIN, Sign, X_AXIS, Y_AXIS, captioned, fixed, padded, seconds, styled};
use super::path_plot::with_equal_scale;
use plotters::prelude::*;

/// Width of the picture \[pixels\].
const WIDTH: u32 = 1600;
/// Height of the title \[pixels\].
const TITLE_HEIGHT: u32 = 84;
/// Height of a panel, and the least of all of them \[pixels\].
const PANEL_HEIGHT: u32 = 232;
const LEAST_HEIGHT: u32 = 640;
/// Height from which the side view is drawn \[pixels\].
const LEAST_SIDE_HEIGHT: u32 = 300;
/// Colours of curves, in order; more begin anew.
const COLORS: [RGBColor; 6] = [BLUE, ORANGE, GREEN, RED, INK, FAINT];
/// Least extent of the axes in space \[m\]; noise must not look like motion.
const LEAST_EXTENT_M: f64 = 0.1;

/// Names of the axes of space.
const AXES: [&str; 3] = ["x", "y", "z"];

/// A number over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Its name.
    pub name: String,
    /// Time \[s\] and value; what is not finite is left out.
    pub points: Vec<(f64, f64)>,
}

/// Curves that share their axes.
#[derive(Clone, Debug, PartialEq)]
pub struct CurvePanel {
    /// What they show.
    pub caption: String,
    /// Name and unit of their axis.
    pub axis: String,
    /// Least extent of the axis.
    pub least: f64,
    /// The curves.
    pub curves: Vec<Curve>,
}

/// What is plotted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EpisodePlot {
    /// What stands above.
    pub title: String,
    /// Below it, smaller.
    pub detail: String,
    /// The tool point in the base frame, a row each \[m\]; empty for none.
    pub path_m: Vec<[f64; 3]>,
    /// Rows a second.
    pub fps: f64,
    /// The numbers, from the top.
    pub panels: Vec<CurvePanel>,
}

/// The plot as a PNG, 1600 pixels wide.
///
/// # Errors
/// The plotting library's.
pub fn episode_plot(plot: &EpisodePlot) -> Result<Vec<u8>, RenderError> {
    let rows = plot.panels.len().max(1);
    let height = TITLE_HEIGHT + (rows as u32 * PANEL_HEIGHT).max(LEAST_HEIGHT);
    let times = plot.panels.iter().flat_map(|panel| &panel.curves).flat_map(|c| &c.points);
    let times = times.map(|(time_s, _)| *time_s).filter(|time_s| time_s.is_finite());
    let end_s = times.fold(0.5, f64::max);
    let mut canvas = Canvas::new(WIDTH, height);
    canvas.draw(|area| {
        let (title, rest) = area.split_vertically(TITLE_HEIGHT);
        draw_title(&title, &plot.title, &plot.detail)?;
        let curves = match plot.path_m.is_empty() {
            true => rest,
            false => {
                let (left, right) = rest.split_horizontally(WIDTH * 42 / 100);
                let (upper, lower) = left.split_vertically(LEAST_HEIGHT);
                draw_path(&upper, plot, "top view, base frame", [0, 1])?;
                let (_, room) = lower.dim_in_pixel();
                if room >= LEAST_SIDE_HEIGHT {
                    let (lower, _) = lower.split_vertically(room.min(LEAST_HEIGHT));
                    draw_path(&lower, plot, "side view, base frame", [1, 2])?;
                }
                right
            }
        };
        let areas = curves.split_evenly((rows, 1));
        plot.panels.iter().zip(&areas).try_for_each(|(panel, area)| draw_panel(area, panel, end_s))
    })?;
    canvas.png()
}

fn draw_path(
    area: &Area<'_>,
    plot: &EpisodePlot,
    caption: &str,
    axes: [usize; 2],
) -> Result<(), RenderError> {
    let legend = [("tool", Sign::Line, BLUE), ("each second", Sign::Dot, BLUE)];
    let area = captioned(area, caption, &legend)?;
    let finite = |p: &&[f64; 3]| p.iter().all(|v| v.is_finite());
    let finite = plot.path_m.iter().filter(finite);
    let points: Vec<(f64, f64)> = finite.map(|p| (p[axes[0]], p[axes[1]])).collect();
    let (width, height) = area.dim_in_pixel();
    let room = (f64::from(width - Y_AXIS), f64::from(height - X_AXIS));
    let x = padded(points.iter().map(|p| p.0), LEAST_EXTENT_M);
    let y = padded(points.iter().map(|p| p.1), LEAST_EXTENT_M);
    let (x, y) = with_equal_scale(x, y, room);
    let mut chart = ChartBuilder::on(&area)
        .set_label_area_size(LabelAreaPosition::Left, Y_AXIS)
        .set_label_area_size(LabelAreaPosition::Bottom, X_AXIS)
        .build_cartesian_2d(x, y)?;
    styled(&mut chart.configure_mesh())
        .x_desc(format!("{} [m]", AXES[axes[0]]))
        .y_desc(format!("{} [m]", AXES[axes[1]]))
        .x_labels(7)
        .x_label_formatter(&|x| fixed(*x, 2))
        .y_label_formatter(&|y| fixed(*y, 2))
        .draw()?;
    chart.draw_series(LineSeries::new(points.iter().copied(), BLUE.stroke_width(2)))?;
    let second = (plot.fps.round().max(1.0)) as usize;
    let dots = points.iter().step_by(second).map(|point| Circle::new(*point, 4, BLUE.filled()));
    chart.draw_series(dots)?;
    for (point, word) in points.first().into_iter().chain(points.last()).zip(["start", "end"]) {
        chart.draw_series([EmptyElement::at(*point)
            + Circle::new((0, 0), 6, INK.filled())
            + Text::new(word, (11, -14), text(18, INK))])?;
    }
    Ok(())
}

fn draw_panel(area: &Area<'_>, panel: &CurvePanel, end_s: f64) -> Result<(), RenderError> {
    let colored: Vec<(&Curve, RGBColor)> =
        panel.curves.iter().zip(COLORS.into_iter().cycle()).collect();
    let legend: Vec<(&str, Sign, RGBColor)> =
        colored.iter().map(|(curve, color)| (curve.name.as_str(), Sign::Line, *color)).collect();
    let area = captioned(area, &panel.caption, &legend)?;
    let finite = |p: &(f64, f64)| p.0.is_finite() && p.1.is_finite();
    let values = panel.curves.iter().flat_map(|curve| &curve.points).filter(|p| finite(p));
    let y = padded(values.map(|p| p.1), panel.least);
    let digits = match y.end - y.start {
        width if width < 0.05 => 3,
        width if width < 20.0 => 2,
        _ => 0,
    };
    let mut chart = ChartBuilder::on(&area)
        .margin_right(MARGIN)
        .set_label_area_size(LabelAreaPosition::Left, Y_AXIS)
        .set_label_area_size(LabelAreaPosition::Bottom, X_AXIS)
        .build_cartesian_2d(0.0..end_s, y)?;
    styled(&mut chart.configure_mesh())
        .x_desc("time [s]")
        .y_desc(&panel.axis)
        .x_labels(10)
        .y_labels(5)
        .x_label_formatter(&seconds)
        .y_label_formatter(&|y| fixed(*y, digits))
        .draw()?;
    for (curve, color) in colored {
        let points = curve.points.iter().copied().filter(|p| finite(p));
        chart.draw_series(LineSeries::new(points, color.stroke_width(2)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn blue(png: &[u8]) -> usize {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut rgb).unwrap();
        rgb.chunks_exact(3).filter(|pixel| **pixel == [BLUE.0, BLUE.1, BLUE.2]).count()
    }

    fn plot(points: Vec<(f64, f64)>, path_m: Vec<[f64; 3]>) -> Vec<u8> {
        let curves = vec![Curve { name: "x".to_owned(), points }];
        let (caption, axis) = ("position".to_owned(), "[m]".to_owned());
        let panels = vec![CurvePanel { caption, axis, least: 0.1, curves }];
        let title = "episode 3".to_owned();
        let plot = EpisodePlot { title, path_m, fps: 10.0, panels, ..EpisodePlot::default() };
        episode_plot(&plot).unwrap()
    }

    #[test]
    fn curves_and_path_show_and_what_is_no_number_is_left_out() {
        let points: Vec<(f64, f64)> = (0..50).map(|i| (f64::from(i) * 0.1, f64::from(i))).collect();
        let path: Vec<[f64; 3]> = (0..50).map(|i| [0.01 * f64::from(i), -0.4, 0.2]).collect();
        let none = blue(&plot(vec![], vec![]));
        let curve = blue(&plot(points.clone(), vec![]));
        let both = blue(&plot(points.clone(), path));
        assert!(curve > none + 500 && both > curve / 2 + 300, "{none} {curve} {both}");
        let mut holed = points.clone();
        holed.insert(7, (f64::NAN, 3.0));
        assert!(plot(holed, vec![]) == plot(points, vec![]));
    }
}
