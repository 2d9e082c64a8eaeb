//! The training state on disk: one safetensors file that holds the weights, their moving average,
//! the optimiser's moments and, as metadata, everything else that decides how the run goes on.
//!
//! The file is replaced as a whole (written aside, flushed, renamed), so there is always one that
//! is complete. Must never decide how to train.

use crate::config::{StageConfig, TrainConfig, flat, unflat};
use crate::error::TrainError;
use crate::reading::Reading;
use crate::stage::Stage;
use crate::store::{LabelScale, Store};
use jaco_core::ActionStatistics;
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor, no_grad};

/// Metadata key of the description.
pub(crate) const DESCRIPTION: &str = "training";

/// A checkpoint that is trained on and not saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// Its folder.
    pub dir: PathBuf,
    /// A checksum of some of its numbers.
    pub number: u32,
}

/// The best checkpoint of a run so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Its step.
    pub step: u64,
    /// Its loss on the held-out states.
    pub loss: f64,
}

/// Everything of a training state but its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// What is trained.
    pub stage: Stage,
    /// Optimiser steps taken.
    pub step: u64,
    /// Hyper-parameters of all kinds, as in a recipe.
    pub config: Map<String, Value>,
    /// The frozen checkpoint below adapters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// What the datasets were read as.
    pub datasets: Vec<Reading>,
    /// Key of the camera of all datasets, in states that name none for each.
    #[serde(default, skip_serializing)]
    camera: String,
    /// States in one pass over the data, repeats counted.
    pub pool: usize,
    /// Step of the policy that is kept as the stage's own choice, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selected: Option<u64>,
    /// What actions are encoded with.
    pub statistics: ActionStatistics,
    /// What labels are standardised with.
    pub label_scale: LabelScale,
    /// The best checkpoint so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<Best>,
}

impl Description {
    /// What a new run on `store` is, before its first step.
    pub fn new<S: StageConfig>(
        train: &TrainConfig,
        own: &S,
        base: Option<Base>,
        datasets: Vec<Reading>,
        store: &Store,
    ) -> Self {
        Self {
            stage: S::STAGE,
            step: 0,
            config: flat(train, own),
            base,
            datasets,
            camera: String::new(),
            pool: store.train.len(),
            selected: None,
            statistics: store.statistics,
            label_scale: store.label_scale.clone(),
            best: None,
        }
    }

    /// What makes it impossible for `now` to continue from here exactly; `None` if nothing does.
    /// How often something is reported or saved, and on what device, may change.
    pub fn difference<S: StageConfig>(&self, now: &Description) -> Option<String> {
        if self.stage != now.stage {
            return Some(format!("stage {}, now {}", self.stage, now.stage));
        }
        let settings = setting_differences::<S>(&self.config, &now.config);
        if !settings.is_empty() {
            return Some(settings.join(", "));
        }
        if self.base != now.base {
            let name = |base: &Option<Base>| match base {
                Some(base) => format!("{} ({:08x})", base.dir.display(), base.number),
                None => "none".to_owned(),
            };
            return Some(format!("base {}, now {}", name(&self.base), name(&now.base)));
        }
        if self.datasets.len() != now.datasets.len() {
            let (before, now) = (self.datasets.len(), now.datasets.len());
            return Some(format!("{before} dataset(s), now {now}"));
        }
        let mut pairs = self.datasets.iter().zip(&now.datasets);
        if let Some((before, now)) = pairs.find(|(before, now)| before != now) {
            return Some(format!("dataset {before}, now {now}"));
        }
        (self.pool != now.pool).then(|| format!("{} states in a pass, now {}", self.pool, now.pool))
    }

    /// Notes a validation after the last step; whether it is the best so far.
    pub fn note_best(&mut self, loss: Option<f64>) -> bool {
        let Some(loss) = loss.filter(|loss| self.best.is_none_or(|best| *loss < best.loss)) else {
            return false;
        };
        self.best = Some(Best { step: self.step, loss });
        true
    }

    /// Whether the weights that were saved with it are moving averages.
    pub fn is_averaged(&self) -> bool {
        self.config.get("ema_decay").and_then(Value::as_f64).is_some_and(|decay| decay > 0.0)
    }

    /// The description in a training state's metadata, of this or an older version.
    pub(crate) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let mut description: Self = serde_json::from_str(text)?;
        let camera = std::mem::take(&mut description.camera);
        for dataset in description.datasets.iter_mut().filter(|one| one.camera.is_empty()) {
            dataset.camera.clone_from(&camera);
        }
        Ok(description)
    }
}

/// Settings that decide how training goes on and differ: name, old value, new value. A setting
/// that an older state does not know was as it is by default.
fn setting_differences<S: StageConfig>(
    before: &Map<String, Value>,
    now: &Map<String, Value>,
) -> Vec<String> {
    let essential = |config: &Map<String, Value>| match unflat::<S>(config) {
        Ok((train, own)) => flat(&train.essential(), &own),
        Err(_) => config.clone(),
    };
    let (before, now) = (essential(before), essential(now));
    let pairs = before.iter().filter_map(|(name, before)| Some((name, before, now.get(name)?)));
    pairs
        .filter(|(_, before, now)| before != now)
        .map(|(name, before, now)| format!("{name} = {before}, now {now}"))
        .collect()
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

/// Bytes of the training state of the checkpoint in `dir`; 0 without one.
pub fn size(dir: &Path) -> u64 {
    fs::metadata(state_path(dir)).map_or(0, |found| found.len())
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
        safetensors::serialize_to_file(tensors, Some(metadata), partial).map_err(
            |error| match error {
                SafeTensorError::IoError(source) => TrainError::io(partial)(source),
                other => unusable(other.to_string()),
            },
        )
    })
}

/// Reads the training state of the checkpoint in `dir`.
pub fn read(dir: &Path) -> Result<SavedState, TrainError> {
    let path = state_path(dir);
    let bytes = fs::read(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => TrainError::NoState { dir: dir.to_owned() },
        _ => TrainError::io(&path)(error),
    })?;
    let unusable = |problem: String| TrainError::BadState { path: path.clone(), problem };
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| unusable(e.to_string()))?;
    let text = header.metadata().as_ref().and_then(|metadata| metadata.get(DESCRIPTION));
    let text = text.ok_or_else(|| unusable("it does not say how it was trained".to_owned()))?;
    let description = Description::parse(text).map_err(|_| {
        unusable("what it says of its training is not what this version writes".to_owned())
    })?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| unusable(e.to_string()))?;
    let mut tensors = HashMap::new();
    for (name, view) in file.iter() {
        if view.dtype() != Dtype::F32 {
            return Err(unusable(format!("tensor {name} is {}, not F32", view.dtype())));
        }
        let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
        let tensor = Tensor::f_from_data_size(view.data(), &shape, Kind::Float)?;
        tensors.insert(name.to_owned(), tensor);
    }
    Ok(SavedState { description, tensors, path })
}

impl SavedState {
    /// Whether a label head was trained along.
    pub fn has_head(&self) -> bool {
        self.tensors.keys().any(|name| name.starts_with("weights.head."))
    }

    /// Copies the saved tensor `name` into `target`.
    pub fn restore(&self, name: &str, target: &Tensor) -> Result<(), TrainError> {
        let unusable = |problem| TrainError::BadState { path: self.path.clone(), problem };
        let saved = self.tensors.get(name);
        let saved = saved.ok_or_else(|| unusable(format!("tensor {name} is missing")))?;
        if saved.size() != target.size() {
            let (found, wanted) = (shape(&saved.size()), shape(&target.size()));
            return Err(unusable(format!("tensor {name} is {found}, the model's is {wanted}")));
        }
        no_grad(|| target.shallow_clone().f_copy_(saved))?;
        Ok(())
    }
}

/// A shape in words: `3 x 4`.
fn shape(sizes: &[i64]) -> String {
    match sizes.is_empty() {
        true => "one number".to_owned(),
        false => sizes.iter().map(i64::to_string).collect::<Vec<_>>().join(" x "),
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
    let flushed = write(&partial).and_then(|()| {
        File::open(&partial).and_then(|file| file.sync_all()).map_err(TrainError::io(&partial))
    });
    if let Err(error) = flushed {
        // What a full disk has no room for must not keep it full.
        let _ = fs::remove_file(&partial);
        return Err(error);
    }
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
    use crate::lbc::LbcConfig;

    fn reading(root: &str) -> Reading {
        Reading {
            root: root.into(),
            repeat: 2,
            camera: "observation.images.front".into(),
            action: "action".into(),
            gripper: "0..1".parse().unwrap(),
            unit_m: 1.0,
            unit_rad: 1.0,
            selection: Default::default(),
        }
    }

    fn description() -> Description {
        Description {
            stage: Stage::Lbc,
            step: 7,
            config: flat(&TrainConfig::default(), &LbcConfig::default()),
            base: None,
            datasets: vec![reading("a")],
            camera: String::new(),
            pool: 12,
            selected: None,
            statistics: ActionStatistics { q01: [-1.5; 7], q99: [0.1; 7], mask: [true; 7] },
            label_scale: LabelScale { names: vec!["x_m".into()], mean: vec![0.1], std: vec![1.0] },
            best: None,
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
    fn a_file_that_cannot_be_written_leaves_the_one_before_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        fs::write(&path, "before").unwrap();
        let full = |partial: &Path| {
            fs::write(partial, "half").unwrap();
            Err(TrainError::io(partial)(ErrorKind::StorageFull.into()))
        };
        let error = replace_file(&path, full).unwrap_err();
        assert!(!error.is_unusable_input(), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
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

    /// States named one camera for all datasets, and neither action nor gripper.
    #[test]
    fn an_older_state_is_continued() {
        let mut text = serde_json::to_value(description()).unwrap();
        text["datasets"] = serde_json::json!([{"root": "a", "repeat": 2}]);
        text["camera"] = "observation.images.front".into();
        assert_eq!(Description::parse(&text.to_string()).unwrap(), description());
    }

    #[test]
    fn differences_are_said_in_words() {
        let now = Description { datasets: vec![reading("b")], ..description() };
        let text = description().difference::<LbcConfig>(&now).unwrap();
        assert!(text.contains("dataset a (counted 2 time(s), camera"), "{text}");
        let now = Description { datasets: Vec::new(), ..description() };
        assert_eq!(description().difference::<LbcConfig>(&now).unwrap(), "1 dataset(s), now 0");
        let now = Description { stage: Stage::Vision, ..description() };
        assert_eq!(description().difference::<LbcConfig>(&now).unwrap(), "stage lbc, now vision");
        let mut now = description();
        now.config.insert("betas".into(), serde_json::json!([0.5, 0.95]));
        let text = description().difference::<LbcConfig>(&now).unwrap();
        assert_eq!(text, "betas = [0.9,0.95], now [0.5,0.95]");
    }

    #[test]
    fn only_what_changes_the_run_counts_as_a_difference() {
        let old = description();
        let mut now = description();
        now.step = 0;
        now.config.insert("report_every".into(), 1.into());
        now.config.insert("threads".into(), 16.into());
        assert_eq!(old.difference::<LbcConfig>(&now), None);
        // What older versions did not know was as it is by default now.
        let mut older = description();
        older.config.remove("trainable");
        assert_eq!(older.difference::<LbcConfig>(&now), None);
        older.config.insert("trainable".into(), "decoder".into());
        assert!(older.difference::<LbcConfig>(&now).unwrap().contains("trainable = \"decoder\""));
        now.config.insert("learning_rate".into(), 0.5.into());
        assert!(old.difference::<LbcConfig>(&now).unwrap().contains("learning_rate"));
        let now = Description { pool: 13, ..description() };
        assert!(old.difference::<LbcConfig>(&now).unwrap().contains("12 states in a pass, now 13"));
    }
}
