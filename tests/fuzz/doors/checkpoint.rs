//! Door: a checkpoint's folder. It is told what it holds, or refused in words; one that inspection
//! finds sound and that is small is loaded as well, and its image processor asked.
//!
//! Input: parts (see `parts`): `c` config.json, `h` the header of model.safetensors or `w` that file
//! whole, `i` the index, `1` and `2` headers of its shards, `p` preprocessor_config.json, `s`
//! dataset_statistics.json, `t` tokenizer.json.

use super::workshop::Workshop;
use super::{parts, promise};
use jaco_core::Frame;
use jaco_model::checkpoint::{self, inspect, read_processors};
use jaco_model::{ModelError, OpenVlaConfig, load_model};
use std::cell::LazyCell;
use std::path::Path;
use tch::{Device, Kind};

/// Most numbers of a model that is loaded.
const MOST_NUMBERS: u64 = 1 << 20;
/// Widest picture that is asked for \[pixels\].
const MOST_PIXELS: i64 = 64;

thread_local! {
    static WORKSHOP: LazyCell<Workshop> = LazyCell::new(Workshop::new);
}

pub fn open(data: &[u8]) {
    WORKSHOP.with(|workshop| {
        let folder = workshop.clear();
        for (letter, content) in parts::of(data) {
            match letter {
                b'c' => workshop.put("config.json", content),
                b'w' => workshop.put("model.safetensors", content),
                b'h' => workshop.put("model.safetensors", &parts::safetensors(content)),
                b'i' => workshop.put("model.safetensors.index.json", content),
                b'1' => {
                    workshop.put("model-00001-of-00002.safetensors", &parts::safetensors(content))
                }
                b'2' => {
                    workshop.put("model-00002-of-00002.safetensors", &parts::safetensors(content))
                }
                b'p' => workshop.put("preprocessor_config.json", content),
                b's' => workshop.put("dataset_statistics.json", content),
                b't' => workshop.put("tokenizer.json", content),
                _ => {}
            }
        }
        if let Err(error) = judge(folder, data) {
            promise::is_for_people(&promise::in_full(&error), data);
        }
    });
}

fn judge(folder: &Path, data: &[u8]) -> Result<(), ModelError> {
    let config = OpenVlaConfig::read(&folder.join(checkpoint::CONFIG_FILE));
    let inspected = inspect(folder);
    if let Ok(inspection) = &inspected {
        promise::is_for_people(&inspection.to_string(), data);
        serde_json::to_string(inspection).expect("an inspection is JSON");
    }
    let config = config?;
    if config.image_size() <= MOST_PIXELS {
        let (_, images) = read_processors(folder, &config)?;
        let (width, height) = (9, 16);
        let rgb = (0..width * height * 3).map(|i| i as u8).collect();
        let frame =
            Frame { jpeg: None, camera: "front".into(), captured_ns: 0, width, height, rgb };
        let pixels = images.pixel_values(&[&frame], Device::Cpu)?;
        assert_eq!(pixels.size(), [1, 6, config.image_size(), config.image_size()]);
    }
    let model = inspected?.model;
    if model.is_some_and(|model| model.parameters <= MOST_NUMBERS) {
        load_model(folder, &config, Device::Cpu, Kind::Float, None)?;
    }
    Ok(())
}
