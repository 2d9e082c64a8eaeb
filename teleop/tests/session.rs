//! A recording session from the outside: steps in, a dataset out.
#![allow(clippy::unwrap_used)]

use jaco_core::{Action, ArmState, Frame, Pose, STEP_NS};
use jaco_dataset::{Dataset, EpisodeNotes, Severity, check};
use jaco_teleop::session::{ACTION_NAMES, STATE_NAMES, STREAM_UNITS, TIME_ZERO};
use jaco_teleop::{Live, RecordingSession, SessionCamera, SessionConfig, SessionError, StepRecord};
use nalgebra::{UnitQuaternion, Vector3};
use serde_json::json;
use std::path::Path;

const START_NS: u64 = 5_000_000_000;
const TASK: &str = "put the blue cube on the green plate";

fn config() -> SessionConfig {
    SessionConfig {
        label_names: vec!["cube_x".to_owned(), "cube_y".to_owned()],
        with_streams: true,
        ..SessionConfig::new("front", 8, 6)
    }
}

/// Step `step` of a steady 10 Hz episode, with a frame of 20 ms of age.
fn step(step: u64) -> StepRecord {
    let step_ns = START_NS + step * STEP_NS;
    let at = step as f64;
    let pose = Pose {
        position_m: Vector3::new(0.1, -0.4, 0.25 + at * 0.01),
        orientation: UnitQuaternion::from_euler_angles(0.1, 0.2, 0.3),
    };
    let state = ArmState {
        joints_rad: [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        closure: [0.25; 3],
        ..ArmState::at(step_ns, pose)
    };
    let frame = Frame {
        jpeg: None,
        camera: "front".into(),
        captured_ns: step_ns - 20_000_000,
        width: 8,
        height: 6,
        rgb: (0..8 * 6 * 3).map(|i| (i + step) as u8).collect(),
    };
    let action = |scale: f64| Action {
        translation_m: [0.01 * scale, 0.0, -0.02],
        rotation_rad: [0.0, 0.1, at * 0.001],
        gripper: 1.0,
    };
    StepRecord {
        step,
        step_ns,
        frames: vec![frame],
        state,
        asked: action(2.0),
        sent: action(1.0),
        valid: step != 1,
        labels: Some(vec![0.5, at as f32]),
        stream: Some((0..STREAM_UNITS).map(|unit| action(unit as f64)).collect()),
        live: None,
    }
}

fn open(root: &Path) -> RecordingSession {
    RecordingSession::create_or_append(root, config()).unwrap()
}

#[test]
fn a_step_becomes_the_row_that_training_reads() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = open(folder.path());
    session.begin(TASK, &EpisodeNotes::new()).unwrap();
    (0..3).for_each(|i| session.push(step(i)).unwrap());
    assert_eq!(session.recorded_steps(), Some(3));
    let notes = json!({"success": true}).as_object().cloned().unwrap();
    assert_eq!(session.keep(notes).unwrap().index, 0);
    session.publish().unwrap();
    assert_eq!((session.recorded_steps(), session.total_episodes()), (None, 1));

    let dataset = Dataset::open(folder.path()).unwrap();
    assert_eq!((dataset.fps(), dataset.robot_type()), (10.0, Some("kinova-j2n6s300")));
    let episode = dataset.read_episode(0).unwrap();
    assert_eq!(episode.task, TASK);
    let images = episode.images("observation.images.front").unwrap();
    assert_eq!((images.width, images.height), (8, 6));
    assert_eq!(images.frames[2], step(2).frames[0].rgb);
    let state = episode.f32s("observation.state").unwrap();
    let q = step(2).state.pose.orientation;
    let expected =
        [[0.1, -0.4, 0.27, q.w, q.i, q.j, q.k].as_slice(), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.75]]
            .concat();
    assert_eq!(state.row(2), expected.iter().map(|&v| v as f32).collect::<Vec<_>>());
    assert_eq!((state.dims, STATE_NAMES.len(), ACTION_NAMES.len()), (14, 14, 7));
    assert_eq!(episode.f32s("action").unwrap().row(2), [0.02, 0., -0.02, 0., 0.1, 0.002, 1.]);
    assert_eq!(episode.f32s("action.sent").unwrap().row(2)[0], 0.01);
    assert_eq!(episode.bools("label.valid").unwrap(), &[true, false, true]);
    assert_eq!(episode.f32s("observation.environment_state").unwrap().row(2), [0.5, 2.0]);
    let stream = episode.f32s("label.stream").unwrap();
    assert_eq!((stream.dims, stream.row(2)[7 * 5]), (7 * STREAM_UNITS, 0.05));
    assert_eq!(episode.f64s("observation.capture_time").unwrap().row(0), [-0.02]);
    assert_eq!(episode.f64s("observation.capture_time").unwrap().row(2), [0.18]);
    assert_eq!(dataset.notes(0).unwrap()[TIME_ZERO], json!("first step"));
    assert_eq!(check(folder.path()), []);
}

#[test]
fn notes_tell_stale_frames_and_the_rate_that_was_achieved() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = open(folder.path());
    session.begin(TASK, &EpisodeNotes::new()).unwrap();
    for i in 0..5 {
        let mut record = step(i);
        // Twice as slow as asked, and the third frame is the second one again.
        record.step_ns = START_NS + 2 * i * STEP_NS;
        let captured_step = if i == 2 { 1 } else { i };
        record.frames[0].captured_ns = START_NS + 2 * captured_step * STEP_NS;
        session.push(record).unwrap();
    }
    session.keep(EpisodeNotes::new()).unwrap();
    session.publish().unwrap();
    let notes = Dataset::open(folder.path()).unwrap().notes(0).unwrap();
    assert_eq!(notes["stale_frames"], json!(1));
    assert_eq!(notes["oldest_frame_ms"], json!(200.0));
    assert_eq!(notes["achieved_hz"], json!(5.0));
}

#[test]
fn episodes_are_begun_and_ended_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = open(folder.path());
    assert!(matches!(session.push(step(0)), Err(SessionError::NoEpisode)));
    assert!(matches!(session.keep(EpisodeNotes::new()), Err(SessionError::NoEpisode)));
    assert!(matches!(session.discard(), Err(SessionError::NoEpisode)));
    session.begin(TASK, &EpisodeNotes::new()).unwrap();
    assert!(
        matches!(session.begin("another", &EpisodeNotes::new()), Err(SessionError::EpisodeOpen { task }) if task == TASK)
    );
    session.keep(EpisodeNotes::new()).unwrap_err();
    session.push(step(0)).unwrap();
    assert_eq!(session.discard().unwrap(), 1);
    session.begin("another", &EpisodeNotes::new()).unwrap();
    session.push(step(0)).unwrap();
    session.keep(EpisodeNotes::new()).unwrap();
    drop(session);
    let mut session = open(folder.path());
    session.begin(TASK, &EpisodeNotes::new()).unwrap();
    session.push(step(0)).unwrap();
    assert_eq!(session.keep(EpisodeNotes::new()).unwrap().index, 1);
    session.publish().unwrap();
    let dataset = Dataset::open(folder.path()).unwrap();
    assert_eq!(dataset.tasks(), [TASK, "another"]);
}

#[test]
fn a_step_with_a_fault_is_refused_and_the_episode_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = open(folder.path());
    session.begin(TASK, &EpisodeNotes::new()).unwrap();
    session.push(step(3)).unwrap();
    type Fault = (&'static str, fn(&mut StepRecord));
    let faults: [Fault; 9] = [
        ("camera \"wrist\"", |s| s.frames[0].camera = "wrist".into()),
        ("9x6", |s| s.frames[0].width = 9),
        ("1 labels, the session has 2", |s| s.labels = Some(vec![0.0])),
        ("0 labels", |s| s.labels = None),
        ("stream of 0", |s| s.stream = None),
        ("not after the last", |s| s.step_ns = START_NS),
        ("0 frames, the session has 1", |s| s.frames.clear()),
        ("the session is not live", |s| s.live = Some(Live::default())),
        ("not finite", |s| s.asked.translation_m[1] = f64::NAN),
    ];
    for (reason, spoil) in faults {
        let mut record = step(4);
        spoil(&mut record);
        let error = session.push(record).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    session.push(step(4)).unwrap();
    assert_eq!(session.keep(EpisodeNotes::new()).unwrap().frames, 2);
}

#[test]
fn another_datasets_features_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    type Other = (&'static str, fn(&mut SessionConfig));
    let others: [Other; 6] = [
        ("kinova-j2n6s300\", not \"so101", |c| c.robot_type = "so101".into()),
        ("observation.images.wrist", |c| c.cameras[0].name = "wrist".into()),
        ("observation.images.front", |c| c.cameras[0].width = 16),
        ("label.stream", |c| c.with_streams = false),
        ("observation.environment_state", |c| c.label_names.push("cube_z".into())),
        ("10 rows a second, not 5", |c| c.fps = 5),
    ];
    for (difference, change) in others {
        let mut config = config();
        change(&mut config);
        let error = RecordingSession::create_or_append(folder.path(), config).err().unwrap();
        assert!(matches!(error, SessionError::OtherDataset { .. }));
        assert!(error.to_string().contains(difference), "{error}");
    }
    assert_eq!(open(folder.path()).total_episodes(), 0);
}

#[test]
fn a_live_session_has_a_time_for_each_camera_and_the_columns_of_real_time() {
    let folder = tempfile::tempdir().unwrap();
    let wrist = SessionCamera { name: "wrist".to_owned(), width: 4, height: 10 };
    let mut config = SessionConfig { live: true, ..SessionConfig::new("front", 8, 6) };
    config.cameras.push(wrist);
    let live_step = |i: u64, live: Live| {
        let mut record = StepRecord { labels: None, stream: None, live: Some(live), ..step(i) };
        record.frames.push(Frame {
            camera: "wrist".into(),
            captured_ns: record.step_ns - 45_000_000,
            width: 4,
            height: 10,
            rgb: (0..120).map(|at| 60 + (i + at) as u8).collect(),
            jpeg: None,
        });
        record.state.wrench.force_n.z = -3.5;
        record
    };
    let mut session = RecordingSession::create_or_append(folder.path(), config.clone()).unwrap();
    let start = json!({"source": "teleop"}).as_object().cloned().unwrap();
    session.begin(TASK, &start).unwrap();
    let proposed = Action { translation_m: [0.5, 0.0, 0.0], rotation_rad: [0.0; 3], gripper: 0.0 };
    let lives = [
        Live::default(),
        Live { late: true, ..Live::default() },
        Live { correction: true, proposed: Some(proposed), ..Live::default() },
        Live { camera_fault: true, ..Live::default() },
        Live::default(),
    ];
    for (i, live) in lives.into_iter().enumerate() {
        let mut record = live_step(i as u64, live);
        if i == 4 {
            // The frame of the step before, again.
            record.step_ns += STEP_NS;
            record.frames[0].captured_ns += STEP_NS;
            record.frames[1].captured_ns -= STEP_NS;
        }
        session.push(record).unwrap();
    }
    let error = session.push(StepRecord { live: None, ..live_step(9, lives[0]) }).unwrap_err();
    assert!(error.to_string().contains("the session is live"), "{error}");
    session.keep(json!({"success": true}).as_object().cloned().unwrap()).unwrap();
    session.set_note(0, "success", json!(false)).unwrap();

    let dataset = Dataset::open(folder.path()).unwrap();
    let episode = dataset.read_episode(0).unwrap();
    assert_eq!(episode.images("observation.images.wrist").unwrap().frames[3][7], 70);
    let times = episode.f64s("observation.capture_time").unwrap();
    assert_eq!(
        dataset.feature("observation.capture_time").unwrap().names.as_deref().unwrap(),
        ["front", "wrist"]
    );
    assert_eq!((times.row(0), times.row(1)), (&[-0.02, -0.045][..], &[0.08, 0.055][..]));
    assert_eq!(episode.f64s("observation.step_time").unwrap().row(3), [0.3]);
    assert_eq!(episode.f32s("observation.fingers").unwrap().row(0), [0.25; 3]);
    assert_eq!(episode.f32s("observation.wrench").unwrap().row(0), [0., 0., -3.5, 0., 0., 0.]);
    assert_eq!(episode.f32s("action.proposed").unwrap().row(2)[0], 0.5);
    let asked = episode.f32s("action").unwrap().row(1);
    assert_eq!(episode.f32s("action.proposed").unwrap().row(1), asked);
    for (flag, set) in [("late", vec![1]), ("correction", vec![2]), ("stale", vec![3, 4])] {
        let flags = episode.bools(&format!("flag.{flag}")).unwrap();
        let found: Vec<usize> = (0..5).filter(|&i| flags[i]).collect();
        assert_eq!(found, set, "{flag}");
    }
    let notes = dataset.notes(0).unwrap();
    for (key, value) in [
        ("source", json!("teleop")),
        ("success", json!(false)),
        ("stale_frames", json!(2)),
        ("late_steps", json!(1)),
        ("corrected_steps", json!(1)),
    ] {
        assert_eq!(notes[key], value, "{key}");
    }
    let findings = check(folder.path());
    assert!(findings.iter().all(|f| f.severity == Severity::Warning), "{findings:?}");
}

/// What was recorded before live sessions had one number called capture_time.
#[test]
fn the_columns_of_a_lockstep_dataset_stay_what_they_were() {
    let keys: Vec<String> =
        config().features().unwrap().iter().map(|feature| feature.key.clone()).collect();
    let expected = [
        "observation.images.front",
        "observation.state",
        "action",
        "action.sent",
        "label.valid",
        "observation.environment_state",
        "label.stream",
        "observation.capture_time",
    ];
    assert_eq!(keys, expected);
    let features = config().features().unwrap();
    let time = features.kind("observation.capture_time").unwrap();
    assert_eq!(time, &jaco_dataset::FeatureKind::float64(["capture_time"]));
}

/// A killed recording gives back what it had, and says so.
#[test]
fn a_live_episode_that_was_not_ended_is_salvaged_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let config = SessionConfig { live: true, ..SessionConfig::new("front", 8, 6) };
    let open = || RecordingSession::create_or_append(folder.path(), config.clone()).unwrap();
    let mut session = open();
    session.begin(TASK, &EpisodeNotes::new()).unwrap();
    for i in 0..12 {
        let live = Some(Live::default());
        session.push(StepRecord { labels: None, stream: None, live, ..step(i) }).unwrap();
    }
    drop(session);
    let session = open();
    assert_eq!(session.total_episodes(), 1);
    let told: Vec<String> = session.repairs().iter().map(ToString::to_string).collect();
    assert_eq!(told[0], "salvaged 10 rows of the episode that was being recorded, as episode 0");
    let notes = Dataset::open(folder.path()).unwrap().notes(0).unwrap();
    assert_eq!((&notes["salvaged"], &notes[TIME_ZERO]), (&json!(true), &json!("first step")));
}
