//! What is trained from what, and where to. Must never look at any of the folders it names.

use crate::reading::DatasetSource;
use jaco_core::Clock;
use std::path::PathBuf;

/// What a run starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Fresh weights for the model described in a folder with config.json and tokenizer.json.
    Fresh {
        /// The folder.
        model_dir: PathBuf,
    },
    /// The weights and action statistics of a checkpoint.
    Checkpoint(PathBuf),
    /// The training state in the output folder, continued as if it had never stopped.
    Resume,
}

/// What to train on, from what, and where to.
pub struct TrainRequest<'a> {
    /// The datasets; at least one.
    pub datasets: Vec<DatasetSource>,
    /// What to start from.
    pub start: Start,
    /// Folder of an adapter on the checkpoint that is trained further; none = a fresh one where
    /// adapters are trained.
    pub adapter: Option<PathBuf>,
    /// Folder of the checkpoint or adapter to write, with `training/` in it.
    pub out: PathBuf,
    /// For the throughput that is reported; decides nothing.
    pub clock: &'a dyn Clock,
}
