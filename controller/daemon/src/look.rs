//! `jacod --check --cameras`: whether the configured cameras give pictures. They are opened as the
//! daemon opens them, all at once, for a moment; what the pictures show is nobody's business here.

use jaco_api::check::{CameraLook, Pictures};
use jaco_camera::CameraHandle;
use jaco_config::{Camera, Config};
use jaco_core::MonotonicClock;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Time in which the first picture must have come: cameras need a moment to open.
const FIRST_PICTURE: Duration = Duration::from_secs(4);
/// For how long pictures are counted.
const COUNTED: Duration = Duration::from_secs(1);

/// What each camera gives, in the order of the configuration.
pub fn cameras(config: &Config) -> Vec<CameraLook> {
    let socket = config.sim.as_ref().map(|sim| sim.socket.clone());
    let start = |camera: &Camera| {
        jaco_camera::start(camera, socket.clone(), Arc::new(MonotonicClock))
            .map_err(|error| error.to_string())
    };
    let started: Vec<_> = config.cameras.iter().map(start).collect();
    let deadline = Instant::now() + FIRST_PICTURE;
    let first = |camera: &CameraHandle| {
        let left = deadline.saturating_duration_since(Instant::now());
        camera.frames.wait_for(left, |_| true)
    };
    let first: Vec<_> = started.iter().map(|camera| camera.as_ref().ok().and_then(first)).collect();
    let count = |camera: &Result<CameraHandle, String>| {
        camera.as_ref().map_or(0, |camera| camera.health().frames)
    };
    let (before, began): (Vec<_>, _) = (started.iter().map(count).collect(), Instant::now());
    if first.iter().any(Option::is_some) {
        std::thread::sleep(COUNTED);
    }
    let counted_s = began.elapsed().as_secs_f64();
    let told = started.iter().zip(first).zip(before).zip(&config.cameras);
    told.map(|(((started, first), before), config)| {
        let came = count(started).saturating_sub(before) as f64;
        let pictures = first.map(|frame| Pictures {
            width: frame.width,
            height: frame.height,
            rate_hz: came / counted_s,
        });
        CameraLook {
            name: config.name.clone(),
            fault: fault(started, pictures.is_some()),
            pictures,
        }
    })
    .collect()
}

fn fault(started: &Result<CameraHandle, String>, shows: bool) -> String {
    match started {
        Err(error) => error.clone(),
        Ok(camera) => match camera.health().fault {
            Some(fault) => fault,
            None if shows => String::new(),
            None => format!("gave no picture within {} s", FIRST_PICTURE.as_secs()),
        },
    }
}
