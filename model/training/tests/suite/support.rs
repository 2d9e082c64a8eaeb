//! A dataset of pictures that say what to do, a tiny model, and a clock that stands still.

use jaco_core::ManualClock;
use jaco_dataset::{DatasetWriter, EpisodeNotes, FeatureKind, Features, Row, Value};
use jaco_training::{
    DatasetSource, LbcConfig, Progress, Start, Summary, TrainConfig, TrainError, TrainRequest,
    VisionConfig, train_lbc, train_vision,
};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Side of the pictures \[pixels\].
pub const SIDE: u32 = 32;

/// Names of an action, as the recorder writes them.
pub const ACTION_NAMES: [&str; 7] = ["dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"];

/// A folder with a dataset and a model, and what to train how.
pub struct Bench {
    pub folder: TempDir,
    pub clock: ManualClock,
    pub config: TrainConfig,
    pub lbc: LbcConfig,
}

/// The action shown by a picture: each of four corners means another direction.
fn action(corner: usize) -> Vec<f32> {
    let (x, y) = ([0.02, -0.02, 0.02, -0.02][corner], [0.01, 0.01, -0.01, -0.01][corner]);
    vec![x, y, 0.001 * corner as f32, 0.0, 0.0, 0.0, f32::from(u8::from(corner < 2))]
}

/// Grey, with one white quarter.
pub fn picture(corner: usize) -> Vec<u8> {
    let mut rgb = Vec::new();
    for row in 0..SIDE {
        for column in 0..SIDE {
            let quarter = 2 * usize::from(row >= SIDE / 2) + usize::from(column >= SIDE / 2);
            rgb.extend([if quarter == corner { 230 } else { 60 }; 3]);
        }
    }
    rgb
}

impl Bench {
    /// Four episodes of eight steps, with labels.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let features = Features::new([
            ("observation.images.front", FeatureKind::Image { height: SIDE, width: SIDE }),
            ("action", FeatureKind::float32(ACTION_NAMES)),
            ("label.valid", FeatureKind::Bool),
            ("observation.environment_state", FeatureKind::float32(["corner_x_m", "corner_y_m"])),
        ]);
        let mut writer =
            DatasetWriter::create(&folder.path().join("data"), 10, "test", features.unwrap())
                .unwrap();
        for number in 0..4 {
            writer.begin("put the blue cube on the green plate", &EpisodeNotes::new()).unwrap();
            for step in 0..8 {
                let corner = (number + step * 3) % 4;
                let labels = vec![(corner % 2) as f32, (corner / 2) as f32];
                let row = Row::new()
                    .with("observation.images.front", Value::Image(picture(corner).into()))
                    .with("action", Value::F32(action(corner)))
                    .with("label.valid", Value::Bool(step != 4))
                    .with("observation.environment_state", Value::F32(labels));
                writer.push(row).unwrap();
            }
            writer.keep(&EpisodeNotes::new()).unwrap();
            writer.publish().unwrap();
        }
        write_model(&folder.path().join("model"));
        let config = TrainConfig {
            horizon: 2,
            steps: 6,
            batch_size: 8,
            warmup_steps: 2,
            learning_rate: 3e-3,
            threads: 1,
            report_every: 1,
            save_every: 100,
            validation_fraction: 0.25,
            ..TrainConfig::default()
        };
        Self { folder, clock: ManualClock::default(), config, lbc: LbcConfig::default() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn fresh(&self) -> Start {
        Start::Fresh { model_dir: self.path("model") }
    }

    pub fn request(&self, start: Start, out: &str) -> TrainRequest<'_> {
        TrainRequest {
            datasets: vec![DatasetSource::new(self.path("data"))],
            start,
            adapter: None,
            out: self.path(out),
            clock: &self.clock,
        }
    }

    pub fn lbc(&self, start: Start, out: &str) -> Result<Summary, TrainError> {
        train_lbc(&self.request(start, out), &self.config, &self.lbc, &mut |_| {
            ControlFlow::Continue(())
        })
    }

    pub fn vision(&self, start: Start, out: &str) -> Result<Summary, TrainError> {
        train_vision(&self.request(start, out), &self.config, &VisionConfig {}, &mut |_| {
            ControlFlow::Continue(())
        })
    }

    /// L-BC of the adapter in the folder `adapter`.
    pub fn further(&self, adapter: &str, start: Start, out: &str) -> Result<Summary, TrainError> {
        let request =
            TrainRequest { adapter: Some(self.path(adapter)), ..self.request(start, out) };
        train_lbc(&request, &self.config, &self.lbc, &mut |_| ControlFlow::Continue(()))
    }

    /// L-BC that is broken off once `steps` steps are taken.
    pub fn lbc_until(&self, steps: u64, start: Start, out: &str) -> Summary {
        let mut progress = |progress: &Progress| match progress {
            Progress::Step { step, .. } if *step >= steps => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        train_lbc(&self.request(start, out), &self.config, &self.lbc, &mut progress).unwrap()
    }
}

/// The mini policy's files with sizes cut down to what trains in milliseconds.
fn write_model(dir: &Path) {
    let mini = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mini");
    fs::create_dir(dir).unwrap();
    fs::copy(mini.join("tokenizer.json"), dir.join("tokenizer.json")).unwrap();
    let text = fs::read_to_string(mini.join("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
    config["image_sizes"] = serde_json::json!([SIDE, SIDE]);
    let sizes = [("hidden_size", 32), ("intermediate_size", 48), ("num_hidden_layers", 2)];
    for (key, value) in sizes {
        config["text_config"][key] = value.into();
    }
    for tower in ["featurizer", "fused_featurizer"] {
        for (key, value) in [("embed_dim", 16), ("depth", 2), ("num_heads", 2), ("mlp_hidden", 32)]
        {
            config["vision"][tower][key] = value.into();
        }
    }
    fs::write(dir.join("config.json"), config.to_string()).unwrap();
}
