//! Which files hold the weights of a checkpoint: one file, or shards with an index.
//!
//! Owns the choice and the agreement between index and shards. Must never look at values.

use super::file::WeightsFile;
use super::{INDEX_FILE, WEIGHTS_FILE};
use crate::error::{IndexProblem, ModelError};
use crate::json::{self, Object};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// File name extensions under which weights are pickled.
const PICKLES: [&str; 5] = ["bin", "ckpt", "pkl", "pt", "pth"];

/// What the names of files begin with that hold heads and inputs which are not OpenVLA's.
const HEADS: [&str; 11] = [
    "action_decoder",
    "action_expert",
    "action_head",
    "action_model",
    "action_query",
    "diffusion",
    "film",
    "noise_predictor",
    "noisy_action_projector",
    "proprio_projector",
    "vision_backbone--",
];

/// What only OpenVLA-OFT's model has in its code.
const OFT: [&str; 2] = ["_regression_or_discrete_prediction", "NUM_ACTIONS_CHUNK"];

/// The index of shards, in Hugging Face's layout.
#[derive(Serialize)]
pub(super) struct Index {
    /// Carries `total_size` \[bytes\].
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// File name of the shard by tensor.
    pub weight_map: BTreeMap<String, String>,
}

/// The files of a checkpoint's weights, open.
#[derive(Debug)]
pub(crate) struct Weights {
    /// The one file, or the index.
    pub listing: PathBuf,
    /// The one file, or all shards.
    pub files: Vec<WeightsFile>,
}

impl Weights {
    /// Opens the weights in `dir` and reads their headers.
    pub fn open(dir: &Path) -> Result<Self, ModelError> {
        refuse_continuous_head(dir)?;
        let (index, single) = (dir.join(INDEX_FILE), dir.join(WEIGHTS_FILE));
        match (json::is_there(&index), json::is_there(&single)) {
            (true, true) => Err(ModelError::TwoSetsOfWeights { dir: dir.to_owned() }),
            (true, false) => Ok(Self { files: open_shards(dir, &index)?, listing: index }),
            (false, true) => Ok(Self { files: vec![WeightsFile::open(&single)?], listing: single }),
            (false, false) => Err(match pickled_file(dir) {
                Some(path) => ModelError::Pickle { path, sign: "no safetensors are beside it" },
                None => {
                    let problem = no_weights(dir);
                    ModelError::OtherFolder { dir: dir.to_owned(), problem }
                }
            }),
        }
    }
}

/// Why a folder has no weights that can be read.
fn no_weights(dir: &Path) -> String {
    let mut there: Vec<String> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".safetensors"))
        .collect();
    there.sort();
    let is_shard = |name: &String| name.starts_with("model-") && name.contains("-of-");
    match &there[..] {
        [] => format!("has no weights: neither {WEIGHTS_FILE} nor {INDEX_FILE} is there"),
        there if there.iter().all(is_shard) => {
            format!("has shards but not their index: fetch {INDEX_FILE} as well")
        }
        there => format!(
            "has neither {WEIGHTS_FILE} nor {INDEX_FILE}, only {}; rename the one that is meant",
            there.join(", ")
        ),
    }
}

/// Refuses a folder with a file beside the weights that shows that actions come from another head than the tokens', as
/// OpenVLA-OFT and its relatives save it.
pub(super) fn refuse_continuous_head(dir: &Path) -> Result<(), ModelError> {
    let is_head = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let weights =
            PICKLES.iter().chain(&["safetensors"]).any(|e| name.ends_with(&format!(".{e}")));
        weights && HEADS.iter().any(|start| name.starts_with(start))
    };
    // Its code decodes all tokens at once, with a head beside or without.
    let code = dir.join("modeling_prismatic.py");
    if fs::read_to_string(&code).is_ok_and(|text| OFT.iter().any(|sign| text.contains(sign))) {
        return Err(ModelError::ContinuousHead { path: code });
    }
    // OpenVLA-OFT keeps the adapter of a run in a folder of the run's.
    if dir.ends_with("lora_adapter")
        && let Some(run) = dir.parent()
    {
        refuse_continuous_head(run)?;
    }
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    match entries.map(|entry| entry.path()).filter(is_head).min() {
        Some(path) => Err(ModelError::ContinuousHead { path }),
        None => Ok(()),
    }
}

/// The first file in `dir` that holds pickled weights by its name.
pub(super) fn pickled_file(dir: &Path) -> Option<PathBuf> {
    let is_pickle = |path: &PathBuf| {
        path.extension().and_then(OsStr::to_str).is_some_and(|e| PICKLES.contains(&e))
    };
    fs::read_dir(dir).ok()?.filter_map(|entry| Some(entry.ok()?.path())).filter(is_pickle).min()
}

fn open_shards(dir: &Path, index_path: &Path) -> Result<Vec<WeightsFile>, ModelError> {
    let value = json::read(index_path)?;
    let index = Object::root(index_path, &value)?;
    let listed = index
        .object("weight_map")?
        .ok_or_else(|| index.lacks("weight_map", "the shard of each tensor"))?;
    let refuse = |problem| ModelError::Index { path: index_path.to_owned(), problem };
    let mut shards: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for tensor in listed.map().keys() {
        let shard = listed.text(tensor)?.unwrap_or_default();
        shards.entry(shard).or_default().insert(tensor.clone());
    }
    if shards.is_empty() {
        return Err(refuse(IndexProblem::Empty));
    }
    let mut files = Vec::with_capacity(shards.len());
    for (shard, listed) in shards {
        let components: Vec<_> = Path::new(&shard).components().collect();
        if !matches!(components[..], [Component::Normal(_)]) {
            return Err(refuse(IndexProblem::Outside { shard }));
        }
        let path = dir.join(&shard);
        if !json::is_there(&path) {
            let tensors = listed.into_iter().collect();
            return Err(refuse(IndexProblem::MissingShard { shard, tensors }));
        }
        let file = WeightsFile::open(&path)?;
        let held: BTreeSet<_> = file.tensors().iter().map(|stored| stored.name.clone()).collect();
        if held != listed {
            let lacking = listed.difference(&held).cloned().collect();
            let unlisted = held.difference(&listed).cloned().collect();
            return Err(refuse(IndexProblem::Disagrees { shard, lacking, unlisted }));
        }
        files.push(file);
    }
    Ok(files)
}
