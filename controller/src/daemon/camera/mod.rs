//! Cameras: one thread each, which stamps frames and puts the newest into a slot.
//!
//! A camera that fails is reported and opened again, for ever; it degrades nobody but those who
//! need its frames. Nothing is resized or judged here.

mod sim;
mod v4l;

use crate::daemon::slot::Slot;
use jaco_config::{Camera as CameraConfig, Source as Kind};
use jaco_core::{Clock, Frame};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Pause before a failed camera is opened again.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

/// An opened camera. Its `next_frame` blocks until there is one.
trait Source {
    fn next_frame(&mut self) -> anyhow::Result<Frame>;
}

/// What the rest of the daemon sees of a camera.
#[derive(Clone, Debug)]
pub struct CameraHandle {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// The newest frame.
    pub frames: Slot<Frame>,
    /// What is wrong with it; empty slot = nothing.
    pub fault: Slot<String>,
    /// Frames received so far.
    pub count: Arc<AtomicU64>,
}

/// Starts the camera's thread. It ends with the process.
pub fn start(
    config: &CameraConfig,
    sim_socket: Option<PathBuf>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<CameraHandle> {
    let handle = CameraHandle {
        name: config.name.as_str().into(),
        frames: Slot::default(),
        fault: Slot::default(),
        count: Arc::default(),
    };
    let (config, thread_handle) = (config.clone(), handle.clone());
    std::thread::Builder::new().name(format!("camera-{}", config.name)).spawn(move || {
        loop {
            let opened = open(&config, sim_socket.as_deref(), Arc::clone(&clock));
            if let Err(error) = opened.and_then(|source| pump(source, &thread_handle)) {
                tracing::warn!(camera = config.name, "camera failed: {error:#}");
                thread_handle.fault.put(format!("{error:#}"));
            }
            std::thread::sleep(REOPEN_AFTER);
        }
    })?;
    Ok(handle)
}

fn open(
    config: &CameraConfig,
    sim_socket: Option<&std::path::Path>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Box<dyn Source>> {
    match config.source {
        Kind::Sim => {
            let socket = sim_socket.ok_or_else(|| {
                anyhow::anyhow!("camera {} is simulated but there is no [sim] socket", config.name)
            })?;
            Ok(Box::new(sim::SimCamera::open(socket, config)?))
        }
        Kind::V4l { device } => Ok(Box::new(v4l::V4lCamera::open(config, device, clock)?)),
    }
}

fn pump(mut source: Box<dyn Source>, handle: &CameraHandle) -> anyhow::Result<()> {
    loop {
        let frame = source.next_frame()?;
        if handle.count.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::info!(camera = %handle.name, frame.width, frame.height, "first frame");
        }
        handle.fault.clear();
        handle.frames.put(frame);
    }
}
