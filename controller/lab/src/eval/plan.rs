//! What an evaluation tries: which policies, asked how, for which tasks, from which placements.
//! Whatever of it cannot be is refused before anything is loaded.

use jaco_cli::EvalArgs;
use jaco_cli::shipped;
use jaco_core::{Decode, Task};
use jaco_model::checkpoint::read_config_with;
use jaco_model::{ModelError, PolicyOptions};
use jaco_trials::{Arm, Asked, Cell, EXPERT, Policy, fingerprint};
use std::path::Path;

/// The cells of a sweep and what is common to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Seed, numbers, limits and policies.
    pub asked: Asked,
    /// What is tried: by policy, task, horizon, way of decoding.
    pub cells: Vec<Cell>,
}

impl Plan {
    /// What the command line asks for.
    ///
    /// # Errors
    /// A checkpoint or an adapter that cannot be used, a horizon beyond a policy's.
    pub fn of(args: &EvalArgs) -> anyhow::Result<Self> {
        let policies = if args.expert { Vec::new() } else { policies(args)? };
        for policy in &policies {
            let trained = horizon(&policy.checkpoint, policy.adapter.as_deref())?;
            if let Some(asked) = args.horizons().into_iter().map(usize::from).find(|h| *h > trained)
            {
                let error = anyhow::Error::from(ModelError::Horizon { asked, trained });
                return Err(error.context(format!("policy {:?}", policy.label)));
            }
        }
        let asked = Asked {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            arm: Arm::Lockstep,
            seed: args.seed,
            trials: args.trials,
            tries: args.pass,
            max_steps: args.max_steps,
            policies,
        };
        let labels = asked.policies.iter().map(|policy| policy.label.as_str());
        let mut cells = Vec::new();
        for policy in labels.chain(args.expert.then_some(EXPERT)) {
            for task in args.tasks() {
                cells.extend(of_task(args, policy, task));
            }
        }
        Ok(Self { asked, cells })
    }

    /// All tries, in the order in which they are made: the index of the cell, the placement and the
    /// number of the try. A worker meets each policy once.
    pub fn tries(&self) -> Vec<(usize, (u32, u32))> {
        let mut tries = Vec::new();
        for (index, cell) in self.cells.iter().enumerate() {
            // A try without draws would only come again.
            let attempts = if cell.draws() { self.asked.tries } else { 1 };
            for trial in 0..self.asked.trials {
                tries.extend((0..attempts).map(|attempt| (index, (trial, attempt))));
            }
        }
        tries
    }

    /// Who acts in `cell`; none for the expert.
    pub fn policy(&self, cell: &Cell) -> Option<&Policy> {
        self.asked.policies.iter().find(|policy| policy.label == cell.policy)
    }
}

/// The longest streams of a policy \[units\].
pub fn horizon(checkpoint: &Path, adapter: Option<&Path>) -> Result<usize, ModelError> {
    Ok(read_config_with(checkpoint, adapter)?.action_stream.horizon)
}

fn of_task(args: &EvalArgs, policy: &str, task: Task) -> Vec<Cell> {
    let cell = |horizon: u8, decode: String| Cell {
        task: task.name().to_owned(),
        policy: policy.to_owned(),
        horizon,
        decode,
        expectation: args.expectation,
        max_entropy: args.max_entropy,
    };
    if policy == EXPERT {
        // It looks at every step, whatever the horizons.
        return vec![cell(1, EXPERT.to_owned())];
    }
    let decodes: Vec<Decode> = args.decodes();
    let of_horizon = |h: u8| decodes.iter().map(move |decode| cell(h, decode.to_string()));
    args.horizons().into_iter().flat_map(of_horizon).collect()
}

/// The policies, as far as their folders tell without weights being loaded.
fn policies(args: &EvalArgs) -> anyhow::Result<Vec<Policy>> {
    let mut policies = Vec::new();
    for choice in args.policies(shipped::mini_policy)? {
        let options = PolicyOptions {
            adapter: choice.adapter.clone(),
            statistics: args.statistics.clone(),
            ..PolicyOptions::on_cpu(choice.checkpoint.clone())
        };
        let statistics = options.statistics_key("--statistics")?;
        policies.push(Policy {
            weights: fingerprint(&choice.checkpoint, choice.adapter.as_deref())?,
            label: choice.label,
            checkpoint: choice.checkpoint,
            adapter: choice.adapter,
            statistics: Some(statistics),
            view: args.view.to_string(),
        });
    }
    Ok(policies)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser;
    use jaco_cli::{Cli, Verb};

    fn plan(words: &str) -> anyhow::Result<Plan> {
        let line = format!("jaco eval --sim {words}");
        match Cli::try_parse_from(line.split(' '))?.verb {
            Verb::Eval(args) => Plan::of(&args),
            _ => unreachable!("eval was asked for"),
        }
    }

    fn mini() -> String {
        shipped::mini_policy().unwrap().display().to_string()
    }

    #[test]
    fn a_sweep_meets_each_policy_once_and_repeats_only_what_is_drawn() {
        let mini = mini();
        let plan = plan(&format!(
            "--task all --trials 3 --pass 5 --horizon 1,8 --decode greedy,top-k:5 \
             --policy a={mini} --policy b={mini}"
        ))
        .unwrap();
        assert_eq!(plan.cells.len(), 2 * 4 * 2 * 2);
        let tries = plan.tries();
        assert_eq!(tries.len(), 2 * 4 * 2 * 3 * (1 + 5));
        let mut met: Vec<_> = tries.iter().map(|(cell, _)| &plan.cells[*cell].policy).collect();
        met.dedup();
        assert_eq!(met, ["a", "b"]);
        assert!(plan.asked.policies[0].answers_as(&plan.asked.policies[1]));
    }

    #[test]
    fn the_expert_is_one_cell_a_task() {
        let plan = plan("--task place-block,clean-table --expert --horizon 2,4 --pass 3").unwrap();
        let cells: Vec<_> = plan.cells.iter().map(|cell| (&*cell.decode, cell.horizon)).collect();
        assert_eq!(cells, [("expert", 1), ("expert", 1)]);
        assert_eq!((plan.tries().len(), plan.policy(&plan.cells[0])), (40, None));
    }

    /// A base does not know how far an adapter was trained to go.
    #[test]
    fn an_adapter_tells_its_own_horizon() {
        let adapter = tempfile::tempdir().unwrap();
        let says = |horizon: usize| {
            let text = format!(
                "{{\"horizon\": {horizon}, \"separator_token_id\": 3, \
                 \"prompt_suffix_token_id\": null}}"
            );
            std::fs::write(adapter.path().join("action_stream.json"), text).unwrap();
        };
        let asked = |horizon: u8| {
            let policy = format!("a={}+{}", mini(), adapter.path().display());
            plan(&format!("--task all --horizon {horizon} --policy {policy}"))
        };
        says(12);
        assert_eq!(asked(12).unwrap().cells.len(), 4);
        says(3);
        assert!(asked(3).is_ok() && asked(4).is_err());
    }

    #[test]
    fn what_cannot_be_asked_is_named_before_anything_is_loaded() {
        let far = plan(&format!("--task all --horizon 4,28 --policy a={}", mini())).unwrap_err();
        assert_eq!(far.chain().find_map(jaco_model::blames_input), Some(true));
        assert!(format!("{far:#}").contains("\"a\": horizon 28"), "{far:#}");
        assert!(plan("--task all --policy a=/nonexistent").is_err());
    }
}
