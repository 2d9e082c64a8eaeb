//! Pictures of the world. A [`Renderer`] holds an OpenGL context: make and use it on one thread.

use crate::error::SimError;
use crate::world::{Snapshot, World};
use jaco_core::{Frame, TICK_NS};
use mujoco_rs::prelude::*;
use mujoco_rs::renderer::MjRenderer;
use std::sync::Arc;

/// How pictures are drawn. The defaults are cheap enough for software rendering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenderOptions {
    /// Samples per pixel against jagged edges; 0 = none.
    pub samples: u8,
    /// Whether the main light casts shadows, at about three times the cost.
    pub shadows: bool,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self { samples: 4, shadows: false }
    }
}

/// Draws what one camera of the scene sees: `front`, the policy's camera, or `overview`.
pub struct Renderer {
    inner: MjRenderer,
    /// The renderer's own copy of what is to be drawn.
    data: MjData<Arc<MjModel>>,
    camera: Arc<str>,
    width: u32,
    height: u32,
}

impl Renderer {
    /// A renderer with the default options.
    pub fn new(world: &World, camera: &str, width: u32, height: u32) -> Result<Self, SimError> {
        Self::with_options(world, camera, width, height, &RenderOptions::default())
    }

    /// A renderer for `camera` with pictures of `width` x `height` pixels. Fails if there is no
    /// such camera or no OpenGL.
    pub fn with_options(
        world: &World,
        camera: &str,
        width: u32,
        height: u32,
        options: &RenderOptions,
    ) -> Result<Self, SimError> {
        let failed = |reason: String| render_error(camera, width, height, reason);
        if !(1..=4096).contains(&width) || !(1..=4096).contains(&height) {
            return Err(failed("both sides must be 1 to 4096 pixels".to_owned()));
        }
        let mut model = world.physics.model().as_ref().clone();
        let id = model
            .name_to_id(MjtObjBase::mjOBJ_CAMERA, camera)
            .ok_or_else(|| SimError::Missing { kind: "camera", name: camera.to_owned() })?;
        let visual = model.vis_mut();
        visual.global.offwidth = width as i32;
        visual.global.offheight = height as i32;
        visual.quality.offsamples = i32::from(options.samples);
        visual.quality.shadowsize = if options.shadows { 1024 } else { 0 };
        if let Some(casts) = model.light_castshadow_mut().first_mut() {
            *casts = options.shadows;
        }
        let inner = MjRenderer::builder()
            .width(width)
            .height(height)
            .camera(MjvCamera::new_fixed(id))
            .build(&model)
            .map_err(|error| failed(error.to_string()))?;
        let data = MjData::new(Arc::new(model));
        Ok(Self { inner, data, camera: camera.into(), width, height })
    }

    /// Draws `world` as it is now.
    pub fn render(&mut self, world: &World) -> Result<Frame, SimError> {
        if let Err(error) = world.physics.data.copy_visual_to(&mut self.data) {
            return Err(self.error(error));
        }
        self.draw(world.now_ns())
    }

    /// Draws the world as it was saved, for a render thread that does not own the world.
    pub fn render_snapshot(&mut self, snapshot: &Snapshot) -> Result<Frame, SimError> {
        let state = MjtState::mjSTATE_INTEGRATION as u32;
        if let Err(error) = self.data.set_state(&snapshot.physics, state) {
            return Err(self.error(error));
        }
        self.data.forward_kinematics();
        self.data.camlight();
        self.draw(snapshot.ticks * TICK_NS)
    }

    fn draw(&mut self, captured_ns: u64) -> Result<Frame, SimError> {
        let drawn = self.inner.sync_data(&mut self.data).and_then(|()| self.inner.render());
        if let Err(error) = drawn {
            return Err(self.error(error));
        }
        let rgb = self.inner.rgb_flat().expect("the renderer was built with colour enabled");
        Ok(Frame {
            jpeg: None,
            camera: self.camera.clone(),
            captured_ns,
            width: self.width,
            height: self.height,
            rgb: rgb.into(),
        })
    }

    fn error(&self, reason: impl std::fmt::Display) -> SimError {
        render_error(&self.camera, self.width, self.height, reason.to_string())
    }
}

fn render_error(camera: &str, width: u32, height: u32, reason: String) -> SimError {
    SimError::Render { camera: camera.to_owned(), width, height, reason }
}
