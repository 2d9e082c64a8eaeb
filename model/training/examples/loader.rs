//! How fast data come: writes a dataset of photo-like pictures, reads rows of it at random out of its
//! files, or draws batches as training does. `bench/compare_loader.py` puts it beside lerobot's.
//!
//!     loader make DIR WIDTH HEIGHT EPISODES ROWS
//!     loader rows DIR SECONDS
//!     loader batches DIR MODEL_DIR CACHE SECONDS
//!
//! Prints one line of JSON.

use jaco_dataset::{Dataset, DatasetWriter, EpisodeNotes, FeatureKind, Features, Row, Value};
use jaco_training::{DatasetSource, Loader, TrainConfig};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use std::env;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

const CAMERA: &str = "observation.images.front";
const NAMES: [&str; 7] = ["dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"];

type Done = Result<serde_json::Value, Box<dyn Error>>;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["make", dir, width, height, episodes, rows] => {
            let size = (width.parse()?, height.parse()?);
            make(Path::new(dir), size, episodes.parse()?, rows.parse()?)
        }
        ["rows", dir, seconds] => rows(Path::new(dir), seconds.parse()?),
        ["batches", dir, model, cache, seconds] => {
            batches(Path::new(dir), Path::new(model), cache, seconds.parse()?)
        }
        _ => Err("loader make|rows|batches: see the head of the example".into()),
    };
    println!("{}", done?);
    Ok(())
}

/// Smooth shapes that move, with the noise of a camera.
fn picture(width: u32, height: u32, seed: u32, rng: &mut impl Rng) -> Vec<u8> {
    let mut noise = vec![0; (width * height * 3) as usize];
    rng.fill_bytes(&mut noise);
    let (mut at, shift) = (0, seed.wrapping_mul(7) % width);
    for y in 0..height {
        for x in 0..width {
            let near = x.abs_diff(shift) < width / 8 && y.abs_diff(height / 2) < height / 8;
            let light = 60 + x * 120 / width;
            for value in [light, y * 200 / height, if near { 220 } else { 40 }] {
                noise[at] = value as u8 + noise[at] % 4;
                at += 1;
            }
        }
    }
    noise
}

fn make(dir: &Path, (width, height): (u32, u32), episodes: usize, rows: u32) -> Done {
    let features = Features::new([
        (CAMERA, FeatureKind::Image { height, width }),
        ("observation.state", FeatureKind::float32(NAMES)),
        ("action", FeatureKind::float32(NAMES)),
    ])?;
    let mut writer = DatasetWriter::create(dir, 10, "kinova", features)?;
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    for _ in 0..episodes {
        writer.begin("put the blue cube on the green plate", &EpisodeNotes::new())?;
        for row in 0..rows {
            let action =
                vec![0.001, 0.0, 0.0, 0.0, 0.0, 0.001, f32::from(u8::from(row < rows / 2))];
            let row = Row::new()
                .with(CAMERA, Value::Image(picture(width, height, row, &mut rng).into()))
                .with("observation.state", Value::F32(action.clone()))
                .with("action", Value::F32(action));
            writer.push(row)?;
        }
        writer.keep(&EpisodeNotes::new())?;
    }
    Ok(json!({"episodes": episodes, "rows": episodes as u32 * rows}))
}

/// Single rows with their picture, out of the files themselves.
fn rows(dir: &Path, seconds: f64) -> Done {
    let dataset = Dataset::open(dir)?;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (begin, mut count) = (Instant::now(), 0);
    while begin.elapsed().as_secs_f64() < seconds {
        let row = rng.random_range(0..dataset.total_frames());
        let (episode, row) = dataset.locate(row).ok_or("rows and episodes differ")?;
        dataset.read_rows(episode, row..row + 1, &[CAMERA, "observation.state", "action"])?;
        count += 1;
    }
    Ok(json!({"rows_per_s": f64::from(count) / begin.elapsed().as_secs_f64()}))
}

/// Batches of 64 as training draws them: augmented, normalised for both towers, with tokens.
fn batches(dir: &Path, model: &Path, cache: &str, seconds: f64) -> Done {
    jaco_training::tune_allocator();
    let config = TrainConfig {
        cache: cache.to_owned(),
        horizon: 2,
        batch_size: 64,
        ..TrainConfig::default()
    };
    let begin = Instant::now();
    let mut loader = Loader::open(model, &[DatasetSource::new(dir)], &config)?;
    let opened_s = begin.elapsed().as_secs_f64();
    let (begin, mut step) = (Instant::now(), 0);
    while begin.elapsed().as_secs_f64() < seconds {
        loader.batch(step)?;
        step += 1;
    }
    let rate = (step * config.batch_size as u64) as f64 / begin.elapsed().as_secs_f64();
    let (pictures, made) = (loader.pictures.bytes, loader.pictures.missing_bytes);
    Ok(json!({"rows_per_s": rate, "opened_s": opened_s, "bytes": pictures, "made_bytes": made}))
}
