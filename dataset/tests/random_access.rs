//! Single rows out of the files: the same as when an episode is read whole, and of a file only what
//! holds them.
#![allow(clippy::unwrap_used)]

mod common;

use common::{features, row};
use jaco_dataset::{Column, Dataset, DatasetError, DatasetWriter, EpisodeNotes};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

const LENGTHS: [usize; 3] = [5, 8, 6];
const CAMERA: &str = "observation.images.front";

fn write(root: &Path) {
    let mut writer = DatasetWriter::create(root, 10, "test", features()).unwrap();
    for (number, length) in LENGTHS.into_iter().enumerate() {
        writer.begin(&format!("task {}", number % 2), &EpisodeNotes::new()).unwrap();
        let seeds = 10 * number as u32..;
        seeds.take(length).for_each(|seed| writer.push(row(seed)).unwrap());
        writer.keep(&EpisodeNotes::new()).unwrap();
    }
}

/// The data file of the second episode.
fn data_file(root: &Path) -> PathBuf {
    let chunk = root.join("data/chunk-000");
    let mut files: Vec<PathBuf> =
        fs::read_dir(chunk).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files[1].clone()
}

/// Writes a data file again with a row group for every three rows.
fn in_groups(path: &Path) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap());
    let batches: Vec<_> = reader.unwrap().build().unwrap().map(Result::unwrap).collect();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(3)).build();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batches[0].schema(), Some(properties)).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.close().unwrap();
}

fn same_rows(dataset: &Dataset) {
    let keys: Vec<&str> = dataset.features().iter().map(|feature| feature.key.as_str()).collect();
    for (index, length) in LENGTHS.into_iter().enumerate() {
        let whole = dataset.read_columns(index, &keys).unwrap();
        for begin in 0..length {
            for end in begin..=length {
                let some = dataset.read_rows(index, begin..end, &keys).unwrap();
                assert_eq!(some.length, end - begin);
                assert_eq!(some.timestamps_s, whole.timestamps_s[begin..end]);
                assert_eq!(some.tasks, whole.tasks[begin..end]);
                for key in &keys {
                    assert!(
                        is_part(&some.columns[*key], &whole.columns[*key], begin, end),
                        "{key}"
                    );
                }
            }
        }
    }
}

fn is_part(some: &Column, whole: &Column, begin: usize, end: usize) -> bool {
    match (some, whole) {
        (Column::Images(some), Column::Images(whole)) => some.frames == whole.frames[begin..end],
        (Column::F32(some), Column::F32(whole)) => {
            some.values == whole.values[begin * whole.dims..end * whole.dims]
        }
        (Column::F64(some), Column::F64(whole)) => {
            some.values == whole.values[begin * whole.dims..end * whole.dims]
        }
        (Column::Bool(some), Column::Bool(whole)) => *some == whole[begin..end],
        (Column::I64(some), Column::I64(whole)) => *some == whole[begin..end],
        _ => false,
    }
}

#[test]
fn some_rows_are_those_of_the_whole_episode() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    same_rows(&Dataset::open(folder.path()).unwrap());
    in_groups(&data_file(folder.path()));
    same_rows(&Dataset::open(folder.path()).unwrap());
}

#[test]
fn pictures_of_some_rows_come_with_their_place_in_the_episode() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    in_groups(&data_file(folder.path()));
    let dataset = Dataset::open(folder.path()).unwrap();
    let whole = dataset.read_columns(1, &[CAMERA]).unwrap();
    let mut seen = Vec::new();
    dataset
        .read_some_pictures(1, 4..7, CAMERA, |row, rgb| {
            assert_eq!(rgb, whole.images(CAMERA).unwrap().frames[row]);
            seen.push(row);
            Ok::<(), DatasetError>(())
        })
        .unwrap();
    assert_eq!(seen, [4, 5, 6]);
}

/// A row whose group is damaged is refused; those of other groups are not touched by it.
#[test]
fn only_the_row_groups_that_hold_the_rows_are_read() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let path = data_file(folder.path());
    in_groups(&path);
    let mut bytes = fs::read(&path).unwrap();
    let pictures = bytes.windows(4).position(|at| at == b"\x89PNG").unwrap();
    bytes[pictures + 60..pictures + 90].fill(0x5a);
    fs::write(&path, &bytes).unwrap();
    let dataset = Dataset::open(folder.path()).unwrap();
    assert!(dataset.read_rows(1, 0..1, &[CAMERA]).is_err());
    assert!(dataset.read_rows(1, 3..8, &[CAMERA]).is_ok());
}

#[test]
fn a_row_of_the_dataset_is_located_and_one_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let dataset = Dataset::open(folder.path()).unwrap();
    for (row, place) in
        [(0, Some((0, 0))), (4, Some((0, 4))), (5, Some((1, 0))), (18, Some((2, 5))), (19, None)]
    {
        assert_eq!(dataset.locate(row), place, "{row}");
    }
    let error = dataset.read_rows(1, 7..9, &[]).unwrap_err().to_string();
    assert!(error.contains("episode 1 has no row 8: it has 8"), "{error}");
}

/// What is kept of an episode's pictures is of these files and no others.
#[test]
fn the_identity_of_pictures_changes_with_their_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let identities = || {
        let dataset = Dataset::open(folder.path()).unwrap();
        (0..3).map(|it| dataset.picture_identity(it, CAMERA).unwrap()).collect::<Vec<_>>()
    };
    let before = identities();
    assert_eq!(before, identities());
    in_groups(&data_file(folder.path()));
    let after = identities();
    assert_eq!((&before[0], &before[2]), (&after[0], &after[2]));
    assert_ne!(before[1], after[1]);
}
