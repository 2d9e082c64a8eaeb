//! Charts of numbers with their intervals: panels of curves that share one look, each with its
//! legend where it can hide no data. What the numbers are is the caller's business.

use super::canvas::{Area, BLUE, Canvas, FAINT, GREEN, INK, ORANGE, RenderError, text};
use super::heading::draw_title;
use super::panel::{MARGIN, X_AXIS, Y_AXIS, fixed, padded, styled};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use serde::Serialize;
use std::ops::Range;

/// Colours of series, in order; more begin anew. Told apart by the colour-blind too (Okabe and
/// Ito), and by their marks on paper without colours.
pub(super) const SERIES: [RGBColor; 7] = [
    BLUE,
    ORANGE,
    GREEN,
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(190, 140, 0),
    INK,
];
/// Height of the title \[pixels\].
const TITLE_HEIGHT: u32 = 84;
/// Height of a panel's caption and of a row of its legend \[pixels\].
const LINE_HEIGHT: u32 = 28;
/// Left of a label in a legend: the sign and its gap \[pixels\].
const SIGN_WIDTH: i32 = 40;
/// Share of the x axis by which neighbouring series' whiskers are moved apart.
const APART: f64 = 0.008;

/// A panel that is being drawn.
pub(super) type Plot<'a, 'b> =
    ChartContext<'a, BitMapBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// A number at a place, and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Place on the x axis.
    pub x: f64,
    /// The number; a point that is not finite is left out.
    pub y: f64,
    /// Ends of its interval.
    pub range: Option<(f64, f64)>,
}

impl Point {
    /// A number without an interval.
    pub fn new(x: f64, y: f64) -> Self {
        Self { x, y, range: None }
    }
}

/// Numbers that belong together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Its points, by x.
    pub points: Vec<Point>,
}

/// How intervals are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Spread {
    /// A whisker and a mark at each point.
    Whiskers,
    /// A pale band along the curve, which has no marks.
    Band,
}

/// Series that share their axes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Panel {
    /// What they show.
    pub caption: String,
    /// Name and unit of the x axis.
    pub x_axis: String,
    /// Name and unit of the y axis.
    pub y_axis: String,
    /// Ends of the x axis; by the data where not given.
    pub x: Option<Range<f64>>,
    /// Ends of the y axis; by the data where not given.
    pub y: Option<Range<f64>>,
    /// How intervals are drawn.
    pub spread: Spread,
    /// The series.
    pub series: Vec<Series>,
}

/// Panels in rows of `columns` under a title and a line of details, as a PNG.
///
/// # Errors
/// The plotting library's.
pub fn charts(
    title: &str,
    detail: &str,
    panels: &[Panel],
    columns: usize,
) -> Result<Vec<u8>, RenderError> {
    let columns = columns.clamp(1, panels.len().max(1));
    let rows = panels.len().div_ceil(columns).max(1);
    let (panel_width, panel_height) = match columns {
        1 => (1200, 480),
        2 => (760, 460),
        _ => (620, 430),
    };
    let size = (panel_width * columns as u32, TITLE_HEIGHT + panel_height * rows as u32);
    let mut canvas = Canvas::new(size.0, size.1);
    canvas.draw(|area| {
        let (head, rest) = area.split_vertically(TITLE_HEIGHT);
        draw_title(&head, title, detail)?;
        let areas = rest.split_evenly((rows, columns));
        panels.iter().zip(&areas).try_for_each(|(panel, area)| draw_panel(area, panel))
    })?;
    canvas.png()
}

fn draw_panel(area: &Area<'_>, panel: &Panel) -> Result<(), RenderError> {
    let named: Vec<(&str, usize)> =
        panel.series.iter().enumerate().map(|(i, series)| (series.name.as_str(), i)).collect();
    let area = with_legend(area, &panel.caption, &named, panel.spread == Spread::Whiskers)?;
    let finite = |p: &&Point| p.x.is_finite() && p.y.is_finite();
    let points = || panel.series.iter().flat_map(|series| &series.points).filter(finite);
    if points().next().is_none() {
        let (width, height) = area.dim_in_pixel();
        let place = (width as i32 / 2 - 60, height as i32 / 2);
        area.draw_text("no data", &text(22, FAINT), place)?;
        return Ok(());
    }
    let x = panel.x.clone().unwrap_or_else(|| padded(points().map(|p| p.x), 1e-9));
    let reach = |p: &Point| {
        let (low, high) = p.range.unwrap_or((p.y, p.y));
        [p.y, low, high].into_iter().filter(|value| value.is_finite())
    };
    let y = panel.y.clone().unwrap_or_else(|| padded(points().flat_map(reach), 1e-6));
    let (x_digits, y_digits) = (digits(&x), digits(&y));
    let mut chart = ChartBuilder::on(&area)
        .margin_right(MARGIN)
        .set_label_area_size(LabelAreaPosition::Left, Y_AXIS)
        .set_label_area_size(LabelAreaPosition::Bottom, X_AXIS)
        .build_cartesian_2d(x.clone(), y)?;
    styled(&mut chart.configure_mesh())
        .x_desc(&panel.x_axis)
        .y_desc(&panel.y_axis)
        .x_labels(10)
        .y_labels(8)
        .x_label_formatter(&|x| fixed(*x, x_digits))
        .y_label_formatter(&|y| fixed(*y, y_digits))
        .draw()?;
    let count = panel.series.len();
    for (index, series) in panel.series.iter().enumerate() {
        let points: Vec<Point> = series.points.iter().filter(finite).copied().collect();
        match panel.spread {
            Spread::Whiskers => {
                let apart = (index as f64 - (count as f64 - 1.0) / 2.0) * APART;
                let moved = |p: Point| Point { x: p.x + apart * (x.end - x.start), ..p };
                let points: Vec<Point> = points.into_iter().map(moved).collect();
                draw_whiskers(&mut chart, &points, index)?;
            }
            Spread::Band => draw_band(&mut chart, &points, index)?,
        }
    }
    Ok(())
}

/// Draws a curve, each piece of it by itself: drawn as one, sharp turns get long spikes.
pub(super) fn draw_line(
    chart: &mut Plot<'_, '_>,
    points: impl Iterator<Item = (f64, f64)> + Clone,
    color: RGBColor,
) -> Result<(), RenderError> {
    let pieces = points.clone().zip(points.skip(1)).map(|(from, to)| [from, to]);
    chart.draw_series(pieces.map(|piece| PathElement::new(piece, color.stroke_width(2))))?;
    Ok(())
}

fn draw_whiskers(
    chart: &mut Plot<'_, '_>,
    points: &[Point],
    index: usize,
) -> Result<(), RenderError> {
    let color = color(index);
    draw_line(chart, points.iter().map(|p| (p.x, p.y)), color)?;
    for point in points {
        if let Some((low, high)) = point.range {
            let ends = [(point.x, low), (point.x, high)];
            chart.draw_series([PathElement::new(ends, color.stroke_width(2))])?;
        }
        let at = EmptyElement::at((point.x, point.y));
        match index % 4 {
            0 => chart.draw_series([at + Circle::new((0, 0), 5, color.filled())])?,
            1 => chart.draw_series([at + TriangleMarker::new((0, 0), 8, color.filled())])?,
            2 => chart.draw_series([at + Rectangle::new([(-5, -5), (5, 5)], color.filled())])?,
            _ => chart.draw_series([at + Cross::new((0, 0), 6, color.stroke_width(3))])?,
        };
    }
    Ok(())
}

fn draw_band(chart: &mut Plot<'_, '_>, points: &[Point], index: usize) -> Result<(), RenderError> {
    let color = color(index);
    let ends: Vec<(f64, (f64, f64))> =
        points.iter().filter_map(|p| Some((p.x, p.range?))).collect();
    if ends.len() > 1 {
        let low = ends.iter().map(|(x, (low, _))| (*x, *low));
        let high = ends.iter().rev().map(|(x, (_, high))| (*x, *high));
        let outline: Vec<(f64, f64)> = low.chain(high).collect();
        chart.draw_series([Polygon::new(outline, color.mix(0.15).filled())])?;
    }
    draw_line(chart, points.iter().map(|p| (p.x, p.y)), color)?;
    Ok(())
}

/// Writes the caption and below it the legend, in as many rows as it needs; what is left of the
/// area is the panel's. Each entry is a name and the number of its series,
/// whose mark is shown where the series are `marked`.
pub(super) fn with_legend<'a>(
    area: &Area<'a>,
    caption: &str,
    entries: &[(&str, usize)],
    marked: bool,
) -> Result<Area<'a>, RenderError> {
    let area = area.margin(MARGIN, 0, MARGIN, MARGIN);
    let style = text(18, INK);
    let room = area.dim_in_pixel().0 as i32;
    let (mut x, mut row) = (Y_AXIS as i32, 0);
    let mut places = Vec::new();
    for (name, index) in entries {
        let width = area.estimate_text_size(name, &style)?.0 as i32 + SIGN_WIDTH;
        if x + width > room && x > Y_AXIS as i32 {
            (x, row) = (Y_AXIS as i32, row + 1);
        }
        places.push((*name, *index, x, row));
        x += width + 22;
    }
    let rows = if entries.is_empty() { 0 } else { row as u32 + 1 };
    let (head, panel) = area.split_vertically(LINE_HEIGHT * (1 + rows) + 4);
    head.draw_text(caption, &text(20, INK), (Y_AXIS as i32, 6))?;
    for (name, index, x, row) in places {
        let y = (row + 1) * LINE_HEIGHT as i32 + 6;
        let color = color(index);
        let ends = [(x, y + 4), (x + 28, y + 4)];
        head.draw(&PathElement::new(ends, color.stroke_width(3)))?;
        if marked {
            draw_mark(&head, (x + 14, y + 4), index)?;
        }
        head.draw_text(name, &style, (x + SIGN_WIDTH - 4, y))?;
    }
    Ok(panel)
}

fn draw_mark(area: &Area<'_>, (x, y): (i32, i32), index: usize) -> Result<(), RenderError> {
    let color = color(index);
    match index % 4 {
        0 => area.draw(&Circle::new((x, y), 5, color.filled()))?,
        1 => area.draw(&TriangleMarker::new((x, y), 8, color.filled()))?,
        2 => area.draw(&Rectangle::new([(x - 5, y - 5), (x + 5, y + 5)], color.filled()))?,
        _ => area.draw(&Cross::new((x, y), 6, color.stroke_width(3)))?,
    }
    Ok(())
}

/// Colour of the series with this number.
pub(super) fn color(index: usize) -> RGBColor {
    SERIES[index % SERIES.len()]
}

/// Digits after the point that tell ten ticks of a range apart.
fn digits(range: &Range<f64>) -> usize {
    match (range.end - range.start).abs() {
        width if width > 8.0 => 0,
        width if width > 0.8 => 1,
        width if width > 0.08 => 2,
        width if width > 0.008 => 3,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn count(png: &[u8], color: RGBColor) -> usize {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut rgb).unwrap();
        rgb.chunks_exact(3).filter(|pixel| **pixel == [color.0, color.1, color.2]).count()
    }

    fn panel(spread: Spread, series: usize) -> Panel {
        let point = |i: usize, s: usize| {
            let y = 80.0 - 4.0 * (i * s) as f64;
            Point { x: i as f64, y, range: Some((y - 5.0, y + 5.0)) }
        };
        Panel {
            caption: "success by horizon".to_owned(),
            x_axis: "horizon [units]".to_owned(),
            y_axis: "success [%]".to_owned(),
            x: None,
            y: Some(0.0..100.0),
            spread,
            series: (0..series)
                .map(|s| Series {
                    name: format!("a policy of number {s}"),
                    points: (1..9).map(|i| point(i, s)).collect(),
                })
                .collect(),
        }
    }

    #[test]
    fn every_series_shows_whichever_way_intervals_are_drawn() {
        for spread in [Spread::Whiskers, Spread::Band] {
            let empty = charts("t", "d", &[panel(spread, 0)], 1).unwrap();
            let full = charts("t", "d", &[panel(spread, SERIES.len())], 1).unwrap();
            for color in SERIES {
                assert!(count(&full, color) > count(&empty, color) + 200, "{spread:?} {color:?}");
            }
        }
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        let clean = panel(Spread::Band, 2);
        let mut holed = clean.clone();
        holed.series[1].points.insert(3, Point::new(f64::NAN, 3.0));
        holed.series[0].points.insert(2, Point::new(2.5, f64::INFINITY));
        assert!(charts("", "", &[clean], 1).unwrap() == charts("", "", &[holed], 1).unwrap());
    }

    #[test]
    fn a_panel_without_data_says_so_and_many_panels_stand_in_rows() {
        let silent = Panel { caption: String::new(), ..panel(Spread::Band, 0) };
        let one = charts("", "", &[silent], 1).unwrap();
        let nothing = charts("", "", &[], 1).unwrap();
        assert!(count(&one, WHITE) + 100 < count(&nothing, WHITE), "no words");
        let png = charts("", "", &vec![panel(Spread::Whiskers, 3); 5], 2).unwrap();
        let info = png::Decoder::new(std::io::Cursor::new(&png)).read_info().unwrap();
        assert_eq!((info.info().width, info.info().height), (2 * 760, TITLE_HEIGHT + 3 * 460));
    }
}
