//! `jaco cameras snap`: one picture, from the daemon or from the device.

use super::{Daemon, read, start, unknown};
use anyhow::{Context, bail};
use jaco_api::picture as words;
use jaco_camera::{CameraHandle, brightness, file};
use jaco_cli::cameras::{SnapArgs, is_jpeg};
use jaco_config::{Camera, CameraFormat, Controls, Source, VideoDevice};
use jaco_core::{Clock, MonotonicClock};
use jaco_report::replace_file;
use jaco_shell::args::Unusable;
use jaco_shell::say::print;
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time in which a camera that is opened must have given its first picture.
const FIRST_PICTURE: Duration = Duration::from_secs(5);
/// Pictures after which exposure and white balance have settled, or the time for them.
const SETTLED: (u64, Duration) = (20, Duration::from_secs(2));
const RATE_HZ: u32 = 30;
/// Below this mean brightness people are told that it is dark, above the other that it is bright.
const DARK: f64 = 20.0;
const BRIGHT: f64 = 235.0;

/// What `jaco cameras snap` prints.
#[derive(Debug, Serialize)]
struct Snap {
    file: PathBuf,
    camera: String,
    /// "the daemon" or the device.
    from: String,
    /// What is in the file: "png" or "jpeg".
    format: &'static str,
    /// Whether the bytes are the camera's own.
    as_camera_gave_it: bool,
    bytes: usize,
    width: u32,
    height: u32,
    captured_ns: u64,
    age_ms: f64,
    brightness: f64,
    /// What is wrong with the camera.
    fault: Option<String>,
}

impl fmt::Display for Snap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { width, height, format, bytes, age_ms, captured_ns, .. } = self;
        let own = if self.as_camera_gave_it { ", as the camera gave it" } else { "" };
        writeln!(f, "{}: {width} x {height}, {format}{own}, {bytes} bytes", self.file.display())?;
        let captured_s = *captured_ns as f64 * 1e-9;
        let from =
            if self.from == self.camera { String::new() } else { format!(" from {}", self.from) };
        writeln!(
            f,
            "taken {captured_s:.3} s after the start of the PC by {}; fetched{from} {age_ms:.0} ms \
             later",
            self.camera
        )?;
        let light = match self.brightness {
            dark if dark < DARK => " (dark)",
            bright if bright > BRIGHT => " (overexposed?)",
            _ => "",
        };
        write!(f, "mean brightness {:.0} of 255{light}", self.brightness)?;
        match &self.fault {
            Some(fault) => write!(f, "\nFAULT: {fault}"),
            None => Ok(()),
        }
    }
}

/// Carries out `jaco cameras snap`.
pub fn snap(args: &SnapArgs, daemon: &Daemon, json: bool) -> anyhow::Result<()> {
    let in_daemon = daemon
        .status()?
        .map(|status| status.cameras.into_iter().map(|camera| camera.name).collect::<Vec<_>>());
    let is_path = args.camera.contains('/');
    let snap = match (&in_daemon, &args.config) {
        (Some(names), _) if names.contains(&args.camera) => of_daemon(args, daemon)?,
        _ if is_path => {
            let camera = by_path(args)?;
            of_device(args, &camera, start(&camera, None)?)?
        }
        (_, Some(path)) => {
            let config = read(path)?;
            let names = config.cameras.iter().map(|camera| &*camera.name).collect::<Vec<_>>();
            let camera = config.camera(&args.camera);
            let camera =
                camera.ok_or_else(|| unknown(&args.camera, "the configuration", &names))?;
            of_device(args, camera, start(camera, Some(&config))?)?
        }
        (Some(names), None) => {
            let names = names.iter().map(|name| &**name).collect::<Vec<_>>();
            return Err(unknown(&args.camera, "the daemon", &names));
        }
        (None, None) => {
            let text = "no daemon answers: start jacod, name its cameras with --config, or give the \
                        path of a device";
            return Err(Unusable(text.to_owned()).into());
        }
    };
    print(json, &snap)
}

fn by_path(args: &SnapArgs) -> anyhow::Result<Camera> {
    let path = std::path::absolute(&args.camera)?;
    let (width, height) = (args.size.width, args.size.height);
    Ok(Camera {
        name: args.camera.clone(),
        source: Source::V4l { device: VideoDevice::Path(path) },
        width,
        height,
        rate_hz: RATE_HZ,
        format: CameraFormat::Auto,
        controls: Controls::default(),
        stale_after_ms: 500,
        late_after_ms: 250,
        dark_below: 0,
    })
}

fn of_device(args: &SnapArgs, config: &Camera, camera: CameraHandle) -> anyhow::Result<Snap> {
    let deadline = Instant::now() + FIRST_PICTURE;
    while camera.frames.wait_for(Duration::from_millis(50), |_| true).is_none() {
        let fault = camera.health().fault;
        if let Some(fault) = fault.filter(|_| Instant::now() >= deadline || is_final(&camera)) {
            bail!("{}: {fault}", args.camera);
        }
        if Instant::now() >= deadline {
            bail!("{} gave no picture within {} s", args.camera, FIRST_PICTURE.as_secs());
        }
    }
    let (pictures, time) = SETTLED;
    let settled = Instant::now() + time;
    while camera.health().frames < pictures && Instant::now() < settled {
        std::thread::sleep(Duration::from_millis(10));
    }
    let frame = camera.frames.get().context("a picture came and is gone")?;
    let age_ms = MonotonicClock.now_ns().saturating_sub(frame.captured_ns) as f64 * 1e-6;
    let from = match &config.source {
        Source::Sim => "the simulator".to_owned(),
        Source::V4l { device } => device.to_string(),
    };
    let is_jpeg = is_jpeg(&args.out) == Some(true);
    let bytes = if is_jpeg { file::jpeg(&frame)? } else { file::png(&frame)? };
    let as_camera_gave_it = is_jpeg && frame.jpeg.is_some();
    write(&args.out, &bytes)?;
    Ok(Snap {
        file: args.out.clone(),
        camera: args.camera.clone(),
        from,
        format: if is_jpeg { "jpeg" } else { "png" },
        as_camera_gave_it,
        bytes: bytes.len(),
        width: frame.width,
        height: frame.height,
        captured_ns: frame.captured_ns,
        age_ms,
        brightness: brightness(&frame.rgb),
        fault: camera.health().fault,
    })
}

/// Whether waiting will not help: it is not there, or cannot be used as configured.
fn is_final(camera: &CameraHandle) -> bool {
    use jaco_camera::FaultKind::{Gone, Unusable};
    matches!(camera.health().kind, Some(Gone | Unusable))
}

fn of_daemon(args: &SnapArgs, daemon: &Daemon) -> anyhow::Result<Snap> {
    let path = words::path(&args.camera);
    let (headers, bytes) = daemon.runtime.block_on(daemon.client.get_bytes(&path))?;
    let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let number = |name: &str| said(name).and_then(|text| text.parse::<f64>().ok());
    let came_as_jpeg = said("content-type") == Some("image/jpeg");
    let is_jpeg = is_jpeg(&args.out) == Some(true);
    let kept = came_as_jpeg == is_jpeg;
    let bytes = match kept {
        true => bytes.to_vec(),
        false => {
            let frame = file::read(&bytes)?;
            if is_jpeg { file::jpeg(&frame)? } else { file::png(&frame)? }
        }
    };
    let size = said(words::SIZE).and_then(|size| {
        let (width, height) = size.split_once('x')?;
        Some((width.parse().ok()?, height.parse().ok()?))
    });
    let (width, height) = size.context("the daemon does not say how large the picture is")?;
    write(&args.out, &bytes)?;
    Ok(Snap {
        file: args.out.clone(),
        camera: args.camera.clone(),
        from: "the daemon".to_owned(),
        format: if is_jpeg { "jpeg" } else { "png" },
        as_camera_gave_it: kept && came_as_jpeg,
        bytes: bytes.len(),
        width,
        height,
        captured_ns: said(words::CAPTURED_NS).and_then(|text| text.parse().ok()).unwrap_or(0),
        age_ms: number(words::AGE_MS).unwrap_or(f64::NAN),
        brightness: number(words::BRIGHTNESS).unwrap_or(f64::NAN),
        fault: said(words::FAULT).map(str::to_owned),
    })
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    replace_file(path, bytes)
        .map_err(|error| Unusable::path(format!("cannot write {}", path.display()), error))
}
