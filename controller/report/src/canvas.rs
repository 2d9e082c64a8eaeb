//! A white picture to draw on, with its own fonts: what a report looks like must not depend on
//! what is installed on the machine.

use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};
use std::sync::OnceLock;

/// Name under which the text font is known to plotters.
pub(super) const FONT: &str = "report";
/// Colour of text and axes.
pub(super) const INK: RGBColor = RGBColor(16, 16, 24);
/// Colour of what is secondary.
pub(super) const FAINT: RGBColor = RGBColor(96, 96, 106);
/// Colour of grid lines.
pub(super) const GRID: RGBColor = RGBColor(228, 228, 233);
/// Colours of series, told apart by the colour-blind too (Okabe and Ito).
pub(super) const BLUE: RGBColor = RGBColor(0, 114, 178);
pub(super) const ORANGE: RGBColor = RGBColor(213, 94, 0);
pub(super) const GREEN: RGBColor = RGBColor(0, 138, 100);
pub(super) const RED: RGBColor = RGBColor(200, 30, 45);

/// The drawing area of a [`Canvas`].
pub(super) type Area<'a> = DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>;

/// A picture that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The plotting library refused.
    #[error("cannot draw: {0}")]
    Draw(String),
    /// The PNG encoder refused.
    #[error("cannot encode a PNG: {0}")]
    Encode(#[from] png::EncodingError),
    /// A frame whose bytes do not fit its size.
    #[error(
        "frame at step {step} has {bytes} bytes, but {width} x {height} RGB pixels have {expected}"
    )]
    Frame {
        /// Step of the frame.
        step: u64,
        /// Its width \[pixels\].
        width: u32,
        /// Its height \[pixels\].
        height: u32,
        /// Its bytes.
        bytes: usize,
        /// The bytes that it should have.
        expected: usize,
    },
}

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for RenderError {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        RenderError::Draw(error.to_string())
    }
}

/// A white RGB picture.
pub(super) struct Canvas {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Canvas {
    pub(super) fn new(width: u32, height: u32) -> Self {
        Self { width, height, rgb: vec![255; width as usize * height as usize * 3] }
    }

    /// Lets `paint` draw on the picture.
    pub(super) fn draw(
        &mut self,
        paint: impl FnOnce(&Area<'_>) -> Result<(), RenderError>,
    ) -> Result<(), RenderError> {
        register_fonts();
        let size = (self.width, self.height);
        let area = BitMapBackend::with_buffer(&mut self.rgb, size).into_drawing_area();
        paint(&area)?;
        area.present()?;
        Ok(())
    }

    /// Sets the pixel at `x`, `y`, which must lie in the picture.
    pub(super) fn set_pixel(&mut self, x: u32, y: u32, rgb: [u8; 3]) {
        let start = (y as usize * self.width as usize + x as usize) * 3;
        self.rgb[start..start + 3].copy_from_slice(&rgb);
    }

    /// The picture as a PNG.
    pub(super) fn png(&self) -> Result<Vec<u8>, RenderError> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header()?.write_image_data(&self.rgb)?;
        Ok(bytes)
    }
}

/// Text of `size` pixels in `color`.
pub(super) fn text(size: u32, color: RGBColor) -> TextStyle<'static> {
    (FONT, size).into_font().color(&color)
}

fn register_fonts() {
    static REGISTERED: OnceLock<()> = OnceLock::new();
    REGISTERED.get_or_init(|| {
        let font = epaint_default_fonts::UBUNTU_LIGHT;
        if register_font(FONT, FontStyle::Normal, font).is_err() {
            unreachable!("the embedded font is a valid TrueType font");
        }
    });
}
