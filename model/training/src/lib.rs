//! The embedded trainer: datasets in, a policy's checkpoint out.
//!
//! Two stages: [`train_vision`] teaches the vision towers by regression of simulator labels, and
//! [`train_lbc`] clones expert streams. Both are resumable to the bit: every random number derives
//! from the seed and the step, and the training state holds all else. Must never read a clock or
//! catch a signal: the caller passes a clock in and ends a run by answering `Break` to its
//! progress.
//!
//! Before the first step, `output` looks at the folder to write, `reading` at the datasets, and `data`
//! loads them: their `pictures` stay in memory or in files of the `cache`. In the order of one step:
//! `sampling` draws states from the `store`; the stage's `objective` makes its batch of them (`batch`,
//! `augment`, `sight`), runs the `network` and judges (`loss`); `adamw` corrects at the rate of
//! `schedule`, `average` follows; `run` holds it together and knows no stage. `loader` goes as far as
//! the batch.

mod adamw;
mod augment;
mod average;
mod batch;
mod cache;
mod choices;
mod config;
mod data;
mod error;
mod head;
mod keeping;
mod lbc;
mod loader;
mod lock;
mod lora;
mod loss;
mod memory;
mod metrics;
mod network;
mod notes;
mod objective;
mod origin;
mod output;
mod pictures;
mod progress;
mod random;
mod reading;
mod request;
mod run;
mod saa;
mod sampling;
mod saved;
mod schedule;
mod sight;
mod stage;
mod state;
mod store;
mod streams;
mod sums;
mod vision;

pub use cache::PicturesReport;
pub use choices::{Augmentation, Precision, Trainable};
pub use config::{ALL_LINEAR, StageConfig, TrainConfig, Unread, flat, names_of, unflat};
pub use data::describe;
pub use error::{TrainError, blames_input};
pub use lbc::{LbcConfig, train_lbc};
pub use loader::{LoadedBatch, Loader};
pub use memory::tune_allocator;
pub use metrics::{StepReport, Validation, Values};
pub use origin::BatchOrigin;
pub use progress::{Computed, Progress, StillReport, Summary};
pub use reading::{
    ActionReport, CORRECTION_WEIGHTS, Camera, Corrections, DatasetReport, DatasetSource,
    GripperRange, GripperRangeError, LeftOut, Selection, Stale, Success, TaskReport,
};
pub use request::{Start, TrainRequest};
pub use saa::{Control, Deviation, Relabel, SaaConfig, train_saa};
pub use saved::{SavedPoint, saved_point};
pub use stage::Stage;
pub use vision::{VisionConfig, train_vision};
