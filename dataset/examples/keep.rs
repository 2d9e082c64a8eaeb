//! How long keeping an episode takes, and what a row costs meanwhile: episodes of 100 rows at 10 Hz
//! from two cameras of 640x480 whose pictures compress like photos.
//! `cargo run -p jaco-dataset --example keep -- DIR [EPISODES] [png|jpeg]`; DIR must be on the disk
//! that is meant, and is removed first.

#[path = "common/photo.rs"]
mod photo;

use jaco_dataset::{DatasetWriter, EpisodeNotes, FeatureKind, Features, Pictures, Row, Value};
use photo::{HEIGHT, WIDTH, photo};
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

const ROWS: usize = 100;
const CAMERAS: [&str; 2] = ["observation.images.front", "observation.images.wrist"];

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let root = args.next().map(PathBuf::from).ok_or("usage: keep DIR [EPISODES] [png|jpeg]")?;
    let episodes: usize = args.next().map_or(Ok(100), |count| count.parse())?;
    let pictures = match args.next().as_deref() {
        Some("jpeg") => Pictures::Jpeg { quality: 95 },
        _ => Pictures::Png,
    };
    if root.join("meta/jacod").exists() {
        std::fs::remove_dir_all(&root)?;
    }
    let image = FeatureKind::Image { height: HEIGHT, width: WIDTH };
    let state: Vec<String> = (0..14).map(|i| format!("s{i}")).collect();
    let features = Features::new([
        (CAMERAS[0], image.clone()),
        (CAMERAS[1], image),
        ("observation.state", FeatureKind::float32(state)),
        ("action", FeatureKind::float32(["dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"])),
    ])?;
    let mut writer = DatasetWriter::create(&root, 10, "kinova-j2n6s300", features)?;
    writer.set_pictures(pictures);
    let photos: Vec<Arc<[u8]>> = (0..8).map(photo).collect();
    let (mut begins, mut pushes, mut keeps, mut publishes) = (vec![], vec![], vec![], vec![]);
    let mut bytes = 0;
    for episode in 0..episodes {
        begins.push(milliseconds(|| writer.begin("put the cube on the plate", &notes()))?);
        // Episodes end anywhere between two row groups.
        for row in 0..ROWS - episode % 5 {
            let picture = |camera: usize| Value::Image(photos[(row + camera) % 8].clone());
            let values = Row::new()
                .with(CAMERAS[0], picture(0))
                .with(CAMERAS[1], picture(1))
                .with("observation.state", Value::F32(vec![row as f32 * 0.01; 14]))
                .with("action", Value::F32(vec![0.001 * row as f32; 7]));
            pushes.push(milliseconds(|| writer.push(values))?);
        }
        keeps.push(milliseconds(|| writer.keep(&notes()).map(|kept| bytes += kept.bytes))?);
        publishes.push(milliseconds(|| writer.publish())?);
    }
    for (name, times) in
        [("begin", begins), ("push", pushes), ("keep", keeps), ("publish", publishes)]
    {
        println!("{name:8} {}", words(times));
    }
    println!("{episodes} episodes, {:.1} MB each", bytes as f64 / episodes as f64 / 1e6);
    Ok(())
}

fn notes() -> EpisodeNotes {
    EpisodeNotes::new()
}

fn milliseconds<T, E>(what: impl FnOnce() -> Result<T, E>) -> Result<f64, E> {
    let start = Instant::now();
    what()?;
    Ok(start.elapsed().as_secs_f64() * 1e3)
}

fn words(mut times_ms: Vec<f64>) -> String {
    times_ms.sort_by(f64::total_cmp);
    let at = |share: f64| times_ms[((times_ms.len() - 1) as f64 * share).round() as usize];
    format!("p50 {:6.1} ms  p99 {:6.1} ms  max {:6.1} ms", at(0.5), at(0.99), at(1.0))
}
