//! What a recipe says and nobody reads.
//!
//! A setting of another way to train is a mistake and refused; one that the way that was chosen has no
//! use for is said: a run and its control may share a recipe. What only another stage reads is left
//! aside without a word. Must never change a setting.

use crate::error::InputError;
use crate::recipe::Recipe;
use jaco_training::{ALL_LINEAR, StageConfig, Trainable, Unread};
use std::path::Path;

/// What adapters alone read.
const OF_ADAPTERS: [&str; 4] = ["lora_rank", "lora_alpha", "lora_targets", "base_dtype"];

/// Refuses what the recipe at `path` says of adapters where none are trained; what else it says and
/// nobody reads is told, a line for each reason. With `continues` an adapter is trained further.
pub fn look<S: StageConfig>(
    recipe: &Recipe<S>,
    path: &Path,
    continues: bool,
) -> Result<Vec<String>, InputError> {
    let Recipe { train, own, given, .. } = recipe;
    if train.trainable != Trainable::Lora {
        let mut faults: Vec<(usize, &str)> = OF_ADAPTERS
            .iter()
            .filter_map(|name| given.get(*name).map(|line| (*line, *name)))
            .collect();
        faults.sort_unstable();
        let trainable = train.trainable;
        let fault = |(line, name)| {
            format!(
                "{}:{line}: {name}: only adapters have it, and trainable = \"{trainable}\": train \
                 adapters with trainable = \"lora\" or --lora RANK, or leave it out",
                path.display()
            )
        };
        if !faults.is_empty() {
            return Err(InputError::RecipeFaults(faults.into_iter().map(fault).collect()));
        }
    }
    let mut unread = [own.unread(), train.unread()].concat();
    if continues && train.lora_targets == ALL_LINEAR {
        let because = "--adapter, which has its own".to_owned();
        unread.push(Unread { names: vec!["lora_targets"], because });
    }
    let told = unread.into_iter().filter_map(|Unread { names, because }| {
        let said: Vec<&str> = names.into_iter().filter(|name| given.contains_key(*name)).collect();
        let is = if said.len() == 1 { "is" } else { "are" };
        let said = (!said.is_empty()).then(|| said.join(", "))?;
        Some(format!("{}: {said} {is} not read, with {because}", path.display()))
    });
    Ok(told.collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jaco_training::{Control, Deviation, LbcConfig, Precision, SaaConfig, VisionConfig};

    fn read<S: StageConfig>(text: &str) -> Recipe<S> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Recipe::read(file.path()).unwrap()
    }

    fn of<S: StageConfig>(recipe: &Recipe<S>, continues: bool) -> Result<Vec<String>, String> {
        look(recipe, Path::new("recipe"), continues).map_err(|error| error.to_string())
    }

    #[test]
    fn settings_of_adapters_are_refused_where_none_are_trained() {
        let text = "steps = 3\nlora_alpha = 8\nbase_dtype = \"bf16\"\nlora_rank = 4\n\
                    lora_targets = \"q_proj\"\n";
        let mut recipe = read::<LbcConfig>(text);
        let error = of(&recipe, false).unwrap_err();
        let lines: Vec<&str> = error.lines().collect();
        assert!(lines[0].starts_with("recipe:2: lora_alpha: only adapters have it"), "{error}");
        assert!(lines[1].starts_with("recipe:3: base_dtype") && lines.len() == 4, "{error}");
        // --lora has the last word.
        recipe.train.trainable = Trainable::Lora;
        assert_eq!(of(&recipe, false).unwrap(), [""; 0]);
        // So it is in each stage that shares the recipe.
        assert!(of(&read::<VisionConfig>(text), false).is_err());
    }

    #[test]
    fn what_a_control_does_not_read_is_said_once() {
        let text = "beta = 0.2\nmargin_m = 0.001\nshort_horizon = 2\naux_weight = 0.5\n";
        let recipe = read::<SaaConfig>(text);
        let of_control = |control| {
            let own = SaaConfig { control, ..recipe.own.clone() };
            of(&Recipe { own, ..recipe.clone() }, false).unwrap()
        };
        assert_eq!(
            of_control(Control::ShortSft),
            ["recipe: beta, margin_m are not read, with control = \"short-sft\""]
        );
        assert_eq!(
            of_control(Control::FullSft),
            ["recipe: beta, margin_m, short_horizon are not read, with control = \"full-sft\""]
        );
        assert_eq!(
            of_control(Control::None),
            [
                "recipe: short_horizon is not read, with short_stream_fraction = 0",
                "recipe: margin_m is not read, with deviation = \"reward\"",
            ]
        );
        let recipe = read::<LbcConfig>("contrast = 0.1\naugmentation = \"openvla\"\nbeta = 1\n");
        let wanted = "recipe: contrast is not read, with augmentation = \"openvla\"";
        assert_eq!(of(&recipe, false).unwrap(), [wanted]);
    }

    #[test]
    fn the_targets_of_an_adapter_that_is_trained_further_are_its_own() {
        let recipe = read::<LbcConfig>("trainable = \"lora\"\nlora_targets = \"all-linear\"\n");
        assert!(of(&recipe, false).unwrap().is_empty());
        assert!(of(&recipe, true).unwrap()[0].contains("--adapter, which has its own"));
    }

    /// Nothing that a recipe of the repository says is for nothing.
    #[track_caller]
    fn all_is_read<S: StageConfig>(recipe: &Recipe<S>) {
        recipe.train.check().unwrap();
        recipe.own.check(&recipe.train).unwrap();
        assert_eq!(of(recipe, false).unwrap(), [""; 0]);
    }

    /// The recipes in the repository are examples as well.
    #[test]
    fn the_shipped_recipes_are_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../model/mini/recipe");
        for (name, rate) in
            [("vision", 1.5e-3), ("decoder", 1e-3), ("lbc", 8e-4), ("on-policy", 1e-3)]
        {
            let path = folder.join(name).with_extension("toml");
            let train = match name {
                "vision" => {
                    let recipe = Recipe::<VisionConfig>::read(&path).unwrap();
                    all_is_read(&recipe);
                    recipe.train
                }
                _ => {
                    let recipe = Recipe::<LbcConfig>::read(&path).unwrap();
                    all_is_read(&recipe);
                    recipe.train
                }
            };
            assert_eq!((train.learning_rate, train.save_every), (rate, 250));
        }
        let paper = Recipe::<LbcConfig>::read(&folder.join("../../recipe/paper-lbc.toml")).unwrap();
        all_is_read(&paper);
        let train = &paper.train;
        assert_eq!((train.context, train.batch_size, train.steps), (512, 4, 50_000));
        assert_eq!((train.learning_rate, train.trainable), (5e-4, Trainable::Lora));
        assert_eq!((train.lora_rank, train.lora_alpha, paper.own.aux_weight), (32, 16.0, 0.0));
    }

    #[test]
    fn the_shipped_recipes_of_alignment_are_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../model");
        let open = |name: &str| Recipe::<SaaConfig>::read(&folder.join(name)).unwrap();
        let paper = open("recipe/saa-paper.toml");
        assert_eq!(paper.own.deviation, Deviation::Reward);
        assert_eq!((paper.train.batch_size, paper.own.explore_units), (1, 10));
        let mini = open("mini/recipe/saa.toml");
        assert_eq!((mini.own.deviation, mini.own.margin_m), (Deviation::Margin, 0.003));
        assert_eq!(mini.train.final_learning_rate_fraction, 1.0);
        all_is_read(&paper);
        all_is_read(&mini);
    }

    /// 7B weights in float32 on a processor would be days of nothing.
    #[test]
    fn the_recipes_of_the_paper_are_for_a_gpu_and_in_bfloat16() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../model/recipe");
        let lbc = Recipe::<LbcConfig>::read(&folder.join("paper-lbc.toml")).unwrap().train;
        let saa = Recipe::<SaaConfig>::read(&folder.join("saa-paper.toml")).unwrap().train;
        for train in [lbc, saa] {
            assert_eq!((train.device.as_str(), train.trainable), ("cuda:0", Trainable::Lora));
            let bf16 = (Precision::Bf16, Precision::Bf16);
            assert_eq!((train.base_dtype, train.compute_dtype), bf16);
        }
    }
}
