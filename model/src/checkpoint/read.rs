//! Copying the weights of a checkpoint into a model's variables.
//!
//! Owns the order of things: headers, names and shapes are judged first, so that a checkpoint
//! that does not fit leaves the variables as they were. Must never run a model.

use super::compare::compare;
use super::file::{Stored, WeightsFile};
use super::locate::Weights;
use super::shapes::{Shapes, is_dead};
use crate::config::OpenVlaConfig;
use crate::error::ModelError;
use std::collections::BTreeMap;
use std::path::Path;
use tch::Tensor;
use tch::nn::VarStore;

/// Copies the weights in `dir` into `variables`, converting their element type. The files must
/// hold exactly the tensors of a model of `config`, and may hold the ones that OpenVLA never
/// computes with: each tower's last block, final norm and attention pool.
///
/// Every tensor goes from the mapped file to its variable in small pieces, so that little memory
/// is needed beside the variables. After an error that is not libtorch's they are unchanged.
pub fn read_weights(
    dir: &Path,
    config: &OpenVlaConfig,
    variables: &VarStore,
) -> Result<(), ModelError> {
    let variables: BTreeMap<String, Tensor> = variables.variables().into_iter().collect();
    let wanted = variables.iter().map(|(name, tensor)| (name.clone(), tensor.size())).collect();
    let weights = Weights::open(dir)?;
    weights.check(&wanted, config)?;
    for file in weights.files {
        for stored in file.tensors() {
            if let Some(variable) = variables.get(&stored.name) {
                file.copy_into(stored, variable)?;
            }
        }
    }
    Ok(())
}

impl Weights {
    /// The tensors that no model of `config` reads.
    pub fn dead<'a>(
        &'a self,
        config: &'a OpenVlaConfig,
    ) -> impl Iterator<Item = (&'a WeightsFile, &'a Stored)> {
        let stored =
            self.files.iter().flat_map(|file| file.tensors().iter().map(move |it| (file, it)));
        stored.filter(|(_, it)| is_dead(&it.name, config))
    }

    /// Whether the files hold exactly the `wanted` tensors of a model of `config`, dead ones
    /// aside, in element types that weights can have.
    pub fn check(&self, wanted: &Shapes, config: &OpenVlaConfig) -> Result<(), ModelError> {
        let stored = || self.files.iter().flat_map(|file| file.tensors());
        let found = stored().map(|stored| (stored.name.as_str(), &stored.shape[..]));
        let mismatch = compare(wanted, found, |name| is_dead(name, config));
        if !mismatch.is_empty() {
            let (path, mismatch) = (self.listing.clone(), Box::new(mismatch));
            return Err(ModelError::Tensors { path, mismatch });
        }
        for file in &self.files {
            for stored in file.tensors().iter().filter(|s| wanted.contains_key(&s.name)) {
                file.kind(stored)?;
            }
        }
        Ok(())
    }
}
