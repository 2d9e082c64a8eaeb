//! Runs on a fake arm with a fake policy, told by the test what the servo says.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::activity::Desk;
use crate::arm::tests::{FakeArm, status_in};
use crate::events::Events;
use crate::policy::Loaded;
use crate::policy::tests::{FakePolicy, facts, frame, ready, started};
use crate::session::steer::{ClientSteer, Hand};
use jaco_api::{Activity, Steer};
use jaco_core::slot::Slot;
use jaco_core::{Action, Ask, Chunk, ManualClock, PolicyError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

type Behave = Box<dyn FnMut(&Ask<'_>) -> Result<Chunk, PolicyError> + Send>;

/// A run on a fake arm, told by the test what the servo says.
struct Bench {
    fake: Arc<FakeArm>,
    clock: Arc<ManualClock>,
    run: std::thread::JoinHandle<Verdict>,
    desk: Desk,
    left: Arc<AtomicBool>,
    steer: ClientSteer,
}

async fn bench(behave: Behave) -> Bench {
    let frames = Slot::default();
    frames.put(frame(u64::MAX));
    let load = move || Ok(Loaded { policy: Box::new(FakePolicy(behave)), facts: facts() });
    let (_, now, _) = started(load, frames).await;
    let policy = ready(now);
    let fake = Arc::new(FakeArm::new());
    fake.show(status_in(Mode::Idle));
    let desk = Desk::new(fake.arm.clone(), fake.latch(), Events::default());
    let guard = desk.claim(Activity::Run, "a test").unwrap();
    let clock = Arc::new(ManualClock::default());
    let (arm, time) = (fake.arm.clone(), Arc::clone(&clock));
    let left = Arc::new(AtomicBool::new(false));
    let gone = Arc::clone(&left);
    let steer = ClientSteer::default();
    let slot = steer.clone();
    let run = std::thread::spawn(move || {
        let plan =
            RunPlan { instruction: "push".into(), horizon: 2, pace: Pace::Sync, max_steps: 10 };
        let driving = Driving {
            arm: &arm,
            policy: &policy,
            clock: &*time,
            plan: &plan,
            guard: &guard,
            watched: &|| !gone.load(Ordering::SeqCst),
            streamed: &|_| {},
            blind: &|| None,
            changes_hands: &|_| {},
        };
        let (_operator, says) = bounded(1);
        let changing = Changing {
            recorder: &mut AttemptRecorder::default(),
            takeover: &mut Takeover::new(Hand::Client(slot)),
            tape: None,
            progress: &mut |_| {},
        };
        drive(&driving, &says, changing)
    });
    assert_eq!(fake.next().name(), "StartPolicy", "the run listens from now on");
    Bench { fake, clock, run, desk, left, steer }
}

fn still() -> Behave {
    Box::new(|_| Ok(Chunk::Actions(heapless::Vec::from_slice(&[Action::still(1.0)]).unwrap())))
}

/// It waited for ever.
#[tokio::test]
async fn a_run_that_cannot_begin_ends_with_the_servos_words() {
    let bench = bench(still()).await;
    let mut status = status_in(Mode::Idle);
    status.report.counters.refused += 1;
    status.note = jaco_servo::message::Note::of("StartPolicy: refuses Cartesian control");
    bench.fake.show(status);
    let verdict = bench.run.join().unwrap();
    assert_eq!(verdict.success, Some(false));
    assert!(verdict.detail.contains("refuses Cartesian control"), "{}", verdict.detail);
}

#[tokio::test]
async fn a_run_that_does_not_begin_in_time_ends() {
    let bench = bench(still()).await;
    bench.fake.show(status_in(Mode::Idle));
    bench.clock.advance_ns(ENTRY_TIME.as_nanos() as u64 + 1);
    bench.fake.show(status_in(Mode::Idle));
    assert!(bench.run.join().unwrap().detail.contains("did not begin within 3 s"));
}

/// A hung decode in sync never ended the run.
#[tokio::test]
async fn a_policy_that_hangs_ends_the_run() {
    let (hang, hung) = bounded::<()>(0);
    let (asked, asks) = bounded(1);
    let hangs = Box::new(move |_: &Ask<'_>| {
        asked.send(()).unwrap();
        let _ = hung.recv();
        Err(PolicyError("woken".to_owned()))
    });
    let bench = bench(hangs).await;
    bench.fake.show(status_in(Mode::Policy));
    asks.recv().unwrap();
    bench.clock.advance_ns(2_000_000_000);
    bench.fake.show(status_in(Mode::Policy));
    let verdict = bench.run.join().unwrap();
    assert!(verdict.detail.contains("has not answered within 1 s"), "{}", verdict.detail);
    drop(hang);
}

#[tokio::test]
async fn a_hand_on_the_joystick_ends_the_run_and_is_named() {
    let bench = bench(still()).await;
    bench.fake.show(status_in(Mode::Policy));
    let mut taken = status_in(Mode::HandedOver);
    taken.report.hold_reason = HoldReason::JoystickTaken;
    bench.fake.show(taken);
    let verdict = bench.run.join().unwrap();
    assert_eq!(verdict.success, None);
    assert!(verdict.detail.contains("a person took the joystick"), "{}", verdict.detail);
}

#[tokio::test]
async fn a_run_whose_arm_another_program_takes_has_failed() {
    let bench = bench(still()).await;
    bench.fake.show(status_in(Mode::Policy));
    let mut taken = status_in(Mode::HandedOver);
    taken.report.hold_reason = HoldReason::ControlTaken;
    bench.fake.show(taken);
    let verdict = bench.run.join().unwrap();
    assert_eq!(verdict.success, Some(false));
    assert!(verdict.detail.contains("`jaco take`"), "{}", verdict.detail);
}

#[tokio::test]
async fn a_run_that_is_told_to_end_ends() {
    let bench = bench(still()).await;
    bench.fake.show(status_in(Mode::Policy));
    bench.desk.end("stopped by the operator");
    bench.fake.show(status_in(Mode::Policy));
    assert_eq!(bench.run.join().unwrap().detail, "stopped by the operator");
}

/// Its client could go away before it had been told of the run: the arm drove on to the end.
#[tokio::test]
async fn a_run_that_nobody_watches_ends() {
    let bench = bench(still()).await;
    bench.left.store(true, Ordering::SeqCst);
    bench.fake.show(status_in(Mode::Policy));
    assert_eq!(bench.run.join().unwrap().detail, "the client of the run went away");
}

/// Frames of sync execution may predate standstill.
#[tokio::test]
async fn no_look_is_taken_before_the_arm_stands() {
    let (asked, asks) = bounded(1);
    let tells = Box::new(move |ask: &Ask<'_>| {
        asked.send(ask.number).unwrap();
        Err(PolicyError("enough".to_owned()))
    });
    let bench = bench(tells).await;
    for _ in 0..3 {
        bench.fake.show(jaco_servo::ServoStatus { still: false, ..status_in(Mode::Policy) });
    }
    assert!(asks.is_empty());
    bench.fake.show(status_in(Mode::Policy));
    assert_eq!(asks.recv().unwrap(), 0);
    assert!(bench.run.join().unwrap().detail.contains("enough"));
}

/// A person could only stop a run, never put it right.
#[tokio::test]
async fn a_person_takes_over_and_the_policy_goes_on_afterwards() {
    let (asked, asks) = bounded(8);
    let tells = Box::new(move |ask: &Ask<'_>| {
        asked.send(ask.number).unwrap();
        Ok(Chunk::Actions(heapless::Vec::from_slice(&[Action::still(1.0)]).unwrap()))
    });
    let bench = bench(tells).await;
    bench.fake.show(status_in(Mode::Policy));
    assert_eq!(asks.recv().unwrap(), 0);
    assert_eq!(bench.fake.next().name(), "Stream");
    let steer = Steer { linear_m_s: [0.1, 0.0, 0.0], angular_rad_s: [0.0; 3], gripper: 0.0 };
    bench.steer.put((bench.clock.now_ns(), steer));
    bench.fake.show(status_in(Mode::Policy));
    let Command::Jog { twist, gripper } = bench.fake.next() else { panic!("no takeover") };
    assert_eq!((twist.linear_m_s.x, gripper), (0.1, 0.0));
    bench.fake.show(status_in(Mode::Jog));
    assert_eq!(bench.fake.next().name(), "Jog");
    assert!(asks.is_empty(), "nobody asks the policy meanwhile");
    // The client's command grows old, which is letting go; the gripper stays closed.
    bench.clock.advance_ns(250_000_000);
    bench.fake.show(status_in(Mode::Jog));
    let Command::Jog { twist, gripper } = bench.fake.next() else { panic!("no jog") };
    assert_eq!((twist.linear_m_s.x, gripper), (0.0, 0.0));
    bench.clock.advance_ns(300_000_000);
    bench.fake.show(status_in(Mode::Jog));
    assert_eq!(bench.fake.next().name(), "StartPolicy");
    bench.fake.show(status_in(Mode::Jog));
    bench.fake.show(status_in(Mode::Policy));
    assert_eq!(asks.recv().unwrap(), 1);
    bench.desk.end("enough");
    bench.fake.show(status_in(Mode::Policy));
    assert_eq!(bench.run.join().unwrap().detail, "enough");
}
