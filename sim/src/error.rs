//! What can go wrong in the simulation, told with the numbers that went wrong.

/// A failure of the simulated world.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The embedded scene did not compile.
    #[error("the scene does not load: {0}")]
    Scene(String),
    /// The scene lacks an element that the program addresses by name.
    #[error("the scene has no {kind} named {name:?}")]
    Missing {
        /// What was looked for.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The physics step does not divide the 10 ms tick.
    #[error("timestep {timestep_s} s does not divide a tick of 0.01 s: use 0.005, 0.002 or 0.001")]
    Timestep {
        /// What was asked for \[s\].
        timestep_s: f64,
    },
    /// A snapshot of another world was restored.
    #[error(
        "the snapshot holds {got} numbers, this world's state {needed}: it is of another scene"
    )]
    Snapshot {
        /// Numbers in the snapshot.
        got: usize,
        /// Numbers in a state of this world.
        needed: usize,
    },
    /// Rendering failed.
    #[error(
        "camera {camera:?} cannot render {width}x{height}: {reason} \
         (software rendering needs the packages libegl1 and libgl1-mesa-dri)"
    )]
    Render {
        /// Name of the camera.
        camera: String,
        /// Width asked for \[pixels\].
        width: u32,
        /// Height asked for \[pixels\].
        height: u32,
        /// What the renderer said.
        reason: String,
    },
}
