//! Datasets recorded live: what the recorder says of its rows is read or refused, never ignored.

use crate::support::{ACTION_NAMES, Bench, SIDE, picture};
use jaco_dataset::{DatasetWriter, EpisodeNotes, FeatureKind, Features, Row, Value};
use jaco_training::{
    Corrections, DatasetReport, DatasetSource, LeftOut, Loader, Selection, Stale, Success,
    TrainError,
};
use serde_json::json;
use std::path::Path;

const LENGTH: usize = 10;

/// What a recorder says of the rows of an episode.
#[derive(Clone, Copy, Default)]
struct Said {
    invalid: &'static [usize],
    late: &'static [usize],
    stale: &'static [usize],
    corrected: &'static [usize],
    success: Option<bool>,
}

/// Episodes of ten rows from two cameras, as a recorder at the arm writes them.
fn record(root: &Path, rate_hz: u32, episodes: &[Said]) {
    let camera = FeatureKind::Image { height: SIDE, width: SIDE };
    let flags = ["label.valid", "flag.correction", "flag.stale", "flag.late"];
    let features = [
        ("observation.images.front", camera.clone()),
        ("observation.images.wrist", camera),
        ("action", FeatureKind::float32(ACTION_NAMES)),
        ("action.proposed", FeatureKind::float32(ACTION_NAMES)),
        ("observation.step_time", FeatureKind::float64(["s"])),
    ];
    let flagged = flags.map(|key| (key, FeatureKind::Bool));
    let features = Features::new(features.into_iter().chain(flagged)).unwrap();
    let mut writer = DatasetWriter::create(root, rate_hz, "kinova", features).unwrap();
    for said in episodes {
        writer.begin("put the blue cube on the green plate", &EpisodeNotes::new()).unwrap();
        for step in 0..LENGTH {
            let action = |scale: f32| {
                let open = f32::from(u8::from(step < 5));
                Value::F32(vec![scale * step as f32, 0.001, 0.0, 0.0, 0.0, 0.0, open])
            };
            let of = |rows: &[usize]| Value::Bool(rows.contains(&step));
            let row = Row::new()
                .with("observation.images.front", Value::Image(picture(step % 4).into()))
                .with("observation.images.wrist", Value::Image(picture((step + 1) % 4).into()))
                .with("action", action(0.001))
                .with("action.proposed", action(-0.001))
                .with("observation.step_time", Value::F64(vec![step as f64 * 0.1003]))
                .with("label.valid", Value::Bool(!said.invalid.contains(&step)))
                .with("flag.correction", of(said.corrected))
                .with("flag.stale", of(said.stale))
                .with("flag.late", of(said.late));
            writer.push(row).unwrap();
        }
        let mut notes = EpisodeNotes::new();
        if let Some(success) = said.success {
            notes.insert("success".into(), json!(success));
        }
        writer.keep(&notes).unwrap();
    }
}

fn load(
    bench: &Bench,
    rate_hz: u32,
    episodes: &[Said],
    selection: Selection,
) -> Result<Loader, TrainError> {
    let root = bench.path("live");
    if !root.exists() {
        record(&root, rate_hz, episodes);
    }
    let config = jaco_training::TrainConfig { validation_fraction: 0.0, ..bench.config.clone() };
    let source = DatasetSource { selection, ..DatasetSource::new(root) };
    Loader::open(&bench.path("model"), &[source], &config)
}

fn report(loader: &Loader) -> (&DatasetReport, usize) {
    (&loader.datasets[0], loader.states_in_a_pass())
}

#[test]
fn a_live_dataset_trains_like_a_lockstep_one() {
    let mut bench = Bench::new();
    record(&bench.path("live"), 10, &[Said::default(); 4]);
    let mut request = bench.request(bench.fresh(), "out");
    request.datasets = vec![DatasetSource::new(bench.path("live"))];
    let mut quiet = |_: &jaco_training::Progress| std::ops::ControlFlow::Continue(());
    let summary =
        jaco_training::train_lbc(&request, &bench.config, &bench.lbc, &mut quiet).unwrap();
    assert_eq!((summary.step, summary.states), (6, 40));
    let report = &summary.datasets[0];
    assert_eq!(report.camera, "observation.images.front");
    assert_eq!(report.left_out, LeftOut::default());
    assert!(report.ignored.iter().any(|feature| feature.starts_with("action.proposed")));
    drop(request);
    bench.config.cache = "beside".into();
    let mut loader = load(&bench, 10, &[], Selection::default()).unwrap();
    loader.batch(0).unwrap();
}

/// Steps that are late or have no label are no states, and no stream goes across them.
#[test]
fn late_and_unlabelled_rows_end_the_streams_before_them() {
    let bench = Bench::new();
    let said = Said { invalid: &[2, 3], late: &[7], ..Said::default() };
    let mut loader = load(&bench, 10, &[said], Selection::default()).unwrap();
    let (report, states) = report(&loader);
    assert_eq!(states, 7);
    assert_eq!(report.left_out, LeftOut { late: 1, unlabelled: 2, ..LeftOut::default() });
    assert!(report.to_string().contains("1 late steps, 2 steps without a label"), "{report}");
    // Two units a state, seven tokens a unit; the last of each piece has one.
    loader.batch(0).unwrap();
    let config = jaco_training::TrainConfig { batch_size: 7, ..bench.config.clone() };
    let source = [DatasetSource::new(bench.path("live"))];
    let config = jaco_training::TrainConfig { validation_fraction: 0.0, ..config };
    let mut all = Loader::open(&bench.path("model"), &source, &config).unwrap();
    let targets = all.batch(0).unwrap().targets;
    assert_eq!(targets.size(), [(7 * 2 - 3) * 7]);
}

#[test]
fn a_stale_picture_is_no_state_but_its_action_goes_on_in_streams() {
    let bench = Bench::new();
    let said = Said { stale: &[4, 5], ..Said::default() };
    let loader = load(&bench, 10, &[said], Selection::default()).unwrap();
    let (told, states) = report(&loader);
    assert_eq!((states, told.left_out.stale), (8, 2));
    let keep = Selection { stale: Stale::Keep, ..Selection::default() };
    let loader = load(&bench, 10, &[said], keep).unwrap();
    let (told, states) = report(&loader);
    assert_eq!((states, told.left_out), (10, LeftOut::default()));
}

#[test]
fn corrections_are_chosen_and_weighted() {
    let bench = Bench::new();
    let said = Said { corrected: &[3, 4, 5, 6], ..Said::default() };
    for (corrections, correction_weight, in_a_pass, unselected) in [
        (Corrections::All, 1.0, 10, 0),
        (Corrections::All, 3.0, 6 + 12, 0),
        (Corrections::All, 0.5, 6 + 2, 0),
        (Corrections::Only, 1.0, 4, 6),
        (Corrections::Without, 1.0, 6, 4),
    ] {
        let selection = Selection { corrections, correction_weight, ..Selection::default() };
        let loader = load(&bench, 10, &[said], selection).unwrap();
        let (told, states) = report(&loader);
        assert_eq!((states, told.left_out.unselected), (in_a_pass, unselected), "{selection}");
        assert_eq!(told.selection, selection);
    }
}

#[test]
fn only_episodes_that_succeeded() {
    let bench = Bench::new();
    let said = |success| Said { success, ..Said::default() };
    let only = Selection { success: Success::Only, ..Selection::default() };
    let episodes = [said(Some(true)), said(Some(false)), said(None), said(Some(true))];
    let loader = load(&bench, 10, &episodes, only).unwrap();
    let (told, states) = report(&loader);
    assert_eq!((states, told.left_out.episodes, told.episodes), (20, 2, 4));
    assert!(told.to_string().contains("2 episodes that are not known"), "{told}");
}

#[test]
fn what_a_dataset_cannot_tell_is_refused() {
    let bench = Bench::new();
    let refused = |root: &Path, selection| {
        let source = DatasetSource { selection, ..DatasetSource::new(root) };
        match Loader::open(&bench.path("model"), &[source], &bench.config) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("{selection} was taken"),
        }
    };
    let plain = bench.path("data");
    let only = Selection { corrections: Corrections::Only, ..Selection::default() };
    let weighted = Selection { correction_weight: 2.0, ..Selection::default() };
    for selection in [only, weighted] {
        let text = refused(&plain, selection);
        assert!(text.contains("flag.correction is not there"), "{text}");
    }
    let success = Selection { success: Success::Only, ..Selection::default() };
    assert!(refused(&plain, success).contains("whether it succeeded"));
    for (rows, key) in [
        (Said { late: &[3], ..Said::default() }, "flag.late"),
        (Said { stale: &[3], ..Said::default() }, "flag.stale"),
        (Said { corrected: &[3], ..Said::default() }, "flag.correction"),
    ] {
        let root = bench.path(key);
        record(&root, 20, &[rows]);
        let text = refused(&root, Selection::default());
        assert!(text.contains(key) && text.contains("frame 3"), "{text}");
    }
}

/// A flag that is no truth value.
#[test]
fn a_flag_of_another_kind_is_refused_by_name() {
    let bench = Bench::new();
    let features = Features::new([
        ("observation.images.front", FeatureKind::Image { height: SIDE, width: SIDE }),
        ("action", FeatureKind::float32(ACTION_NAMES)),
        ("flag.late", FeatureKind::Int64),
    ]);
    let root = bench.path("odd");
    DatasetWriter::create(&root, 10, "kinova", features.unwrap()).unwrap();
    let opened =
        Loader::open(&bench.path("model"), &[DatasetSource::new(root)], &bench.config).err();
    let text = opened.unwrap().to_string();
    assert!(text.contains("flag.late") && text.contains("one truth value"), "{text}");
}
