//! An invented checkpoint of the smallest sizes, and a folder in memory to put files of an input
//! into.

use super::promise;
use jaco_model::OpenVlaConfig;
use jaco_model::checkpoint::synth;
use std::fs;
use std::path::{Path, PathBuf};
use tch::Kind;

/// Sizes of the invented checkpoint.
const GEOMETRY: &str = r#"{
    "image_sizes": [8, 8], "pad_to_multiple_of": 64,
    "text_config": {
        "vocab_size": 448, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
        "num_attention_heads": 2, "max_position_embeddings": 64
    },
    "vision": {
        "featurizer": {
            "embed_dim": 8, "depth": 2, "num_heads": 2, "mlp_hidden": 8, "patch_size": 4,
            "class_token": true, "layer_scale": true
        },
        "fused_featurizer": {
            "embed_dim": 8, "depth": 2, "num_heads": 2, "mlp_hidden": 8, "patch_size": 4,
            "class_token": false, "layer_scale": false
        }
    },
    "action_stream": { "horizon": 2, "separator_token_id": 3, "prompt_suffix_token_id": null }
}"#;

/// The checkpoint and the folder.
pub struct Workshop {
    _folder: tempfile::TempDir,
    /// The checkpoint; not to be written to.
    pub checkpoint: PathBuf,
    /// Its config.json.
    pub config: OpenVlaConfig,
    /// Where an input's files go.
    pub bench: PathBuf,
}

impl Workshop {
    /// Writes the checkpoint.
    pub fn new() -> Self {
        let folder = promise::folder();
        let geometry = folder.path().join("geometry.json");
        fs::write(&geometry, GEOMETRY).expect("a file of one's own");
        let config = OpenVlaConfig::read(&geometry).expect("a sound geometry");
        let checkpoint = folder.path().join("checkpoint");
        synth::write(&config, Kind::Float, 0, &checkpoint, u64::MAX, &mut |_, _| ())
            .expect("an invented checkpoint");
        let bench = folder.path().join("bench");
        Self { _folder: folder, checkpoint, config, bench }
    }

    /// Empties the folder.
    pub fn clear(&self) -> &Path {
        let _ = fs::remove_dir_all(&self.bench);
        fs::create_dir(&self.bench).expect("a folder of one's own");
        &self.bench
    }

    /// Puts a file into the folder.
    pub fn put(&self, name: &str, content: &[u8]) {
        fs::write(self.bench.join(name), content).expect("a file of one's own");
    }
}
