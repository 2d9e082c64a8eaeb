//! Which contact sheets a report shows: of each task a success and failures, of different policies.

use super::evidence::Evaluation;
use super::html::{Block, Picture};
use super::variant::Variant;
use jaco_trials::Try;

/// Successes and failures of a task that are shown.
const SUCCESSES: usize = 1;
const FAILURES: usize = 2;

/// The tries whose sheets a report shows.
fn chosen(tries: &[Try]) -> Vec<&Try> {
    let mut tasks: Vec<&str> = tries.iter().map(|made| made.cell.task.as_str()).collect();
    tasks.sort_unstable();
    tasks.dedup();
    let mut all = Vec::new();
    for task in tasks {
        for (success, count) in [(true, SUCCESSES), (false, FAILURES)] {
            let fits = |made: &&Try| {
                made.cell.task == task && made.success == success && made.sheet.is_some()
            };
            let mut found: Vec<&Try> = tries.iter().filter(fits).collect();
            // What streams longest is what the report is about.
            found.sort_by_key(|made| std::cmp::Reverse(made.cell.horizon));
            all.extend(found.into_iter().take(count));
        }
    }
    all
}

/// Names of the pictures that a report of these tries shows: only they need to be read.
pub fn wanted_pictures(tries: &[Try]) -> Vec<&str> {
    chosen(tries).into_iter().filter_map(|made| made.sheet.as_deref()).collect()
}

/// The sheets of all evaluations.
pub fn sheets(evaluations: &[Evaluation]) -> Vec<Block> {
    let mut blocks = Vec::new();
    for Evaluation { tries, pictures, .. } in evaluations {
        for made in chosen(tries) {
            let Some(png) = made.sheet.as_ref().and_then(|name| pictures.get(name)) else {
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
