//! That pictures from the disk are those from memory, to the bit, and that whatever lies where they
//! are kept is never taken for them.

use crate::support::{Bench, SIDE};
use jaco_dataset::{DatasetWriter, EpisodeNotes, Row, Value};
use jaco_training::{Loader, Start, TrainError};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use tch::Tensor;

impl Bench {
    fn loader(&self, cache: &str) -> Result<Loader, TrainError> {
        let config = jaco_training::TrainConfig { cache: cache.into(), ..self.config.clone() };
        let request = self.request(self.fresh(), "out");
        Loader::open(&self.path("model"), &request.datasets, &config)
    }

    /// The first batches: pictures, tokens and targets.
    fn batches(&self, cache: &str) -> Vec<Tensor> {
        let mut loader = self.loader(cache).unwrap();
        let batch = |step| {
            let batch = loader.batch(step).unwrap();
            [batch.pixel_values, batch.input_ids, batch.targets]
        };
        (0..5).flat_map(batch).collect()
    }

    /// The files that are kept, with the number that changes when one is made anew.
    fn kept(&self) -> BTreeMap<PathBuf, u64> {
        let mut kept = BTreeMap::new();
        for view in fs::read_dir(self.path("data.pictures")).unwrap() {
            for file in fs::read_dir(view.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                kept.insert(path.clone(), fs::metadata(&path).unwrap().ino());
            }
        }
        kept
    }

    /// How many of `before` are not what they were.
    fn made_anew(&self, before: &BTreeMap<PathBuf, u64>) -> usize {
        let after = self.kept();
        assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
        before.iter().filter(|(path, number)| after[*path] != **number).count()
    }
}

fn weights(dir: &Path) -> BTreeMap<String, Tensor> {
    Tensor::read_safetensors(dir.join("model.safetensors")).unwrap().into_iter().collect()
}

#[test]
fn batches_from_the_disk_are_those_from_memory_to_the_bit() {
    let bench = Bench::new();
    let wanted = bench.batches("memory");
    assert!(!bench.path("data.pictures").exists());
    for threads in [1, 3] {
        let mut bench = Bench { config: bench.config.clone(), ..Bench::new() };
        bench.config.threads = threads;
        // Made, then found.
        assert_eq!(bench.batches("beside"), wanted);
        let kept = bench.kept();
        assert_eq!(kept.len(), 4);
        assert_eq!(bench.batches("beside"), wanted);
        assert_eq!(bench.made_anew(&kept), 0);
    }
}

#[test]
fn a_run_on_kept_pictures_ends_where_one_in_memory_does_and_resumes_exactly() {
    let mut bench = Bench::new();
    bench.config.cache = "memory".into();
    bench.lbc(bench.fresh(), "memory").unwrap();
    bench.config.cache = "beside".into();
    let summary = bench.lbc(bench.fresh(), "kept").unwrap();
    assert_eq!(summary.pictures.folders, [bench.path("data.pictures").canonicalize().unwrap()]);
    assert!(summary.pictures.bytes > 4 * 8 * u64::from(SIDE * SIDE * 3));
    assert_eq!(summary.pictures.missing_bytes, summary.pictures.bytes, "made by this run");
    bench.lbc_until(3, bench.fresh(), "resumed");
    // Where the pictures are may change in between.
    bench.config.cache = "memory".into();
    bench.lbc(Start::Resume, "resumed").unwrap();
    let wanted = weights(&bench.path("memory"));
    assert_eq!(weights(&bench.path("kept")), wanted);
    assert_eq!(weights(&bench.path("resumed")), wanted);
}

#[test]
fn what_is_damaged_foreign_or_half_written_is_made_anew_and_nothing_else() {
    let bench = Bench::new();
    let wanted = bench.batches("beside");
    let paths: Vec<PathBuf> = bench.kept().into_keys().collect();
    let whole = fs::read(&paths[0]).unwrap();
    let mut damaged = whole.clone();
    damaged[9] ^= 1;
    for bytes in [&b""[..], b"a user's own", &whole[..whole.len() / 2], &damaged] {
        fs::write(&paths[1], bytes).unwrap();
        let before = bench.kept();
        assert_eq!(bench.batches("beside"), wanted);
        assert_eq!(bench.made_anew(&before), 1);
    }
    // Another episode's, whole.
    fs::write(&paths[2], &whole).unwrap();
    assert_eq!(bench.batches("beside"), wanted);
}

#[test]
fn a_picture_damaged_later_ends_the_run_and_says_what_to_remove() {
    let bench = Bench::new();
    let mut loader = bench.loader("beside").unwrap();
    for path in bench.kept().into_keys() {
        let mut bytes = fs::read(&path).unwrap();
        let half = bytes.len() / 2;
        bytes[half - 4000..half + 4000].fill(7);
        fs::write(&path, bytes).unwrap();
    }
    let error = (0..20).find_map(|step| loader.batch(step).err()).unwrap().to_string();
    assert!(error.contains("damaged; remove it"), "{error}");
}

#[test]
fn of_a_dataset_that_has_changed_only_what_did_is_made_anew() {
    let bench = Bench::new();
    bench.batches("beside");
    let before = bench.kept();
    let mut writer = DatasetWriter::open_append(&bench.path("data")).unwrap();
    writer.begin("put the blue cube on the green plate", &EpisodeNotes::new()).unwrap();
    for step in 0..3u8 {
        let row = Row::new()
            .with("observation.images.front", Value::Image(vec![step; 3072].into()))
            .with("action", Value::F32(vec![0.0, 0.001, 0.0, 0.0, 0.0, 0.0, 1.0]))
            .with("label.valid", Value::Bool(true))
            .with("observation.environment_state", Value::F32(vec![0.0, 1.0]));
        writer.push(row).unwrap();
    }
    writer.keep(&EpisodeNotes::new()).unwrap();
    writer.publish().unwrap();
    let wanted = bench.batches("memory");
    assert_eq!(bench.batches("beside"), wanted);
    let after = bench.kept();
    assert_eq!(after.len(), 5);
    assert!(before.iter().all(|(path, number)| after[path] == *number), "the others are as before");
    // An episode's file is written again.
    let file = bench.path("data/data/chunk-000/file-002.parquet");
    let bytes = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    fs::write(&file, bytes).unwrap();
    assert_eq!(bench.batches("beside"), wanted);
    assert_eq!(bench.made_anew(&after), 1);
}

#[test]
fn two_runs_at_once_make_one_cache() {
    let bench = Bench::new();
    let (dataset, model) = (bench.request(bench.fresh(), "out").datasets, bench.path("model"));
    let config = jaco_training::TrainConfig { cache: "beside".into(), ..bench.config.clone() };
    let mean = |step| {
        let mut loader = Loader::open(&model, &dataset, &config).unwrap();
        loader.batch(step).unwrap().pixel_values.mean(tch::Kind::Double).double_value(&[])
    };
    let means: Vec<f64> = thread::scope(|scope| {
        let runs: Vec<_> = (0..4).map(|_| scope.spawn(|| mean(1))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert!(means.iter().all(|mean| *mean == means[0]), "{means:?}");
    assert_eq!(bench.kept().len(), 4, "and nothing half-written");
}

#[test]
fn pictures_go_where_they_are_told_and_a_place_that_cannot_be_is_named() {
    let bench = Bench::new();
    fs::create_dir(bench.path("scratch")).unwrap();
    let scratch = bench.path("scratch").display().to_string();
    assert_eq!(bench.batches(&scratch), bench.batches("memory"));
    assert!(!bench.path("data.pictures").exists());
    let made: Vec<_> = fs::read_dir(bench.path("scratch")).unwrap().collect();
    assert_eq!(made.len(), 1);
    let name = made[0].as_ref().unwrap().file_name().into_string().unwrap();
    assert!(name.starts_with("data-") && name.ends_with(".pictures"), "{name}");
    // Words that are none, a read-only file system, and a file in the way.
    let refused = |cache: &str| match bench.loader(cache) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{cache} was taken"),
    };
    assert!(refused("besides").contains("\"beside\""));
    let text = refused("/proc");
    assert!(text.contains("no pictures can be kept there") && text.contains("--cache"), "{text}");
    fs::write(bench.path("data.pictures"), "").unwrap();
    let text = refused("beside");
    assert!(text.contains("no pictures can be kept there"), "{text}");
    assert_eq!(fs::read(bench.path("data.pictures")).unwrap(), b"");
}

/// A complete cache is read where nothing can be written.
#[test]
fn pictures_that_are_there_need_no_right_to_write() {
    let bench = Bench::new();
    let wanted = bench.batches("beside");
    let kept = bench.kept();
    let view = kept.keys().next().unwrap().parent().unwrap().to_owned();
    let modes = |mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(&view, mode).unwrap();
    };
    modes(0o555);
    assert_eq!(bench.batches("beside"), wanted);
    modes(0o755);
    assert_eq!(bench.made_anew(&kept), 0);
}

#[test]
fn little_stays_in_memory_by_itself() {
    let bench = Bench::new();
    let loader = bench.loader("auto").unwrap();
    assert!(loader.pictures.folders.is_empty());
    assert!(loader.pictures.to_string().contains("in memory"), "{}", loader.pictures);
    let kept = bench.loader("beside").unwrap().pictures.to_string();
    assert!(kept.contains("rm -r /") && kept.contains("data.pictures"), "{kept}");
}
