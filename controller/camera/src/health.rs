//! How a camera is, for whoever asks: the record of its thread, shared and read with the clock.
//!
//! Reading never waits for the camera: the lock is held to copy or to write a few numbers, and
//! never across the log or the driver.

use crate::error::BadBuffer;
use crate::fault::FaultKind;
use crate::judge::{Limits, Seen};
use crate::record::{CameraHealth, Change, Record};
use jaco_core::Clock;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The health of a camera, as it changes. Clones share it.
#[derive(Clone)]
pub struct CameraState(Arc<Shared>);

struct Shared {
    camera: Arc<str>,
    clock: Arc<dyn Clock>,
    record: Mutex<Record>,
}

impl fmt::Debug for CameraState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CameraState")
            .field("camera", &self.0.camera)
            .field("health", &self.health())
            .finish()
    }
}

impl CameraState {
    pub(crate) fn new(camera: Arc<str>, limits: Limits, clock: Arc<dyn Clock>) -> Self {
        let record = Mutex::new(Record::new(clock.now_ns(), limits));
        Self(Arc::new(Shared { camera, clock, record }))
    }

    /// How the camera is now.
    pub fn health(&self) -> CameraHealth {
        // The time is taken under the lock: taken before, it could be older than the record.
        let record = self.record();
        record.health(self.0.clock.now_ns())
    }

    /// Writes to the log what changed since the last call.
    pub(crate) fn tell_changes(&self) {
        let change = {
            let mut record = self.record();
            record.change(self.0.clock.now_ns())
        };
        let camera = &*self.0.camera;
        match change {
            Some(Change::Fault(fault)) => tracing::warn!(camera, "camera fault: {fault}"),
            Some(Change::Well) => tracing::info!(camera, "the camera gives pictures again"),
            None => {}
        }
    }

    pub(crate) fn opening(&self) {
        self.record().opening(self.0.clock.now_ns());
    }

    pub(crate) fn opened(&self) {
        self.record().opened();
    }

    /// Returns how many pictures came so far.
    pub(crate) fn picture(&self, patience: Duration, seen: Seen) -> u64 {
        let count = {
            let mut record = self.record();
            record.picture(self.0.clock.now_ns(), patience, seen)
        };
        self.tell_changes();
        count
    }

    /// Returns how many buffers were dropped so far.
    pub(crate) fn dropped(&self, reason: &BadBuffer) -> u64 {
        let count = {
            let mut record = self.record();
            record.dropped(self.0.clock.now_ns(), reason)
        };
        self.tell_changes();
        count
    }

    /// Whether its newest pictures are one and the same.
    pub(crate) fn is_frozen(&self) -> bool {
        self.record().is_frozen(self.0.clock.now_ns())
    }

    pub(crate) fn failed(&self, kind: FaultKind, fault: String) {
        self.record().failed(self.0.clock.now_ns(), kind, fault);
        self.tell_changes();
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.0.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jaco_core::ManualClock;

    #[test]
    fn health_follows_the_clock_though_nobody_tells_anything() {
        let clock = Arc::new(ManualClock::default());
        let limits = Limits { late_ns: 250_000_000, dark_below: 8.0 };
        let seen = |captured_ns| Seen { captured_ns, signature: None, brightness: 100.0 };
        let state = CameraState::new("front".into(), limits, clock.clone());
        state.opening();
        state.opened();
        state.picture(Duration::from_millis(280), seen(0));
        clock.advance_ns(280_000_000);
        assert_eq!(state.health().fault, None);
        clock.advance_ns(1);
        let health = state.health();
        assert_eq!(health.fault.unwrap(), "has given no whole picture for 280 ms");
        assert_eq!((health.frames, health.fault_since_ns), (1, Some(280_000_000)));
        assert_eq!(state.picture(Duration::from_millis(280), seen(1)), 2);
        assert_eq!(state.health().fault, None);
    }
}
