//! Why a training run cannot start, go on or be resumed.

use jaco_core::codec::StatisticsError;
use jaco_model::error::ModelError;
use std::path::{Path, PathBuf};
use tch::TchError;

/// What stopped a training run. Nothing is half-written: the last complete checkpoint and training
/// state are still there.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A hyper-parameter outside its limits.
    #[error("training setting {name} = {value} is outside its limits: {limits}")]
    Setting {
        /// Name in [`LbcConfig`](crate::LbcConfig).
        name: &'static str,
        /// Its value.
        value: f64,
        /// What would be accepted.
        limits: &'static str,
    },
    /// A device that is unknown or not there.
    #[error("no device {0:?}: use \"cpu\", or \"cuda:N\" with N below the number of GPUs")]
    Device(String),
    /// No dataset was given, or none has a state to train on.
    #[error("nothing to train on: the {datasets} dataset(s) hold {states} states to train on")]
    NoData {
        /// Datasets given.
        datasets: usize,
        /// States left after holding out the validation episodes.
        states: usize,
    },
    /// A dataset lacks a feature or has it in another form.
    #[error("dataset {}: feature {key:?} {problem}", root.display())]
    Feature {
        /// The dataset's folder.
        root: PathBuf,
        /// The feature's key.
        key: String,
        /// What is missing or wrong.
        problem: String,
    },
    /// A value in a dataset that no training may use.
    #[error("dataset {}, episode {episode}, frame {frame}: {problem}", root.display())]
    Value {
        /// The dataset's folder.
        root: PathBuf,
        /// Index of the episode.
        episode: usize,
        /// Frame in the episode.
        frame: usize,
        /// What is wrong.
        problem: String,
    },
    /// Vision pretraining without anything to regress.
    #[error(
        "vision pretraining needs simulator labels: no dataset has observation.environment_state"
    )]
    NoLabels,
    /// A resumed run whose settings differ from those of the state it continues.
    #[error(
        "{}: the run cannot be resumed with other settings: {difference}; \
         start a new run from the checkpoint instead", path.display()
    )]
    ResumeMismatch {
        /// The training state.
        path: PathBuf,
        /// What differs, old and new.
        difference: String,
    },
    /// A training state that cannot be understood.
    #[error("{}: not a usable training state: {problem}", path.display())]
    BadState {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The loss stopped being a number.
    #[error(
        "step {step}: loss {loss}, gradient norm {gradient_norm}: training diverged; \
         lower learning_rate (now {learning_rate:e}) or look for bad labels"
    )]
    Diverged {
        /// The optimiser step.
        step: u64,
        /// Its loss.
        loss: f64,
        /// Its gradient norm before clipping.
        gradient_norm: f64,
        /// Its learning rate.
        learning_rate: f64,
    },
    /// The caller broke off while the data were loading: nothing was written.
    #[error("stopped while loading the data; nothing was written")]
    StoppedWhileLoading,
    /// A file or folder could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Action statistics that no action can be encoded with.
    #[error(transparent)]
    Statistics(#[from] StatisticsError),
    /// The model or its checkpoint.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A dataset.
    #[error(transparent)]
    Dataset(#[from] jaco_dataset::DatasetError),
    /// libtorch failed.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

impl TrainError {
    /// For `map_err` at file operations on `path`.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> TrainError {
        let path = path.to_owned();
        move |source| TrainError::Io { path, source }
    }
}
