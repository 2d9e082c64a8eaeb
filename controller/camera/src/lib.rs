//! The cameras: for each a thread that stamps pictures and puts the newest into a slot, and a
//! watch over that thread.
//!
//! A camera that fails is named in its health and opened again, for ever; whatever ends the
//! reading of it, a panic included, is told in words. It degrades nobody but those who need its
//! pictures. Nothing here resizes a picture or judges what is on it, but for whether there is light
//! and whether it is a new one; a picture that is not whole is dropped and counted, never shown.

mod error;
mod fault;
pub mod file;
mod health;
mod here;
mod judge;
mod record;
mod sim;
mod source;
mod supervise;
mod v4l;

pub use error::StartError;
pub use fault::FaultKind;
pub use health::CameraState;
pub use here::{Abilities, Found, Mode, here, node_of};
pub use judge::{brightness, signature};
pub use record::CameraHealth;
pub use v4l::control::Control;

use jaco_config::{Camera, Source as Kind};
use jaco_core::{Clock, Frame, Slot};
use judge::Limits;
use source::{Opener, Source};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Pause between two looks of the watch: short against the silence that is a fault.
const WATCH_EVERY: Duration = Duration::from_millis(50);

/// What the rest of the daemon sees of a camera. Clones share it.
#[derive(Clone, Debug)]
pub struct CameraHandle {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// The newest picture. It stays when the camera fails: its stamp says how old it is.
    pub frames: Slot<Frame>,
    /// How the camera is.
    pub state: CameraState,
}

impl CameraHandle {
    /// How the camera is now. Never waits for the camera.
    pub fn health(&self) -> CameraHealth {
        self.state.health()
    }
}

/// Starts the camera's threads. They end with the process.
///
/// `clock` must be the kernel's monotonic one: drivers and simulator stamp their pictures by it.
///
/// # Errors
/// If there can be no such camera at all. One that cannot be opened is no error: that is a fault
/// in its health, and tried again.
pub fn start(
    config: &Camera,
    sim_socket: Option<PathBuf>,
    clock: Arc<dyn Clock>,
) -> Result<CameraHandle, StartError> {
    let name: Arc<str> = config.name.as_str().into();
    let open = opener(config, sim_socket, &clock)?;
    let state = CameraState::new(Arc::clone(&name), limits(config), Arc::clone(&clock));
    let handle = CameraHandle { name, frames: Slot::default(), state };

    let spawn = |thread: String, body: Box<dyn FnOnce() + Send>| {
        let spawned = std::thread::Builder::new().name(thread).spawn(body);
        spawned.map_err(|source| StartError::Thread { camera: config.name.clone(), source })
    };
    let read = handle.clone();
    spawn(
        format!("camera-{}", config.name),
        Box::new(move || supervise::supervise(open, &read, &*clock, std::thread::sleep)),
    )?;
    // A thread of its own, so that a driver call that never returns is told although nobody asks.
    let watched = handle.state.clone();
    spawn(
        format!("watch-{}", config.name),
        Box::new(move || {
            loop {
                watched.tell_changes();
                std::thread::sleep(WATCH_EVERY);
            }
        }),
    )?;
    Ok(handle)
}

fn limits(config: &Camera) -> Limits {
    let late_ms = match config.source {
        Kind::Sim => config.stale_after_ms,
        Kind::V4l { .. } => config.late_after_ms,
    };
    Limits { late_ns: late_ms * 1_000_000, dark_below: config.dark_below.into() }
}

fn opener(
    config: &Camera,
    sim_socket: Option<PathBuf>,
    clock: &Arc<dyn Clock>,
) -> Result<Opener, StartError> {
    let (config, clock) = (config.clone(), Arc::clone(clock));
    match config.source.clone() {
        Kind::Sim => {
            let socket = sim_socket
                .ok_or_else(|| StartError::NoSimulator { camera: config.name.clone() })?;
            Ok(Box::new(move || Ok(Box::new(sim::SimCamera::open(&socket, &config)?))))
        }
        Kind::V4l { device } => {
            let told = v4l::Told::default();
            Ok(Box::new(move || {
                let (clock, told) = (Arc::clone(&clock), told.clone());
                let camera =
                    v4l::V4lCamera::open(&config, &v4l::found::find(&device)?, clock, told)?;
                Ok(Box::new(camera) as Box<dyn Source>)
            }))
        }
    }
}
