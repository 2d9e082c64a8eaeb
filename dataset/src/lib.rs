//! LeRobotDataset v3 on disk: write, read, repair, check, statistics.
//!
//! Written are pictures embedded in parquet as PNG or JPEG ([`Pictures`]), and every episode has a
//! data file and a metadata file of its own. The running episode is on the disk as it grows, and
//! durable once [`DatasetWriter::keep`] returns (the order of things is in `writer.rs`). What the
//! format has no place for is kept as [`EpisodeNotes`].
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
//! writer.begin("push the red box out of the marked region", &EpisodeNotes::new())?;
//! writer.push(Row::new().with("action", Value::F32(vec![0.01, 0.0])))?;
//! writer.keep(&EpisodeNotes::new())?;
//! writer.publish()?;
//!
//! let dataset = Dataset::open(&root)?;
//! assert_eq!(dataset.read_episode(0)?.f32s("action")?.row(0), [0.01, 0.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod appending;
mod cache;
mod catalog;
mod check;
mod column;
mod described;
mod edit;
mod episode;
mod episodes;
mod error;
mod feature;
mod groups;
mod image;
mod info;
mod journal;
mod json;
mod layout;
mod listing;
mod lock;
mod notes;
mod numbers;
mod parquet_file;
mod picture;
mod pictures;
mod reader;
mod rebuild;
mod relabel;
mod repair;
mod repairs;
mod rows;
mod running;
mod salvage;
mod stats;
mod storage;
mod summary;
mod table;
mod tasks;
mod tree;
mod video;
mod writer;

pub use cache::{RecordFile, RecordWriter, Records, remove_partial_records};
pub use check::{Finding, Severity, check};
pub use column::{Column, Episode, Images, Vectors};
pub use described::{Content, FeatureInfo};
pub use edit::{Codec, Edit, Hook, Outcome, Taken, Target, VideoPlan};
pub use error::{DatasetError, blames_input};
pub use feature::{DEFAULT_KEYS, Feature, FeatureKind, Features, Row, Value};
pub use listing::EpisodeInfo;
pub use notes::EpisodeNotes;
pub use picture::Pictures;
pub use reader::{Camera, Dataset, Quantiles};
pub use relabel::set_note;
pub use repair::repair;
pub use repairs::Repair;
pub use storage::{FileSystem, Storage};
pub use video::VideoTools;
pub use writer::{DatasetWriter, EpisodeSummary};
