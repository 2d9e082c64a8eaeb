//! The verb `jaco eval table`, as declared: tables and figures from stored tries. `jaco-lab` carries
//! it out.

use super::PolicyChoice;
use clap::{Args, Subcommand};
use jaco_shell::args::path;
use std::path::PathBuf;

/// What to make of tries.
#[derive(Debug, Subcommand)]
pub enum EvalVerb {
    /// Make the paper's tables and figures, ours beside the published ones: one page, the tables as
    /// Markdown, and the numbers behind both.
    #[command(after_help = crate::EXIT_CODES)]
    Table(TableArgs),
}

/// Options of `jaco eval table`.
#[derive(Debug, Args)]
pub struct TableArgs {
    /// The tables and figures of "From Language to Action Streams".
    #[arg(long, required = true)]
    pub paper: bool,
    /// Folder that receives report.html, tables.md and report.json, and the tries in tries/ where
    /// they are made here; made again, it goes on where it was.
    #[arg(long, value_name = "DIR", value_parser = path())]
    pub out: PathBuf,
    /// Folder of stored tries (`jaco eval --out`), from simulation or an arm; repeat it for several.
    /// Without it the tries that the tables need are made in simulation first, which takes hours.
    #[arg(long, value_name = "DIR", value_parser = path())]
    pub from: Vec<PathBuf>,
    /// Folder of a training run whose curves belong in the report; repeat it for several.
    #[arg(long, value_name = "DIR", value_parser = path())]
    pub metrics: Vec<PathBuf>,
    /// Placements of each task to try.
    #[arg(long, conflicts_with = "from", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub trials: u32,
    /// Seed of the placements.
    #[arg(long, conflicts_with = "from", default_value_t = 0)]
    pub seed: u64,
    /// Also try what the means give, as `jaco eval --expectation` does, at every horizon of the
    /// simulation: rows of their own.
    #[arg(long, conflicts_with = "from")]
    pub expectation: bool,
    /// A policy to try, as in `jaco eval`; single-step, lbc, saa, saa-paper, saa-margin, sft-short
    /// and sft-full are the paper's rows and S-AA's controls, saa.2 a second training run of saa
    /// [default: the shipped ones].
    #[arg(
        long = "policy",
        value_name = "LABEL=DIR[+ADAPTER]",
        num_args = 1,
        conflicts_with = "from"
    )]
    pub policies: Vec<PolicyChoice>,
    /// Trials that run at the same time, each in a process of its own [default: the machine's
    /// cores].
    #[arg(long, conflicts_with = "from", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: Option<u16>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Cli, Verb};
    use clap::Parser;

    fn parse(line: &str) -> Result<Option<TableArgs>, clap::Error> {
        Cli::try_parse_from(line.split(' ')).map(|cli| match cli.verb {
            Verb::Eval(args) => args.verb.map(|EvalVerb::Table(table)| table),
            _ => unreachable!("eval was asked for"),
        })
    }

    #[test]
    fn tables_need_nothing_that_trying_needs_and_trying_is_as_it_was() {
        let table = parse("jaco eval table --paper --out o --from a --from b --metrics m");
        let table = table.unwrap().unwrap();
        assert_eq!((table.from.len(), table.metrics.len(), table.trials), (2, 1, 100));
        let table = parse("jaco --json eval table --paper --out o --trials 5 --policy lbc=/x");
        assert_eq!(table.unwrap().unwrap().policies[0].label, "lbc");
        assert!(parse("jaco eval --sim --task all --horizon 2").unwrap().is_none());
        for wrong in [
            "jaco eval",
            "jaco eval --sim",
            "jaco eval table",
            "jaco eval table --paper",
            "jaco eval table --out o",
            "jaco eval --sim --task all table --paper --out o",
            "jaco eval table --paper --out o --from a --trials 5",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
