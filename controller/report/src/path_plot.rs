//! The path plot: where the tool point went against where it was asked to go, what the gripper
//! did, and which steps were late or starved.

use super::canvas::{Area, BLUE, Canvas, FAINT, GREEN, INK, ORANGE, RED, RenderError, text};
use super::heading::Heading;
use super::panel::{MARGIN, Sign, X_AXIS, Y_AXIS, captioned, padded, seconds, styled};
use plotters::prelude::*;
use std::ops::Range;

/// Size of the picture \[pixels\].
const SIZE: (u32, u32) = (1600, 900);
/// Height of the title \[pixels\].
const TITLE_HEIGHT: u32 = 84;
/// Least extent of the time axis \[s\].
const LEAST_DURATION_S: f64 = 1.0;
/// Lowest latency that the time axis shows; below it is as good as none \[ms\].
const LATENCY_FLOOR_MS: f64 = 0.01;
/// Least extent of the axes in space \[m\]; noise must not look like motion.
const LEAST_EXTENT_M: f64 = 0.1;
/// Length of a step, drawn as the limit that inference should stay under \[ms\].
const STEP_MS: f64 = jaco_core::STEP_S * 1000.0;

/// The arm at one instant, base frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PathSample {
    /// Since the attempt began \[s\].
    pub time_s: f64,
    /// Where the tool point was asked to be \[m\].
    pub reference_m: [f64; 3],
    /// Where it was \[m\].
    pub measured_m: [f64; 3],
    /// Gripper opening that was measured: 1 open, 0 closed.
    pub opening: f64,
}

/// One step, in time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepTiming {
    /// When it began, since the attempt began \[s\].
    pub time_s: f64,
    /// How late it began \[ms\].
    pub lateness_ms: f64,
    /// How long an inference that ended in this step took \[ms\].
    pub inference_ms: Option<f64>,
    /// Whether it had no action.
    pub starved: bool,
    /// Units dropped in it because their step had already begun.
    pub late_units: u64,
}

/// The path plot of an attempt as a PNG of 1600 x 900 pixels: top view, height and gripper over
/// time, timing of the steps. Samples that are not finite are left out.
///
/// # Errors
/// The plotting library's.
pub fn path_plot(
    heading: &Heading,
    samples: &[PathSample],
    steps: &[StepTiming],
) -> Result<Vec<u8>, RenderError> {
    let finite = |s: &&PathSample| {
        let numbers = [s.time_s, s.opening].into_iter().chain(s.reference_m).chain(s.measured_m);
        numbers.into_iter().all(f64::is_finite)
    };
    let samples: Vec<PathSample> = samples.iter().filter(finite).copied().collect();
    let times = samples.iter().map(|s| s.time_s).chain(steps.iter().map(|s| s.time_s));
    let end_s = times.filter(|time| time.is_finite()).fold(LEAST_DURATION_S, f64::max);

    let mut canvas = Canvas::new(SIZE.0, SIZE.1);
    canvas.draw(|area| {
        let (title, panels) = area.split_vertically(TITLE_HEIGHT);
        heading.draw(&title, MARGIN as i32, MARGIN as i32)?;
        let (left, right) = panels.split_horizontally(SIZE.0 * 46 / 100);
        let (upper, lower) = right.split_vertically((SIZE.1 - TITLE_HEIGHT) / 2);
        draw_top_view(&left, &samples)?;
        draw_height(&upper, &samples, end_s)?;
        draw_timing(&lower, steps, end_s)
    })?;
    canvas.png()
}

fn draw_top_view(area: &Area<'_>, samples: &[PathSample]) -> Result<(), RenderError> {
    let area = captioned(
        area,
        "top view, base frame",
        &[
            ("asked", Sign::Line, ORANGE),
            ("measured", Sign::Line, BLUE),
            ("each second", Sign::Dot, BLUE),
        ],
    )?;
    let (width, height) = area.dim_in_pixel();
    let plot = (f64::from(width - Y_AXIS), f64::from(height - X_AXIS));
    let along = |axis: usize| {
        let both = move |s: &PathSample| [s.reference_m[axis], s.measured_m[axis]];
        padded(samples.iter().flat_map(both), LEAST_EXTENT_M)
    };
    let (x, y) = with_equal_scale(along(0), along(1), plot);
    let mut chart = ChartBuilder::on(&area)
        .set_label_area_size(LabelAreaPosition::Left, Y_AXIS)
        .set_label_area_size(LabelAreaPosition::Bottom, X_AXIS)
        .build_cartesian_2d(x, y)?;
    styled(&mut chart.configure_mesh())
        .x_desc("x [m]")
        .y_desc("y [m]")
        .x_labels(8)
        .x_label_formatter(&|x| format!("{x:.2}"))
        .y_label_formatter(&|y| format!("{y:.2}"))
        .draw()?;
    let asked = samples.iter().map(|s| (s.reference_m[0], s.reference_m[1]));
    chart.draw_series(LineSeries::new(asked, ORANGE.stroke_width(2)))?;
    let measured = |s: &PathSample| (s.measured_m[0], s.measured_m[1]);
    chart.draw_series(LineSeries::new(samples.iter().map(measured), BLUE.stroke_width(2)))?;
    let seconds = samples.windows(2).filter(|pair| pair[0].time_s.floor() < pair[1].time_s.floor());
    chart.draw_series(seconds.map(|pair| Circle::new(measured(&pair[1]), 4, BLUE.filled())))?;
    for (sample, word) in samples.first().into_iter().chain(samples.last()).zip(["start", "end"]) {
        chart.draw_series([EmptyElement::at(measured(sample))
            + Circle::new((0, 0), 6, INK.filled())
            + Text::new(word, (11, -14), text(18, INK))])?;
    }
    Ok(())
}

fn draw_height(area: &Area<'_>, samples: &[PathSample], end_s: f64) -> Result<(), RenderError> {
    let area = captioned(
        area,
        "height and gripper",
        &[
            ("z asked", Sign::Line, ORANGE),
            ("z measured", Sign::Line, BLUE),
            ("opening measured", Sign::Line, GREEN),
        ],
    )?;
    let heights = samples.iter().flat_map(|s| [s.reference_m[2], s.measured_m[2]]);
    let mut chart = ChartBuilder::on(&area)
        .set_label_area_size(LabelAreaPosition::Left, Y_AXIS)
        .set_label_area_size(LabelAreaPosition::Right, Y_AXIS)
        .set_label_area_size(LabelAreaPosition::Bottom, X_AXIS)
        .build_cartesian_2d(0.0..end_s, padded(heights, LEAST_EXTENT_M))?
        .set_secondary_coord(0.0..end_s, -0.1..1.1);
    styled(&mut chart.configure_mesh())
        .x_desc("time [s]")
        .y_desc("z [m]")
        .x_label_formatter(&seconds)
        .y_labels(6)
        .y_label_formatter(&|z| format!("{z:.2}"))
        .draw()?;
    chart
        .configure_secondary_axes()
        .y_desc("opening [1 open, 0 closed]")
        .y_labels(6)
        .y_label_formatter(&|opening| format!("{opening:.1}"))
        .label_style(text(17, GREEN))
        .axis_desc_style(text(19, GREEN))
        .axis_style(FAINT)
        .draw()?;
    let opening = samples.iter().map(|s| (s.time_s, s.opening));
    chart.draw_secondary_series(LineSeries::new(opening, GREEN.stroke_width(2)))?;
    let asked = samples.iter().map(|s| (s.time_s, s.reference_m[2]));
    chart.draw_series(LineSeries::new(asked, ORANGE.stroke_width(2)))?;
    let measured = samples.iter().map(|s| (s.time_s, s.measured_m[2]));
    chart.draw_series(LineSeries::new(measured, BLUE.stroke_width(2)))?;
    Ok(())
}

fn draw_timing(area: &Area<'_>, steps: &[StepTiming], end_s: f64) -> Result<(), RenderError> {
    let starved = steps.iter().filter(|s| s.starved).count();
    let late: u64 = steps.iter().map(|s| s.late_units).sum();
    let area = captioned(
        area,
        &format!("timing of {} steps", steps.len()),
        &[
            ("inference", Sign::Dot, BLUE),
            ("step late by", Sign::Dot, ORANGE),
            (&format!("starved ({starved})"), Sign::Triangle, RED),
            (&format!("late units ({late})"), Sign::Cross, INK),
        ],
    )?;
    let visible = |ms: f64| ms.is_finite().then(|| ms.max(LATENCY_FLOOR_MS));
    let lateness = steps.iter().filter_map(|s| Some((s.time_s, visible(s.lateness_ms)?)));
    let inference = steps.iter().filter_map(|s| Some((s.time_s, visible(s.inference_ms?)?)));
    let slowest = lateness.clone().chain(inference.clone()).map(|p| p.1).fold(STEP_MS, f64::max);
    // Room at the bottom for the marks.
    let (low, high) = (LATENCY_FLOOR_MS / 3.0, slowest * 4.0);
    let mut chart = ChartBuilder::on(&area)
        .set_label_area_size(LabelAreaPosition::Left, Y_AXIS)
        .set_label_area_size(LabelAreaPosition::Bottom, X_AXIS)
        .margin_right(Y_AXIS)
        .build_cartesian_2d(0.0..end_s, (low..high).log_scale())?;
    styled(&mut chart.configure_mesh())
        .x_desc("time [s]")
        .y_desc("latency [ms], log")
        .x_label_formatter(&seconds)
        .y_labels(6)
        .y_label_formatter(&|ms| format!("{ms}"))
        .draw()?;
    let budget = [(0.0, STEP_MS), (end_s, STEP_MS)];
    chart.draw_series([PathElement::new(budget, FAINT.stroke_width(1))])?;
    let words = Text::new("one step", (6, -3), text(17, FAINT));
    chart.draw_series([EmptyElement::at((end_s, STEP_MS)) + words])?;
    chart.draw_series(inference.map(|point| Circle::new(point, 3, BLUE.filled())))?;
    chart.draw_series(lateness.map(|point| Circle::new(point, 3, ORANGE.filled())))?;
    let marked = |is: fn(&StepTiming) -> bool| {
        steps.iter().filter(move |s| is(s)).map(move |s| (s.time_s, low * 1.6))
    };
    let starved = marked(|s| s.starved);
    chart.draw_series(starved.map(|at| TriangleMarker::new(at, 8, RED.filled())))?;
    let late = marked(|s| s.late_units > 0);
    chart.draw_series(late.map(|at| Cross::new(at, 6, INK.stroke_width(2))))?;
    Ok(())
}

/// Widens one of the ranges so that a metre is as long along x as along y in a plot of `size`
/// pixels.
pub(super) fn with_equal_scale(
    x: Range<f64>,
    y: Range<f64>,
    size: (f64, f64),
) -> (Range<f64>, Range<f64>) {
    let metres_per_pixel = ((x.end - x.start) / size.0).max((y.end - y.start) / size.1);
    let widen = |range: Range<f64>, pixels: f64| {
        let (centre, half) = ((range.start + range.end) / 2.0, metres_per_pixel * pixels / 2.0);
        centre - half..centre + half
    };
    (widen(x, size.0), widen(y, size.1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use jaco_core::Outcome;
    use proptest::prelude::*;

    fn heading() -> Heading {
        Heading {
            instruction: "put the carrot in the pan".to_owned(),
            outcome: Outcome::Stopped,
            detail: String::new(),
        }
    }

    /// A sample on a quarter circle; what is measured lags behind what was asked.
    fn sample(i: u32) -> PathSample {
        let at = |angle: f64| [0.3 * angle.cos(), -0.3 - 0.3 * angle.sin(), 0.1 + 0.2 * angle];
        let angle = f64::from(i) * 0.01;
        PathSample {
            time_s: f64::from(i) * 0.1,
            reference_m: at(angle),
            measured_m: at(angle * 0.8),
            opening: f64::from(i % 50) / 50.0,
        }
    }

    fn step(i: u32, starved: bool) -> StepTiming {
        let (time_s, lateness_ms) = (f64::from(i) * 0.1, 0.12);
        StepTiming { time_s, lateness_ms, inference_ms: Some(80.0), starved, late_units: 0 }
    }

    /// Pixels of exactly this colour.
    fn count(png: &[u8], color: RGBColor) -> usize {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rgb).unwrap();
        assert_eq!((info.width, info.height), SIZE);
        rgb.chunks_exact(3).filter(|pixel| **pixel == [color.0, color.1, color.2]).count()
    }

    #[test]
    fn every_series_shows() {
        let samples: Vec<_> = (0..150).map(sample).collect();
        let steps: Vec<_> = (0..150).map(|i| step(i, i % 50 == 7)).collect();
        let none = path_plot(&heading(), &[], &[]).unwrap();
        let full = path_plot(&heading(), &samples, &steps).unwrap();
        for (color, least) in [(BLUE, 2000), (ORANGE, 2000), (GREEN, 500), (RED, 100)] {
            let (before, after) = (count(&none, color), count(&full, color));
            assert!(
                after > before + least,
                "{color:?}: {before} pixels without data, {after} with"
            );
        }
    }

    #[test]
    fn samples_that_are_no_numbers_are_left_out() {
        let mut samples: Vec<_> = (0..150).map(sample).collect();
        let clean = path_plot(&heading(), &samples, &[]).unwrap();
        samples.insert(70, PathSample { measured_m: [f64::NAN; 3], ..sample(70) });
        samples.insert(90, PathSample { time_s: f64::INFINITY, ..sample(90) });
        assert!(path_plot(&heading(), &samples, &[]).unwrap() == clean);
    }

    proptest! {
        #[test]
        fn a_metre_is_as_long_along_x_as_along_y(
            (x, width) in (-1.0..1.0, 0.0..2.0),
            (y, height) in (-1.0..1.0, 0.0..2.0),
        ) {
            let (x, y) = (padded([x, x + width].into_iter(), 0.1), padded([y, y + height].into_iter(), 0.1));
            let (wide, high) = with_equal_scale(x.clone(), y.clone(), (600.0, 700.0));
            let scale = ((wide.end - wide.start) / 600.0, (high.end - high.start) / 700.0);
            prop_assert!((scale.0 - scale.1).abs() < 1e-12);
            for (range, data) in [(&wide, &x), (&high, &y)] {
                prop_assert!(range.start <= data.start + 1e-9 && range.end >= data.end - 1e-9);
            }
        }
    }
}
