//! Records row after row into the dataset DIR until it is killed, and says on standard output what
//! it has done: `pushed N`, `kept INDEX`. Every `ROWS`th row ends an episode.
//! `cargo run -p jaco-dataset --example killable -- DIR HZ ROWS`; 0 Hz is as fast as it goes.
//! `tests/kill.rs` starts it and kills it.

use jaco_dataset::{DatasetWriter, EpisodeNotes, FeatureKind, Features, Row, Value};
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

const SIDE: u32 = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let usage = "usage: killable DIR HZ ROWS";
    let root = args.next().map(PathBuf::from).ok_or(usage)?;
    let rate_hz: f64 = args.next().ok_or(usage)?.parse()?;
    let rows: usize = args.next().ok_or(usage)?.parse()?;
    let mut writer = if root.join("meta/info.json").exists() {
        DatasetWriter::open_append(&root)?
    } else {
        let features = Features::new([
            ("observation.images.front", FeatureKind::Image { height: SIDE, width: SIDE }),
            ("action", FeatureKind::float32(["dx", "dy"])),
        ])?;
        DatasetWriter::create(&root, 10, "kinova-j2n6s300", features)?
    };
    let mut out = std::io::stdout();
    for episode in writer.total_episodes().. {
        writer.begin("push the red box", &EpisodeNotes::new())?;
        for row in 0..rows {
            let number = (episode * 1000 + row) as u32;
            let rgb: Vec<u8> =
                (0..SIDE * SIDE * 3).map(|i| ((i * (number + 3)) >> 4) as u8).collect();
            let action = vec![episode as f32, row as f32];
            writer.push(
                Row::new()
                    .with("observation.images.front", Value::Image(rgb.into()))
                    .with("action", Value::F32(action)),
            )?;
            writeln!(out, "pushed {}", row + 1)?;
            if rate_hz > 0.0 {
                std::thread::sleep(Duration::from_secs_f64(1.0 / rate_hz));
            }
        }
        let kept = writer.keep(&EpisodeNotes::new())?;
        writeln!(out, "kept {}", kept.index)?;
        writer.publish()?;
    }
    Ok(())
}
