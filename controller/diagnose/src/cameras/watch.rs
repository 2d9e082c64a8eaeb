//! `jaco cameras watch`: a line a second for each camera.

use super::{Daemon, read, start, unknown};
use anyhow::bail;
use jaco_api::CameraStatus;
use jaco_camera::CameraHandle;
use jaco_cli::cameras::WatchArgs;
use jaco_core::{Clock, MonotonicClock};
use jaco_shell::args::Unusable;
use jaco_shell::say::line;
use serde::Serialize;
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(1);

/// A line, for programs.
#[derive(Debug, Serialize)]
struct Line<'a> {
    /// Pictures that came in the last second or so, a second.
    came_hz: f64,
    #[serde(flatten)]
    camera: &'a CameraStatus,
}

/// Carries out `jaco cameras watch`.
pub fn watch(args: &WatchArgs, daemon: &Daemon, json: bool) -> anyhow::Result<()> {
    let own = match (daemon.answers, &args.config) {
        (true, _) => None,
        (false, Some(path)) => {
            let config = read(path)?;
            let all = config.cameras.iter().map(|camera| &*camera.name).collect::<Vec<_>>();
            if let Some(name) = args.names.iter().find(|name| !all.contains(&&***name)) {
                return Err(unknown(name, "the configuration", &all));
            }
            let wanted = config.cameras.iter().filter(|c| is_wanted(args, &c.name));
            Some(wanted.map(|camera| start(camera, Some(&config))).collect::<Result<Vec<_>, _>>()?)
        }
        (false, None) => {
            let text = "no daemon answers: start jacod, or name its cameras with --config";
            return Err(Unusable(text.to_owned()).into());
        }
    };
    let look = || match &own {
        Some(own) => Ok(own.iter().map(status).collect()),
        None => match daemon.status()? {
            Some(status) => Ok(status.cameras),
            None => bail!("the daemon does not answer any more"),
        },
    };
    let (mut before, mut looked): (Vec<CameraStatus>, _) = (look()?, Instant::now());
    let all = before.iter().map(|camera| &*camera.name).collect::<Vec<_>>();
    if let Some(name) = args.names.iter().find(|name| !all.contains(&&***name)) {
        return Err(unknown(name, "the daemon", &all));
    }
    loop {
        std::thread::sleep(EVERY);
        let cameras: Vec<CameraStatus> = look()?;
        let seconds = looked.elapsed().as_secs_f64();
        looked = Instant::now();
        for camera in cameras.iter().filter(|camera| is_wanted(args, &camera.name)) {
            let frames = before.iter().find(|b| b.name == camera.name).map_or(0, |b| b.frames);
            let came_hz = camera.frames.saturating_sub(frames) as f64 / seconds;
            let heard = match json {
                true => line(serde_json::to_string(&Line { came_hz, camera })?)?,
                false => {
                    line(format_args!("{:<12} {came_hz:5.1} Hz, {}", camera.name, state(camera)))?
                }
            };
            if !heard {
                return Ok(());
            }
        }
        before = cameras;
    }
}

fn is_wanted(args: &WatchArgs, name: &str) -> bool {
    args.names.is_empty() || args.names.iter().any(|wanted| wanted == name)
}

/// How a camera is that was started here.
fn status(camera: &CameraHandle) -> CameraStatus {
    let health = camera.health();
    let now_ns = MonotonicClock.now_ns();
    let age_ms = |stamp_ns: u64| now_ns.saturating_sub(stamp_ns) as f64 * 1e-6;
    CameraStatus {
        name: camera.name.to_string(),
        frame_age_ms: camera.frames.get().map(|frame| age_ms(frame.captured_ns)),
        frames: health.frames,
        dropped: health.dropped,
        fault: health.fault.unwrap_or_default(),
        kind: health.kind.map(|kind| kind.to_string()),
        fault_age_ms: health.onset_ns.map(age_ms),
        rate_hz: health.rate_hz,
        jitter_ms: health.jitter_ms,
        brightness: health.brightness,
    }
}

/// How a camera is, in words.
pub fn state(camera: &CameraStatus) -> String {
    let age = match camera.frame_age_ms {
        Some(age_ms) => format!("newest {age_ms:.0} ms old"),
        None => "no picture yet".to_owned(),
    };
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
    let (jitter, brightness) = (number(camera.jitter_ms), number(camera.brightness));
    let dropped = camera.dropped;
    let fault = match &*camera.fault {
        "" => String::new(),
        fault => format!("; FAULT: {fault}"),
    };
    format!("{age}, jitter {jitter} ms, {dropped} dropped, brightness {brightness}{fault}")
}
