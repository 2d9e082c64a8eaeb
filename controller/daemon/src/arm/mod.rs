//! The arm as the rest of the daemon sees it: commands go in, the servo's newest status can be
//! read, awaited or followed. [`supervisor`] keeps a servo process behind it. Nothing here decides
//! about motion.

pub mod supervisor;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use jaco_servo::{Command, Mode, ServoStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Statuses that a follower may lag behind before it misses some: 2 s.
const TAP_DEPTH: usize = 200;

/// Readings must be so much younger than an order to rest before they can show its effect \[ns\]:
/// the arm's own lag, and the span over which they are compared.
const EFFECT_NS: u64 = 100_000_000;

/// Whether readings made after an order to rest, given at `asked_ns`, show the arm at rest: it
/// stayed in one place and does not begin to leave it.
pub fn rests_since(status: &ServoStatus, asked_ns: u64) -> bool {
    status.at_rest && status.still && status.state.stamp_ns > asked_ns + EFFECT_NS
}

/// What is known of the arm now.
#[derive(Clone, Copy, Debug, Default)]
pub struct ArmView {
    /// The servo's newest status; none while no servo answers.
    pub status: Option<ServoStatus>,
    /// Servo processes started so far.
    pub processes: u64,
}

/// The way to the arm.
#[derive(Clone, Debug)]
pub struct Arm {
    commands: Sender<Command>,
    view: watch::Receiver<ArmView>,
    taps: Arc<Mutex<Vec<Sender<ServoStatus>>>>,
}

/// The other end, for whoever hears the servo.
#[derive(Debug)]
pub struct Publisher {
    view: watch::Sender<ArmView>,
    taps: Arc<Mutex<Vec<Sender<ServoStatus>>>>,
}

/// An arm whose commands arrive at the receiver and whose statuses the publisher tells.
pub fn channel() -> (Arm, Publisher, Receiver<Command>) {
    let (commands, inbox) = crossbeam_channel::unbounded();
    let (sender, view) = watch::channel(ArmView::default());
    let taps = Arc::<Mutex<Vec<_>>>::default();
    let arm = Arm { commands, view, taps: Arc::clone(&taps) };
    (arm, Publisher { view: sender, taps }, inbox)
}

impl Arm {
    /// Sends a command; never waits. It is lost if no servo answers: the status tells.
    pub fn send(&self, command: Command) {
        // The receiver lives as long as the supervisor, which ends last.
        let _ = self.commands.send(command);
    }

    /// What is known now.
    pub fn view(&self) -> ArmView {
        *self.view.borrow()
    }

    /// The servo's mode, if one answers.
    pub fn mode(&self) -> Option<Mode> {
        self.view.borrow().status.map(|status| status.report.mode)
    }

    /// The first view, this one included, for which `wanted` gives something; none if that takes
    /// longer than `timeout`. Blocks no thread.
    pub async fn until<T>(
        &self,
        timeout: Duration,
        mut wanted: impl FnMut(&ArmView) -> Option<T>,
    ) -> Option<T> {
        let mut view = self.view.clone();
        let found = async {
            loop {
                let found = wanted(&view.borrow_and_update());
                if found.is_some() {
                    return found;
                }
                // An error: the supervisor is gone, and with it the last hope.
                view.changed().await.ok()?;
            }
        };
        tokio::time::timeout(timeout, found).await.ok().flatten()
    }

    /// Every status of this servo process from now on, in order; closed when the process is lost.
    pub fn follow(&self) -> Receiver<ServoStatus> {
        let (sender, receiver) = bounded(TAP_DEPTH);
        self.taps.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }
}

impl Publisher {
    /// A servo process is being started.
    pub fn starting(&self) {
        self.view.send_modify(|view| view.processes += 1);
    }

    /// The servo says this.
    pub fn status(&self, status: ServoStatus) {
        self.taps.lock().unwrap_or_else(PoisonError::into_inner).retain(|tap| {
            // A follower that lags misses statuses; the counters in the next one tell.
            !matches!(tap.try_send(status), Err(TrySendError::Disconnected(_)))
        });
        self.view.send_modify(|view| view.status = Some(status));
    }

    /// No servo answers any more, and those that followed it are told by the end of what they
    /// follow. Returns the mode that it last said it was in.
    pub fn lost(&self) -> Option<Mode> {
        self.taps.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let mut last = None;
        self.view.send_modify(|view| last = view.status.take());
        last.map(|status| status.report.mode)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::latch::StopLatch;
    use jaco_core::{ArmState, Limits, Pose};
    use jaco_servo::ServoCore;
    use nalgebra::{UnitQuaternion, Vector3};

    /// An arm played by a test.
    pub struct FakeArm {
        pub arm: Arm,
        publisher: Publisher,
        inbox: Receiver<Command>,
    }

    impl FakeArm {
        pub fn new() -> Self {
            let (arm, publisher, inbox) = channel();
            Self { arm, publisher, inbox }
        }

        pub fn show(&self, status: ServoStatus) {
            self.publisher.status(status);
        }

        /// A latch that nothing has set.
        pub fn latch(&self) -> Arc<StopLatch> {
            let folder = tempfile::tempdir().unwrap();
            // The open file outlives its folder.
            Arc::new(StopLatch::open(&folder.path().join("latch")).unwrap())
        }

        pub fn lose(&self) {
            self.publisher.lost();
        }

        /// Names of the commands sent since the last call.
        pub fn sent(&self) -> Vec<&'static str> {
            self.inbox.try_iter().map(|command| command.name()).collect()
        }

        /// The next command that is sent.
        pub fn next(&self) -> Command {
            self.inbox.recv().unwrap()
        }
    }

    /// A resting, homed arm whose servo says that it is in `mode`.
    pub fn status_in(mode: Mode) -> ServoStatus {
        let position_m = Vector3::new(0.0, -0.4, 0.25);
        let pose = Pose { position_m, orientation: UnitQuaternion::identity() };
        let state = ArmState::at(0, pose);
        let mut report = ServoCore::new(Limits::default()).unwrap().report();
        report.mode = mode;
        ServoStatus {
            sent_ns: 0,
            state,
            report,
            ticks: 0,
            late_ticks: 0,
            missed_ticks: 0,
            lateness_ns: 0,
            worst_lateness_ns: 0,
            send_ns: 0,
            read_ns: 0,
            read_failures: 0,
            send_failures: 0,
            points_sent: 0,
            arm_queue: 0,
            queue_erasures: 0,
            realtime: false,
            memory_locked: false,
            homed: true,
            at_rest: true,
            still: true,
            joystick_held: Some(false),
            in_control: true,
            conditions: jaco_servo::Conditions::default(),
            telemetry: jaco_servo::Telemetry::default(),
            note: jaco_servo::message::Note::default(),
        }
    }

    /// An arm that had just begun to move passed for one at rest.
    #[test]
    fn only_readings_from_after_the_order_show_an_arm_at_rest() {
        let mut status = status_in(Mode::Stopped);
        status.state.stamp_ns = EFFECT_NS + 8;
        assert!(rests_since(&status, 7));
        assert!(!rests_since(&status, 8));
        assert!(!rests_since(&ServoStatus { still: false, ..status }, 7));
        assert!(!rests_since(&ServoStatus { at_rest: false, ..status }, 7));
    }

    #[tokio::test]
    async fn what_is_awaited_is_seen_whenever_it_comes() {
        let fake = FakeArm::new();
        let stopped = |view: &ArmView| {
            view.status.filter(|status| status.report.mode == Mode::Stopped).map(|_| ())
        };
        assert!(fake.arm.until(Duration::ZERO, stopped).await.is_none());
        let arm = fake.arm.clone();
        let waiter = tokio::spawn(async move { arm.until(Duration::from_secs(60), stopped).await });
        fake.show(status_in(Mode::Idle));
        fake.show(status_in(Mode::Stopped));
        assert!(waiter.await.unwrap().is_some());
        fake.lose();
        assert!(fake.arm.view().status.is_none());
    }

    #[test]
    fn a_follower_that_sleeps_delays_nobody() {
        let fake = FakeArm::new();
        let follower = fake.arm.follow();
        for _ in 0..2 * TAP_DEPTH {
            fake.show(status_in(Mode::Idle));
        }
        assert_eq!(follower.len(), TAP_DEPTH);
    }

    /// A run went on with the statuses of the next servo, which knew nothing of it.
    #[test]
    fn a_follower_of_a_lost_servo_does_not_hear_the_next_one() {
        let fake = FakeArm::new();
        let follower = fake.arm.follow();
        fake.lose();
        fake.show(status_in(Mode::Idle));
        assert!(follower.recv().is_err());
    }
}
