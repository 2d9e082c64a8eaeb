//! Why an adapter is refused.
//!
//! Owns one error with a variant for each promise that an adapter can break. Must never carry a
//! bare message where a number or a name is known.

use super::TensorMismatch;

/// What is wrong with an adapter folder, or between it and the model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdapterError {
    /// A key of adapter_config.json asks for something that is not done here.
    #[error("{key} = {found}: {wanted}")]
    Config {
        /// The key.
        key: String,
        /// Its value.
        found: String,
        /// What would be acceptable.
        wanted: String,
    },
    /// The tensors are not those of adapters on the modules that the configuration names.
    #[error("the tensors do not fit adapter_config.json and the base model: {0}")]
    Tensors(Box<TensorMismatch>),
    /// An A has another number of rows than the configured rank.
    #[error(
        "{module} has rank {found}, adapter_config.json says {wanted} (r, rank_pattern); the two \
         files belong to different adapters"
    )]
    Rank {
        /// Path of the adapted module.
        module: String,
        /// The configured rank.
        wanted: i64,
        /// Rows of A.
        found: i64,
    },
    /// The copy of a base weight that comes with the adapter is not the base's weight.
    #[error(
        "{tensor} differs from the base model's in {differing} of {numbers} numbers: the adapter \
         was trained on another base"
    )]
    OtherBase {
        /// The base's tensor.
        tensor: String,
        /// Numbers that differ.
        differing: i64,
        /// Numbers that it has.
        numbers: i64,
    },
    /// The model has no linear map of this path and these sizes.
    #[error(
        "{module}: the adapter maps {} to {outputs}, {}; the adapter belongs to another model",
        shape(inputs), own(weight.as_deref())
    )]
    Module {
        /// Path of the adapted module.
        module: String,
        /// Sizes of A behind the rank.
        inputs: Vec<i64>,
        /// Rows of B.
        outputs: i64,
        /// Shape of the model's weight; absent = there is none.
        weight: Option<Vec<i64>>,
    },
    /// A matrix holds numbers that are none.
    #[error("{module}: its matrices hold NaN or infinity: the training that wrote it diverged")]
    NotFinite {
        /// Path of the adapted module.
        module: String,
    },
    /// All pairs are on parts of the towers that never run.
    #[error(
        "changes nothing: all its pairs are on blocks of the towers whose output is not used; it \
         belongs to another model"
    )]
    OnlyDead,
    /// Nothing was learnt, or nothing was saved.
    #[error(
        "changes nothing: in every pair one matrix is all zeros. It was saved before training, or \
         from a copy of the model that was not trained; leave it out to run the base alone"
    )]
    ChangesNothing,
    /// The configuration names no module of the model.
    #[error("target_modules = {targets}: no linear map of the model has such a name")]
    NoTarget {
        /// The targets.
        targets: String,
    },
}

fn shape(sizes: &[i64]) -> String {
    let sizes: Vec<String> = sizes.iter().map(i64::to_string).collect();
    sizes.join(" x ")
}

fn own(weight: Option<&[i64]>) -> String {
    match weight {
        Some(weight) => format!("the model's weight is {} (outputs first)", shape(weight)),
        None => "the model has no linear map of that name".to_owned(),
    }
}
