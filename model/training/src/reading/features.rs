//! Which features of a dataset are trained on, and what they must look like.
//!
//! Owns their keys and the choice among them. Must never read a row.

use super::action::{Layout, Stated};
use super::camera::{Camera, choose};
use super::source::{ACTION, DatasetSource};
use crate::error::TrainError;
use jaco_core::ACTION_DIMS;
use jaco_dataset::{Content, Dataset, FeatureInfo, FeatureKind};

/// Whether the executed action was the label, bool; absent = always.
pub const LABEL_VALID: &str = "label.valid";
/// The expert's own stream from each state, f32\[7 n\]; absent = cut from the action.
pub const LABEL_STREAM: &str = "label.stream";
/// Whether a person corrected a running policy in this step, bool; absent = never.
pub const CORRECTION: &str = "flag.correction";
/// Whether the step's picture was an old one, bool; absent = never.
pub const STALE: &str = "flag.stale";
/// Whether the step missed its time, bool; absent = never.
pub const LATE: &str = "flag.late";
/// Labels known only to a simulator, f32\[N\]; absent = none.
pub const LABELS: &str = "observation.environment_state";

/// The features that are used, and the others.
#[derive(Clone, Debug)]
pub struct Features {
    /// Key of the camera.
    pub camera: String,
    /// All cameras.
    pub cameras: Vec<Camera>,
    /// Key of the action.
    pub action: String,
    /// Names of its numbers as they are stored.
    pub action_names: Vec<String>,
    /// Which of its numbers means what.
    pub layout: Layout,
    /// Whether there is [`LABEL_VALID`].
    pub label_valid: bool,
    /// Whether there is [`LABEL_STREAM`].
    pub label_stream: bool,
    /// Those of [`CORRECTION`], [`STALE`] and [`LATE`] that are there. Where one is, the dataset was
    /// recorded live, and a row whose [`LABEL_VALID`] is false has no label at all.
    pub flags: Vec<&'static str>,
    /// Names of the numbers in [`LABELS`]; none if it is not there.
    pub label_names: Vec<String>,
    /// Features that are not used, with their types.
    pub ignored: Vec<String>,
}

impl Features {
    /// What `source` asks for of what `dataset` has.
    pub fn of(dataset: &Dataset, source: &DatasetSource) -> Result<Self, TrainError> {
        let root = || dataset.root().to_owned();
        let fault = |key: &str, problem: String| {
            let (root, key) = (root(), key.to_owned());
            TrainError::Feature { root, key, problem }
        };
        let cameras = cameras(dataset);
        let camera = choose(&cameras, source.camera.as_deref()).map_err(|error| {
            let problem = std::iter::once(error.to_string()).chain(unreadable_pictures(dataset));
            TrainError::Unfit { root: root(), problem: problem.collect::<Vec<_>>().join("; ") }
        })?;
        let key = source.action.as_deref().unwrap_or(ACTION);
        let action_names = action(dataset, key).map_err(|problem| fault(key, problem))?;
        let stated = Stated {
            displacements: source.displacements,
            gripper: source.gripper.is_some(),
            metres: source.unit_m != 1.0,
            radians: source.unit_rad != 1.0,
        };
        // Names may stand in groups that say more than they do.
        let groups = dataset.feature(key).map(|feature| feature.groups.join(" "));
        let said = format!("{key} {}", groups.unwrap_or_default());
        let layout = Layout::of(said.trim(), &action_names, stated)
            .map_err(|error| fault(key, error.to_string()))?;
        let wrong = |found: &FeatureInfo, wanted: &str| {
            fault(&found.key, format!("is {}; training reads it as {wanted}", found.words()))
        };
        let truth = |key: &str| match dataset.feature(key) {
            None => Ok(false),
            Some(found) if found.kind() == Some(&FeatureKind::Bool) => Ok(true),
            Some(other) => Err(wrong(other, "one truth value")),
        };
        let label_valid = truth(LABEL_VALID)?;
        let mut flags = Vec::new();
        for key in [CORRECTION, STALE, LATE] {
            if truth(key)? {
                flags.push(key);
            }
        }
        if source.selection.needs_corrections() && !flags.contains(&CORRECTION) {
            let problem = "is not there, so that nothing says which steps are corrections: leave \
                           corrections and correction_weight out of the recipe";
            return Err(fault(CORRECTION, problem.to_owned()));
        }
        let label_stream = match dataset.feature(LABEL_STREAM) {
            None => false,
            Some(found) if floats(found).is_some_and(|n| n.is_multiple_of(ACTION_DIMS)) => true,
            Some(other) => return Err(wrong(other, "floats, 7 an action")),
        };
        let label_names = match dataset.feature(LABELS) {
            None => Vec::new(),
            Some(found) if floats(found).is_some() => names(found),
            // Others may mean something else by that key; it is listed as ignored.
            Some(_) => Vec::new(),
        };
        let mut used = vec![camera.key.as_str(), key, LABEL_VALID, LABEL_STREAM];
        used.extend(&flags);
        used.extend((!label_names.is_empty()).then_some(LABELS));
        let others = dataset.described().iter();
        let others = others.filter(|feature| !used.contains(&feature.key.as_str()));
        Ok(Self {
            camera: camera.key.clone(),
            action: key.to_owned(),
            action_names,
            layout,
            label_valid,
            label_stream,
            flags,
            label_names,
            ignored: others.map(|other| format!("{} ({})", other.key, other.words())).collect(),
            cameras,
        })
    }

    /// Keys of the columns that are looked at before any picture is.
    pub fn keys(&self) -> Vec<&str> {
        let optional = [
            (self.label_valid, LABEL_VALID),
            (self.label_stream, LABEL_STREAM),
            (!self.label_names.is_empty(), LABELS),
        ];
        let mut keys = vec![self.action.as_str()];
        keys.extend(optional.into_iter().filter(|(there, _)| *there).map(|(_, key)| key));
        keys.extend(&self.flags);
        keys
    }

    /// Those of the optional features that are there.
    pub fn labels(&self) -> Vec<String> {
        self.keys()[1..].iter().map(|key| (*key).to_owned()).collect()
    }
}

/// How many numbers a vector of floats has; none if it is no such vector.
fn floats(feature: &FeatureInfo) -> Option<usize> {
    match feature.kind()? {
        FeatureKind::Float32 { names } | FeatureKind::Float64 { names } => Some(names.len()),
        _ => None,
    }
}

/// A name for each number; where the dataset has none, the number's place.
fn names(feature: &FeatureInfo) -> Vec<String> {
    let places = || (0..floats(feature).unwrap_or(0)).map(|place| place.to_string()).collect();
    feature.names.clone().unwrap_or_else(places)
}

fn cameras(dataset: &Dataset) -> Vec<Camera> {
    let cameras = dataset.cameras().into_iter();
    cameras
        .map(|camera| Camera {
            key: camera.key.to_owned(),
            width: camera.width,
            height: camera.height,
        })
        .collect()
}

/// Why there are pictures that are not looked through.
fn unreadable_pictures(dataset: &Dataset) -> impl Iterator<Item = String> {
    let pictures = dataset.described().iter();
    let pictures = pictures.filter(|one| ["image", "video"].contains(&one.dtype.as_str()));
    pictures.filter_map(|one| match &one.content {
        Content::Unreadable(reason) => Some(format!("{} cannot be read: {reason}", one.key)),
        Content::Readable(_) => None,
    })
}

/// Names of the numbers of the feature `key`, which must be floats.
fn action(dataset: &Dataset, key: &str) -> Result<Vec<String>, String> {
    let Some(action) = dataset.feature(key) else {
        let all = dataset.described().iter();
        let sized = all.filter(|feature| floats(feature) == Some(ACTION_DIMS));
        let sized: Vec<&str> = sized.map(|feature| feature.key.as_str()).collect();
        return Err(match sized.is_empty() {
            true => "is not there, and no feature has the 7 numbers of an action".to_owned(),
            false => format!(
                "is not there; choose the action with --action; {} has 7 numbers",
                sized.join(" or ")
            ),
        });
    };
    match (floats(action), &action.content) {
        (Some(_), _) => Ok(names(action)),
        (None, Content::Unreadable(reason)) => Err(format!("cannot be read: {reason}")),
        (None, _) => Err(format!("is {}; an action is 7 floats", action.words())),
    }
}
