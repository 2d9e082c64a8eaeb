//! A camera of the Video4Linux kind.
//!
//! nokhwa decodes the pictures and lists the cameras, but its capture is not used: it takes whole
//! buffers whatever `bytesused` and the error flag say, so that a cut picture is shown with an
//! older one's bytes behind it; it waits without a limit, so that a stalled camera holds the
//! thread for ever; it turns the driver's monotonic stamp into wall time; and it refuses
//! fractional rates. The crate it stands on, v4l, has all that these need, but its devices and
//! streams answer unexpected drivers with panics, one of them in `drop`, where a second would
//! end the process. So of v4l the kernel's structures and call numbers are used (`sys`), and the
//! rest is here: what a camera offers and how it is set (`device`), which of it is taken
//! (`negotiate`), its buffers (`stream`), what is in them (`picture`, `jpeg`) and when it was
//! taken (`stamp`).

pub(crate) mod control;
mod device;
pub(crate) mod found;
mod huffman;
mod jpeg;
pub(crate) mod negotiate;
mod picture;
mod stamp;
mod stream;
mod sys;

use crate::error::{BadBuffer, CameraError};
use crate::judge::signature;
use crate::record::FIRST_PICTURE;
use crate::source::{Next, Source};
use device::Device;
use jaco_config::Camera;
use jaco_core::{Clock, Frame};
use picture::{Decoded, Layout};
use stamp::Stamp;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stream::Stream;

/// Asks the camera at `path` what it offers and can be set to; sets nothing.
pub(crate) fn inquire(
    path: &Path,
) -> Result<(Vec<negotiate::Offer>, Vec<control::Control>), CameraError> {
    let device = Device::open(path)?;
    Ok((device.offers()?, device.controls()))
}

/// What was last logged of each topic, over all openings of one camera: one that fails and is
/// opened again for a day says only what changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told(Arc<Mutex<HashMap<&'static str, String>>>);

impl Told {
    fn is_news(&self, topic: &'static str, text: &str) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert(topic, text.to_owned()).as_deref() != Some(text)
    }
}

pub(crate) struct V4lCamera {
    name: Arc<str>,
    device: Device,
    stream: Stream,
    layout: Layout,
    waits: Waits,
    clock: Arc<dyn Clock>,
    /// Whether a picture came since it was opened.
    running: bool,
    told: Told,
}

impl V4lCamera {
    /// Opens `path` at exactly the configured size, sets it and starts it.
    pub(crate) fn open(
        config: &Camera,
        path: &Path,
        clock: Arc<dyn Clock>,
        told: Told,
    ) -> Result<Self, CameraError> {
        let device = Device::open(path)?;
        let wanted = negotiate::Wanted {
            width: config.width,
            height: config.height,
            rate_hz: config.rate_hz,
            format: config.format,
        };
        let choice = negotiate::choose(&device.offers()?, &wanted)
            .map_err(|refusal| CameraError::Refused { path: path.to_owned(), refusal })?;
        let set = device.set(&choice)?;
        device.set_controls(&config.controls)?;
        let gives = format!(
            "{} gives {} x {} {} at {}",
            path.display(),
            choice.width,
            choice.height,
            choice.pixel,
            set.interval
        );
        if told.is_news("format", &gives) {
            tracing::info!(camera = config.name, "{gives}");
            if !set.interval.reaches(config.rate_hz) {
                let wanted_hz = config.rate_hz;
                tracing::warn!(
                    camera = config.name,
                    "{} gives {} where {wanted_hz} Hz are configured",
                    path.display(),
                    set.interval,
                );
            }
        }
        let layout = Layout {
            pixel: choice.pixel,
            width: choice.width,
            height: choice.height,
            stride_bytes: set.stride_bytes,
        };
        let stream = Stream::start(device.file(), &mut |what, source| device.failed(what, source))?;
        Ok(Self {
            name: config.name.as_str().into(),
            stream,
            layout,
            waits: Waits::at(set.interval.seconds()),
            clock,
            running: false,
            told,
            device,
        })
    }

    fn captured_ns(&self, stamp: Stamp) -> u64 {
        let dequeued_ns = self.clock.now_ns();
        match stamp.captured_ns(dequeued_ns) {
            Ok(captured_ns) => captured_ns,
            Err(reason) => {
                // Once, whichever of the reasons it is.
                if self.told.is_news("stamps", "") {
                    tracing::warn!(
                        camera = &*self.name,
                        "pictures are stamped when they arrive, not when they are taken: {reason}"
                    );
                }
                dequeued_ns
            }
        }
    }
}

impl Source for V4lCamera {
    fn next(&mut self) -> Result<Next, CameraError> {
        let silence = if self.running { self.waits.buffer } else { FIRST_PICTURE };
        let device = &self.device;
        let filled = self
            .stream
            .next(silence, &mut |what, source| device.failed(what, source))?
            .ok_or_else(|| CameraError::Silent { path: device.path().to_owned(), silence })?;
        let stamp = filled.stamp;
        let decoded = if filled.corrupt {
            Err(BadBuffer::Marked)
        } else {
            picture::decode(filled.bytes, &self.layout)
        };
        let Decoded { rgb, jpeg } = match decoded {
            Ok(decoded) => decoded,
            Err(reason) => return Ok(Next::Dropped(reason)),
        };
        let signature = signature(filled.bytes);
        self.running = true;
        let frame = Frame {
            camera: Arc::clone(&self.name),
            captured_ns: self.captured_ns(stamp),
            width: self.layout.width,
            height: self.layout.height,
            rgb: rgb.into(),
            jpeg,
        };
        Ok(Next::Picture(frame, Some(signature)))
    }

    fn patience(&self) -> Duration {
        self.waits.picture
    }
}

/// How long a running camera may be silent.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Waits {
    /// For the driver's next buffer; then the camera is opened again.
    buffer: Duration,
    /// For the next picture, whoever keeps it back; then the camera has a fault.
    picture: Duration,
}

impl Waits {
    /// For pictures every `period_s`: from 10 Hz on a fault is told within 300 ms. No sooner at
    /// high rates, because many cameras slow down to 5 Hz in the dark.
    fn at(period_s: f64) -> Self {
        let wait = |least_s: f64, periods: f64| {
            Duration::from_secs_f64(least_s.max(periods * period_s).min(10.0))
        };
        Self { buffer: wait(0.25, 2.5), picture: wait(0.28, 2.8) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_within_300_ms_where_the_rate_allows() {
        for rate_hz in 10..=120 {
            let waits = Waits::at(1.0 / f64::from(rate_hz));
            assert!(waits.buffer >= Duration::from_millis(250), "{rate_hz} Hz: {waits:?}");
            assert!(waits.buffer < waits.picture, "{rate_hz} Hz: {waits:?}");
            assert!(waits.picture < Duration::from_millis(300), "{rate_hz} Hz: {waits:?}");
        }
        let slow = Waits::at(0.2);
        assert_eq!(slow.buffer, Duration::from_millis(500));
        assert_eq!(slow.picture, Duration::from_millis(560));
    }
}
