//! LoRA adapters in PEFT's layout: low-rank changes of a base model's linear maps.
//!
//! Owns the pairs of matrices and their merging into the base. A pair on a part of the towers
//! that never runs is dropped. Must never choose how an adapter is trained.

mod config;
mod files;
mod targets;

pub use config::{AdapterConfig, OPENVLA_TARGETS};
pub use files::AdapterFolder;
pub(super) use files::Survey;
pub use targets::TargetModules;

use super::random::seeded;
use super::shapes::{Shapes, wanted_tensors};
use crate::config::OpenVlaConfig;
use crate::error::{AdapterError, ModelError};
use std::collections::BTreeMap;
use std::path::Path;
use tch::nn::VarStore;
use tch::{Kind, TchError, Tensor};

/// Name of PEFT's configuration file.
pub const ADAPTER_CONFIG_FILE: &str = "adapter_config.json";
/// Name of PEFT's weights file.
pub const ADAPTER_FILE: &str = "adapter_model.safetensors";

/// Name of the file that says what streams an adapter was trained to emit, in the words of
/// config.json's `action_stream`; PEFT does not know it. May be absent.
pub const ADAPTER_STREAM_FILE: &str = "action_stream.json";

/// Numbers of a weight that are merged at once.
const CHUNK_NUMBERS: i64 = 16 << 20;

/// The change `scale * B A` of one linear map or patch embedding.
#[derive(Debug)]
pub struct LoraPair {
    /// A, \[r, inputs\] or \[r, channels, height, width\].
    pub a: Tensor,
    /// B, \[outputs, r\] or \[outputs, r, 1, 1\].
    pub b: Tensor,
    /// Factor of the product.
    pub scale: f64,
}

/// An adapter: its configuration and a pair for every module that it changes.
#[derive(Debug)]
pub struct Adapter {
    /// adapter_config.json.
    pub config: AdapterConfig,
    /// Pairs by module path, such as `language_model.model.layers.0.self_attn.q_proj`; in float32
    /// on the base's device.
    pub modules: BTreeMap<String, LoraPair>,
}

impl Adapter {
    /// A new adapter that changes nothing yet, on every live linear map of `model` that `config`
    /// names: A normal with standard deviation 1/r (PEFT's "gaussian"), B zero. Equal seeds give
    /// equal adapters on equal devices; libtorch's generators are seeded for it.
    pub fn fresh(
        config: AdapterConfig,
        base: &VarStore,
        model: &OpenVlaConfig,
        seed: u64,
    ) -> Result<Self, ModelError> {
        let refuse = |source| ModelError::Adapter { path: ADAPTER_CONFIG_FILE.into(), source };
        config.check().map_err(refuse)?;
        let options = (Kind::Float, base.device());
        let mut modules = BTreeMap::new();
        seeded(seed, || {
            for (module, weight) in linear_maps(model) {
                if !config.targets(&module) {
                    continue;
                }
                let (rank, scale) = config.rank_and_scale(&module).map_err(refuse)?;
                let [a, b] = pair_shapes(&weight, rank);
                let std = 1.0 / rank as f64;
                let a = Tensor::f_empty(&a[..], options)?.f_normal_(0.0, std)?;
                let b = Tensor::f_zeros(&b[..], options)?;
                modules.insert(module, LoraPair { a, b, scale });
            }
            Ok(())
        })?;
        if modules.is_empty() {
            let targets = config.target_modules.to_string();
            return Err(refuse(AdapterError::NoTarget { targets }));
        }
        Ok(Self { config, modules })
    }

    /// Reads the adapter in `dir` for the model whose variables are `base`; all is checked
    /// against `model`, and a copy of the head that PEFT may have saved against the base's.
    pub fn read(dir: &Path, model: &OpenVlaConfig, base: &VarStore) -> Result<Self, ModelError> {
        files::read(dir, model, base)
    }

    /// Writes the new folder `dir`, tensors stored as `kind`: PEFT loads it. The folder appears
    /// whole or not at all.
    pub fn save(&self, dir: &Path, kind: Kind) -> Result<(), ModelError> {
        files::save(self, dir, kind, &AdapterFolder::default())
    }

    /// [`Adapter::save`] with `beside` in the folder.
    pub fn save_as(
        &self,
        dir: &Path,
        kind: Kind,
        beside: &AdapterFolder,
    ) -> Result<(), ModelError> {
        files::save(self, dir, kind, beside)
    }

    /// Adds the changes to the weights in `base`, for good: `W += scale * B A`, computed in
    /// float32 and stored in the weights' element type.
    pub fn merge_into(&self, base: &VarStore) -> Result<(), ModelError> {
        let variables = base.variables();
        for (module, pair) in &self.modules {
            let weight = variables.get(&format!("{module}.weight"));
            let shape = weight.map(Tensor::size);
            match (weight, shape) {
                (Some(weight), Some(shape)) if pair.fits(&shape) => pair.add_to(weight)?,
                (_, shape) => {
                    let source = pair.misfit(module, shape);
                    return Err(ModelError::Adapter { path: ADAPTER_FILE.into(), source });
                }
            }
        }
        Ok(())
    }

    /// A second adapter of the same numbers, which does not change with this one. Its pairs are
    /// used as they are written, as those of one that is trained are, so that equal numbers give
    /// equal answers to the bit.
    pub fn copy(&self) -> Result<Self, ModelError> {
        let _no_grad = tch::no_grad_guard();
        let copy = |tensor: &Tensor| -> Result<Tensor, TchError> {
            let mut copy = tensor.f_detach()?.f_empty_like()?;
            copy.f_copy_(tensor)?;
            copy.f_set_requires_grad(true)
        };
        let pairs = self.modules.iter().map(|(module, LoraPair { a, b, scale })| {
            Ok((module.clone(), LoraPair { a: copy(a)?, b: copy(b)?, scale: *scale }))
        });
        let modules = pairs.collect::<Result<_, TchError>>()?;
        Ok(Self { config: self.config.clone(), modules })
    }

    /// Numbers that training such an adapter changes.
    pub fn parameters(&self) -> usize {
        self.modules.values().map(|pair| pair.a.numel() + pair.b.numel()).sum()
    }
}

impl LoraPair {
    fn fits(&self, weight: &[i64]) -> bool {
        let rank = self.a.size().first().copied().unwrap_or(0);
        pair_shapes(weight, rank) == [self.a.size(), self.b.size()]
    }

    fn misfit(&self, module: &str, weight: Option<Vec<i64>>) -> AdapterError {
        let inputs = self.a.size().into_iter().skip(1).collect();
        let outputs = self.b.size().first().copied().unwrap_or(0);
        AdapterError::Module { module: module.to_owned(), inputs, outputs, weight }
    }

    fn add_to(&self, weight: &Tensor) -> Result<(), ModelError> {
        let _no_grad = tch::no_grad_guard();
        let (a, b) = (self.a.f_flatten(1, -1)?, self.b.f_flatten(1, -1)?);
        let (rows, row) = (weight.size()[0], a.size()[1]);
        let count = (CHUNK_NUMBERS / row).clamp(1, rows);
        for first in (0..rows).step_by(count as usize) {
            let count = count.min(rows - first);
            let mut part = weight.f_narrow(0, first, count)?;
            let change = b.f_narrow(0, first, count)?.f_matmul(&a)?.f_mul_scalar(self.scale)?;
            let sum = part.f_to_kind(Kind::Float)?.f_add(&change.f_reshape(part.size())?)?;
            part.f_copy_(&sum)?;
        }
        Ok(())
    }
}

/// The live linear maps and patch embeddings of a model: shape of the weight by module path.
fn linear_maps(model: &OpenVlaConfig) -> Shapes {
    wanted_tensors(model)
        .into_iter()
        .filter(|(_, shape)| matches!(shape.len(), 2 | 4))
        .filter_map(|(name, shape)| Some((name.strip_suffix(".weight")?.to_owned(), shape)))
        .filter(|(module, _)| !module.ends_with(".embed_tokens"))
        .collect()
}

/// Shapes of A and B on a weight.
fn pair_shapes(weight: &[i64], rank: i64) -> [Vec<i64>; 2] {
    let (mut a, mut b) = (weight.to_vec(), vec![1; weight.len()]);
    b[0] = weight[0];
    b[1] = rank;
    a[0] = rank;
    [a, b]
}
