//! What can go wrong between a checkpoint folder, a picture and an action stream.
//!
//! Owns the one error type of this package. Every variant says what was found, what was wanted
//! and where. Must never carry a bare message where a number or a name is known.

mod adapter;
mod file;
mod tensors;

pub use adapter::AdapterError;
pub use file::FileProblem;
pub use tensors::{IndexProblem, Misnamed, Misshapen, TensorMismatch};

use jaco_core::codec::StatisticsError;
use jaco_core::given::blames_path;
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use tch::TchError;

/// Why a checkpoint cannot be read or written, or a prompt not decoded.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file or folder could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file where the folder of a checkpoint or adapter was meant.
    #[error("{}: is a file; name the folder that holds config.json and the weights", path.display())]
    NotAFolder {
        /// The file.
        path: PathBuf,
    },
    /// A file is not what its name says.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        problem: FileProblem,
    },
    /// A value of a file cannot be used, or would have to be ignored.
    #[error("{}: {key} = {found}: {wanted}", file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// Dotted path of the key.
        key: String,
        /// The beginning of its value.
        found: String,
        /// What would be acceptable, or what to do.
        wanted: String,
    },
    /// A key that must be there is not.
    #[error("{}: {key} is missing: {wanted}", file.display())]
    MissingKey {
        /// The file.
        file: PathBuf,
        /// Dotted path of the key.
        key: String,
        /// What it should say.
        wanted: String,
    },
    /// A value that cannot be written as JSON.
    #[error("{}: cannot be written as JSON: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A value of config.json describes no model that can be built.
    #[error("config.json: {key} = {found}: {wanted}")]
    Config {
        /// Dotted path of the key.
        key: String,
        /// Its value.
        found: String,
        /// What would be acceptable.
        wanted: String,
    },
    /// The header of a safetensors file is damaged.
    #[error("{}: not a readable safetensors file: {problem}; fetch it again", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A safetensors file is shorter or longer than its header says.
    #[error(
        "{}: {found} bytes, its header asks for {wanted}; fetch it again, or wait until it is \
         copied", path.display()
    )]
    FileLength {
        /// The file.
        path: PathBuf,
        /// Bytes that the header asks for, itself included.
        wanted: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// Weights are there only as pickle, which is a program and never run.
    #[error(
        "{}: {sign}: pickled weights can run code when they are read, so they never are; \
         convert them to safetensors on a machine where you trust them: \
         safetensors.torch.save_file(torch.load(.., weights_only=True), ..)", path.display()
    )]
    Pickle {
        /// The file.
        path: PathBuf,
        /// How it was recognised.
        sign: &'static str,
    },
    /// A head beside the weights that gives actions in another way.
    #[error(
        "{}: is a part of a model whose actions come from a continuous head, or from all tokens at \
         once (OpenVLA-OFT and its relatives); this program decodes token by token: use a checkpoint \
         that was trained for that",
        path.display()
    )]
    ContinuousHead {
        /// The file.
        path: PathBuf,
    },
    /// A folder that holds something else than a checkpoint.
    #[error("{}: {problem}", dir.display())]
    OtherFolder {
        /// The folder.
        dir: PathBuf,
        /// What it is, and what to name instead.
        problem: String,
    },
    /// A folder has weights in one file and weights in shards.
    #[error(
        "{}: both {} and {} are there; remove the one that is out of date", dir.display(),
        crate::names::WEIGHTS_FILE, crate::names::INDEX_FILE
    )]
    TwoSetsOfWeights {
        /// The checkpoint folder.
        dir: PathBuf,
    },
    /// The index and the shards beside it disagree.
    #[error("{}: {problem}", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// About what.
        problem: IndexProblem,
    },
    /// A tensor has an element type that weights cannot have.
    #[error(
        "{}: tensor {name} has element type {found}, wanted F32, BF16, F16 or F64; if the \
         weights are quantised, save the unquantised checkpoint as bf16", path.display()
    )]
    ElementType {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its element type.
        found: String,
    },
    /// The tensors of a checkpoint are not those of the model in its config.json.
    #[error("{}: the tensors do not fit config.json: {mismatch}", path.display())]
    Tensors {
        /// The weights file or its index.
        path: PathBuf,
        /// All differences.
        mismatch: Box<TensorMismatch>,
    },
    /// An adapter cannot be read, or does not belong to the model.
    #[error("{}: {source}", path.display())]
    Adapter {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        source: AdapterError,
    },
    /// There is no preset of this name, and no config.json either.
    #[error("{name:?} is neither one of {} nor a config.json or its folder", available.join(", "))]
    UnknownPreset {
        /// The name asked for.
        name: String,
        /// All presets.
        available: Vec<String>,
    },
    /// tokenizer.json cannot be used.
    #[error("{}: {problem}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The instruction could not be turned into tokens.
    #[error("the instruction {instruction:?} {problem}")]
    Prompt {
        /// The instruction's beginning.
        instruction: String,
        /// Why it has no usable tokens.
        problem: String,
    },
    /// Neither dataset_statistics.json nor config.json has action statistics.
    #[error(
        "{}: neither dataset_statistics.json nor norm_stats in config.json names a dataset",
        dir.display()
    )]
    NoStatistics {
        /// The checkpoint folder.
        dir: PathBuf,
    },
    /// There are statistics of several datasets and none was asked for.
    #[error("the checkpoint has statistics of {}; name one of them", available.join(", "))]
    AmbiguousStatistics {
        /// All dataset names.
        available: Vec<String>,
    },
    /// There are no statistics under the name asked for.
    #[error("no statistics under {key:?}; the checkpoint has {}", available.join(", "))]
    UnknownStatistics {
        /// The name asked for.
        key: String,
        /// All dataset names.
        available: Vec<String>,
    },
    /// The statistics are there but no action can be decoded with them.
    #[error("{}: statistics {key:?}: {source}", file.display())]
    BadStatistics {
        /// The file.
        file: PathBuf,
        /// The dataset name.
        key: String,
        /// What is wrong.
        source: StatisticsError,
    },
    /// A picture whose bytes do not match its size.
    #[error("frame of camera {camera:?}: {bytes} bytes for {width}x{height} RGB pixels")]
    Frame {
        /// The camera.
        camera: String,
        /// Bytes found.
        bytes: usize,
        /// Stated width \[pixels\].
        width: u32,
        /// Stated height \[pixels\].
        height: u32,
    },
    /// A picture too small to show anything, or too large to be one camera's.
    #[error(
        "frame of camera {camera:?}: {width}x{height} pixels, each side must have {least} to {most}"
    )]
    FrameSides {
        /// The camera.
        camera: String,
        /// Stated width \[pixels\].
        width: u32,
        /// Stated height \[pixels\].
        height: u32,
        /// Shortest acceptable side \[pixels\].
        least: u32,
        /// Longest acceptable side \[pixels\].
        most: u32,
    },
    /// A horizon outside what the policy was trained for.
    #[error("horizon {asked}: the policy decodes 1 to {trained} action units")]
    Horizon {
        /// Units asked for.
        asked: usize,
        /// Largest trained horizon.
        trained: usize,
    },
    /// More units were forced than asked for in all.
    #[error("{forced} forced action units do not fit a horizon of {horizon}")]
    TooManyForced {
        /// Forced units.
        forced: usize,
        /// Units asked for in all.
        horizon: usize,
    },
    /// A sampling method that draws nothing sensible.
    #[error(
        "top-k sampling with k = {k}, temperature {temperature}: wanted k in 1..=256, temperature > 0"
    )]
    Sampling {
        /// How many tokens take part.
        k: u16,
        /// Divisor of the logits.
        temperature: f64,
    },
    /// More streams, or fewer, than are decoded side by side.
    #[error("{asked} streams side by side: wanted 1 to {most}")]
    Streams {
        /// Samples or width of the beam.
        asked: usize,
        /// Most of them.
        most: usize,
    },
    /// A cut-off that no entropy can be compared with.
    #[error("entropy cut-off {max_entropy}: wanted a number of nats from 0 on")]
    EntropyCutOff {
        /// The cut-off.
        max_entropy: f32,
    },
    /// The model computed something that is no number.
    #[error(
        "action unit {unit}, token {dimension}: the policy's probabilities are no numbers: its \
         weights are damaged, or the element type is too narrow for it (try bf16 or f32)"
    )]
    NotFinite {
        /// Index of the unit in the stream.
        unit: usize,
        /// The token in the unit, 0..8.
        dimension: usize,
    },
    /// An action unit holds a number that is no bin.
    #[error("action unit {unit}: bin {bin} in dimension {dimension} is not one of 1..=256")]
    Bin {
        /// Index of the unit in the stream.
        unit: usize,
        /// Dimension, 0..7.
        dimension: usize,
        /// The number.
        bin: u16,
    },
    /// A token that is not one of the action tokens where one must be.
    #[error("token {token} is not one of the action tokens {first}..={last}")]
    NotAnAction {
        /// The token.
        token: i64,
        /// Lowest action token.
        first: i64,
        /// Highest action token.
        last: i64,
    },
    /// Prompt, patches and stream are longer than the model has positions for.
    #[error("the sequence needs {needed} positions, the model has {available}")]
    TooLong {
        /// Positions needed.
        needed: usize,
        /// `max_position_embeddings`.
        available: usize,
    },
    /// Prompts of one batch differ in length.
    #[error("prompts of one batch must have equal lengths, found {lengths:?} tokens")]
    UnequalPrompts {
        /// Tokens of each prompt.
        lengths: Vec<usize>,
    },
    /// A checkpoint would overwrite an existing one.
    #[error("{}: exists; a checkpoint is never overwritten", dir.display())]
    Exists {
        /// The folder.
        dir: PathBuf,
    },
    /// A GPU that is not there.
    #[error(
        "cuda:{index}: libtorch finds {present} GPU(s); it must have been built with CUDA, and \
         the driver must work (see docs/deploy.md)"
    )]
    NoGpu {
        /// The GPU asked for.
        index: usize,
        /// GPUs there are.
        present: usize,
    },
    /// An error that a setting can cure.
    #[error("{error}: set {setting}")]
    Setting {
        /// What is wrong.
        error: Box<ModelError>,
        /// The setting.
        setting: String,
    },
    /// libtorch failed.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

impl ModelError {
    /// Whether it is about what a user gave (a checkpoint, an adapter, an instruction, an option)
    /// and not about the machine or the program that uses it.
    pub fn is_unusable_input(&self) -> bool {
        match self {
            ModelError::Io { source, .. } => blames_path(source),
            ModelError::Torch(_)
            | ModelError::Bin { .. }
            | ModelError::NotAnAction { .. }
            | ModelError::TooManyForced { .. }
            | ModelError::UnequalPrompts { .. } => false,
            _ => true,
        }
    }

    /// For `map_err` at file operations on `path`.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> ModelError {
        let path = path.to_owned();
        move |source| ModelError::Io { path, source }
    }

    /// A value of config.json that cannot be used.
    pub(crate) fn config(
        key: impl Into<String>,
        found: impl fmt::Display,
        wanted: impl Into<String>,
    ) -> ModelError {
        ModelError::Config { key: key.into(), found: found.to_string(), wanted: wanted.into() }
    }
}

/// Whether `error` is about what a user gave or about the machine; none if it is neither the
/// model's nor libtorch's.
pub fn blames_input(error: &(dyn Error + 'static)) -> Option<bool> {
    match error.downcast_ref::<ModelError>() {
        Some(error) => Some(error.is_unusable_input()),
        None => error.is::<TchError>().then_some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    #[test]
    fn a_checkpoint_that_is_not_there_is_unusable_input_and_a_full_disk_is_not() {
        let io = |kind: ErrorKind| ModelError::Io { path: "out".into(), source: kind.into() };
        assert_eq!(blames_input(&io(ErrorKind::NotFound)), Some(true));
        assert_eq!(blames_input(&io(ErrorKind::StorageFull)), Some(false));
        assert_eq!(blames_input(&std::io::Error::from(ErrorKind::NotFound)), None);
    }
}
