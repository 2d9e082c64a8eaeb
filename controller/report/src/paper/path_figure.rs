//! Paths of the tool point from above and from the side, by policy, on the same placements: the
//! paper's figures 4, 6 and 7.

use super::evidence::{Evidence, Question, Stage};
use super::tables::HORIZONS;
use super::trajectories::path;
use super::variant::{Role, Variant};
use crate::canvas::{Area, Canvas, INK, RenderError, text};
use crate::chart::{color, draw_line, with_legend};
use crate::heading::draw_title;
use crate::panel::{MARGIN, X_AXIS, Y_AXIS, fixed, padded, styled};
use crate::path_plot::with_equal_scale;
use jaco_core::Decode;
use plotters::prelude::*;

/// Placements that are shown, and series at most.
const PLACEMENTS: usize = 3;
const MOST_SERIES: usize = 6;
/// Size of a panel \[pixels\].
const PANEL: (u32, u32) = (520, 470);
/// Heights of the title and of the legend \[pixels\].
const TITLE_HEIGHT: u32 = 84;
const LEGEND_HEIGHT: u32 = 92;
/// Least extent of the axes in space \[m\].
const LEAST_EXTENT_M: f64 = 0.1;

/// Names of the axes of space.
const AXES: [&str; 3] = ["x", "y", "z"];
/// The views: their names and the axes to the right and up.
const VIEWS: [(&str, [usize; 2]); 2] = [("from above", [0, 1]), ("from the side", [1, 2])];

/// A path and how its try ended.
struct Walk {
    path_m: Vec<[f64; 3]>,
    success: bool,
}

/// The paths of one placement, by series; none where it was not tried.
struct Shown {
    trial: u32,
    walks: Vec<Option<Walk>>,
}

/// The figure of a task as a PNG; none where no two ways to ask have a placement in common.
///
/// # Errors
/// The plotting library's.
pub fn path_figure(evidence: &Evidence<'_>, task: &str) -> Result<Option<Vec<u8>>, RenderError> {
    let series = series(evidence, task);
    let shown = placements(evidence, task, &series);
    if series.len() < 2 || shown.is_empty() {
        return Ok(None);
    }
    let columns = shown.len() as u32;
    let size = (PANEL.0 * columns, TITLE_HEIGHT + LEGEND_HEIGHT + 2 * PANEL.1);
    let mut canvas = Canvas::new(size.0, size.1);
    canvas.draw(|area| {
        let (title, rest) = area.split_vertically(TITLE_HEIGHT);
        let detail =
            "greedy, base frame; a ring ends a try that succeeded, a cross one that did not";
        draw_title(&title, &format!("Paths of the tool point: {task}"), detail)?;
        let (legend, panels) = rest.split_vertically(LEGEND_HEIGHT);
        let names: Vec<String> = series.iter().map(Question::short).collect();
        let entries: Vec<(&str, usize)> =
            names.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
        with_legend(&legend, "policy and horizon", &entries, false)?;
        let areas = panels.split_evenly((VIEWS.len(), shown.len()));
        for (row, (view, axes)) in VIEWS.into_iter().enumerate() {
            for (column, placement) in shown.iter().enumerate() {
                let caption = format!("placement {}, {view}", placement.trial);
                draw_view(&areas[row * shown.len() + column], &caption, axes, placement)?;
            }
        }
        Ok(())
    })?;
    Ok(Some(canvas.png()?))
}

impl Question {
    fn short(&self) -> String {
        match self.variant.role() {
            Role::Expert => self.variant.name(),
            _ => format!("{}, H = {}", self.variant.name(), self.horizon),
        }
    }
}

/// The ways to ask that are shown: each policy at its shortest and its longest horizon; where they
/// are too many, at its longest only.
fn series(evidence: &Evidence<'_>, task: &str) -> Vec<Question> {
    let (mut all, mut longest_only) = (Vec::new(), Vec::new());
    let own = |variant: &&Variant| !variant.role().is_control();
    for variant in evidence.variants().iter().filter(own) {
        let question = |&horizon: &u8| {
            let question = Question { variant: variant.clone(), horizon, decode: Decode::Greedy };
            evidence.tries(Stage::Lockstep, task, &question).map(|_| question)
        };
        // The expert's tries answer to any horizon.
        let horizons = if variant.role() == Role::Expert { &HORIZONS[..1] } else { &HORIZONS[..] };
        let tried: Vec<Question> = horizons.iter().filter_map(question).collect();
        let longest = tried.last().filter(|_| tried.len() > 1);
        all.extend(tried.first().into_iter().chain(longest).cloned());
        longest_only.extend(tried.last().cloned());
    }
    if all.len() > MOST_SERIES {
        all = longest_only;
    }
    all.truncate(MOST_SERIES);
    all
}

/// The first placements, those first that most of the series were tried on.
fn placements(evidence: &Evidence<'_>, task: &str, series: &[Question]) -> Vec<Shown> {
    let tasks = [task.to_owned()];
    let tries: Vec<_> =
        series.iter().map(|one| evidence.first_tries(Stage::Lockstep, &tasks, one)).collect();
    let mut found: Vec<(usize, u32, &(String, u64))> = Vec::new();
    for (at, made) in tries.iter().flatten() {
        match found.iter_mut().find(|(.., known)| *known == at) {
            Some((count, ..)) => *count += 1,
            None => found.push((1, made.trial, at)),
        }
    }
    found.retain(|(count, ..)| *count > 1);
    found.sort_by_key(|(count, trial, at)| (std::cmp::Reverse(*count), *trial, at.1));
    let walk = |of: &std::collections::BTreeMap<(String, u64), &jaco_trials::Try>,
                at: &(String, u64)| {
        let made = of.get(at)?;
        let path_m: Vec<[f64; 3]> = path(made);
        let finite = |p: &[f64; 3]| p.iter().all(|value| value.is_finite());
        let path_m: Vec<_> = path_m.into_iter().filter(finite).collect();
        (path_m.len() > 1).then_some(Walk { path_m, success: made.success })
    };
    let shown = found.into_iter().take(PLACEMENTS);
    shown
        .map(|(_, trial, at)| Shown { trial, walks: tries.iter().map(|of| walk(of, at)).collect() })
        .collect()
}

fn draw_view(
    area: &Area<'_>,
    caption: &str,
    axes: [usize; 2],
    placement: &Shown,
) -> Result<(), RenderError> {
    let area = with_legend(area, caption, &[], false)?;
    let (width, height) = area.dim_in_pixel();
    let room = (f64::from(width - Y_AXIS - MARGIN), f64::from(height - X_AXIS));
    let points = || placement.walks.iter().flatten().flat_map(|walk| &walk.path_m);
    let along = |axis: usize| padded(points().map(|p| p[axis]), LEAST_EXTENT_M);
    let (x, y) = with_equal_scale(along(axes[0]), along(axes[1]), room);
    let mut chart = ChartBuilder::on(&area)
        .margin_right(MARGIN)
        .set_label_area_size(LabelAreaPosition::Left, Y_AXIS)
        .set_label_area_size(LabelAreaPosition::Bottom, X_AXIS)
        .build_cartesian_2d(x, y)?;
    styled(&mut chart.configure_mesh())
        .x_desc(format!("{} [m]", AXES[axes[0]]))
        .y_desc(format!("{} [m]", AXES[axes[1]]))
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&|x| fixed(*x, 2))
        .y_label_formatter(&|y| fixed(*y, 2))
        .draw()?;
    for (index, walk) in placement.walks.iter().enumerate() {
        let Some(Walk { path_m, success }) = walk else { continue };
        let color = color(index);
        let seen = path_m.iter().map(|p| (p[axes[0]], p[axes[1]]));
        draw_line(&mut chart, seen.clone(), color)?;
        let Some(end) = seen.clone().next_back() else { continue };
        match success {
            true => chart.draw_series([Circle::new(end, 6, color.stroke_width(2))])?,
            false => chart.draw_series([Cross::new(end, 6, color.stroke_width(2))])?,
        };
    }
    if let Some(start) = placement.walks.iter().flatten().next().map(|walk| walk.path_m[0]) {
        chart.draw_series([EmptyElement::at((start[axes[0]], start[axes[1]]))
            + Circle::new((0, 0), 5, INK.filled())
            + Text::new("start", (10, -14), text(18, INK))])?;
    }
    Ok(())
}
