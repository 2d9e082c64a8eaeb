//! Checkpoint folders in Hugging Face's layout: config.json, safetensors, tokenizer.json,
//! preprocessor_config.json, dataset_statistics.json.
//!
//! Owns reading weights into a model's variables, with one error that names every tensor that
//! does not fit, and writing a folder that is there whole or not at all. Must never run a
//! model.

use crate::config::OpenVlaConfig;
use crate::error::{Misshapen, ModelError, TensorMismatch};
use crate::image::ImageProcessor;
use crate::prompt::PromptTokenizer;
use crate::statistics::NormStats;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use tch::nn::VarStore;
use tch::{Device, Kind, TchError, Tensor};

/// The file of sizes and token ids.
pub const CONFIG_FILE: &str = "config.json";
/// The tokenizer of the prompt.
pub const TOKENIZER_FILE: &str = "tokenizer.json";
/// The constants of the image processor; may be absent.
pub const PROCESSOR_FILE: &str = "preprocessor_config.json";
/// Action statistics; they override those of config.json; may be absent.
pub const STATISTICS_FILE: &str = "dataset_statistics.json";
/// The weights, if they are in one file.
pub const WEIGHTS_FILE: &str = "model.safetensors";
/// Which file holds which tensor, if the weights are in several.
pub const INDEX_FILE: &str = "model.safetensors.index.json";

/// The parts of a model; variables under other names are not the model's.
const PARTS: [&str; 3] = ["vision_backbone.", "projector.", "language_model."];

/// The statistics of the checkpoint in `dir`, whose config.json is `config`; those beside the
/// `adapter`, if there are any, go first.
pub fn read_statistics(
    dir: &Path,
    adapter: Option<&Path>,
    config: &OpenVlaConfig,
) -> Result<NormStats, ModelError> {
    let beside = adapter.map(|folder| folder.join(STATISTICS_FILE)).filter(|path| path.exists());
    let path = beside.unwrap_or_else(|| dir.join(STATISTICS_FILE));
    let statistics = match fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => config.norm_stats.clone(),
        read => serde_json::from_slice(&read.map_err(ModelError::io(&path))?)
            .map_err(|source| ModelError::Json { path, source })?,
    };
    if statistics.is_empty() {
        return Err(ModelError::NoStatistics { dir: dir.to_owned() });
    }
    Ok(statistics)
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Copies the weights in `dir` into `variables`, converting their element type. The files must
/// hold exactly the tensors of a model of `config`, and may hold the ones that OpenVLA never
/// computes with: each tower's last block, final norm and attention pool.
///
/// A weights file is in memory whole while it is read. After an error the variables hold a
/// mixture and must not be used.
pub fn read_weights(
    dir: &Path,
    config: &OpenVlaConfig,
    variables: &VarStore,
) -> Result<(), ModelError> {
    let index_path = dir.join(INDEX_FILE);
    let (listing, files) = if index_path.exists() {
        let text = fs::read(&index_path).map_err(ModelError::io(&index_path))?;
        let index: Index = serde_json::from_slice(&text)
            .map_err(|source| ModelError::Json { path: index_path.clone(), source })?;
        let names: BTreeSet<String> = index.weight_map.into_values().collect();
        (index_path, names.into_iter().map(|name| dir.join(name)).collect())
    } else {
        let path = dir.join(WEIGHTS_FILE);
        (path.clone(), vec![path])
    };
    let mut wanted = variables.variables();
    let mut mismatch = TensorMismatch::default();
    for file in &files {
        read_file(file, config, &mut wanted, &mut mismatch)?;
    }
    mismatch.missing = wanted.into_keys().collect();
    mismatch.missing.sort();
    mismatch.unexpected.sort();
    if mismatch.is_empty() { Ok(()) } else { Err(ModelError::Tensors { path: listing, mismatch }) }
}

/// Moves what `path` holds from `wanted` into the variables.
fn read_file(
    path: &Path,
    config: &OpenVlaConfig,
    wanted: &mut HashMap<String, Tensor>,
    mismatch: &mut TensorMismatch,
) -> Result<(), ModelError> {
    let bytes = fs::read(path).map_err(ModelError::io(path))?;
    let tensors = SafeTensors::deserialize(&bytes)
        .map_err(|source| ModelError::Safetensors { path: path.to_owned(), source })?;
    let _no_grad = tch::no_grad_guard();
    for (name, view) in tensors.iter() {
        let Some(mut variable) = wanted.remove(name) else {
            if !is_never_run(name, config) {
                mismatch.unexpected.push(name.to_owned());
            }
            continue;
        };
        let kind = kind_of(view.dtype()).ok_or_else(|| ModelError::ElementType {
            path: path.to_owned(),
            name: name.to_owned(),
            found: format!("{:?}", view.dtype()),
        })?;
        let found: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
        if found != variable.size() {
            let (name, wanted) = (name.to_owned(), variable.size());
            mismatch.misshapen.push(Misshapen { name, wanted, found });
            continue;
        }
        variable.f_copy_(&Tensor::f_from_data_size(view.data(), &found, kind)?)?;
    }
    Ok(())
}

/// Whether a published checkpoint has this tensor although the model's output never uses it.
fn is_never_run(name: &str, config: &OpenVlaConfig) -> bool {
    let towers = config.towers();
    [("featurizer", towers.featurizer), ("fused_featurizer", towers.fused_featurizer)]
        .into_iter()
        .filter_map(|(tower, sizes)| {
            Some((name.strip_prefix(&format!("vision_backbone.{tower}."))?, sizes))
        })
        .any(|(rest, sizes)| {
            rest.starts_with(&format!("blocks.{}.", sizes.depth - 1))
                || rest.starts_with("norm.")
                || rest.starts_with("attn_pool.")
        })
}

fn kind_of(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F32 => Some(Kind::Float),
        Dtype::BF16 => Some(Kind::BFloat16),
        Dtype::F16 => Some(Kind::Half),
        _ => None,
    }
}

/// Low-rank changes to a model's maps, by module name.
#[derive(Debug)]
pub struct Adapter {
    /// The pair of each module.
    pub modules: BTreeMap<String, LoraPair>,
}

/// The two factors of one module's change.
#[derive(Debug)]
pub struct LoraPair {
    /// First factor.
    pub a: Tensor,
    /// Second factor.
    pub b: Tensor,
    /// Multiplies their product.
    pub scale: f64,
}

impl Adapter {
    /// stub
    pub fn read(_: &Path, _: &OpenVlaConfig, _: &VarStore) -> Result<Self, ModelError> {
        Ok(Self { modules: BTreeMap::new() })
    }
    pub(crate) fn merge_into(&self, _: &VarStore) -> Result<(), ModelError> {
        Ok(())
    }
}

/// Everything that a checkpoint folder is written from.
#[derive(Debug)]
pub struct Checkpoint<'a> {
    /// Sizes and token ids.
    pub config: &'a OpenVlaConfig,
    /// The model's variables; others, such as a head used only in training, are left out.
    pub variables: &'a VarStore,
    /// Element type to store: `Float`, `BFloat16` or `Half`.
    pub kind: Kind,
    /// The tokenizer of the prompt.
    pub tokenizer: &'a PromptTokenizer,
    /// The image processor.
    pub images: &'a ImageProcessor,
    /// Statistics of the training actions.
    pub statistics: &'a NormStats,
}

impl Checkpoint<'_> {
    /// Writes the folder `dir`, which must not exist. All files are on disk before the folder
    /// appears under its name; after an error or a power cut it is not there.
    pub fn save(&self, dir: &Path) -> Result<(), ModelError> {
        if dir.exists() {
            return Err(ModelError::Exists { dir: dir.to_owned() });
        }
        let partial = partial_name(dir);
        // What a killed run left behind.
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(ModelError::io(&partial))?;
        }
        fs::create_dir_all(&partial).map_err(ModelError::io(&partial))?;
        let written = self.write_into(&partial).and_then(|()| {
            fs::rename(&partial, dir).map_err(ModelError::io(dir))?;
            sync(
                dir.parent()
                    .filter(|parent| !parent.as_os_str().is_empty())
                    .unwrap_or(Path::new(".")),
            )
        });
        if written.is_err() {
            // The error that counts is the one above.
            let _ = fs::remove_dir_all(&partial);
        }
        written
    }

    fn write_into(&self, dir: &Path) -> Result<(), ModelError> {
        let (dtype, torch_name) = stored_as(self.kind)?;
        let mut config = self.config.clone();
        config.norm_stats = self.statistics.clone();
        config.rest.insert("torch_dtype".into(), Value::String(torch_name.into()));
        write_json(&dir.join(CONFIG_FILE), &config)?;
        write_json(&dir.join(STATISTICS_FILE), self.statistics)?;
        write_json(&dir.join(PROCESSOR_FILE), &self.images.file())?;
        write(&dir.join(TOKENIZER_FILE), self.tokenizer.to_json()?.as_bytes())?;
        self.write_weights(&dir.join(WEIGHTS_FILE), dtype)?;
        sync(dir)
    }

    fn write_weights(&self, path: &Path, dtype: Dtype) -> Result<(), ModelError> {
        let damaged = |source| ModelError::Safetensors { path: path.to_owned(), source };
        let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
        for (name, variable) in self.variables.variables() {
            if PARTS.iter().any(|part| name.starts_with(part)) {
                let shape = variable.size().iter().map(|&size| size as usize).collect();
                tensors.push((name, shape, bytes_of(&variable, self.kind)?));
            }
        }
        let views: Vec<(&str, TensorView)> = tensors
            .iter()
            .map(|(name, shape, bytes)| {
                Ok((name.as_str(), TensorView::new(dtype, shape.clone(), bytes)?))
            })
            .collect::<Result<_, _>>()
            .map_err(damaged)?;
        // Hugging Face's loader refuses files without this entry.
        let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        safetensors::serialize_to_file(views, Some(format), path).map_err(damaged)?;
        sync(path)
    }
}

fn bytes_of(variable: &Tensor, kind: Kind) -> Result<Vec<u8>, TchError> {
    let values = variable.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(kind)?.f_contiguous()?;
    let mut bytes = vec![0; values.numel() * kind.elt_size_in_bytes()];
    values.f_copy_data_u8(&mut bytes, values.numel())?;
    Ok(bytes)
}

fn stored_as(kind: Kind) -> Result<(Dtype, &'static str), TchError> {
    match kind {
        Kind::Float => Ok((Dtype::F32, "float32")),
        Kind::BFloat16 => Ok((Dtype::BF16, "bfloat16")),
        Kind::Half => Ok((Dtype::F16, "float16")),
        other => Err(TchError::Kind(format!("weights are not stored as {other:?}"))),
    }
}

/// Where a folder is written before it gets its name.
fn partial_name(dir: &Path) -> PathBuf {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    dir.with_file_name(format!(".{name}.partial"))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), ModelError> {
    let text = serde_json::to_vec_pretty(value)
        .map_err(|source| ModelError::Json { path: path.to_owned(), source })?;
    write(path, &text)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    fs::write(path, bytes).map_err(ModelError::io(path))?;
    sync(path)
}

fn sync(path: &Path) -> Result<(), ModelError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(ModelError::io(path))
}
