//! Which contact sheets a report shows: of each task a success and a failure of each of the policies
//! that it is about.

use super::evidence::Evaluation;
use super::html::{Block, Picture};
use super::variant::{Role, Variant};
use jaco_trials::Try;
use std::collections::BTreeMap;

/// Policies whose tries are shown.
const POLICIES: usize = 2;

/// Of each task, policy and outcome the try that streams longest, for that is what the report is about;
/// of equals the first.
fn longest<'a>(
    tries: impl Iterator<Item = &'a Try>,
) -> BTreeMap<(&'a str, &'a str, bool), &'a Try> {
    let mut longest = BTreeMap::new();
    for made in tries.filter(|made| made.sheet.is_some()) {
        let key = (&*made.cell.task, &*made.cell.policy, made.success);
        let held: &mut &Try = longest.entry(key).or_insert(made);
        if made.cell.horizon > held.cell.horizon {
            *held = made;
        }
    }
    longest
}

/// The policies that a report is about, of those with sheets: an aligned one and the one it began as,
/// then those that come next in the order of rows, the expert last.
fn main_policies<'a>(labels: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut all: Vec<(Variant, &str)> = labels.map(|it| (Variant::plain(it), it)).collect();
    all.sort_by(|(one, _), (other, _)| one.compare(other));
    all.dedup();
    let first = |fits: fn(Role) -> bool| all.iter().position(|(variant, _)| fits(variant.role()));
    let wanted = [first(Role::is_aligned), first(|role| role == Role::Lbc)];
    let rest = (0..all.len()).filter(|at| !wanted.contains(&Some(*at)));
    let mut shown: Vec<usize> = wanted.into_iter().flatten().chain(rest).take(POLICIES).collect();
    shown.sort_unstable();
    shown.into_iter().map(|at| all[at].1).collect()
}

/// Names of the pictures that a report of these tries may show: only they need to be read.
pub fn wanted_pictures(tries: &[Try]) -> Vec<&str> {
    longest(tries.iter()).into_values().filter_map(|made| made.sheet.as_deref()).collect()
}

/// The sheet of a try of `evaluation`, where it was read.
fn sheet<'a>(evaluation: &'a Evaluation, made: &Try) -> Option<&'a Vec<u8>> {
    evaluation.pictures.get(made.sheet.as_ref()?)
}

/// The sheets of all evaluations.
pub fn sheets(evaluations: &[Evaluation]) -> Vec<Block> {
    let there = evaluations.iter().flat_map(|evaluation| {
        evaluation.tries.iter().filter(move |made| sheet(evaluation, made).is_some())
    });
    let chosen = longest(there);
    let shown = main_policies(chosen.keys().map(|(_, policy, _)| *policy));
    let mut tasks: Vec<&str> = chosen.keys().map(|(task, ..)| *task).collect();
    tasks.dedup();
    let mut blocks = Vec::new();
    for task in tasks {
        for (policy, success) in shown.iter().flat_map(|policy| [(policy, true), (policy, false)]) {
            let Some(made) = chosen.get(&(task, *policy, success)) else { continue };
            let of_it = |evaluation: &&Evaluation| {
                evaluation.tries.iter().any(|other| std::ptr::eq(other, *made))
            };
            let Some(png) = evaluations.iter().find(of_it).and_then(|it| sheet(it, made)) else {
                continue;
            };
            let end = match (made.success, made.steps) {
                (true, Some(steps)) => format!("done after {:.1} s", f64::from(steps) * 0.1),
                (true, None) => "done".to_owned(),
                (false, _) => format!("not done in {:.1} s", f64::from(made.ran_steps) * 0.1),
            };
            let caption = format!(
                "{}, {}, H = {}, {}, placement {}: {end}.",
                made.cell.task,
                Variant::of(&made.cell).name(),
                made.cell.horizon,
                made.cell.decode,
                made.trial
            );
            let id = format!("sheet-{}", blocks.len() + 1);
            blocks.push(Block::Picture(Picture { id, caption, png: png.clone() }));
        }
    }
    if blocks.is_empty() {
        blocks.push(Block::Text("No contact sheets are stored.".to_owned()));
    }
    blocks
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::made_up::{asked, cell, made, with_sheet};
    use super::*;

    /// Two evaluations: one of `labels`, all tries with sheets, and one of an aligned policy.
    fn captions(labels: &[&str]) -> Vec<String> {
        let evaluation = |labels: &[&str]| {
            let mut tries = Vec::new();
            for (rank, label) in labels.iter().enumerate() {
                for task in ["place-block", "clean-table"] {
                    for (horizon, success) in [(1, true), (8, true), (8, false), (4, false)] {
                        let cell = cell(task, label, horizon, "greedy");
                        let name = format!("{rank}-{task}-{horizon}-{success}.png");
                        tries.push(with_sheet(made(cell, rank as u32, 0, success, 0.0), &name));
                    }
                }
            }
            let pictures = wanted_pictures(&tries).into_iter();
            let pictures = pictures.map(|name| (name.to_owned(), vec![1])).collect();
            Evaluation { name: labels.join(","), asked: asked(labels, 1), tries, pictures }
        };
        let blocks = sheets(&[evaluation(labels), evaluation(&["saa"])]);
        let captions = blocks.into_iter().map(|block| match block {
            Block::Picture(picture) => picture.caption,
            _ => panic!("only pictures were stored"),
        });
        captions.collect()
    }

    /// They were of whichever policy came first in each folder.
    #[test]
    fn successes_and_failures_of_the_main_policies_are_shown() {
        let shown = captions(&["expert", "mine", "sft-full", "lbc"]);
        assert_eq!(shown.len(), 2 * 2 * 2, "{shown:?}");
        for name in ["L-BC,", "L-BC + S-AA,"] {
            for task in ["place-block", "clean-table"] {
                let of = shown.iter().filter(|one| one.contains(&format!("{task}, {name} H = 8")));
                let ends = of.map(|caption| caption.contains(": done")).collect::<Vec<_>>();
                assert_eq!(ends, [true, false], "{shown:?}");
            }
        }
        let shown = captions(&["mine"]);
        assert!(shown.iter().any(|one| one.contains("mine")), "{shown:?}");
        assert_eq!(shown.len(), 8);
    }
}
