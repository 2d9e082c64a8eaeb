//! The paper's tables and figures from stored tries, as one report: a page for people, tables for
//! documents, and the numbers behind both.
//!
//! Pure: the same evaluations and metrics give the same bytes. No number is made here that is not
//! in the tries or in [`published`](self), and what was not tried says so.

mod controls;
mod evidence;
mod folders;
mod html;
mod markdown;
mod path_figure;
mod published;
mod sheets;
mod table;
mod tables;
mod trajectories;
mod variant;

#[cfg(test)]
mod made_up;
#[cfg(test)]
mod report_tests;

use crate::canvas::RenderError;
use crate::chart::{Panel, charts};
use crate::training_plots::training_plots;
use evidence::Evidence;
use html::{Block, Picture, Section};
use jaco_trials::{Arm, StoreError};
use serde::Serialize;
use table::Table;
use trajectories::Trajectories;

pub use evidence::{Evaluation, EvidenceError};
pub use folders::{
    NUMBERS_FILE, PAGE_FILE, TABLES_FILE, read_evaluation, read_metrics, write_report,
};
pub use tables::{ARM_HORIZONS, BEAMS, HORIZONS, PASSES};
pub use variant::is_single_step;

/// The metrics of a training run.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// What the report calls the run: its folder.
    pub name: String,
    /// Its metrics.jsonl.
    pub text: String,
}

/// A report, ready to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct PaperReport {
    /// One self-contained page.
    pub html: String,
    /// The tables alone.
    pub markdown: String,
    /// All numbers behind tables and figures.
    pub json: String,
}

/// A report that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PaperError {
    /// The evaluations do not go together.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// An evaluation cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A picture could not be made.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// A number that JSON cannot hold.
    #[error("cannot write the report's numbers: {0}")]
    Json(#[from] serde_json::Error),
}

/// A figure's numbers.
#[derive(Serialize)]
struct Figure {
    id: String,
    panels: Vec<Panel>,
}

/// What report.json holds.
#[derive(Serialize)]
struct Numbers<'a> {
    version: &'a str,
    paper: &'static str,
    evaluations: Vec<serde_json::Value>,
    metrics: Vec<&'a str>,
    tables: &'a [Table],
    figures: &'a [Figure],
}

const PAPER: &str = "From Language to Action Streams: Bridging LLM Autoregression for \
                     Long-Horizon Robot Action Prediction (OpenReview ztBF43TsTg)";

/// Makes the report. `version` is the program's.
///
/// # Errors
/// Evaluations that do not go together; a picture that cannot be drawn.
pub fn paper_report(
    version: &str,
    evaluations: &[Evaluation],
    metrics: &[Metrics],
) -> Result<PaperReport, PaperError> {
    let evidence = Evidence::gather(evaluations)?;
    let mut figures = Vec::new();
    let mut tables = Vec::new();
    let mut picture = |id: &str, title: &str, caption: &str, panels: Vec<Panel>, columns: usize| {
        if panels.iter().all(|panel| panel.series.is_empty()) {
            return Ok(Block::Text(format!("{title}: nothing was tried that it could show.")));
        }
        let png = charts(title, "95 % intervals", &panels, columns)?;
        figures.push(Figure { id: id.to_owned(), panels });
        let (id, caption) = (id.to_owned(), caption.to_owned());
        Ok::<_, RenderError>(Block::Picture(Picture { id, caption, png }))
    };
    let mut table = |table: Table| {
        tables.push(table.clone());
        Block::Table(table)
    };

    let mut sections = vec![about(evaluations, metrics)];
    let mut section = |id, title: &str, blocks| {
        sections.push(Section { id, title: title.to_owned(), blocks });
    };
    let success = tables::success_figure(&evidence);
    section(
        "success",
        "Success by horizon",
        vec![
            table(tables::table_1(&evidence)),
            picture(
                "success-figure",
                "Success by horizon",
                "Table 1's means, greedy.",
                success,
                1,
            )?,
        ],
    );
    section("pass", "More tries from one placement", vec![table(tables::table_2(&evidence))]);
    section("arm", "The arm", vec![table(tables::table_3(&evidence))]);
    let beams = tables::figure_3(&evidence);
    section(
        "beam",
        "Beam search",
        vec![
            picture(
                "figure-3",
                "Figure 3. Beam width against horizon",
                "Figure 3: success by horizon for each beam width; 1 is greedy.",
                beams,
                2,
            )?,
            table(tables::figure_3_table(&evidence)),
        ],
    );
    let [rates, differences] = controls::controls(&evidence);
    section("controls", "S-AA against its controls", vec![table(rates), table(differences)]);

    let Trajectories { tables: numbers, smoothness, drift } = trajectories::trajectories(&evidence);
    let mut blocks = paths(&evidence)?;
    blocks.extend(numbers.into_iter().map(&mut table));
    let columns = smoothness.len().max(1);
    blocks.push(picture(
        "smoothness-figure",
        "Smoothness by horizon",
        "Table 6 at a glance: tries that succeeded; nearer to 0 is smoother.",
        smoothness,
        columns,
    )?);
    blocks.push(picture(
        "drift-figure",
        "Drift from one step at a time",
        "Table 7 at a glance: mean distance from the path of the same policy at H = 1, while at \
         least half of the placements still move.",
        drift,
        2,
    )?);
    section("trajectories", "Trajectories", blocks);
    section("training", "Training", training(metrics)?);
    section("sheets", "What was seen: successes and failures", sheets::sheets(evaluations));

    let lead = format!("After {PAPER}. Made by jaco {version} from stored tries.");
    let html =
        html::page("Action streams on the Jaco2: the paper's tables and figures", &lead, &sections);
    let numbers = Numbers {
        version,
        paper: PAPER,
        evaluations: evaluations.iter().map(described).collect::<Result<_, _>>()?,
        metrics: metrics.iter().map(|metrics| metrics.name.as_str()).collect(),
        tables: &tables,
        figures: &figures,
    };
    let json = serde_json::to_string_pretty(&numbers)? + "\n";
    Ok(PaperReport { html, markdown: markdown::markdown(&tables), json })
}

fn described(evaluation: &Evaluation) -> Result<serde_json::Value, serde_json::Error> {
    let asked = serde_json::to_value(&evaluation.asked)?;
    let Evaluation { name, tries, .. } = evaluation;
    Ok(serde_json::json!({ "name": name, "tries": tries.len(), "asked": asked }))
}

/// What the report is made from.
fn about(evaluations: &[Evaluation], metrics: &[Metrics]) -> Section {
    let mut blocks = Vec::new();
    if evaluations.iter().all(|evaluation| evaluation.tries.is_empty()) {
        blocks.push(Block::Text("There are no tries: every cell below is empty.".to_owned()));
    }
    for Evaluation { name, asked, tries, .. } in evaluations {
        let arm = match asked.arm {
            Arm::Lockstep => "in lockstep simulation",
            Arm::Simulated => "on the simulated arm, in real time",
            Arm::Real => "on a real arm",
        };
        let mut facts = vec![
            ("evaluation".to_owned(), name.clone()),
            ("tries".to_owned(), format!("{} {arm}", tries.len())),
            ("seed".to_owned(), asked.seed.to_string()),
            (
                "asked for".to_owned(),
                format!(
                    "{} placements a task, {} independent tries from each where tokens are drawn, \
                     {} steps of 100 ms each",
                    asked.trials, asked.tries, asked.max_steps
                ),
            ),
        ];
        for policy in &asked.policies {
            let adapter = policy.adapter.as_ref().map(|dir| format!(" with {}", dir.display()));
            let what = format!(
                "{}{}, files {}, view {}",
                policy.checkpoint.display(),
                adapter.unwrap_or_default(),
                policy.weights,
                policy.view
            );
            facts.push((format!("policy {}", policy.label), what));
        }
        blocks.push(Block::Facts(facts));
    }
    if !metrics.is_empty() {
        let runs = metrics.iter().map(|metrics| ("training".to_owned(), metrics.name.clone()));
        blocks.push(Block::Facts(runs.collect()));
    }
    Section { id: "about", title: "What this is made from".to_owned(), blocks }
}

/// Figures 4, 6 and 7: paths, a picture for each task.
fn paths(evidence: &Evidence<'_>) -> Result<Vec<Block>, RenderError> {
    let mut blocks = Vec::new();
    for task in evidence.tasks(evidence::Stage::Lockstep) {
        let Some(png) = path_figure::path_figure(evidence, &task)? else { continue };
        let id = format!("paths-{task}");
        let caption = format!(
            "Paths of the tool point in {task} from above and from the side: each policy at its \
             shortest and its longest horizon, on the same placements (as the paper's figures 4, 6 \
             and 7)."
        );
        blocks.push(Block::Picture(Picture { id, caption, png }));
    }
    if blocks.is_empty() {
        let text = "Paths: no two policies or horizons were tried on the same placement.";
        blocks.push(Block::Text(text.to_owned()));
    }
    Ok(blocks)
}

/// Figures 8 and 9.
fn training(metrics: &[Metrics]) -> Result<Vec<Block>, RenderError> {
    let mut blocks = Vec::new();
    for Metrics { name, text } in metrics {
        for (kind, png) in training_plots(text.lines())? {
            let figure = if kind == "loss" { "figure 8" } else { "figure 9" };
            let caption = format!("{name}: {kind} over the training (the paper's {figure}).");
            blocks.push(Block::Picture(Picture { id: format!("{kind}-{name}"), caption, png }));
        }
    }
    if blocks.is_empty() {
        blocks.push(Block::Text("No metrics of a training were given (--metrics).".to_owned()));
    }
    Ok(blocks)
}
