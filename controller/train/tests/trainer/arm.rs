//! A training beside a daemon: not begun while the arm moves, held while it does.

use crate::fake_daemon::FakeDaemon;
use crate::support::{ENDLESS, Place, json};
use rustix::process::Signal;

#[test]
fn a_training_is_not_begun_while_the_arm_moves() {
    let place = Place::with_tiny_model();
    let _daemon = FakeDaemon::start(&place.path("daemon.sock"), "homing");
    for detach in [&[][..], &["--detach"]] {
        let output = place.train_tiny(detach);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.contains("refused: the arm moves (homing)"), "{said}");
        assert!(!place.path("out").exists());
    }
}

#[test]
fn a_training_waits_while_the_arm_moves_or_until_nobody_can_tell() {
    let place = Place::with_tiny_model();
    let daemon = FakeDaemon::start(&place.path("daemon.sock"), "nobody");
    let mut training = place.begin_tiny(&["--steps", ENDLESS]);
    training.hear("step 2 ");
    for activity in ["run", "teleoperation"] {
        daemon.tell(activity);
        training.hear("paused after step");
        let (seen, code) = place.ask("status");
        assert_eq!((&seen["state"], code), (&"paused".into(), 0));
        let why = seen["why"].as_str().unwrap();
        assert!(why.ends_with("moves the arm"), "{why}");
        // Another activity without a rest between is still one.
        daemon.tell("replay");
        daemon.tell("nobody");
        training.hear("goes on after");
    }
    daemon.tell("run");
    training.hear("paused after step");
    drop(daemon);
    training.hear("goes on after");
    training.hear("states/s");
    training.signal(Signal::TERM);
    let (output, said) = training.end();
    assert!(said.contains("saved"), "{said}");
    assert_eq!(json(&output)["stopped"], true);
}

#[test]
fn one_that_waits_can_be_ended() {
    let place = Place::with_tiny_model();
    let daemon = FakeDaemon::start(&place.path("daemon.sock"), "nobody");
    let mut training = place.begin_tiny(&["--steps", ENDLESS]);
    daemon.tell("run");
    training.hear("paused after step");
    let (seen, code) = place.ask("stop");
    assert_eq!((&seen["state"], code), (&"stopped".into(), 0));
    assert_eq!(seen["step"], seen["saved_step"]);
    json(&training.end().0);
}

#[test]
fn where_no_daemon_answers_one_trains_and_is_told() {
    let place = Place::with_tiny_model();
    let output = place.train_tiny(&["--steps", "1"]);
    assert_eq!(json(&output)["step"], 1);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("not paused for an arm that moves: no daemon answers on"), "{said}");
}
