//! Adapter folders: adapter_config.json and adapter_model.safetensors.
//!
//! Owns the names of PEFT's tensors, and the checks that they fit the configuration and the base
//! model. Must never unpickle an adapter_model.bin.

use super::{
    ADAPTER_CONFIG_FILE, ADAPTER_FILE, ADAPTER_STREAM_FILE, Adapter, AdapterConfig, LoraPair,
    linear_maps, pair_shapes,
};
use crate::checkpoint::STATISTICS_FILE;
use crate::checkpoint::file::{Stored, WeightsFile};
use crate::checkpoint::shapes::{Shapes, is_dead};
use crate::checkpoint::shards::write_file;
use crate::checkpoint::{folder, locate};
use crate::config::{ActionStreamConfig, OpenVlaConfig};
use crate::error::{AdapterError, ModelError, TensorMismatch};
use crate::statistics::NormStats;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use tch::nn::VarStore;
use tch::{Kind, Tensor};

/// What PEFT puts before the module path.
const PREFIX: &str = "base_model.model.";

/// Numbers of two base weights that are compared at once.
const CHUNK_ROWS: i64 = 2048;

#[derive(Clone, Copy, PartialEq)]
enum Part {
    A,
    B,
    BaseCopy,
}

/// Ends of PEFT's tensor names.
const ENDS: [(&str, Part); 5] = [
    (".lora_A.weight", Part::A),
    (".lora_A.default.weight", Part::A),
    (".lora_B.weight", Part::B),
    (".lora_B.default.weight", Part::B),
    (".base_layer.weight", Part::BaseCopy),
];

/// What an adapter folder holds by its headers.
#[derive(Debug)]
pub(in crate::checkpoint) struct Survey {
    pub config: AdapterConfig,
    file: WeightsFile,
    /// A and B by module path.
    pub pairs: BTreeMap<String, [Stored; 2]>,
    /// Copies of base weights by module path.
    copies: BTreeMap<String, Stored>,
}

impl Survey {
    /// Reads the configuration and the header; every A must have a B.
    pub fn read(dir: &Path) -> Result<Self, ModelError> {
        let config_path = dir.join(ADAPTER_CONFIG_FILE);
        let config = AdapterConfig::read(&config_path)?;
        locate::refuse_continuous_head(dir)?;
        let path = dir.join(ADAPTER_FILE);
        if let Some(path) = locate::pickled_file(dir).filter(|_| !path.exists()) {
            return Err(ModelError::Pickle { path, sign: "no safetensors are beside it" });
        }
        let file = WeightsFile::open(&path)?;
        let (mut halves, mut copies) = (BTreeMap::new(), BTreeMap::new());
        let mut mismatch = TensorMismatch::default();
        for stored in file.tensors() {
            let before = match parse(&stored.name) {
                Some((module, Part::BaseCopy)) => copies.insert(module.to_owned(), stored.clone()),
                Some((module, part)) => {
                    let halves: &mut [Option<Stored>; 2] =
                        halves.entry(module.to_owned()).or_default();
                    halves[usize::from(part == Part::B)].replace(stored.clone())
                }
                None => Some(stored.clone()),
            };
            // A name that is none of ours, or a second one for the same tensor.
            mismatch.unexpected.extend(before.map(|stored| stored.name));
        }
        let mut pairs = BTreeMap::new();
        for (module, halves) in halves {
            match halves {
                [Some(a), Some(b)] => {
                    pairs.insert(module, [a, b]);
                }
                [None, _] => mismatch.missing.push(format!("{PREFIX}{module}.lora_A.weight")),
                [_, None] => mismatch.missing.push(format!("{PREFIX}{module}.lora_B.weight")),
            }
        }
        complain(&path, mismatch)?;
        Ok(Self { config, file, pairs, copies })
    }

    /// Numbers in all pairs.
    pub fn parameters(&self) -> u64 {
        self.pairs.values().flatten().map(Stored::numbers).sum()
    }

    /// Drops pairs on dead modules and refuses what does not fit the model.
    fn fit(&mut self, model: &OpenVlaConfig) -> Result<Shapes, ModelError> {
        let path = self.file.path().to_owned();
        let dead = |module: &String| is_dead(&format!("{module}.weight"), model);
        self.pairs.retain(|module, _| !dead(module));
        self.copies.retain(|module, _| !dead(module));
        let maps = linear_maps(model);
        let mut mismatch = TensorMismatch::default();
        for (module, [a, b]) in &self.pairs {
            if maps.contains_key(module) && !self.config.targets(module) {
                mismatch.unexpected.extend([a.name.clone(), b.name.clone()]);
            }
        }
        for module in maps.keys().filter(|module| self.config.targets(module)) {
            if self.config.is_exhaustive() && !self.pairs.contains_key(module) {
                let names = ["A", "B"].map(|half| format!("{PREFIX}{module}.lora_{half}.weight"));
                mismatch.missing.extend(names);
            }
        }
        complain(&path, mismatch)?;
        for (module, [a, b]) in &self.pairs {
            let (wanted, _) = self.config.rank_and_scale(module).map_err(refuse(&path))?;
            let weight = maps.get(module);
            let found = a.shape.first().copied().unwrap_or(0);
            let fits = |weight: &Vec<i64>| {
                pair_shapes(weight, found) == [a.shape.clone(), b.shape.clone()]
            };
            if !weight.is_some_and(fits) {
                let inputs = a.shape.iter().skip(1).copied().collect();
                let outputs = b.shape.first().copied().unwrap_or(0);
                let (module, weight) = (module.clone(), weight.cloned());
                return Err(refuse(&path)(AdapterError::Module {
                    module,
                    inputs,
                    outputs,
                    weight,
                }));
            }
            if found != wanted {
                let module = module.clone();
                return Err(refuse(&path)(AdapterError::Rank { module, wanted, found }));
            }
        }
        Ok(maps)
    }

    /// Refuses a copy of a base weight that differs from the base's.
    fn check_copies(&self, base: &VarStore, maps: &Shapes) -> Result<(), ModelError> {
        let variables = base.variables();
        for (module, copy) in &self.copies {
            let tensor = format!("{module}.weight");
            let weight = variables
                .get(&tensor)
                .filter(|weight| maps.contains_key(module) && weight.size() == copy.shape);
            let Some(weight) = weight else {
                let inputs = copy.shape.iter().skip(1).copied().collect();
                let outputs = copy.shape.first().copied().unwrap_or(0);
                let weight = maps.get(module).cloned();
                let module = module.clone();
                let source = AdapterError::Module { module, inputs, outputs, weight };
                return Err(refuse(self.file.path())(source));
            };
            let differing = self.differing(copy, weight)?;
            if differing > 0 {
                let numbers = weight.numel() as i64;
                let source = AdapterError::OtherBase { tensor, differing, numbers };
                return Err(refuse(self.file.path())(source));
            }
        }
        Ok(())
    }

    /// Numbers in which a stored tensor differs from `weight`, both rounded to the coarser of
    /// their element types.
    fn differing(&self, copy: &Stored, weight: &Tensor) -> Result<i64, ModelError> {
        let stored_kind = self.file.kind(copy)?;
        let coarser =
            if weight.f_kind()? == Kind::Float { stored_kind } else { weight.f_kind()? };
        let copy = self.file.load(copy, weight.device())?;
        let rows = weight.size()[0];
        let mut differing = 0;
        for first in (0..rows).step_by(CHUNK_ROWS as usize) {
            let part = |tensor: &Tensor| -> Result<Tensor, ModelError> {
                let part = tensor.f_narrow(0, first, CHUNK_ROWS.min(rows - first))?;
                Ok(part.f_detach()?.f_to_kind(coarser)?)
            };
            let unequal = part(&copy)?.f_ne_tensor(&part(weight)?)?;
            differing += unequal.f_sum(Kind::Int64)?.f_int64_value(&[])?;
        }
        Ok(differing)
    }
}

pub(super) fn read(
    dir: &Path,
    model: &OpenVlaConfig,
    base: &VarStore,
) -> Result<Adapter, ModelError> {
    let mut survey = Survey::read(dir)?;
    let maps = survey.fit(model)?;
    survey.check_copies(base, &maps)?;
    let (mut modules, mut changes) = (BTreeMap::new(), false);
    for (module, [a, b]) in &survey.pairs {
        let (_, scale) = survey.config.rank_and_scale(module).map_err(refuse(dir))?;
        let a = survey.file.load(a, base.device())?;
        let b = survey.file.load(b, base.device())?;
        let [a_most, b_most] = [largest(&a)?, largest(&b)?];
        if !(a_most.is_finite() && b_most.is_finite()) {
            let module = module.clone();
            return Err(refuse(survey.file.path())(AdapterError::NotFinite { module }));
        }
        changes |= a_most > 0.0 && b_most > 0.0;
        modules.insert(module.clone(), LoraPair { a, b, scale });
    }
    if survey.pairs.is_empty() {
        return Err(refuse(survey.file.path())(AdapterError::OnlyDead));
    }
    if !changes {
        return Err(refuse(survey.file.path())(AdapterError::ChangesNothing));
    }
    Ok(Adapter { config: survey.config, modules })
}

/// The largest absolute value; NaN if there is one.
fn largest(tensor: &Tensor) -> Result<f64, ModelError> {
    Ok(tensor.f_abs()?.f_max()?.f_double_value(&[])?)
}

/// What goes into an adapter's folder beside its pairs.
#[derive(Clone, Copy, Debug, Default)]
pub struct AdapterFolder<'a> {
    /// The checkpoint that it acts on, for adapter_config.json.
    pub base: Option<&'a Path>,
    /// Path and weights of an adapted map that are saved along, as PEFT does with a head: whoever
    /// reads the adapter can tell another base by it.
    pub head: Option<(&'a str, &'a Tensor)>,
    /// What the actions were encoded with.
    pub statistics: Option<&'a NormStats>,
    /// The streams that it was trained to emit.
    pub stream: Option<&'a ActionStreamConfig>,
}

pub(super) fn save(
    adapter: &Adapter,
    dir: &Path,
    kind: Kind,
    beside: &AdapterFolder,
) -> Result<(), ModelError> {
    let mut config = adapter.config.clone();
    let base = beside.base.map(|base| base.display().to_string());
    if let Some(base) = &base {
        config.rest.insert("base_model_name_or_path".into(), json!(base));
    }
    // What PEFT writes for an adapter of this kind, where the configuration does not say it.
    for (key, value) in [
        ("auto_mapping", Value::Null),
        ("base_model_name_or_path", json!("")),
        ("bias", json!("none")),
        ("fan_in_fan_out", json!(false)),
        ("inference_mode", json!(true)),
        ("init_lora_weights", json!("gaussian")),
        ("layers_pattern", Value::Null),
        ("layers_to_transform", Value::Null),
        ("modules_to_save", Value::Null),
        ("revision", Value::Null),
        ("task_type", Value::Null),
        ("use_dora", json!(false)),
    ] {
        config.rest.entry(key).or_insert(value);
    }
    let mut tensors: BTreeMap<String, &Tensor> = BTreeMap::new();
    for (module, pair) in &adapter.modules {
        tensors.insert(format!("{PREFIX}{module}.lora_A.weight"), &pair.a);
        tensors.insert(format!("{PREFIX}{module}.lora_B.weight"), &pair.b);
    }
    if let Some((module, weight)) = beside.head {
        tensors.insert(format!("{PREFIX}{module}.base_layer.weight"), weight);
    }
    let shapes: Shapes =
        tensors.iter().map(|(name, tensor)| (name.clone(), tensor.size())).collect();
    folder::write_whole(dir, |dir| {
        folder::write_json(&dir.join(ADAPTER_CONFIG_FILE), &config)?;
        if let Some(statistics) = beside.statistics {
            folder::write_json(&dir.join(STATISTICS_FILE), statistics)?;
        }
        if let Some(stream) = beside.stream {
            folder::write_json(&dir.join(ADAPTER_STREAM_FILE), stream)?;
        }
        let listed: Vec<_> = shapes.iter().collect();
        write_file(&dir.join(ADAPTER_FILE), &listed, kind, &mut |name, sink| {
            sink.put(tensors[name])
        })
    })
}

fn parse(name: &str) -> Option<(&str, Part)> {
    let path = name.strip_prefix(PREFIX)?;
    ENDS.iter().find_map(|(end, part)| Some((path.strip_suffix(end)?, *part)))
}

fn refuse(path: &Path) -> impl Fn(AdapterError) -> ModelError {
    let path = path.to_owned();
    move |source| ModelError::Adapter { path: path.clone(), source }
}

fn complain(path: &Path, mut mismatch: TensorMismatch) -> Result<(), ModelError> {
    if mismatch.is_empty() {
        return Ok(());
    }
    mismatch.missing.sort();
    mismatch.unexpected.sort();
    Err(refuse(path)(AdapterError::Tensors(Box::new(mismatch))))
}
