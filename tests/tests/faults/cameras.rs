//! A camera of the PC that stalls, is unplugged, or gives pictures that are no good, while the
//! simulated one beside it goes on.

use crate::{is_shown, now_ns};
use jaco_api::Status;
use jaco_tests::camera::{FakeCamera, NAME, configure};
use jaco_tests::faults::Row;
use jaco_tests::{Rig, Setup};

/// Has the camera do what `words` say, until it is told, and then be well again.
fn goes_wrong(row: Row, words: &str, kind: &str) {
    let camera = FakeCamera::new().unwrap();
    let wrapper = camera.wrapper();
    let setup = Setup { homed: true, wrapper, configure: Some(configure) };
    let rig = Rig::start_as(setup).unwrap();
    let well = |status: &Status| status.cameras.iter().all(|c| c.fault.is_empty() && c.frames > 0);
    rig.until("two cameras that are well", well).unwrap();
    let mut sim = rig.control().unwrap();
    camera.misbehave(words).unwrap();
    let since_ns = now_ns(&mut sim);
    let is_of_kind = |status: &Status| {
        let found = status.cameras.iter().find(|camera| camera.name == NAME).unwrap();
        found.kind.as_deref() == Some(kind)
    };
    let status = rig.until("the fault's kind", is_of_kind).unwrap();
    is_shown(&rig, &row);
    let front = status.cameras.iter().find(|camera| camera.name == "front").unwrap();
    assert_ne!(front.kind.as_deref(), Some(kind), "{front:?}");
    row.judge_arm(&mut sim, since_ns).unwrap();
    camera.misbehave("").unwrap();
    row.bring_back(&rig).unwrap();
    rig.until("two cameras that are well again", well).unwrap();
}

#[test]
fn camera_stalled() {
    goes_wrong(Row::of("camera-stalled"), "stall", "stalled");
}

#[test]
fn camera_unplugged() {
    goes_wrong(Row::of("camera-unplugged"), "gone", "gone");
}

#[test]
fn camera_fails() {
    goes_wrong(Row::of("camera-fails"), "eio", "failed");
}

#[test]
fn camera_torn() {
    goes_wrong(Row::of("camera-torn"), "torn", "torn");
}

#[test]
fn camera_same_picture() {
    goes_wrong(Row::of("camera-same-picture"), "frozen", "frozen");
}

#[test]
fn camera_dark() {
    goes_wrong(Row::of("camera-dark"), "dark", "dark");
}

#[test]
fn camera_late() {
    goes_wrong(Row::of("camera-late"), "late", "late");
}
