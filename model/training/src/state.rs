//! The training state on disk: one safetensors file that holds the weights, their moving average,
//! the optimiser's moments and, as metadata, everything else that decides how the run goes on.
//!
//! The file is replaced as a whole (written aside, flushed, renamed), so there is always one that
//! is complete. Must never decide how to train.

use crate::config::{DatasetSource, LbcConfig};
use crate::error::TrainError;
use crate::store::LabelScale;
use jaco_core::ActionStatistics;
use safetensors::tensor::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor, no_grad};

/// Metadata key of the description.
const DESCRIPTION: &str = "training";

/// What is trained in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Towers and projector, by regression of simulator labels.
    Vision,
    /// Everything, by the tokens of expert streams.
    Lbc,
}

/// Everything of a training state but its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// What is trained.
    pub stage: Stage,
    /// Optimiser steps taken.
    pub step: u64,
    /// Hyper-parameters.
    pub config: LbcConfig,
    /// The datasets.
    pub datasets: Vec<DatasetSource>,
    /// The camera's feature key.
    pub camera: String,
    /// States in one pass over the data, repeats counted.
    pub pool: usize,
    /// What actions are encoded with.
    pub statistics: ActionStatistics,
    /// What labels are standardised with.
    pub label_scale: LabelScale,
}

impl Description {
    /// What makes it impossible for `now` to continue from here exactly; `None` if nothing does.
    /// How often something is reported or saved, and on what device, may change.
    pub fn difference(&self, now: &Description) -> Option<String> {
        let essential = |config: &LbcConfig| LbcConfig {
            validation_states: 0,
            report_every: 1,
            validate_every: 1,
            save_every: 1,
            threads: 1,
            device: String::new(),
            save_bf16: false,
            ..config.clone()
        };
        let (old, new) = (essential(&self.config), essential(&now.config));
        if self.stage != now.stage {
            Some(format!("stage {:?}, now {:?}", self.stage, now.stage))
        } else if old != new {
            Some(format!("settings {old:?}, now {new:?}"))
        } else if (&self.datasets, &self.camera) != (&now.datasets, &now.camera) {
            let before = (&self.datasets, &self.camera);
            Some(format!("datasets {before:?}, now {:?}", (&now.datasets, &now.camera)))
        } else if self.pool != now.pool {
            Some(format!("{} states in a pass, now {}", self.pool, now.pool))
        } else {
            None
        }
    }
}

/// A training state that was read.
#[derive(Debug)]
pub struct SavedState {
    /// Everything but the tensors.
    pub description: Description,
    tensors: HashMap<String, Tensor>,
    path: PathBuf,
}

/// Where the training state of the checkpoint in `dir` is.
pub fn state_path(dir: &Path) -> PathBuf {
    dir.join("training").join("state.safetensors")
}

/// Writes the training state of the checkpoint in `dir`, replacing the one before.
pub fn write<'a>(
    dir: &Path,
    description: &Description,
    tensors: impl Iterator<Item = (String, &'a Tensor)>,
) -> Result<(), TrainError> {
    let path = state_path(dir);
    let unusable = |problem: String| TrainError::BadState { path: path.clone(), problem };
    let text = serde_json::to_string(description).map_err(|e| unusable(e.to_string()))?;
    let tensors = tensors
        .map(|(name, tensor)| Ok((name, Numbers::of(tensor)?)))
        .collect::<Result<Vec<_>, TrainError>>()?;
    let metadata = HashMap::from([(DESCRIPTION.to_owned(), text)]);
    replace_file(&path, |partial| {
        safetensors::serialize_to_file(tensors, Some(metadata), partial)
            .map_err(|e| unusable(e.to_string()))
    })
}

/// Reads the training state of the checkpoint in `dir`.
pub fn read(dir: &Path) -> Result<SavedState, TrainError> {
    let path = state_path(dir);
    let bytes = fs::read(&path).map_err(TrainError::io(&path))?;
    let unusable = |problem: String| TrainError::BadState { path: path.clone(), problem };
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| unusable(e.to_string()))?;
    let text = header.metadata().as_ref().and_then(|metadata| metadata.get(DESCRIPTION));
    let text = text.ok_or_else(|| unusable(format!("no {DESCRIPTION:?} in its metadata")))?;
    let description = serde_json::from_str(text).map_err(|e| unusable(e.to_string()))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| unusable(e.to_string()))?;
    let mut tensors = HashMap::new();
    for (name, view) in file.iter() {
        if view.dtype() != Dtype::F32 {
            return Err(unusable(format!("tensor {name} is {:?}, not F32", view.dtype())));
        }
        let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
        let tensor = Tensor::f_from_data_size(view.data(), &shape, Kind::Float)?;
        tensors.insert(name.to_owned(), tensor);
    }
    Ok(SavedState { description, tensors, path })
}

impl SavedState {
    /// Copies the saved tensor `name` into `target`.
    pub fn restore(&self, name: &str, target: &Tensor) -> Result<(), TrainError> {
        let unusable = |problem| TrainError::BadState { path: self.path.clone(), problem };
        let saved = self.tensors.get(name);
        let saved = saved.ok_or_else(|| unusable(format!("tensor {name} is missing")))?;
        if saved.size() != target.size() {
            let (found, wanted) = (saved.size(), target.size());
            return Err(unusable(format!("tensor {name} is {found:?}, the model's is {wanted:?}")));
        }
        no_grad(|| target.shallow_clone().f_copy_(saved))?;
        Ok(())
    }
}

/// Writes a file aside with `write`, flushes it to disk and renames it to `path`; creates the
/// folder.
pub fn replace_file(
    path: &Path,
    write: impl FnOnce(&Path) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    write(&partial)?;
    File::open(&partial).and_then(|file| file.sync_all()).map_err(TrainError::io(&partial))?;
    fs::rename(&partial, path).map_err(TrainError::io(path))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(TrainError::io(folder))
}

/// A float32 tensor's numbers as bytes.
struct Numbers {
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Numbers {
    fn of(tensor: &Tensor) -> Result<Self, TrainError> {
        let tensor = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?;
        let tensor = tensor.f_contiguous()?;
        let mut bytes = vec![0; tensor.numel() * size_of::<f32>()];
        tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
        Ok(Self { shape: tensor.size().into_iter().map(|size| size as usize).collect(), bytes })
    }
}

impl View for Numbers {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn description() -> Description {
        Description {
            stage: Stage::Lbc,
            step: 7,
            config: LbcConfig::default(),
            datasets: vec![DatasetSource { root: "a".into(), repeat: 2 }],
            camera: "observation.images.front".into(),
            pool: 12,
            statistics: ActionStatistics { q01: [-1.5; 7], q99: [0.1; 7], mask: [true; 7] },
            label_scale: LabelScale { names: vec!["x_m".into()], mean: vec![0.1], std: vec![1.0] },
        }
    }

    #[test]
    fn comes_back_as_it_was_written_and_replaces_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let tensor = Tensor::from_slice(&[1.0f32, -2.5, f32::MIN_POSITIVE]).view([3, 1]);
        let zeros = tensor.zeros_like();
        write(folder.path(), &description(), [("a".into(), &zeros)].into_iter()).unwrap();
        write(folder.path(), &description(), [("a".into(), &tensor)].into_iter()).unwrap();
        let saved = read(folder.path()).unwrap();
        assert_eq!(saved.description, description());
        let target = tensor.zeros_like();
        saved.restore("a", &target).unwrap();
        assert_eq!(target, tensor);
        let files = fs::read_dir(folder.path().join("training")).unwrap().count();
        assert_eq!(files, 1, "nothing is left beside the state");
    }

    #[test]
    fn a_damaged_or_foreign_file_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let tensor = Tensor::from_slice(&[1.0f32]);
        write(folder.path(), &description(), [("a".into(), &tensor)].into_iter()).unwrap();
        let saved = read(folder.path()).unwrap();
        let missing = saved.restore("b", &tensor).unwrap_err().to_string();
        assert!(missing.contains("tensor b is missing"), "{missing}");
        let path = state_path(folder.path());
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 2]).unwrap();
        assert!(matches!(read(folder.path()), Err(TrainError::BadState { .. })));
    }

    #[test]
    fn only_what_changes_the_run_counts_as_a_difference() {
        let old = description();
        let mut now = description();
        now.step = 0;
        now.config.report_every = 1;
        now.config.threads = 16;
        assert_eq!(old.difference(&now), None);
        now.config.learning_rate *= 2.0;
        assert!(old.difference(&now).unwrap().contains("learning_rate"));
        let now = Description { pool: 13, ..description() };
        assert!(old.difference(&now).unwrap().contains("12 states in a pass, now 13"));
    }
}
