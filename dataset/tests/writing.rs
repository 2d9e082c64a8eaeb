//! Writing from the outside: how pictures are stored, row groups, notes that change later, the
//! folder that a dataset is made in.
#![allow(clippy::unwrap_used)]

mod common;

use common::{HEIGHT, WIDTH, features, fill, picture, row};
use jaco_dataset::{
    Dataset, DatasetError, DatasetWriter, EpisodeNotes, FeatureKind, Features, Pictures, Row,
    Value, check, repair, set_note,
};
use parquet::basic::Compression;
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::json;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

const TASK: &str = "put the blue cube on the green plate";
const CAMERA: &str = "observation.images.front";

fn created(root: &Path) -> DatasetWriter {
    DatasetWriter::create(root, 10, "kinova", features()).unwrap()
}

fn save(writer: &mut DatasetWriter, rows: u32) {
    writer.begin(TASK, &EpisodeNotes::new()).unwrap();
    fill(writer, 0..rows);
    writer.keep(&EpisodeNotes::new()).unwrap();
    writer.publish().unwrap();
}

/// JPEG bytes as a camera gives them: of soft shades, which survive well.
fn camera_jpeg(width: u32, height: u32) -> Arc<[u8]> {
    let mut encoder = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_RGB);
    encoder.set_size(width as usize, height as usize);
    let mut encoder = encoder.start_compress(Vec::new()).unwrap();
    encoder.write_scanlines(&soft(width, height)).unwrap();
    encoder.finish().unwrap().into()
}

fn soft(width: u32, height: u32) -> Vec<u8> {
    let pixels = (0..width * height).map(|i| (i % width, i / width));
    pixels.flat_map(|(x, y)| [60 + 6 * x, 200 - 6 * y, 90 + 2 * x].map(|c| c as u8)).collect()
}

/// The stored bytes of the first picture of an episode.
fn stored(root: &Path, episode: usize) -> Vec<u8> {
    let path = root.join(format!("data/chunk-000/file-{episode:03}.parquet"));
    let file = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let row = file.get_row_iter(None).unwrap().next().unwrap().unwrap();
    let (_, field) = row.get_column_iter().find(|(name, _)| *name == CAMERA).unwrap();
    let parquet::record::Field::Group(group) = field else { panic!("{field:?}") };
    let (_, bytes) = group.get_column_iter().next().unwrap();
    let parquet::record::Field::Bytes(bytes) = bytes else { panic!("{bytes:?}") };
    bytes.data().to_vec()
}

#[test]
fn pictures_are_stored_as_png_as_jpeg_or_as_the_camera_gave_them() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let mut writer = created(root);
    let rgb: Arc<[u8]> = soft(WIDTH, HEIGHT).into();
    let own = camera_jpeg(WIDTH, HEIGHT);
    let cut_off: Arc<[u8]> = own[..own.len() - 9].into();
    for (pictures, jpeg, same) in [
        (Pictures::Png, Some(own.clone()), true),
        (Pictures::Jpeg { quality: 95 }, Some(own.clone()), false),
        (Pictures::Camera, Some(own.clone()), false),
        // Where its JPEG cannot be the picture, nothing is lost.
        (Pictures::Camera, None, true),
        (Pictures::Camera, Some(camera_jpeg(WIDTH, HEIGHT / 2)), true),
        (Pictures::Camera, Some(cut_off), true),
    ] {
        writer.set_pictures(pictures);
        writer.begin(TASK, &EpisodeNotes::new()).unwrap();
        let value = Value::Picture { rgb: rgb.clone(), jpeg };
        writer.push(row(0).with(CAMERA, value)).unwrap();
        let index = writer.keep(&EpisodeNotes::new()).unwrap().index;
        writer.publish().unwrap();
        let bytes = stored(root, index);
        assert_eq!(bytes.starts_with(b"\x89PNG"), same, "{pictures:?}");
        let episode = Dataset::open(root).unwrap().read_episode(index).unwrap();
        let read = &episode.images(CAMERA).unwrap().frames[0];
        if same {
            assert_eq!(*read, rgb);
        } else {
            assert_eq!(bytes == *own, pictures == Pictures::Camera);
            let worst = read.iter().zip(rgb.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(worst < 16, "{pictures:?}: {worst}");
        }
    }
    drop(writer);
    assert_eq!(check(root), []);
}

/// One row group used to be one column of all pictures, with 32-bit offsets: at 2 GiB it panicked.
#[test]
fn pictures_of_an_episode_are_in_row_groups_of_half_a_second_and_of_bounded_size() {
    let folder = tempfile::tempdir().unwrap();
    let groups = |root: &Path| -> Vec<i64> {
        let file = File::open(root.join("data/chunk-000/file-000.parquet")).unwrap();
        let file = SerializedFileReader::new(file).unwrap();
        let picture = file.metadata().row_group(0).column(0);
        assert_eq!(picture.compression(), Compression::UNCOMPRESSED);
        file.metadata().row_groups().iter().map(|group| group.num_rows()).collect()
    };
    let root = folder.path().join("small");
    save(&mut created(&root), 13);
    assert_eq!(groups(&root), [5, 5, 3]);

    let root = folder.path().join("one");
    let mut writer = created(&root);
    writer.set_group_rows(usize::MAX);
    save(&mut writer, 13);
    assert_eq!(groups(&root), [13]);

    // Noise of 12 MB a picture: however many rows a group may have, 64 MiB end it.
    let root = folder.path().join("large");
    let (height, width) = (2000, 2000);
    let large = Features::new([(CAMERA, FeatureKind::Image { height, width })]).unwrap();
    let mut writer = DatasetWriter::create(&root, 10, "kinova", large).unwrap();
    writer.set_group_rows(usize::MAX);
    writer.begin(TASK, &EpisodeNotes::new()).unwrap();
    let mut state = 1_u64;
    let noise: Arc<[u8]> = (0..height * width * 3)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .collect();
    for _ in 0..8 {
        writer.push(Row::new().with(CAMERA, Value::Image(noise.clone()))).unwrap();
    }
    writer.keep(&EpisodeNotes::new()).unwrap();
    writer.publish().unwrap();
    assert_eq!(groups(&root), [6, 2]);
    let episode = Dataset::open(&root).unwrap().read_episode(0).unwrap();
    assert!(episode.images(CAMERA).unwrap().frames.iter().all(|frame| *frame == noise));
}

#[test]
fn what_is_kept_is_seen_when_it_is_published_and_safe_before() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let mut writer = created(root);
    let notes = |text: &str| json!({"said": text}).as_object().cloned().unwrap();
    writer.begin(TASK, &json!({"at": "the start"}).as_object().cloned().unwrap()).unwrap();
    assert_eq!(writer.running(), Some(0));
    fill(&mut writer, 0..7);
    assert_eq!(writer.running(), Some(7));
    let kept = writer.keep(&notes("at the end")).unwrap();
    assert_eq!((kept.index, kept.frames), (0, 7));
    let file = root.join("data/chunk-000/file-000.parquet");
    assert_eq!(kept.bytes as u64, fs::metadata(&file).unwrap().len());
    assert_eq!((writer.total_episodes(), writer.total_frames(), writer.running()), (1, 7, None));
    assert_eq!(Dataset::open(root).unwrap().episodes().len(), 0);
    // The next episode publishes the one before, if nobody did.
    writer.begin(TASK, &EpisodeNotes::new()).unwrap();
    let dataset = Dataset::open(root).unwrap();
    assert_eq!(dataset.episodes().len(), 1);
    assert_eq!(json!(dataset.notes(0).unwrap()), json!({"at": "the start", "said": "at the end"}));
    assert_eq!(writer.discard().unwrap(), 0);
    // And so does the end of the writer.
    writer.begin(TASK, &EpisodeNotes::new()).unwrap();
    fill(&mut writer, 0..1);
    writer.keep(&notes("")).unwrap();
    drop(writer);
    assert_eq!(Dataset::open(root).unwrap().episodes().len(), 2);
    assert_eq!(check(root), []);
    assert_eq!(repair(root).unwrap(), []);
}

/// Kept and not published: the notes are in the data file, and are found there.
#[test]
fn an_episode_that_was_only_kept_is_adopted_with_its_notes() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let mut writer = created(root);
    writer.begin(TASK, &EpisodeNotes::new()).unwrap();
    fill(&mut writer, 0..7);
    let notes = json!({"seed": 7, "ratio": 0.1, "text": "œuf\n"}).as_object().cloned().unwrap();
    writer.keep(&notes).unwrap();
    // As after a power cut: what publishing writes is away.
    drop(writer);
    fs::remove_dir_all(root.join("meta/episodes")).unwrap();
    fs::remove_file(root.join("meta/jacod/episode-000000.json")).unwrap();
    fs::remove_file(root.join("meta/stats.json")).unwrap();
    assert!(!repair(root).unwrap().is_empty());
    let dataset = Dataset::open(root).unwrap();
    assert_eq!(dataset.notes(0).unwrap(), notes);
    assert_eq!(dataset.read_episode(0).unwrap().images(CAMERA).unwrap().frames[6], picture(6));
    assert_eq!(check(root), []);
}

#[test]
fn a_note_can_be_changed_later_by_the_writer_and_by_others_in_turn() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let mut writer = created(root);
    save(&mut writer, 2);
    writer.begin(TASK, &EpisodeNotes::new()).unwrap();
    fill(&mut writer, 0..2);
    writer.keep(&json!({"success": true}).as_object().cloned().unwrap()).unwrap();
    // Of an episode that is kept and not published, too.
    writer.set_note(1, "success", json!(false)).unwrap();
    writer.set_note(0, "label", json!("good")).unwrap();
    assert!(matches!(
        writer.set_note(2, "success", json!(true)),
        Err(DatasetError::NoSuchEpisode { index: 2, count: 2, .. })
    ));
    assert!(matches!(set_note(root, 0, "x", json!(1)), Err(DatasetError::Locked { .. })));
    drop(writer);
    set_note(root, 1, "success", json!(null)).unwrap();
    set_note(root, 1, "why", json!(["dropped"])).unwrap();
    assert!(matches!(set_note(root, 2, "x", json!(1)), Err(DatasetError::NoSuchEpisode { .. })));
    let dataset = Dataset::open(root).unwrap();
    assert_eq!(json!(dataset.notes(0).unwrap()), json!({"label": "good"}));
    assert_eq!(json!(dataset.notes(1).unwrap()), json!({"why": ["dropped"]}));
    assert_eq!(check(root), []);
}

#[test]
fn a_dataset_is_made_in_an_empty_folder_only() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign");
    fs::create_dir_all(foreign.join("meta/jacod")).unwrap();
    let refused = |found: &str| {
        let created = DatasetWriter::create(&foreign, 10, "kinova", features());
        let error = created.err().unwrap().to_string();
        assert!(error.contains(found) && error.contains("is no dataset"), "{error}");
    };
    for file in ["readme.txt", "meta/notes.txt", "meta/jacod/episode-000000.json"] {
        fs::write(foreign.join(file), "theirs").unwrap();
        refused(file);
        fs::remove_file(foreign.join(file)).unwrap();
    }
    fs::create_dir(foreign.join("data")).unwrap();
    refused("data");
    fs::remove_dir(foreign.join("data")).unwrap();
    assert!(!foreign.join("meta/jacod/lock").exists());
    // What this package leaves when it is killed while it makes one.
    fs::write(foreign.join("meta/jacod/lock"), "").unwrap();
    fs::write(foreign.join("meta/info.json.tmp"), "half").unwrap();
    drop(created(&foreign));
    let again = DatasetWriter::create(&foreign, 10, "kinova", features());
    assert!(matches!(again, Err(DatasetError::Exists { .. })));
    assert_eq!(check(&foreign).len(), 0);
}

/// Repairing once removed every file below the dataset whose name ended in `.tmp`.
#[test]
fn files_of_others_are_left_alone_whatever_they_are_called() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    save(&mut created(root), 2);
    let theirs = [
        "notes.tmp",
        "meta/mine.json.tmp",
        "meta/jacod/list.json.tmp",
        "meta/jacod/episode-x.json.tmp",
        "data/chunk-000/copy.parquet.tmp",
        "data/chunk-000/file-1b.parquet.tmp",
        "data/chunk-000/old.parquet.running",
        "data/chunk-000/file-001.journal",
        "data/chunk-one/file-000.parquet.tmp",
    ];
    for file in theirs {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "theirs").unwrap();
    }
    let ours = [
        "meta/info.json.tmp",
        "meta/jacod/episode-000001.json.tmp",
        "meta/episodes/chunk-000/file-001.parquet.tmp",
        "data/chunk-000/file-001.parquet.running",
    ];
    for file in ours {
        fs::write(root.join(file), "half").unwrap();
    }
    assert_eq!(repair(root).unwrap().len(), ours.len());
    for file in theirs {
        assert_eq!(fs::read(root.join(file)).unwrap(), b"theirs", "{file}");
    }
    for file in ours {
        assert!(!root.join(file).exists(), "{file}");
    }
}
