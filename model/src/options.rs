//! What is loaded, in the words of settings, and libtorch's words for them.
//!
//! Daemon, laboratory and tools load through this file, so that all mean the same.

use crate::checkpoint::{read_config, read_statistics};
use crate::error::ModelError;
use crate::image::LiberoView;
use crate::policy::{LoadOptions, OpenVlaPolicy};
use jaco_core::{Device, Dtype, View};
use std::path::PathBuf;
use tch::Kind;

/// What is loaded, and where it runs.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyOptions {
    /// Folder of the checkpoint.
    pub checkpoint: PathBuf,
    /// Folder of an adapter that acts on it.
    pub adapter: Option<PathBuf>,
    /// Whether the adapter is added into the weights.
    pub merge_adapter: bool,
    /// Dataset whose statistics decode the actions; none = the only one.
    pub statistics: Option<String>,
    /// What is done to frames first.
    pub view: View,
    /// Where it runs.
    pub device: Device,
    /// Element type that it computes in.
    pub dtype: Dtype,
}

impl PolicyOptions {
    /// The checkpoint as it is, in single precision on the processor.
    pub fn on_cpu(checkpoint: PathBuf) -> Self {
        Self {
            checkpoint,
            adapter: None,
            merge_adapter: true,
            statistics: None,
            view: View::Plain,
            device: Device::Cpu,
            dtype: Dtype::F32,
        }
    }

    /// Loads the policy.
    pub fn load(&self) -> Result<OpenVlaPolicy, ModelError> {
        let options = LoadOptions {
            device: torch_device(self.device),
            kind: Some(kind(self.dtype)),
            statistics: self.statistics.as_deref(),
            view: model_view(self.view),
            adapter: self.adapter.as_deref(),
            merge_adapter: self.merge_adapter,
        };
        OpenVlaPolicy::load_with(&self.checkpoint, &options)
    }

    /// The dataset whose statistics decode the actions, without loading any weights. `setting`
    /// is what chooses it, for the error.
    pub fn statistics_key(&self, setting: &str) -> Result<String, ModelError> {
        let config = read_config(&self.checkpoint)?;
        let all = read_statistics(&self.checkpoint, self.adapter.as_deref(), &config)?;
        let key = self.statistics.as_deref();
        match all.choose(key) {
            Ok(_) => all.name(key),
            Err(
                error @ (ModelError::AmbiguousStatistics { .. }
                | ModelError::UnknownStatistics { .. }),
            ) => Err(ModelError::Setting { error: Box::new(error), setting: setting.to_owned() }),
            Err(error) => Err(error),
        }
    }
}

/// libtorch's word for a device.
pub fn torch_device(device: Device) -> tch::Device {
    match device {
        Device::Cpu => tch::Device::Cpu,
        Device::Cuda(index) => tch::Device::Cuda(index),
    }
}

/// The model's word for a view.
fn model_view(view: View) -> Option<LiberoView> {
    match view {
        View::Plain => None,
        View::Bridge => Some(LiberoView::BRIDGE),
        View::Cropped => Some(LiberoView { rotate: false, ..LiberoView::LIBERO }),
        View::Libero => Some(LiberoView::LIBERO),
    }
}

/// libtorch's word for an element type.
pub fn kind(dtype: Dtype) -> Kind {
    match dtype {
        Dtype::F32 => Kind::Float,
        Dtype::Bf16 => Kind::BFloat16,
        Dtype::F16 => Kind::Half,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::checkpoint::{CONFIG_FILE, STATISTICS_FILE};

    const MINI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/mini");

    fn with_statistics(keys: &[&str]) -> tempfile::TempDir {
        let mini = std::path::Path::new(MINI);
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(mini.join(CONFIG_FILE), folder.path().join(CONFIG_FILE)).unwrap();
        let (q01, q99) = ([0.0; 7], [1.0; 7]);
        let action = serde_json::json!({ "action": { "q01": q01, "q99": q99 } });
        let all: serde_json::Map<_, _> =
            keys.iter().map(|key| ((*key).to_owned(), action.clone())).collect();
        let text = serde_json::to_vec(&all).unwrap();
        std::fs::write(folder.path().join(STATISTICS_FILE), text).unwrap();
        folder
    }

    #[test]
    fn the_only_statistics_need_no_name_and_one_of_many_does() {
        let folder = with_statistics(&["bridge"]);
        let mut options = PolicyOptions::on_cpu(folder.path().to_owned());
        assert_eq!(options.statistics_key("statistics").unwrap(), "bridge");
        let folder = with_statistics(&["bridge", "fractal"]);
        options.checkpoint = folder.path().to_owned();
        let error = options.statistics_key("`statistics` in [policy]").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the checkpoint has statistics of bridge, fractal; name one of them: \
             set `statistics` in [policy]"
        );
        options.statistics = Some("fractal".to_owned());
        assert_eq!(options.statistics_key("--statistics").unwrap(), "fractal");
        options.statistics = Some("taco".to_owned());
        let error = options.statistics_key("--statistics").unwrap_err();
        assert_eq!(
            error.to_string(),
            "no statistics under \"taco\"; the checkpoint has bridge, fractal: set --statistics"
        );
        assert!(error.is_unusable_input());
    }
}
