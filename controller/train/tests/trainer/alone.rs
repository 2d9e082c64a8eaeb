//! A training that was left alone: in the background, looked at, ended, killed, resumed.

use crate::support::{Background, ENDLESS, Place, json};
use rustix::process::{Signal, getsid};
use std::fs;

#[test]
fn one_in_the_background_is_looked_at_and_ended_from_its_folder() {
    let place = Place::with_tiny_model();
    let training = Background(place.detach_tiny(&["--steps", ENDLESS]));
    assert_eq!(getsid(Some(training.0)).unwrap(), training.0, "a session of its own");
    let stat = fs::read_to_string(format!("/proc/{}/stat", training.0.as_raw_pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    assert_eq!((fields[16], fields[38]), ("19", "5"), "nice, and SCHED_IDLE");
    // Nothing of it is a terminal's, or this test's.
    for descriptor in 0..=2 {
        let file = fs::read_link(format!("/proc/{}/fd/{descriptor}", training.0.as_raw_pid()));
        let wanted =
            if descriptor == 0 { "/dev/null".into() } else { place.path("out/training/log") };
        assert_eq!(file.unwrap(), fs::canonicalize(wanted).unwrap());
    }
    for second in [&["--steps", ENDLESS][..], &["--steps", ENDLESS, "--detach"]] {
        let refused = place.train_tiny(second);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("goes on there, process {}", training.0.as_raw_pid())));
    }
    training.signal(Signal::HUP);
    let hung_up_at = place.ask("status").0["step"].as_u64().unwrap();
    let seen = place.until(|seen| seen["step"].as_u64().unwrap() > hung_up_at + 1);
    assert_eq!(
        (&seen["state"], &seen["process"]["pid"]),
        (&"training".into(), &training.0.as_raw_pid().into())
    );
    let (seen, code) = place.ask("stop");
    assert_eq!((&seen["state"], code), (&"stopped".into(), 0));
    training.wait();
    let (again, code) = place.ask("stop");
    assert_eq!((again, code), (seen.clone(), 0), "what has ended is left as it is");
    let log = fs::read_to_string(place.path("out/training/log")).unwrap();
    assert!(log.contains("dataset demos: 2 episodes") && log.contains("saved"), "{log}");
    let steps = (seen["step"].as_u64().unwrap() + 3).to_string();
    // A schedule is part of a run: that many steps are others' (--resume says so).
    let refused = place.train_tiny(&["--resume", "--steps", &steps, "--detach"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("steps = 1000000, now"), "{said}");
}

#[test]
fn one_in_the_background_comes_to_its_end() {
    let place = Place::with_tiny_model();
    let training = Background(place.detach_tiny(&["--steps", "3"]));
    training.wait();
    let (seen, code) = place.ask("status");
    assert_eq!((&seen["state"], &seen["step"], code), (&"finished".into(), &3.into(), 0), "{seen}");
    assert_eq!((&seen["saved_step"], &seen["dead"]), (&3.into(), &false.into()));
    for file in ["model.safetensors", "best/model.safetensors", "training/loss.png"] {
        assert!(place.path("out").join(file).exists(), "{file}");
    }
}

#[test]
fn one_that_was_killed_is_dead_with_its_last_lines_and_is_resumed() {
    let place = Place::with_tiny_model();
    let training = Background(place.detach_tiny(&["--steps", "60"]));
    place.until(|seen| !seen["saved_step"].is_null());
    training.signal(Signal::KILL);
    training.wait();
    let (seen, code) = place.ask("status");
    if seen["state"] == "finished" {
        // The machine was quicker than this test.
        return;
    }
    assert_eq!((&seen["dead"], code), (&true.into(), 1), "{seen}");
    assert!(!seen["last_lines"].as_array().unwrap().is_empty());
    let (_, code) = place.ask("stop");
    assert_eq!(code, 1, "there is nothing to stop");
    let resumed = Background(place.detach_tiny(&["--steps", "60", "--resume"]));
    resumed.wait();
    assert_eq!(place.ask("status").0["state"], "finished");
}

#[test]
fn what_was_given_wrong_is_answered_where_it_was_typed() {
    let place = Place::with_tiny_model();
    let output = place.train_tiny(&["--detach", "--lr", "nan"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("learning_rate") && output.stdout.is_empty(), "{said}");
    assert!(!place.path("out").exists());
    let output = place.command(&["train", "status", "--out", "out"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

/// A terminal that is closed sends SIGHUP.
#[test]
fn the_end_of_its_terminal_ends_one_in_the_foreground_as_ctrl_c_does() {
    let place = Place::with_tiny_model();
    for (signal, start) in [(Signal::HUP, &[][..]), (Signal::INT, &["--resume"])] {
        let mut training = place.begin_tiny(&[&["--steps", ENDLESS], start].concat());
        training.hear("states/s");
        training.signal(signal);
        let end = json(&training.end().0);
        assert_eq!(end["stopped"], true);
        let (seen, code) = place.ask("status");
        assert_eq!(
            (&seen["state"], &seen["saved_step"], code),
            (&"stopped".into(), &end["step"], 0)
        );
    }
}

#[test]
fn one_whose_folder_is_removed_ends_and_does_not_write_it_again() {
    let place = Place::with_tiny_model();
    let mut training = place.begin_tiny(&["--steps", ENDLESS]);
    training.hear("step 2 ");
    fs::rename(place.path("out"), place.path("elsewhere")).unwrap();
    let (output, said) = training.end();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("out: the folder was removed or renamed"), "{said}");
    assert!(!place.path("out").exists());
}

/// What --resume goes on from is the state on the disk, whatever else is lost, old or made up.
#[test]
fn what_is_resumed_is_told_from_the_disk() {
    let place = Place::with_tiny_model();
    assert!(place.train_tiny(&["--steps", "20"]).status.success());
    let (record, state) =
        (place.path("out/training/trainer.json"), place.path("out/training/state.safetensors"));
    let text = fs::read_to_string(&record).unwrap();
    let told = || {
        let output = place.command(&["train", "status", "--out", "out"]).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert!(text.contains("\"saved_step\":20"), "{text}");
    for lie in ["\"saved_step\":7", "\"saved_step\":null"] {
        fs::write(&record, text.replace("\"saved_step\":20", lie)).unwrap();
        let (seen, _) = place.ask("status");
        assert_eq!((&seen["saved_step"], &seen["state"]), (&20.into(), &"finished".into()));
    }
    // Absent, cut off, and another version's.
    for damaged in [None, Some(&text[..text.len() / 2]), Some("{\"stage\":\"lbc\"}")] {
        match damaged {
            None => fs::remove_file(&record).unwrap(),
            Some(damaged) => fs::write(&record, damaged).unwrap(),
        }
        let (seen, code) = place.ask("status");
        assert_eq!((&seen["saved_step"], &seen["state"], code), (&20.into(), &"unknown".into(), 0));
        let resumed = place.train_tiny(&["--steps", "20", "--resume"]);
        assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
        let (seen, _) = place.ask("status");
        assert_eq!((&seen["step"], &seen["state"]), (&20.into(), &"finished".into()), "{seen}");
    }
    let whole = fs::read(&state).unwrap();
    fs::write(&state, &whole[..whole.len() / 2]).unwrap();
    let (seen, _) = place.ask("status");
    assert!(seen["saved_step"].is_null(), "{seen}");
    assert!(seen["unusable_state"].as_str().unwrap().contains("is cut off"), "{seen}");
    // With neither there is nothing to tell of.
    fs::remove_file(&record).unwrap();
    fs::remove_file(&state).unwrap();
    let (code, said) = told();
    assert!(code == 2 && said.contains("no training was begun there"), "{said}");
}
