//! The frozen policy that rewards are relative to: what the policy was at the start.
//!
//! Owns a copy of what is trained and nothing else: below adapters the base's weights are shared,
//! and towers that stand still are the policy's. Must never be trained.

use crate::error::TrainError;
use crate::lora;
use crate::network::{MODEL, Network};
use jaco_model::OpenVla;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor, no_grad};

/// Prefix of the reference's tensors among those of the objective.
const PREFIX: &str = "reference.";

/// The reference.
pub struct Reference {
    model: OpenVla,
    tensors: Vec<(String, Tensor)>,
    /// Keeps the variables of a model of its own.
    _variables: Option<VarStore>,
}

impl Reference {
    /// What `network` is now.
    pub fn of(network: &Network, device: Device) -> Result<Self, TrainError> {
        let named = |name: &str| format!("{PREFIX}{name}");
        if let Some(adapter) = network.adapter() {
            let copy = adapter.copy()?;
            let mut model = network.model().share();
            model.set_adapter(Some(&copy))?;
            let tensors = lora::tensors(&copy);
            let tensors = tensors.into_iter().map(|(name, it)| (named(&name), it)).collect();
            return Ok(Self { model, tensors, _variables: None });
        }
        let (variables, model) = OpenVla::build_frozen(&network.config, device, Kind::Float)?;
        let own = variables.variables();
        let mut tensors = Vec::new();
        for (name, trained) in network.parameters() {
            let Some(copy) = name.strip_prefix(MODEL).and_then(|name| own.get(name)) else {
                continue;
            };
            no_grad(|| copy.shallow_clone().f_copy_(&trained))?;
            tensors.push((named(&name), copy.shallow_clone()));
        }
        Ok(Self { model, tensors, _variables: Some(variables) })
    }

    /// The model. Where vision stands still, its towers may hold no values: their answers are
    /// those of the policy.
    pub fn model(&self) -> &OpenVla {
        &self.model
    }

    /// All that it owns, by name.
    pub fn tensors(&self) -> impl Iterator<Item = (String, Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone()))
    }
}
