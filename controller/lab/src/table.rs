//! `jaco eval table`: the paper's tables and figures, from stored tries or from those made here.
//!
//! What is tried is said in the words of `jaco eval`, so that anybody can try it alone. The report
//! itself is `jaco-report`'s.

use crate::eval::{Plan, horizon, sweep};
use clap::Parser;
use indicatif::ProgressBar;
use jaco_cli::eval::PolicyChoice;
use jaco_cli::{Cli, TableArgs, Verb, shipped};
use jaco_report::paper::{
    ARM_HORIZONS, BEAMS, HORIZONS, NUMBERS_FILE, PASSES, PaperError, TABLES_FILE, is_single_step,
    paper_report, read_evaluation, read_metrics, write_report,
};
use jaco_shell::args::{Unusable, blames_path};
use serde::Serialize;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

/// Folder of the tries within the report's.
const TRIES_FOLDER: &str = "tries";
/// Label of the policy that is asked for single steps only.
const SINGLE_STEP: &str = "single-step";
/// How tokens are drawn for the paper's Table 2.
const DRAWN: &str = "top-k:5";

/// What `jaco eval table --json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Made {
    /// The page.
    pub report: PathBuf,
    /// The tables.
    pub tables: PathBuf,
    /// The numbers behind both.
    pub numbers: PathBuf,
    /// Tries that they are made from.
    pub tries: usize,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tells of {} tries", self.report.display(), self.tries)
    }
}

/// Carries out `jaco eval table --paper`.
pub fn table(args: &TableArgs, jobs: usize, bar: &ProgressBar) -> anyhow::Result<Made> {
    if !args.from.is_empty() {
        return report(args, &args.from);
    }
    let tries = [args.out.join(TRIES_FOLDER)];
    let lines = sweeps(args, &policies(args)?, &tries[0])?;
    for (number, line) in lines.iter().enumerate() {
        let Verb::Eval(asked) = Cli::try_parse_from(line)?.verb else {
            unreachable!("a sweep is `jaco eval`");
        };
        bar.reset();
        bar.set_prefix(format!("sweep {} of {}", number + 1, lines.len()));
        sweep(&Plan::of(&asked)?, asked.out.as_deref(), jobs, bar)?;
        // What is there can be read while the rest is tried.
        report(args, &tries)?;
    }
    report(args, &tries)
}

fn report(args: &TableArgs, folders: &[PathBuf]) -> anyhow::Result<Made> {
    let evaluations = folders.iter().map(|folder| read_evaluation(folder));
    let evaluations: Vec<_> = evaluations.collect::<Result<_, _>>().map_err(blame)?;
    let metrics = args.metrics.iter().map(|folder| read_metrics(folder));
    let metrics: Vec<_> = metrics.collect::<Result<_, _>>().map_err(blame)?;
    let made = paper_report(env!("CARGO_PKG_VERSION"), &evaluations, &metrics).map_err(blame)?;
    Ok(Made {
        report: write_report(&made, &args.out).map_err(blame)?,
        tables: args.out.join(TABLES_FILE),
        numbers: args.out.join(NUMBERS_FILE),
        tries: evaluations.iter().map(|evaluation| evaluation.tries.len()).sum(),
    })
}

/// The policies to try: those named, or the shipped ones. None of these was trained on single steps:
/// the first stands in for one, asked for one unit at a time.
fn policies(args: &TableArgs) -> anyhow::Result<Vec<PolicyChoice>> {
    if !args.policies.is_empty() {
        return Ok(args.policies.clone());
    }
    let shipped = shipped::papers_policies()?;
    let choice = |(label, checkpoint): (&str, PathBuf)| PolicyChoice {
        label: label.to_owned(),
        checkpoint,
        adapter: None,
    };
    let single = shipped.first().map(|(_, checkpoint)| (SINGLE_STEP, checkpoint.clone()));
    Ok(single.into_iter().chain(shipped).map(choice).collect())
}

/// The command lines of all that the tables need, what is read first before the rest: greedy at
/// every horizon, the means if they are asked for, beams, then several draws from each placement.
fn sweeps(
    args: &TableArgs,
    policies: &[PolicyChoice],
    tries: &Path,
) -> anyhow::Result<Vec<Vec<OsString>>> {
    let greedy: Vec<u8> =
        (1..=10).filter(|h| HORIZONS.contains(h) || ARM_HORIZONS.contains(h)).collect();
    let beams = BEAMS.iter().filter(|width| **width > 1).map(|width| format!("beam:{width}"));
    let beams = beams.collect::<Vec<_>>().join(",");
    let most = PASSES.iter().max().copied().unwrap_or(1);
    let mut stages: Vec<(&[u8], &str)> = vec![(&greedy, "greedy")];
    if args.expectation {
        stages.push((&HORIZONS, "greedy --expectation"));
    }
    stages.extend([(&HORIZONS[..], &*beams), (&HORIZONS, DRAWN)]);
    let mut lines = Vec::new();
    for (horizons, decode) in stages {
        for policy in policies {
            let trained = horizon(&policy.checkpoint, policy.adapter.as_deref())?;
            let is_single = is_single_step(&policy.label);
            // The paper's Figure 3 is of streams.
            if is_single && decode == beams {
                continue;
            }
            let longest = if is_single { 1 } else { trained };
            let horizons: Vec<String> = horizons
                .iter()
                .filter(|horizon| usize::from(**horizon) <= longest)
                .map(u8::to_string)
                .collect();
            let words = format!(
                "jaco eval --sim --task all --trials {} --seed {} --horizon {} --decode {decode} \
                 --pass {most}",
                args.trials,
                args.seed,
                horizons.join(",")
            );
            let mut line: Vec<OsString> = words.split_whitespace().map(OsString::from).collect();
            let mut named = OsString::from(format!("{}=", policy.label));
            named.push(&policy.checkpoint);
            if let Some(adapter) = &policy.adapter {
                named.push("+");
                named.push(adapter);
            }
            line.extend(["--policy".into(), named, "--out".into(), tries.into()]);
            lines.push(line);
        }
    }
    Ok(lines)
}

/// Folders that do not hold what they should, or not go together, are the fault of whoever named
/// them, unless the machine failed.
fn blame(error: PaperError) -> anyhow::Error {
    let machine = match &error {
        PaperError::Store(error) => error.io().is_some_and(|io| !blames_path(io)),
        PaperError::Evidence(_) => false,
        PaperError::Render(_) | PaperError::Json(_) => true,
    };
    match machine {
        true => anyhow::Error::from(error).context("cannot make the report"),
        false => Unusable(error.to_string()).into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jaco_cli::EvalVerb;

    fn args(words: &str) -> TableArgs {
        let line = format!("jaco eval table --paper --out o {words}");
        match Cli::try_parse_from(line.split_whitespace()).unwrap().verb {
            Verb::Eval(args) => match args.verb {
                Some(EvalVerb::Table(args)) => args,
                None => unreachable!("a table was asked for"),
            },
            _ => unreachable!("eval was asked for"),
        }
    }

    #[test]
    fn what_the_tables_need_is_asked_for_in_words_that_eval_takes() {
        let mini = shipped::mini_policy().unwrap();
        let words = format!("--trials 3 --policy single-step={0} --policy lbc={0}", mini.display());
        let args = args(&words);
        let lines = sweeps(&args, &policies(&args).unwrap(), Path::new("t")).unwrap();
        // Single steps need no beams.
        assert_eq!(lines.len(), 5);
        let plan = |line: &Vec<OsString>| match Cli::try_parse_from(line).unwrap().verb {
            Verb::Eval(args) => Plan::of(&args).unwrap(),
            _ => unreachable!("a sweep is `jaco eval`"),
        };
        let plans: Vec<Plan> = lines.iter().map(plan).collect();
        assert!(plans[0].cells.iter().all(|cell| cell.horizon == 1), "{:?}", plans[0].cells);
        let trained = horizon(&mini, None).unwrap();
        let horizons = (1..=10).filter(|h| *h <= trained && ![7, 9].contains(h)).count();
        assert_eq!(plans[1].cells.len(), 4 * horizons);
        // Three placements of four tasks, five draws each.
        let drawn = HORIZONS.iter().filter(|h| usize::from(**h) <= trained).count();
        assert_eq!(plans[2].tries().len(), 3 * 4 * drawn * 3);
        assert_eq!(plans[3].tries().len(), 3 * 4 * 5);
        assert_eq!(plans[4].tries().len(), 3 * 4 * drawn * 5);
    }

    #[test]
    fn means_are_tried_at_every_horizon_if_they_are_asked_for() {
        let mini = shipped::mini_policy().unwrap();
        let of = |words: &str| {
            let args = args(&format!("--policy lbc={} {words}", mini.display()));
            let lines = sweeps(&args, &policies(&args).unwrap(), Path::new("t")).unwrap();
            let asked =
                lines.into_iter().map(|line| match Cli::try_parse_from(line).unwrap().verb {
                    Verb::Eval(args) => (args.expectation, args.horizons()),
                    _ => unreachable!("a sweep is `jaco eval`"),
                });
            asked.filter(|(means, _)| *means).map(|(_, horizons)| horizons).collect::<Vec<_>>()
        };
        assert!(of("").is_empty());
        assert_eq!(of("--expectation"), [HORIZONS.to_vec()]);
    }

    /// The paper's baseline has a row in every table of its simulation.
    #[test]
    fn single_steps_are_tried_under_whatever_name_and_without_any() {
        let mini = shipped::mini_policy().unwrap();
        let of = |words: &str| {
            let args = args(words);
            let lines = sweeps(&args, &policies(&args).unwrap(), Path::new("t")).unwrap();
            let is_single = |word: &OsString| word.to_string_lossy().starts_with("single-step");
            let lines = lines.into_iter().filter(|line| line.iter().any(is_single));
            lines
                .map(|line| match Cli::try_parse_from(line).unwrap().verb {
                    Verb::Eval(args) => args.horizons(),
                    _ => unreachable!("a sweep is `jaco eval`"),
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(of("--trials 3"), [[1], [1]], "greedy and drawn, by the shipped policies");
        assert_eq!(of(&format!("--policy single-step.2={}", mini.display())), [[1], [1]]);
    }

    #[test]
    fn folders_that_hold_no_tries_are_the_fault_of_who_named_them() {
        let folder = tempfile::tempdir().unwrap();
        let from = format!("--from {}", folder.path().display());
        let error = table(&args(&from), 1, &ProgressBar::hidden()).unwrap_err();
        assert!(Unusable::is_in(&error), "{error:#}");
        assert!(format!("{error:#}").contains("holds no evaluation"), "{error:#}");
    }
}
