//! Watches one camera and tells what it sees: one line of JSON for each picture, fault and
//! recovery, until its input ends. It must never do more: it shows the camera's own word.
//!
//! `cargo run -p jaco-camera --example watch -- 'device = 0' 'exposure = 100'`: lines of its [[camera]]
//! section

use jaco_camera::CameraHealth;
use jaco_config::Config;
use jaco_core::{Clock, Frame, MonotonicClock};
use serde_json::json;
use std::error::Error;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

/// Longest time between two looks at the camera's health.
const LOOK_EVERY: Duration = Duration::from_millis(5);

fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let lines: Vec<String> = std::env::args().skip(1).collect();
    let file = format!(
        "[arm]\nsdk = \"none\"\n[[camera]]\nname = \"front\"\nsource = \"v4l\"\n{}\n",
        lines.join("\n")
    );
    let config = Config::parse(&file, "the arguments")?;
    let config = config.camera("front").ok_or("no camera")?.clone();
    let clock = MonotonicClock;
    let camera = jaco_camera::start(&config, None, Arc::new(clock))?;
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });

    let (mut captured_ns, mut fault) = (None, None);
    loop {
        let newer = |frame: &Frame| Some(frame.captured_ns) > captured_ns;
        if let Some(frame) = camera.frames.wait_for(LOOK_EVERY, newer) {
            captured_ns = Some(frame.captured_ns);
            let health = camera.health();
            tell(&picture_event(&frame, &health, clock.now_ns()))?;
        }
        let health = camera.health();
        if health.fault != fault {
            let event = if health.fault.is_some() { "fault" } else { "recovered" };
            let CameraHealth {
                kind, arrived_ns, fault_since_ns, onset_ns, dropped, reopened, ..
            } = health;
            tell(&json!({
                "event": event, "text": health.fault, "kind": kind.map(|kind| kind.to_string()),
                "since_ns": fault_since_ns, "onset_ns": onset_ns,
                "arrived_ns": arrived_ns, "dropped": dropped, "reopened": reopened,
            }))?;
            fault = health.fault;
        }
    }
}

fn picture_event(frame: &Frame, health: &CameraHealth, now_ns: u64) -> serde_json::Value {
    // The darkest and the brightest value tell known pictures apart.
    let (low, high) = (frame.rgb.iter().min(), frame.rgb.iter().max());
    json!({
        "event": "picture", "captured_ns": frame.captured_ns, "now_ns": now_ns,
        "width": frame.width, "height": frame.height, "low": low, "high": high,
        "jpeg_bytes": frame.jpeg.as_ref().map(|jpeg| jpeg.len()),
        "rate_hz": health.rate_hz, "frames": health.frames, "dropped": health.dropped, "reopened": health.reopened,
    })
}

fn tell(event: &serde_json::Value) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{event}")?;
    out.flush()
}
