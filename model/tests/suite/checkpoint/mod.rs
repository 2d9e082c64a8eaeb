//! Checkpoint folders, through the public door.

mod adapter;
mod files;
mod foreign;
mod inspect;
mod names;
mod reading;
mod statistics;
mod synth;
mod writing;

use crate::support::{fixtures, tiny_config};
use jaco_model::checkpoint::read_weights;
use jaco_model::{ModelError, OpenVla, OpenVlaPolicy};
use safetensors::SafeTensors;
use std::fs;
use std::path::Path;
use tch::nn::VarStore;
use tch::{Device, Kind};

const INSTRUCTION: &str = "push the red box out of the marked region";

fn load(dir: &Path) -> Result<OpenVlaPolicy, ModelError> {
    OpenVlaPolicy::load(dir, Device::Cpu)
}

fn names_in(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn tensor_names(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.names().into_iter().map(str::to_owned).collect()
}

/// The tiny fixture's model with its weights.
fn tiny_model(kind: Kind) -> (VarStore, OpenVla) {
    let config = tiny_config();
    let mut variables = VarStore::new(Device::Cpu);
    variables.set_kind(kind);
    let model = OpenVla::new(&variables.root(), &config).unwrap();
    read_weights(&fixtures().join("tiny-openvla"), &config, &variables).unwrap();
    (variables, model)
}
