//! Rubbish in any file of a dataset is refused in words: nothing panics, and no allocation follows
//! a number that a file merely claims.
#![allow(clippy::unwrap_used)]

mod common;

use common::foreign::{Layout, gzip, zstd};
use jaco_dataset::{Dataset, DatasetError, DatasetWriter, blames_input, check};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::alloc::{GlobalAlloc, Layout as Memory, System};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The largest piece of memory that anything asked for \[bytes\].
static LARGEST: AtomicUsize = AtomicUsize::new(0);
/// More than any of these small datasets can need.
const BOUND: usize = 64 << 20;

struct Watched;

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, memory: Memory) -> *mut u8 {
        LARGEST.fetch_max(memory.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.alloc(memory) }
    }

    unsafe fn alloc_zeroed(&self, memory: Memory) -> *mut u8 {
        LARGEST.fetch_max(memory.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(memory) }
    }

    unsafe fn realloc(&self, at: *mut u8, memory: Memory, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(at, memory, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, memory: Memory) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, memory) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

const FILES: [&str; 4] = [
    "meta/info.json",
    "meta/tasks.parquet",
    "meta/episodes/chunk-000/file-000.parquet",
    "data/chunk-000/file-000.parquet",
];

/// Reads everything, appends nothing, and asserts what must hold however it ends.
fn read_all(root: &Path) -> Result<(), DatasetError> {
    let read = || -> Result<(), DatasetError> {
        let dataset = Dataset::open(root)?;
        for episode in dataset.episodes().iter().take(5) {
            dataset.read_episode(episode.index)?;
        }
        dataset.quantiles("action").map(|_| ())
    };
    let result = read();
    check(root);
    if let Err(error) = &result {
        let text = error.to_string();
        assert!(blames_input(error) == Some(true), "{text}");
        for word in ["Some(", "None", "expected value", "invalid type", "missing field"] {
            assert!(!text.contains(word), "{text}");
        }
    }
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(largest < BOUND, "{largest} bytes were asked for at once");
    result
}

#[derive(Clone, Debug)]
enum Mutation {
    Flip(Vec<(usize, u8)>),
    Cut(usize),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let at = |i: usize| i % bytes.len().max(1);
        match self {
            Mutation::Flip(places) => {
                let places: Vec<_> = places.iter().map(|&(i, v)| (at(i), v)).collect();
                places.into_iter().for_each(|(i, v)| bytes[i] ^= v);
            }
            Mutation::Cut(length) => bytes.truncate(at(*length)),
            Mutation::Insert(i, more) => {
                let i = at(*i);
                bytes.splice(i..i, more.iter().copied());
            }
            Mutation::Remove(i, count) => {
                let i = at(*i);
                let end = (i + count).min(bytes.len());
                bytes.drain(i..end);
            }
        }
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let place = any::<u32>().prop_map(|i| i as usize);
    prop_oneof![
        4 => prop::collection::vec((place.clone(), 1_u8..), 1..6).prop_map(Mutation::Flip),
        1 => place.clone().prop_map(Mutation::Cut),
        1 => (place.clone(), prop::collection::vec(any::<u8>(), 1..20))
            .prop_map(|(i, more)| Mutation::Insert(i, more)),
        1 => (place, 1_usize..50).prop_map(|(i, count)| Mutation::Remove(i, count)),
    ]
}

/// More cases than a test run has time for: `PROPTEST_CASES=100000 cargo test --test hostile`.
fn cases() -> ProptestConfig {
    let given = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(given.unwrap_or(300)) }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_mutated_file_is_read_or_refused(
        file in 0..FILES.len(), mutation in mutation(), codec in 0..3, extras in any::<bool>()
    ) {
        let folder = tempfile::tempdir().unwrap();
        let codec = [parquet::basic::Compression::SNAPPY, zstd(), gzip()][codec as usize];
        Layout { codec, extras, ..Layout::default() }.write(folder.path());
        let path = folder.path().join(FILES[file]);
        let mut bytes = fs::read(&path).unwrap();
        mutation.apply(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let _ = read_all(folder.path());
    }

    /// A value of info.json replaced by any other.
    #[test]
    fn any_value_in_info_json_is_read_or_refused(place in any::<u32>(), value in 0..VALUES) {
        let folder = tempfile::tempdir().unwrap();
        Layout::default().write(folder.path());
        let path = folder.path().join("meta/info.json");
        let mut info: Json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let count = leaves(&mut info).len();
        *leaves(&mut info)[place as usize % count] = values()[value].clone();
        fs::write(&path, info.to_string()).unwrap();
        let _ = read_all(folder.path());
        if let Err(error) = DatasetWriter::open_append(folder.path()) {
            prop_assert_eq!(blames_input(&error), Some(true));
        }
    }
}

const VALUES: usize = 13;

/// Values that nobody should write.
fn values() -> [Json; VALUES] {
    [
        json!(null),
        json!(-1),
        json!(0),
        json!(1_000_000_000_000_000_000_u64),
        json!(u64::MAX),
        json!(1e300),
        json!(0.5),
        json!(""),
        json!("../{file_index:099d}"),
        json!([]),
        json!([1_u64 << 62, 1_u64 << 62, 3]),
        json!({}),
        json!({"a": {"b": [true]}}),
    ]
}

/// All values in a tree, inner ones too.
fn leaves(json: &mut Json) -> Vec<&mut Json> {
    fn collect<'a>(json: &'a mut Json, out: &mut Vec<&'a mut Json>) {
        let inner = match json {
            Json::Object(entries) => !entries.is_empty(),
            Json::Array(items) => !items.is_empty(),
            _ => false,
        };
        if !inner {
            return out.push(json);
        }
        match json {
            Json::Object(entries) => entries.values_mut().for_each(|value| collect(value, out)),
            Json::Array(items) => items.iter_mut().for_each(|value| collect(value, out)),
            _ => {}
        }
    }
    let mut out = Vec::new();
    collect(json, &mut out);
    out
}

#[test]
fn claims_of_size_are_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    Layout::default().write(root);
    let path = root.join("meta/info.json");
    let text = fs::read_to_string(&path).unwrap();
    let huge = "1000000000000000000";
    for (from, to, words) in [
        ("\"total_frames\": 11", format!("\"total_frames\": {huge}"), Some(huge)),
        ("\"total_episodes\": 3", format!("\"total_episodes\": {huge}"), Some(huge)),
        ("\"chunks_size\": 1000", format!("\"chunks_size\": {huge}"), None),
        ("\"fps\": 10", "\"fps\": 1e300".to_owned(), Some("rows a second")),
    ] {
        assert!(text.contains(from), "{text}");
        fs::write(&path, text.replace(from, &to)).unwrap();
        match (read_all(root), words) {
            (Err(error), Some(words)) => assert!(error.to_string().contains(words), "{error}"),
            (result, words) => assert!(result.is_ok() && words.is_none(), "{result:?}"),
        }
    }
    fs::write(&path, "[".repeat(100_000)).unwrap();
    assert!(read_all(root).is_err());
}

/// lerobot #2529, #3522: "magic bytes not found", of a recording that was killed; and what else
/// can be in the place of a file.
#[test]
fn files_that_are_not_what_they_should_be_are_named() {
    for file in FILES {
        for (bytes, words) in [
            (&b""[..], "empty"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            Layout::default().write(folder.path());
            fs::write(folder.path().join(file), bytes).unwrap();
            let text = read_all(folder.path()).unwrap_err().to_string();
            assert!(text.contains(words) && text.contains(file), "{text}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    Layout::default().write(root);
    let data = root.join(FILES[3]);
    let whole = fs::read(&data).unwrap();
    for (bytes, words) in [
        (whole[..whole.len() / 2].to_vec(), "its end is missing"),
        (b"PAR1".to_vec(), "its end is missing"),
        (vec![b'x'; 100], "does not begin as parquet files do"),
    ] {
        fs::write(&data, bytes).unwrap();
        let text = read_all(root).unwrap_err().to_string();
        assert!(text.contains(words) && text.contains("file-000.parquet"), "{text}");
    }
    fs::remove_file(&data).unwrap();
    let text = read_all(root).unwrap_err().to_string();
    assert!(text.contains("cannot read") && text.contains("file-000.parquet"), "{text}");
}

#[test]
fn a_place_without_a_dataset_is_named_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"x").unwrap();
    for (path, words) in [
        (folder.path().to_owned(), "meta/info.json does not exist"),
        (folder.path().join("nowhere"), "does not exist"),
        (file, "no folder"),
    ] {
        let error = Dataset::open(&path).unwrap_err();
        assert_eq!(blames_input(&error), Some(true));
        let text = error.to_string();
        assert!(text.contains("is not a LeRobotDataset") && text.contains(words), "{text}");
    }
}

/// What v2.1 needs is lerobot's own converter, by its real name.
#[test]
fn older_and_newer_formats_are_told_apart() {
    for (version, words) in [
        (
            json!("v2.1"),
            Some("python -m lerobot.scripts.convert_dataset_v21_to_v30 --repo-id=NAME"),
        ),
        (json!("v2.0"), Some("lerobot 0.3 brings it to v2.1")),
        (json!("v1.6"), Some("lerobot 0.3 brings it to v2.1")),
        (json!("v4.0"), Some("newer than the v3")),
        (json!(3), Some("not a version")),
        (json!("v3.1"), None),
        (json!("v3.0"), None),
    ] {
        let folder = tempfile::tempdir().unwrap();
        Layout::default().write(folder.path());
        let path = folder.path().join("meta/info.json");
        let mut info: Json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        info["codebase_version"] = version;
        fs::write(&path, info.to_string()).unwrap();
        match (read_all(folder.path()), words) {
            (Ok(()), None) => {}
            (Err(error), Some(words)) => assert!(error.to_string().contains(words), "{error}"),
            (result, words) => panic!("{result:?}, {words:?}"),
        }
    }
}
