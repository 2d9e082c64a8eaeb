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
//! `sampling` draws states from the `store`, `batch` makes tensors of them, `network` runs, `loss`
//! judges, `adamw` corrects at the rate of `schedule`, `average` follows; `run` holds it together.
//! `loader` goes as far as the batch.

mod adamw;
mod average;
mod batch;
mod cache;
mod config;
mod data;
mod error;
mod head;
mod lbc;
mod loader;
mod loss;
mod memory;
mod metrics;
mod network;
mod output;
mod pictures;
mod progress;
mod random;
mod reading;
mod run;
mod sampling;
mod schedule;
mod state;
mod store;
mod streams;
mod vision;

pub use cache::PicturesReport;
pub use config::{LbcConfig, Start, TrainRequest};
pub use data::describe;
pub use error::{TrainError, blames_input};
pub use lbc::train_lbc;
pub use loader::{LoadedBatch, Loader};
pub use memory::tune_allocator;
pub use metrics::{StepReport, Validation};
pub use progress::{Progress, Summary};
pub use reading::{
    ActionReport, CORRECTION_WEIGHTS, Camera, Corrections, DatasetReport, DatasetSource,
    GripperRange, GripperRangeError, LeftOut, Selection, Stale, Success, TaskReport,
};
pub use state::Stage;
pub use vision::train_vision;
