//! Plots of a training run from its metrics: losses and token accuracy, and what S-AA prefers.
//!
//! The lines are read by the names of their fields, wherever they stand in the object: what writes
//! them may add fields, and a stage that reports other numbers gets the plots it has numbers for.
//! A line that is no object (the last one of a running training may be half written) is passed over.

use super::canvas::RenderError;
use super::chart::{Panel, Point, Series, Spread, charts};
use serde_json::Value;
use std::collections::BTreeMap;

/// Points of a curve at most; of more, means of neighbours are drawn.
const MOST_POINTS: usize = 400;
/// How deep numbers are looked for in a line.
const DEPTH: usize = 3;

/// Curves of a panel: kind of line, name of the field, name in the legend.
type Wanted = (&'static str, &'static str, &'static str);

const LOSSES: &[Wanted] = &[
    ("train", "loss", "training: what is minimised"),
    ("train", "token_loss", "training: tokens"),
    ("validation", "token_loss", "held out: tokens"),
    ("train", "dpo_loss", "training: DPO"),
    ("train", "sft_loss", "training: SFT"),
];
const ACCURACIES: &[Wanted] = &[
    ("train", "token_accuracy", "training: tokens"),
    ("validation", "token_accuracy", "held out: tokens"),
    ("validation", "gripper_accuracy", "held out: gripper, first unit"),
];
const REWARDS: &[Wanted] =
    &[("train", "winner_reward", "winner"), ("train", "loser_reward", "loser")];
const PREFERRED: &[Wanted] = &[("train", "preferred_share", "S-AA")];

/// The numbers of a run: kind of line and name of the field, then (step, value).
type Numbers = BTreeMap<(String, String), Vec<(f64, f64)>>;

/// The plots that the lines of a run's metrics.jsonl have numbers for, each with its name, as PNG:
/// "loss" (with token accuracy where it is reported: the paper's figure 8) and "rewards" (figure 9).
///
/// # Errors
/// The plotting library's.
pub fn training_plots<'l>(
    lines: impl IntoIterator<Item = &'l str>,
) -> Result<Vec<(String, Vec<u8>)>, RenderError> {
    let numbers = read(lines);
    let mut plots = Vec::new();
    let loss = panel(&numbers, "loss", "loss [nats per token]", LOSSES);
    let accuracy = panel(&numbers, "accuracy", "share of right tokens [%]", ACCURACIES);
    let panels: Vec<Panel> = loss.into_iter().chain(accuracy.map(in_percent)).collect();
    if !panels.is_empty() {
        let detail = "means over the steps of a report; held out: demonstrations not trained on";
        plots.push(("loss".to_owned(), charts("Loss and accuracy", detail, &panels, 1)?));
    }
    let rewards = panel(&numbers, "rewards", "reward [beta x nats]", REWARDS);
    let preferred =
        panel(&numbers, "states with a first deviation", "share of all states [%]", PREFERRED);
    let panels: Vec<Panel> = rewards.into_iter().chain(preferred.map(in_percent)).collect();
    if !panels.is_empty() {
        let detail = "of the unit of the first deviation; means over the steps of a report";
        plots.push(("rewards".to_owned(), charts("Rewards in S-AA", detail, &panels, 1)?));
    }
    Ok(plots)
}

fn read<'l>(lines: impl IntoIterator<Item = &'l str>) -> Numbers {
    let mut numbers = Numbers::new();
    for line in lines {
        let Ok(Value::Object(object)) = serde_json::from_str(line) else { continue };
        let Some(step) = object.get("step").and_then(Value::as_f64) else { continue };
        let kind = object.get("kind").and_then(Value::as_str).unwrap_or("train").to_owned();
        let mut found = Vec::new();
        collect(&Value::Object(object), DEPTH, &mut found);
        for (name, value) in found {
            numbers.entry((kind.clone(), name)).or_default().push((step, value));
        }
    }
    numbers
}

/// Every number below `value` with its name: fields of objects, pairs of a name and a number, and
/// of a list of numbers under a name the first.
fn collect(value: &Value, depth: usize, found: &mut Vec<(String, f64)>) {
    if depth == 0 {
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::Array(list) if list.first().is_some_and(Value::is_number) => {
                        found.extend(list[0].as_f64().map(|value| (name.clone(), value)));
                    }
                    _ => match value.as_f64() {
                        Some(value) => found.push((name.clone(), value)),
                        None => collect(value, depth - 1, found),
                    },
                }
            }
        }
        Value::Array(list) => match &list[..] {
            [Value::String(name), number] if number.is_number() => {
                found.extend(number.as_f64().map(|value| (name.clone(), value)));
            }
            _ => list.iter().for_each(|value| collect(value, depth - 1, found)),
        },
        _ => {}
    }
}

/// The panel of those curves that have numbers; none if none has.
fn panel(numbers: &Numbers, caption: &str, y_axis: &str, wanted: &[Wanted]) -> Option<Panel> {
    let series: Vec<Series> = wanted
        .iter()
        .filter_map(|(kind, field, name)| {
            let points = numbers.get(&((*kind).to_owned(), (*field).to_owned()))?;
            Some(Series { name: (*name).to_owned(), points: thinned(points) })
        })
        .collect();
    (!series.is_empty()).then(|| Panel {
        caption: caption.to_owned(),
        x_axis: "optimiser steps".to_owned(),
        y_axis: y_axis.to_owned(),
        x: None,
        y: None,
        spread: Spread::Band,
        series,
    })
}

/// Shares as percentages.
fn in_percent(mut panel: Panel) -> Panel {
    let points = panel.series.iter_mut().flat_map(|series| &mut series.points);
    points.for_each(|point| point.y *= 100.0);
    panel
}

fn thinned(points: &[(f64, f64)]) -> Vec<Point> {
    let together = points.len().div_ceil(MOST_POINTS).max(1);
    let mean = |group: &[(f64, f64)]| {
        let n = group.len() as f64;
        let sum = group.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
        Point::new(sum.0 / n, sum.1 / n)
    };
    points.chunks(together).map(mean).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_are_found_wherever_they_stand() {
        let lines = [
            r#"{"kind":"train","step":10,"loss":2.5,"token_loss":null,"label_loss":0.5}"#,
            r#"{"kind":"train","step":20,"loss":2.0,"values":[["winner_reward",0.5],["loser_reward",-1]]}"#,
            r#"{"kind":"train","step":30,"loss":1.5,"values":{"winner_reward":0.75}}"#,
            r#"{"kind":"validation","step":20,"token_loss":2.25,"gripper_accuracy":[0.9,0.8]}"#,
            r#"{"kind":"train","step":40,"lo"#,
            "[1, 2]",
        ];
        let numbers = read(lines);
        let of = |kind: &str, name: &str| numbers[&(kind.to_owned(), name.to_owned())].clone();
        assert_eq!(of("train", "loss"), [(10.0, 2.5), (20.0, 2.0), (30.0, 1.5)]);
        assert_eq!(of("train", "winner_reward"), [(20.0, 0.5), (30.0, 0.75)]);
        assert_eq!(of("train", "loser_reward"), [(20.0, -1.0)]);
        assert_eq!(of("validation", "token_loss"), [(20.0, 2.25)]);
        assert_eq!(of("validation", "gripper_accuracy"), [(20.0, 0.9)]);
    }

    #[test]
    fn a_stage_has_the_plots_that_it_has_numbers_for() {
        let names = |lines: &[&str]| -> Vec<String> {
            let plots = training_plots(lines.iter().copied()).unwrap();
            plots.into_iter().map(|(name, _)| name).collect()
        };
        assert!(names(&[]).is_empty());
        assert_eq!(names(&[r#"{"kind":"train","step":1,"loss":2}"#]), ["loss"]);
        let aligned = r#"{"kind":"train","step":1,"loss":2,"winner_reward":0,"loser_reward":-1,"preferred_share":0.4}"#;
        assert_eq!(names(&[aligned]), ["loss", "rewards"]);
    }

    #[test]
    fn long_runs_are_drawn_as_means() {
        let points: Vec<(f64, f64)> = (0..1000).map(|i| (f64::from(i), f64::from(i % 3))).collect();
        let thin = thinned(&points);
        assert!(thin.len() <= MOST_POINTS && thin.len() > MOST_POINTS / 2);
        assert_eq!((thin[0].x, thin[0].y), (1.0, 1.0));
        assert_eq!(thinned(&points[..3]).len(), 3);
    }
}
