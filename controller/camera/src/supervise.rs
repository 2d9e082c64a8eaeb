//! The life of a camera's thread: open, read until it fails, tell, pause, open again.
//!
//! Nothing ends it: not an error, not a panic of a decoder or a driver's binding. Nothing here
//! knows what kind of camera it is.

use crate::CameraHandle;
use crate::error::{BadBuffer, CameraError};
use crate::judge::{Seen, brightness};
use crate::source::{Next, Opener, Source};
use jaco_core::Clock;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Without a whole picture for so long, a camera whose buffers are all dropped is opened again.
const ONLY_BAD: Duration = Duration::from_secs(2);
/// One whose pictures are one and the same for so long, too.
const ONLY_SAME: Duration = Duration::from_secs(2);

/// Runs the camera for ever. `pause` waits before it is opened again.
pub(crate) fn supervise(
    mut open: Opener,
    camera: &CameraHandle,
    clock: &dyn Clock,
    mut pause: impl FnMut(Duration),
) {
    let mut back_off = BackOff::default();
    loop {
        back_off.began(clock.now_ns());
        // What a panic leaves half done is dropped with the source; the state is behind a lock
        // that forgives.
        let ended = catch_unwind(AssertUnwindSafe(|| run(&mut open, camera, clock)));
        let error = ended.unwrap_or_else(|panic| CameraError::Panicked(words_of(&*panic)));
        camera.state.failed(error.kind(), error.to_string());
        pause(back_off.pause_after(clock.now_ns()));
    }
}

/// Reads the camera until it fails.
fn run(open: &mut Opener, camera: &CameraHandle, clock: &dyn Clock) -> CameraError {
    camera.state.opening();
    let mut source = match open() {
        Ok(source) => source,
        Err(error) => return error,
    };
    camera.state.opened();
    read(&mut *source, camera, clock)
}

fn read(source: &mut dyn Source, camera: &CameraHandle, clock: &dyn Clock) -> CameraError {
    let mut whole_ns = clock.now_ns();
    let mut moved_ns = whole_ns;
    loop {
        match source.next() {
            Err(error) => return error,
            Ok(Next::Picture(frame, signature)) => {
                let (width, height, captured_ns) = (frame.width, frame.height, frame.captured_ns);
                let seen = Seen { captured_ns, signature, brightness: brightness(&frame.rgb) };
                camera.frames.put(frame);
                if camera.state.picture(source.patience(), seen) == 1 {
                    tracing::info!(camera = &*camera.name, width, height, "first picture");
                }
                whole_ns = clock.now_ns();
                if !camera.state.is_frozen() {
                    moved_ns = whole_ns;
                } else if Duration::from_nanos(whole_ns.saturating_sub(moved_ns)) > ONLY_SAME {
                    return CameraError::Frozen { lasted: ONLY_SAME };
                }
            }
            Ok(Next::Dropped(reason)) => {
                note_dropped(camera, &reason);
                let silence = Duration::from_nanos(clock.now_ns().saturating_sub(whole_ns));
                if silence > ONLY_BAD {
                    return CameraError::OnlyBad { silence: ONLY_BAD, last: reason };
                }
            }
        }
    }
}

/// Counts a dropped buffer; the log has the first, second, fourth, eighth and so on.
fn note_dropped(camera: &CameraHandle, reason: &BadBuffer) {
    let dropped = camera.state.dropped(reason);
    if dropped.is_power_of_two() {
        tracing::warn!(camera = &*camera.name, dropped, "a buffer was dropped: {reason}");
    }
}

/// What a panic says; mozjpeg's errors come in the same way.
pub(crate) fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("without words").to_owned()
}

/// Pauses that double from one failure to the next, until the camera ran for longer than the
/// longest of them: one that gives a picture and dies again is not opened five times a second.
struct BackOff {
    began_ns: u64,
    next: Duration,
}

impl Default for BackOff {
    fn default() -> Self {
        Self { began_ns: 0, next: FIRST_PAUSE }
    }
}

impl BackOff {
    fn began(&mut self, now_ns: u64) {
        self.began_ns = now_ns;
    }

    fn pause_after(&mut self, now_ns: u64) -> Duration {
        if Duration::from_nanos(now_ns.saturating_sub(self.began_ns)) > LONGEST_PAUSE {
            self.next = FIRST_PAUSE;
        }
        let pause = self.next;
        self.next = (2 * pause).min(LONGEST_PAUSE);
        pause
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::CameraState;
    use crate::judge::Limits;
    use jaco_core::{Frame, ManualClock, Slot};
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    const PATIENCE: Duration = Duration::from_millis(280);

    /// What one opening of the camera of these tests leads to.
    #[derive(Clone, Copy)]
    enum Life {
        CannotOpen,
        PanicsOnOpening,
        Fails,
        Panics,
        OnlyBad,
        Frozen,
    }

    /// Gives one picture, unless it only gives bad ones, and ends as it must; every buffer takes
    /// 100 ms.
    struct Scripted {
        life: Life,
        buffers: u64,
        clock: Arc<ManualClock>,
    }

    impl Scripted {
        fn frame(&self) -> Frame {
            Frame {
                camera: "front".into(),
                captured_ns: self.clock.now_ns(),
                width: 1,
                height: 1,
                rgb: [100; 3].into(),
                jpeg: None,
            }
        }
    }

    impl Source for Scripted {
        fn next(&mut self) -> Result<Next, CameraError> {
            self.clock.advance_ns(100_000_000);
            self.buffers += 1;
            match self.life {
                Life::OnlyBad => Ok(Next::Dropped(BadBuffer::Empty)),
                Life::Frozen => Ok(Next::Picture(self.frame(), Some(7))),
                _ if self.buffers == 1 => Ok(Next::Picture(self.frame(), None)),
                Life::Panics => panic!("out of cheese"),
                _ => Err(CameraError::Gone { path: "/dev/video0".into() }),
            }
        }

        fn patience(&self) -> Duration {
            PATIENCE
        }
    }

    /// Lives the given lives, and returns the health and the pause after each.
    fn live(lives: &[Life]) -> Vec<(crate::CameraHealth, Duration)> {
        let clock = Arc::new(ManualClock::default());
        let camera = CameraHandle {
            name: "front".into(),
            frames: Slot::default(),
            state: CameraState::new(
                "front".into(),
                Limits { late_ns: 250_000_000, dark_below: 8.0 },
                clock.clone(),
            ),
        };
        let told = Mutex::new(Vec::new());
        let mut script = VecDeque::from(lives.to_vec());
        let source_clock = Arc::clone(&clock);
        let open: Opener = Box::new(move || match script.pop_front() {
            Some(Life::CannotOpen) => Err(CameraError::Busy { path: "/dev/video0".into() }),
            Some(Life::PanicsOnOpening) => panic!("no cheese at all"),
            Some(life) => {
                Ok(Box::new(Scripted { life, buffers: 0, clock: Arc::clone(&source_clock) }))
            }
            None => unreachable!("the last pause ends the test"),
        });
        // Nothing ends the supervision but a panic out of the pause, which is the test's.
        let ended = catch_unwind(AssertUnwindSafe(|| {
            supervise(open, &camera, &*clock, |pause| {
                let mut told = told.lock().unwrap();
                told.push((camera.state.health(), pause));
                if told.len() == lives.len() {
                    drop(told);
                    std::panic::resume_unwind(Box::new("end of the test"));
                }
            })
        }));
        assert_eq!(words_of(&*ended.unwrap_err()), "end of the test");
        told.into_inner().unwrap()
    }

    #[test]
    fn whatever_ends_the_reading_is_told_and_the_camera_opened_again() {
        let told = live(&[
            Life::CannotOpen,
            Life::Panics,
            Life::PanicsOnOpening,
            Life::Fails,
            Life::OnlyBad,
            Life::Fails,
        ]);
        let faults: Vec<_> = told.iter().map(|(health, _)| health.fault.clone().unwrap()).collect();
        assert_eq!(
            faults,
            [
                "/dev/video0 is used by another program, or by another [[camera]]",
                "its thread panicked: out of cheese",
                "its thread panicked: no cheese at all",
                "/dev/video0 is gone: was it unplugged?",
                "gives no whole picture for 2000 ms, only buffers that are dropped: it is empty",
                "/dev/video0 is gone: was it unplugged?",
            ]
        );
        let (health, _) = told.last().unwrap();
        assert_eq!((health.frames, health.reopened, health.dropped), (3, 3, 21));
    }

    #[test]
    fn a_frozen_camera_is_opened_again() {
        let told = live(&[Life::Frozen, Life::Fails]);
        let (frozen, _) = &told[0];
        assert_eq!(frozen.kind, Some(crate::FaultKind::Frozen));
        assert_eq!(frozen.fault.as_deref(), Some("its picture is frozen: the same for 2000 ms"));
        assert_eq!(
            (frozen.onset_ns, frozen.fault_since_ns),
            (Some(100_000_000), Some(300_000_000))
        );
        assert_eq!(told[1].0.reopened, 1);
    }

    #[test]
    fn pauses_grow_to_five_seconds() {
        let told = live(&[Life::Fails; 8]);
        let pauses: Vec<_> = told.iter().map(|(_, pause)| pause.as_millis()).collect();
        assert_eq!(pauses, [200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
    }

    #[test]
    fn a_camera_that_ran_for_long_is_opened_again_soon() {
        let mut back_off = BackOff { next: LONGEST_PAUSE, ..BackOff::default() };
        back_off.began(1_000_000_000);
        assert_eq!(back_off.pause_after(5_900_000_000), LONGEST_PAUSE);
        back_off.began(10_000_000_000);
        assert_eq!(back_off.pause_after(15_100_000_000), FIRST_PAUSE);
    }
}
