//! LeRobotDataset v3 on disk: write, read, repair, check, statistics.
//!
//! Written are pictures embedded in parquet as PNG, and every episode has a data file and a
//! metadata file of its own, so an episode is durable once [`DatasetWriter::save`] returns (the
//! order of a save is in `writer.rs`). What the format has no place for is kept as
//! [`EpisodeNotes`].
//!
//! Read is whatever keeps to the format, whoever wrote it: [`Dataset::described`] lists what
//! there is, and what cannot be read blocks only those who ask for it. Pictures may also be JPEG,
//! files, or frames of videos, which the program ffmpeg decodes.
//!
//! This package must not know who recorded a dataset or what its features mean.
//!
//! ```
//! use jaco_dataset::{Dataset, DatasetWriter, EpisodeNotes, FeatureKind, Features, Row, Value};
//! # let folder = tempfile::tempdir()?;
//! # let root = folder.path().join("demo");
//! let features = Features::new([("action", FeatureKind::float32(["dx", "dy"]))])?;
//! let mut writer = DatasetWriter::create(&root, 10, "kinova-j2n6s300", features)?;
//! let mut episode = writer.begin_episode("push the red box out of the marked region");
//! episode.push(Row::new().with("action", Value::F32(vec![0.01, 0.0])))?;
//! writer.save(&episode, &EpisodeNotes::new())?;
//!
//! let dataset = Dataset::open(&root)?;
//! assert_eq!(dataset.read_episode(0)?.f32s("action")?.row(0), [0.01, 0.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod appending;
mod catalog;
mod check;
mod column;
mod described;
mod episode;
mod episodes;
mod error;
mod feature;
mod image;
mod info;
mod json;
mod layout;
mod listing;
mod lock;
mod notes;
mod numbers;
mod parquet_file;
mod reader;
mod rebuild;
mod repair;
mod rows;
mod stats;
mod storage;
mod summary;
mod table;
mod tasks;
mod tree;
mod video;
mod writer;

pub use check::{Finding, Severity, check};
pub use column::{Column, Episode, Images, Vectors};
pub use described::{Content, FeatureInfo};
pub use episode::EpisodeBuffer;
pub use error::{DatasetError, blames_input};
pub use feature::{DEFAULT_KEYS, Feature, FeatureKind, Features, Row, Value};
pub use listing::EpisodeInfo;
pub use notes::EpisodeNotes;
pub use reader::{Camera, Dataset, Quantiles};
pub use repair::{Repair, repair};
pub use storage::{FileSystem, Storage};
pub use video::VideoTools;
pub use writer::{DatasetWriter, EpisodeSummary};
