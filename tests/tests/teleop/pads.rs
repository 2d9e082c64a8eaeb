//! A pad that fails moves nothing, and neither does one that was not asked to.

use crate::operator::{Operator, SETTLE_TICKS, Told, rig_among_pads};
use crate::rig::code::{LEFT_X, RB};
use jaco_api::{Activity, Mode, SessionEvent};
use jaco_tests::{Rig, Running, poll};

/// A stick that asks for a third of what it can.
const SOME: i32 = 18_000;

fn steered(rig: &Rig, operator: &mut Operator) -> Running {
    let told = Told::by(rig);
    let session = rig.start_jaco(&["teleop"]).unwrap();
    told.until(|event| matches!(event, SessionEvent::Began { .. }).then_some(()));
    operator.wait(SETTLE_TICKS);
    session
}

/// As [`steered`], with the stick held and the arm on its way.
fn moving(rig: &Rig, operator: &mut Operator) -> Running {
    let session = steered(rig, operator);
    operator.engage();
    operator.pads.say(&[(LEFT_X, SOME)]);
    moves(rig);
    session
}

fn speed(rig: &Rig) -> f64 {
    rig.control().unwrap().status().unwrap().arm_speed_m_s
}

fn moves(rig: &Rig) {
    poll("an arm that moves", || Ok((speed(rig) > 0.02).then_some(()))).unwrap();
}

/// The arm does not go where the stick is: a second of it would be 3 cm. What the servo makes up for
/// in bursts is less than 1 cm.
fn stays(rig: &Rig, operator: &mut Operator) {
    let place = || rig.control().unwrap().status().unwrap().tool_m;
    let before = place();
    operator.wait(100);
    let after = place();
    let way: f64 = (0..3).map(|axis| (after[axis] - before[axis]).powi(2)).sum();
    assert!(way.sqrt() < 0.01, "{:.3} m in a second", way.sqrt());
}

fn stands(rig: &Rig) {
    rig.until("an arm that stands", |status| status.at_rest == Some(true)).unwrap();
}

#[test]
fn nothing_moves_without_the_dead_man_and_letting_go_of_it_stops() {
    let (rig, pads) = rig_among_pads();
    let mut operator = Operator::with(pads, &rig);
    let _session = steered(&rig, &mut operator);
    operator.pads.say(&[(LEFT_X, SOME)]);
    stays(&rig, &mut operator);
    operator.pads.say(&[(LEFT_X, 0)]);
    operator.engage();
    operator.pads.say(&[(LEFT_X, SOME)]);
    moves(&rig);
    operator.pads.say(&[(RB, 0)]);
    stands(&rig);
    assert_eq!(rig.status().unwrap().activity, Activity::Teleoperation);
}

/// A pad that is pulled out with its stick held: the arm stands, and does not go on by itself when
/// the pad is back.
#[test]
fn an_unplugged_pad_stops_the_arm_until_it_is_engaged_anew() {
    let (rig, pads) = rig_among_pads();
    let mut operator = Operator::with(pads, &rig);
    let _session = moving(&rig, &mut operator);
    let node = operator.node.clone();
    operator.pads.unplug(&node);
    stands(&rig);
    operator.node = operator.pads.plug(crate::rig::XBOX);
    rig.until("the pad again", |status| status.pad.chosen.is_some()).unwrap();
    operator.pads.say(&[(LEFT_X, SOME), (RB, 1)]);
    stays(&rig, &mut operator);
    operator.let_go();
    operator.engage();
    operator.pads.say(&[(LEFT_X, -SOME)]);
    moves(&rig);
}

#[test]
fn the_stop_on_the_pad_latches_and_ends_the_session() {
    let (rig, pads) = rig_among_pads();
    let mut operator = Operator::with(pads, &rig);
    let session = moving(&rig, &mut operator);
    operator.pads.say(&[(crate::rig::code::GUIDE, 1)]);
    rig.until("a latched stop", |status| status.mode == Mode::Stopped).unwrap();
    let (said, status) = session.end().unwrap();
    assert!(!status.success(), "{said}");
    stands(&rig);
}

/// The client is a person's view of what happens: without it nobody watches.
#[test]
fn a_session_whose_client_dies_lets_the_arm_stand_and_frees_the_place() {
    let (rig, pads) = rig_among_pads();
    let mut operator = Operator::with(pads, &rig);
    let session = moving(&rig, &mut operator);
    session.signal(rustix::process::Signal::KILL).unwrap();
    stands(&rig);
    rig.until("a free place", |status| status.activity == Activity::Nobody).unwrap();
}
