//! Why a training run cannot start, go on or be resumed.

use crate::choices::Trainable;
use crate::origin::BatchOrigin;
use crate::stage::Stage;
use jaco_core::codec::StatisticsError;
use jaco_dataset::DatasetError;
use jaco_model::error::ModelError;
use std::error::Error;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tch::TchError;

/// What stopped a training run. Nothing is half-written: the last complete checkpoint and training
/// state are still there.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A hyper-parameter outside its limits.
    #[error("training setting {name} = {value} is outside its limits: {limits}")]
    Setting {
        /// Name in a recipe.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What would be accepted.
        limits: &'static str,
    },
    /// A word for a device that is none.
    #[error("no device \"{0}\": use \"cpu\", or \"cuda:N\" with N below the number of GPUs")]
    Device(String),
    /// A device that is not there.
    #[error(
        "device \"{name}\": libtorch finds {present} GPU(s) here; train where there is one, or with \
         --device cpu"
    )]
    NoGpu {
        /// The device.
        name: String,
        /// GPUs that are there.
        present: usize,
    },
    /// A way to explore that is none.
    #[error(
        "explore = {0:?} is no way to explore: wanted is \"greedy\", \"top-k:K\" or \
         \"top-k:K:TEMPERATURE\""
    )]
    Exploration(String),
    /// Alignment without a policy to align.
    #[error(
        "{} holds no policy: alignment starts from a trained one; train one with `jaco train lbc` \
         and name its folder with --init", dir.display()
    )]
    NoPolicy {
        /// The folder.
        dir: PathBuf,
    },
    /// States without a unit to compare with.
    #[error(
        "step {step}: no state of the batch has a unit of the expert's stream; look at the \
         datasets with `jaco dataset check`"
    )]
    NoStreams {
        /// The optimiser step.
        step: u64,
    },
    /// No dataset was given, or none has a state to train on.
    #[error(
        "nothing to train on: the {datasets} dataset(s) hold {states} state(s) to train on, held-out \
         episodes not counted; at least 2 are needed"
    )]
    NoData {
        /// Datasets given.
        datasets: usize,
        /// States left after holding out the validation episodes.
        states: usize,
    },
    /// A dataset that cannot be trained on as a whole.
    #[error("dataset {} {problem}", root.display())]
    Unfit {
        /// The dataset's folder.
        root: PathBuf,
        /// Why.
        problem: String,
    },
    /// An episode that cannot be trained on.
    #[error("dataset {}, episode {episode}: {problem}", root.display())]
    Episode {
        /// The dataset's folder.
        root: PathBuf,
        /// Index of the episode.
        episode: usize,
        /// Why.
        problem: String,
    },
    /// A dataset lacks a feature or has it in another form.
    #[error("dataset {}: feature {key} {problem}", root.display())]
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
    /// A stage of which nothing would be trained.
    #[error("trainable = \"{trainable}\": the stage {stage} trains all weights")]
    NothingTrained {
        /// The stage.
        stage: Stage,
        /// What was asked for.
        trainable: Trainable,
    },
    /// Only a part is trained, of weights that nobody trained before.
    #[error(
        "trainable = \"{0}\": the weights that stand still must come from a checkpoint; name one \
         with --init"
    )]
    NothingBelow(Trainable),
    /// An adapter to go on from where none is trained.
    #[error(
        "{}: an adapter is trained further with --lora RANK (trainable = \"lora\"), not with \
         trainable = \"{trainable}\"", dir.display()
    )]
    AdapterNotTrained {
        /// The adapter's folder.
        dir: PathBuf,
        /// What was asked for.
        trainable: Trainable,
    },
    /// An adapter of another rank, numerator or targets than were asked for.
    #[error(
        "{}: the adapter has {what} {found}, asked for is {wanted}; an adapter is trained further as \
         it is: leave {setting} out", dir.display()
    )]
    AdapterOther {
        /// The adapter's folder.
        dir: PathBuf,
        /// What is another.
        what: &'static str,
        /// What it is there.
        found: String,
        /// What was asked for.
        wanted: String,
        /// The setting that asks for it.
        setting: &'static str,
    },
    /// The checkpoint below adapters is another one than before.
    #[error(
        "{}: the weights there are not those that the adapter in training began on; put them back \
         or start a new run", dir.display()
    )]
    OtherBase {
        /// The checkpoint's folder.
        dir: PathBuf,
    },
    /// Sequences longer than was asked for.
    #[error(
        "the longest sequence takes {needed} positions, context = {context}; shorten the \
         instruction or the horizon, or raise context"
    )]
    Context {
        /// Positions that are needed.
        needed: usize,
        /// What was asked for.
        context: usize,
    },
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
    /// A run to resume that is not there.
    #[error("{}: holds no training state to resume; start without --resume", dir.display())]
    NoState {
        /// The output folder.
        dir: PathBuf,
    },
    /// A new run would overwrite another.
    #[error(
        "{}: a training state exists there; add --resume to continue it, or choose another folder",
        dir.display()
    )]
    StateExists {
        /// The output folder.
        dir: PathBuf,
    },
    /// Another trainer is at work on the output folder.
    #[error(
        "{}: another training writes there; wait for it, stop it, or choose another folder",
        dir.display()
    )]
    Taken {
        /// The output folder.
        dir: PathBuf,
    },
    /// The output folder cannot be written.
    #[error("{}: no checkpoint can be written there: {problem}", dir.display())]
    Unwritable {
        /// The output folder.
        dir: PathBuf,
        /// Why.
        problem: String,
    },
    /// The output folder's disk is too full.
    #[error(
        "{}: checkpoint and training state need {needed_mb} MB, {free_mb} MB are free there",
        dir.display()
    )]
    NoSpace {
        /// The output folder.
        dir: PathBuf,
        /// What will be written at most \[MB\].
        needed_mb: u64,
        /// What is free \[MB\].
        free_mb: u64,
    },
    /// The output folder's disk has filled up since the run began.
    #[error(
        "{}: the disk has filled up: the next checkpoint and training state need {needed_mb} MB, \
         {free_mb} MB are free; make room, and go on with --resume from what was saved before",
        dir.display()
    )]
    Filled {
        /// The output folder.
        dir: PathBuf,
        /// What would have been written \[MB\].
        needed_mb: u64,
        /// What is free \[MB\].
        free_mb: u64,
    },
    /// A word for where pictures are kept that is none, and no folder.
    #[error(
        "cache = \"{0}\": wanted is \"auto\", \"memory\", \"beside\" (the dataset), or a folder that is \
         there (--cache)"
    )]
    CacheChoice(String),
    /// Pictures cannot be kept in a folder.
    #[error(
        "{}: no pictures can be kept there: {problem}; name a folder with --cache DIR, or \
         --cache memory where they fit", dir.display()
    )]
    CacheFolder {
        /// The folder.
        dir: PathBuf,
        /// Why.
        problem: String,
    },
    /// The disk has no room for the pictures.
    #[error(
        "{}: the pictures to be kept there need {needed_mb} MB, {free_mb} MB are free; make room, \
         or name a folder with --cache DIR", dir.display()
    )]
    CacheSpace {
        /// The folder.
        dir: PathBuf,
        /// What will be written \[MB\].
        needed_mb: u64,
        /// What is free \[MB\].
        free_mb: u64,
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
         lower learning_rate (now {learning_rate:e}) or look for bad labels in its states: {batch}"
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
        /// Where the states of the batch, or of the micro-batch that is to blame, are from.
        batch: BatchOrigin,
    },
    /// The output folder was removed or put elsewhere.
    #[error(
        "{}: the folder was removed or renamed while training went on; nothing more is written \
         there", dir.display()
    )]
    Removed {
        /// The output folder.
        dir: PathBuf,
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
    Dataset(#[from] DatasetError),
    /// libtorch failed.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

impl TrainError {
    /// Whether it is about what a user gave (datasets, settings, a checkpoint, a folder) and not
    /// about the machine or the training itself.
    pub fn is_unusable_input(&self) -> bool {
        match self {
            TrainError::Io { source, .. } => is_input(source.kind()),
            TrainError::Model(error) => error.is_unusable_input(),
            TrainError::Dataset(error) => error.is_unusable_input(),
            TrainError::Torch(_)
            | TrainError::Diverged { .. }
            | TrainError::Removed { .. }
            | TrainError::Filled { .. }
            | TrainError::StoppedWhileLoading => false,
            _ => true,
        }
    }

    /// For `map_err` at file operations on `path`.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> TrainError {
        let path = path.to_owned();
        move |source| TrainError::Io { path, source }
    }
}

/// Whether the system refused the path that was given, and did not fail itself.
fn is_input(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::InvalidFilename
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::AlreadyExists
            | ErrorKind::InvalidData
            | ErrorKind::UnexpectedEof
    )
}

/// Whether `error` is about what a user gave or about the machine; none if it is not this
/// package's, the model's or libtorch's.
pub fn blames_input(error: &(dyn Error + 'static)) -> Option<bool> {
    match error.downcast_ref::<TrainError>() {
        Some(error) => Some(error.is_unusable_input()),
        None => jaco_model::blames_input(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_gave_is_told_from_what_the_machine_does() {
        let io = |kind: ErrorKind| std::io::Error::from(kind);
        let at = |kind| TrainError::Io { path: "out".into(), source: io(kind) };
        let dataset = |kind| {
            let path = "data/meta/info.json".into();
            TrainError::Dataset(DatasetError::Io { action: "read", path, source: io(kind) })
        };
        let problem = || "is not trained on".to_owned();
        let unfit = TrainError::Unfit { root: "data".into(), problem: problem() };
        let full = TrainError::NoSpace { dir: "out".into(), needed_mb: 9, free_mb: 1 };
        let filled = TrainError::Filled { dir: "out".into(), needed_mb: 9, free_mb: 1 };
        let failing = std::io::Error::from_raw_os_error(libc::EIO);
        let failing = TrainError::Io { path: "data".into(), source: failing };
        for (error, input) in [
            (at(ErrorKind::NotFound), true),
            (at(ErrorKind::PermissionDenied), true),
            (at(ErrorKind::StorageFull), false),
            (dataset(ErrorKind::NotFound), true),
            (dataset(ErrorKind::StorageFull), false),
            (failing, false),
            (unfit, true),
            // A folder without room was chosen; nothing was begun.
            (full, true),
            (filled, false),
            (TrainError::NoLabels, true),
            (TrainError::StoppedWhileLoading, false),
        ] {
            assert_eq!(blames_input(&error), Some(input), "{error}");
        }
        assert_eq!(blames_input(&io(ErrorKind::NotFound)), None);
    }
}
