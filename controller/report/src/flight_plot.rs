//! The plot of a flight record: where the tool was against where it was asked to be, how fast, in
//! which mode, under which limits, and when what went wrong.

use super::canvas::{Area, BLUE, Canvas, FAINT, GREEN, INK, ORANGE, RED, RenderError, text};
use super::panel::{MARGIN, Sign, X_AXIS, Y_AXIS, captioned, padded, seconds, styled};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

/// Size of the picture \[pixels\].
const SIZE: (u32, u32) = (1600, 1200);
/// Height of the title \[pixels\].
const TITLE_HEIGHT: u32 = 76;
/// Height of the panel of bands \[pixels\].
const BANDS_HEIGHT: u32 = 320;
/// Least extent of the axes in space \[m\]; noise must not look like motion.
const LEAST_EXTENT_M: f64 = 0.02;
/// Least extent of the axis of speed \[m/s\].
const LEAST_SPEED_M_S: f64 = 0.02;
/// Least extent of the time axis \[s\].
const LEAST_DURATION_S: f64 = 0.5;
/// Time between samples from which a line is broken \[s\].
const BREAK_S: f64 = 0.1;
/// Marks that are drawn with their words: the last ones.
const MOST_WORDS: usize = 6;
/// Characters of a mark's words that are drawn.
const MOST_CHARS: usize = 110;

type Chart<'a, 'b> =
    ChartContext<'a, BitMapBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// The arm at one instant, base frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlightSample {
    /// Since the record begins \[s\].
    pub time_s: f64,
    /// Where the tool point was asked to be \[m\]; none outside the modes that move.
    pub asked_m: Option<[f64; 3]>,
    /// Where it was \[m\].
    pub measured_m: [f64; 3],
    /// Speed that was sent \[m/s\].
    pub sent_m_s: f64,
}

/// Something that lasted.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// Since the record begins \[s\].
    pub from_s: f64,
    /// Its end \[s\].
    pub to_s: f64,
    /// What: a mode, a limit.
    pub name: String,
}

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Since the record begins \[s\].
    pub time_s: f64,
    /// What.
    pub text: String,
}

/// What is plotted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FlightPlot {
    /// What stands above.
    pub title: String,
    /// Below it, smaller.
    pub detail: String,
    /// The arm.
    pub samples: Vec<FlightSample>,
    /// The servo's modes.
    pub modes: Vec<Band>,
    /// When limits acted.
    pub limits: Vec<Band>,
    /// What went wrong.
    pub marks: Vec<Mark>,
}

/// The plot as a PNG of 1600 x 1200 pixels. Samples that are not finite are left out.
///
/// # Errors
/// The plotting library's.
pub fn flight_plot(plot: &FlightPlot) -> Result<Vec<u8>, RenderError> {
    let samples: Vec<FlightSample> =
        plot.samples.iter().filter(|s| is_finite(s)).copied().collect();
    let times = samples.iter().map(|s| s.time_s);
    let times = times.chain(plot.modes.iter().map(|band| band.to_s));
    let times = times.chain(plot.marks.iter().map(|mark| mark.time_s));
    let end_s = times.filter(|time_s| time_s.is_finite()).fold(LEAST_DURATION_S, f64::max);
    let mut canvas = Canvas::new(SIZE.0, SIZE.1);
    canvas.draw(|area| {
        let (title, rest) = area.split_vertically(TITLE_HEIGHT);
        title.draw_text(&plot.title, &text(28, INK), (MARGIN as i32, 14))?;
        title.draw_text(&plot.detail, &text(19, FAINT), (MARGIN as i32, 50))?;
        let (curves, bands) = rest.split_vertically(SIZE.1 - TITLE_HEIGHT - BANDS_HEIGHT);
        let panels = curves.split_evenly((4, 1));
        for (axis, panel) in panels.iter().take(3).enumerate() {
            draw_position(panel, &samples, axis, end_s, &plot.marks)?;
        }
        draw_speed(&panels[3], &samples, end_s, &plot.marks)?;
        draw_bands(&bands, plot, end_s)
    })?;
    canvas.png()
}

fn is_finite(sample: &FlightSample) -> bool {
    let asked_m = sample.asked_m.into_iter().flatten();
    let numbers = [sample.time_s, sample.sent_m_s].into_iter().chain(sample.measured_m);
    numbers.chain(asked_m).all(f64::is_finite)
}

/// Runs of points without a break in time.
fn unbroken(points: impl Iterator<Item = (f64, f64)>) -> Vec<Vec<(f64, f64)>> {
    let mut runs: Vec<Vec<(f64, f64)>> = Vec::new();
    for point in points {
        match runs.last_mut() {
            Some(run) if run.last().is_some_and(|last| point.0 - last.0 < BREAK_S) => {
                run.push(point);
            }
            _ => runs.push(vec![point]),
        }
    }
    runs
}

fn chart<'a, 'b>(
    area: &'a DrawingArea<BitMapBackend<'b>, Shift>,
    end_s: f64,
    y: std::ops::Range<f64>,
) -> Result<Chart<'a, 'b>, RenderError> {
    Ok(ChartBuilder::on(area)
        .set_label_area_size(LabelAreaPosition::Left, Y_AXIS)
        .set_label_area_size(LabelAreaPosition::Bottom, X_AXIS / 2)
        .build_cartesian_2d(0.0..end_s, y)?)
}

fn draw_lines(
    chart: &mut Chart<'_, '_>,
    points: impl Iterator<Item = (f64, f64)>,
    color: RGBColor,
) -> Result<(), RenderError> {
    for run in unbroken(points) {
        chart.draw_series(LineSeries::new(run, color.stroke_width(2)))?;
    }
    Ok(())
}

fn draw_marks(
    chart: &mut Chart<'_, '_>,
    marks: &[Mark],
    y: std::ops::Range<f64>,
) -> Result<(), RenderError> {
    let line = |mark: &Mark| {
        PathElement::new([(mark.time_s, y.start), (mark.time_s, y.end)], RED.stroke_width(1))
    };
    chart.draw_series(marks.iter().map(line))?;
    Ok(())
}

fn draw_position(
    area: &Area<'_>,
    samples: &[FlightSample],
    axis: usize,
    end_s: f64,
    marks: &[Mark],
) -> Result<(), RenderError> {
    let name = ["x", "y", "z"][axis];
    let legend: [(&str, Sign, RGBColor); 2] =
        [("asked", Sign::Line, ORANGE), ("measured", Sign::Line, BLUE)];
    let legend = if axis == 0 { &legend[..] } else { &[] };
    let area = captioned(area, &format!("{name} of the tool, base frame"), legend)?;
    let both = |s: &FlightSample| {
        [Some(s.measured_m[axis]), s.asked_m.map(|asked_m| asked_m[axis])].into_iter().flatten()
    };
    let y = padded(samples.iter().flat_map(both), LEAST_EXTENT_M);
    let mut chart = chart(&area, end_s, y.clone())?;
    styled(&mut chart.configure_mesh())
        .y_desc(format!("{name} [m]"))
        .x_label_formatter(&seconds)
        .y_labels(5)
        .y_label_formatter(&|metres| format!("{metres:.3}"))
        .draw()?;
    draw_marks(&mut chart, marks, y)?;
    let asked = samples.iter().filter_map(|s| Some((s.time_s, s.asked_m?[axis])));
    draw_lines(&mut chart, asked, ORANGE)?;
    draw_lines(&mut chart, samples.iter().map(|s| (s.time_s, s.measured_m[axis])), BLUE)
}

/// Speed from positions some samples apart: they are read less often than they are told.
fn measured_speed(samples: &[FlightSample]) -> impl Iterator<Item = (f64, f64)> + '_ {
    const APART: usize = 5;
    samples.windows(APART).filter_map(|window| {
        let (first, last) = (window.first()?, window.last()?);
        let time_s = last.time_s - first.time_s;
        let squares = first.measured_m.iter().zip(last.measured_m).map(|(a, b)| (a - b).powi(2));
        let speed_m_s = squares.sum::<f64>().sqrt() / time_s;
        (time_s > 0.0 && time_s < BREAK_S).then_some((last.time_s, speed_m_s))
    })
}

fn draw_speed(
    area: &Area<'_>,
    samples: &[FlightSample],
    end_s: f64,
    marks: &[Mark],
) -> Result<(), RenderError> {
    let legend = [("sent", Sign::Line, ORANGE), ("measured", Sign::Line, BLUE)];
    let area = captioned(area, "speed of the tool", &legend)?;
    let speeds = samples.iter().map(|s| s.sent_m_s);
    let speeds = speeds.chain(measured_speed(samples).map(|(_, speed)| speed));
    let top = speeds.fold(LEAST_SPEED_M_S, f64::max) * 1.1;
    let mut chart = chart(&area, end_s, 0.0..top)?;
    styled(&mut chart.configure_mesh())
        .y_desc("[m/s]")
        .x_label_formatter(&seconds)
        .y_labels(5)
        .y_label_formatter(&|speed| format!("{speed:.2}"))
        .draw()?;
    draw_marks(&mut chart, marks, 0.0..top)?;
    draw_lines(&mut chart, measured_speed(samples), BLUE)?;
    draw_lines(&mut chart, samples.iter().map(|s| (s.time_s, s.sent_m_s)), ORANGE)
}

/// Rows of bands: the modes first, then each limit that acted, then what went wrong in words.
fn draw_bands(area: &Area<'_>, plot: &FlightPlot, end_s: f64) -> Result<(), RenderError> {
    let area = captioned(area, "modes, limits that acted, and what went wrong", &[])?;
    let mut limits: Vec<&str> = plot.limits.iter().map(|band| band.name.as_str()).collect();
    limits.sort_unstable();
    limits.dedup();
    let said = &plot.marks[plot.marks.len().saturating_sub(MOST_WORDS)..];
    let rows = (1 + limits.len() + said.len()).max(4) as f64;
    let mut chart = chart(&area, end_s, 0.0..rows)?;
    styled(&mut chart.configure_mesh())
        .x_desc("time [s]")
        .x_label_formatter(&seconds)
        .y_labels(0)
        .disable_y_mesh()
        .draw()?;
    let row = |index: usize| rows - 1.0 - index as f64;
    let bar = |band: &Band, index: usize, color: RGBColor| {
        // One tick is thinner than a pixel.
        let to_s = band.to_s.max(band.from_s + end_s / f64::from(SIZE.0));
        let corners = [(band.from_s, row(index) + 0.15), (to_s, row(index) + 0.85)];
        Rectangle::new(corners, color.filled())
    };
    let color = |name: &str| match name {
        "idle" => FAINT,
        "stopped" => RED,
        "handed over" => ORANGE,
        _ => GREEN,
    };
    chart.draw_series(plot.modes.iter().map(|band| bar(band, 0, color(&band.name))))?;
    let wide = plot.modes.iter().filter(|band| band.to_s - band.from_s > end_s * 0.04);
    chart.draw_series(wide.map(|band| {
        EmptyElement::at((band.from_s, row(0) + 0.85))
            + Text::new(band.name.clone(), (6, 3), text(17, WHITE))
    }))?;
    for (index, limit) in (1..).zip(&limits) {
        let of_it = plot.limits.iter().filter(|band| band.name == *limit);
        chart.draw_series(of_it.map(|band| bar(band, index, ORANGE)))?;
        let at = EmptyElement::at((0.0, row(index) + 0.85));
        chart.draw_series([at + Text::new((*limit).to_owned(), (6, 3), text(17, INK))])?;
    }
    draw_marks(&mut chart, &plot.marks, 0.0..rows)?;
    for (index, mark) in (1 + limits.len()..).zip(said) {
        let short: String = mark.text.chars().take(MOST_CHARS).collect();
        // Words stay within the picture.
        let width = area.estimate_text_size(&short, &text(17, RED))?.0 as i32;
        let late = mark.time_s > end_s / 2.0;
        let x = if late { -width - 8 } else { 8 };
        let at = EmptyElement::at((mark.time_s, row(index) + 0.85));
        chart.draw_series([at + Text::new(short, (x, 3), text(17, RED))])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sample(i: u32) -> FlightSample {
        let time_s = f64::from(i) * 0.01;
        let at = |lag: f64| [0.1 * (time_s - lag), -0.4, 0.2 + 0.05 * (time_s - lag)];
        FlightSample { time_s, asked_m: Some(at(0.0)), measured_m: at(0.1), sent_m_s: 0.1 }
    }

    fn plot() -> FlightPlot {
        let band = |name: &str, from_s, to_s| Band { from_s, to_s, name: name.to_owned() };
        FlightPlot {
            title: "servo-stopped".to_owned(),
            detail: "a test".to_owned(),
            samples: (0..300).map(sample).collect(),
            modes: vec![band("policy", 0.0, 2.0), band("stopped", 2.0, 3.0)],
            limits: vec![band("leash", 0.5, 0.6), band("workspace", 1.0, 1.0)],
            marks: vec![Mark { time_s: 2.0, text: "stopped: points piled up".to_owned() }],
        }
    }

    /// Pixels of exactly this colour.
    fn count(png: &[u8], color: RGBColor) -> usize {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut rgb).unwrap();
        rgb.chunks_exact(3).filter(|pixel| **pixel == [color.0, color.1, color.2]).count()
    }

    #[test]
    fn curves_bands_and_marks_show() {
        let none = flight_plot(&FlightPlot::default()).unwrap();
        let full = flight_plot(&plot()).unwrap();
        for (color, least) in [(BLUE, 1000), (ORANGE, 1000), (GREEN, 1000), (RED, 1000)] {
            assert!(count(&full, color) > count(&none, color) + least, "{color:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_left_out_and_a_gap_is_not_bridged() {
        let mut broken = plot();
        broken.samples.insert(7, FlightSample { measured_m: [f64::NAN; 3], ..sample(7) });
        assert!(flight_plot(&broken).unwrap() == flight_plot(&plot()).unwrap());
        let runs = unbroken([(0.0, 0.0), (0.01, 0.0), (3.0, 0.0)].into_iter());
        assert_eq!(runs.len(), 2);
    }
}
