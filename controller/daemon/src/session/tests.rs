//! Sessions on a fake arm, told by the test what the servo says and what time it is.

#![allow(clippy::unwrap_used)]

use super::drive::{Driving, drive};
use super::steer::{ClientSteer, Hand};
use crate::activity::{Desk, ENTRY_TIME};
use crate::arm::tests::{FakeArm, status_in};
use crate::events::Events;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use jaco_api::{Activity, Order, SessionEvent, Steer};
use jaco_core::ManualClock;
use jaco_servo::{Command, HoldReason, Mode, StopReason};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

struct Bench {
    fake: Arc<FakeArm>,
    clock: Arc<ManualClock>,
    desk: Desk,
    steer: ClientSteer,
    orders: Sender<Order>,
    left: Arc<AtomicBool>,
    told: Receiver<SessionEvent>,
    session: JoinHandle<(String, bool)>,
}

impl Bench {
    fn new() -> Self {
        let fake = Arc::new(FakeArm::new());
        fake.show(status_in(Mode::Idle));
        let desk = Desk::new(fake.arm.clone(), fake.latch(), Events::default());
        let guard = desk.claim(Activity::Teleoperation, "a test").unwrap();
        let clock = Arc::new(ManualClock::default());
        let steer = ClientSteer::default();
        let (orders, inbox) = bounded(4);
        let (tell, told) = unbounded();
        let left = Arc::new(AtomicBool::new(false));
        let (arm, time, slot, gone) =
            (fake.arm.clone(), Arc::clone(&clock), steer.clone(), Arc::clone(&left));
        let session = std::thread::spawn(move || {
            let driving = Driving {
                arm: &arm,
                clock: &*time,
                guard: &guard,
                cameras: &[],
                watched: &|| !gone.load(Ordering::SeqCst),
                tell: &|event| _ = tell.send(event),
            };
            let ended = drive(&driving, Hand::Client(slot), None, &inbox);
            (ended.why, ended.complete)
        });
        let bench = Self { fake, clock, desk, steer, orders, left, told, session };
        assert_eq!(bench.jog(), (0.0, 1.0), "it begins with an arm that stands");
        bench
    }

    /// The next order to the arm: its velocity along x, and the gripper.
    fn jog(&self) -> (f64, f64) {
        match self.fake.next() {
            Command::Jog { twist, gripper } => (twist.linear_m_s.x, gripper),
            other => panic!("{}", other.name()),
        }
    }

    fn show(&self, mode: Mode) {
        self.fake.show(status_in(mode));
    }

    fn ended(self) -> String {
        self.session.join().unwrap().0
    }
}

fn steer(x_m_s: f64, gripper: f64) -> Steer {
    Steer { linear_m_s: [x_m_s, 0.0, 0.0], angular_rad_s: [0.0; 3], gripper }
}

#[test]
fn the_arm_is_told_what_the_hand_wants_with_each_status() {
    let bench = Bench::new();
    bench.show(Mode::Jog);
    assert_eq!(bench.jog(), (0.0, 1.0));
    bench.steer.put((0, steer(0.1, 0.5)));
    bench.show(Mode::Jog);
    assert_eq!(bench.jog(), (0.1, 0.5));
    // Its client is gone: nothing moves, and nothing falls.
    bench.clock.advance_ns(201_000_000);
    bench.show(Mode::Jog);
    assert_eq!(bench.jog(), (0.0, 0.5));
    bench.orders.send(Order::End).unwrap();
    assert_eq!(bench.ended(), "ended by the operator");
}

#[test]
fn steps_are_told_when_they_begin_so_that_a_program_can_steer_them() {
    let bench = Bench::new();
    let mut status = status_in(Mode::Jog);
    status.report.setpoint.step_started = Some(0);
    bench.fake.show(status);
    let step = bench.told.iter().find(|event| matches!(event, SessionEvent::Step { .. }));
    assert_eq!(step, Some(SessionEvent::Step { step: 0 }));
    bench.desk.end("enough");
    bench.show(Mode::Jog);
    assert_eq!(bench.ended(), "enough");
}

#[test]
fn whatever_ends_the_motion_ends_the_session_and_is_named() {
    let joystick = Bench::new();
    joystick.show(Mode::Jog);
    let mut taken = status_in(Mode::HandedOver);
    taken.report.hold_reason = HoldReason::JoystickTaken;
    joystick.fake.show(taken);
    assert_eq!(joystick.ended(), "a person took the joystick");

    let stopped = Bench::new();
    let mut status = status_in(Mode::Stopped);
    status.report.stop_reason = Some(StopReason::Operator);
    stopped.fake.show(status);
    assert_eq!(stopped.ended(), "stopped by the operator");

    let holds = Bench::new();
    holds.show(Mode::Jog);
    let mut status = status_in(Mode::Idle);
    status.report.hold_reason = HoldReason::StateOld;
    holds.fake.show(status);
    assert_eq!(holds.ended(), "the servo holds: the arm's state could not be read");

    let lost = Bench::new();
    lost.show(Mode::Jog);
    lost.fake.lose();
    assert_eq!(lost.ended(), "the arm's process was lost");

    let gone = Bench::new();
    gone.left.store(true, Ordering::SeqCst);
    gone.show(Mode::Jog);
    assert_eq!(gone.ended(), "the client of the session went away");
}

#[test]
fn a_servo_that_does_not_begin_or_refuses_ends_the_session() {
    let slow = Bench::new();
    slow.show(Mode::Idle);
    slow.clock.advance_ns(ENTRY_TIME.as_nanos() as u64 + 1);
    slow.show(Mode::Idle);
    assert_eq!(slow.ended(), "the servo did not begin within 3 s");

    let refused = Bench::new();
    let mut status = status_in(Mode::Idle);
    status.report.counters.refused += 1;
    status.note = jaco_servo::message::Note::of("Jog: send Home first");
    refused.fake.show(status);
    assert_eq!(refused.ended(), "the servo refused: Jog: send Home first");
}
