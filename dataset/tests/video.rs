//! Pictures that are frames of video files, decoded by ffmpeg (which `deploy/setup.sh` installs).
#![allow(clippy::unwrap_used)]

mod common;

use arrow::array::{ArrayRef, Float32Array, Int64Array, ListArray, StringArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use common::foreign::{array, doubles, write_parquet};
use jaco_dataset::{Dataset, DatasetError, DatasetWriter, VideoTools, blames_input};
use parquet::file::properties::WriterProperties;
use serde_json::json;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const CAMERA: &str = "observation.images.top";
const SIDE: usize = 64;
const FPS: usize = 10;
/// Rows of the episodes, which lie one after the other in one file.
const LENGTHS: [usize; 3] = [7, 5, 9];
const FRAMES: usize = 21;

/// The grey of a frame, far enough from its neighbours' to survive any codec.
fn grey(frame: usize) -> u8 {
    20 + 10 * frame as u8
}

/// A file of [`FRAMES`] grey pictures.
fn encode(path: &Path, frames: usize, codec: &[&str]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"])
        .args(["-s", "64x64", "-r", "10", "-i", "pipe:0"])
        .args(codec)
        .args(["-pix_fmt", "yuv420p"])
        .arg(path)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for frame in 0..frames {
        input.write_all(&vec![grey(frame); SIDE * SIDE * 3]).unwrap();
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}

fn ints(values: impl IntoIterator<Item = usize>) -> ArrayRef {
    array(Int64Array::from_iter_values(values.into_iter().map(|v| v as i64)))
}

/// A dataset of one camera; its video begins `start_s` late by the file's own clock.
fn dataset(root: &Path, start_s: f64) -> PathBuf {
    dataset_of(root, start_s, LENGTHS)
}

/// The same with episodes of these lengths.
fn dataset_of(root: &Path, start_s: f64, lengths: [usize; 3]) -> PathBuf {
    let (a, b) = (lengths[0], lengths[0] + lengths[1]);
    dataset_with(root, start_s, lengths, [[0, a], [a, b], [b, b + lengths[2]]])
}

/// The same with the frames that the metadata give each episode.
fn dataset_with(root: &Path, start_s: f64, lengths: [usize; 3], spans: [[usize; 2]; 3]) -> PathBuf {
    let write = |name: &str, columns: Vec<(&str, ArrayRef)>| {
        let columns = columns.into_iter().map(|(n, a)| (n.to_owned(), a)).collect();
        write_parquet(&root.join(name), columns, WriterProperties::builder().build());
    };
    write(
        "meta/tasks.parquet",
        vec![("task_index", ints([0])), ("task", array(StringArray::from(vec!["lift the cup"])))],
    );
    let begins = [0, lengths[0], lengths[0] + lengths[1]];
    let rows = || lengths.iter().enumerate().flat_map(|(e, &n)| (0..n).map(move |row| (e, row)));
    let times = rows().map(|(_, row)| row as f32 / FPS as f32);
    write(
        "data/chunk-000/file-000.parquet",
        vec![
            ("action", doubles(rows().map(|(_, row)| row as f64).collect())),
            ("timestamp", array(Float32Array::from_iter_values(times))),
            ("frame_index", ints(rows().map(|(_, row)| row))),
            ("episode_index", ints(rows().map(|(episode, _)| episode))),
            ("index", ints(0..lengths.iter().sum())),
            ("task_index", ints(rows().map(|_| 0))),
        ],
    );
    let item = Arc::new(Field::new("element", DataType::Utf8, true));
    let texts = array(StringArray::from(vec!["lift the cup"; 3]));
    let [from_s, to_s] =
        [0, 1].map(|end| spans.map(|span| start_s + span[end] as f64 / FPS as f64));
    write(
        "meta/episodes/chunk-000/file-000.parquet",
        vec![
            ("episode_index", ints(0..3)),
            ("tasks", array(ListArray::new(item, OffsetBuffer::from_lengths([1; 3]), texts, None))),
            ("length", ints(lengths)),
            ("data/chunk_index", ints([0; 3])),
            ("data/file_index", ints([0; 3])),
            ("dataset_from_index", ints(begins)),
            ("videos/observation.images.top/chunk_index", ints([0; 3])),
            ("videos/observation.images.top/file_index", ints([4; 3])),
            ("videos/observation.images.top/from_timestamp", doubles(from_s.to_vec())),
            ("videos/observation.images.top/to_timestamp", doubles(to_s.to_vec())),
        ],
    );
    let scalar = |dtype: &str| json!({"dtype": dtype, "shape": [1], "names": null});
    let info = json!({
        "codebase_version": "v3.0", "fps": FPS, "total_episodes": 3, "total_frames": FRAMES,
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
        "features": {
            CAMERA: {"dtype": "video", "shape": [SIDE, SIDE, 3],
                     "names": ["height", "width", "channels"], "info": {"video.codec": "av1"}},
            "action": scalar("float64"),
            "timestamp": scalar("float32"), "frame_index": scalar("int64"),
            "episode_index": scalar("int64"), "index": scalar("int64"),
            "task_index": scalar("int64"),
        },
    });
    fs::write(root.join("meta/info.json"), info.to_string()).unwrap();
    root.join("videos/observation.images.top/chunk-000/file-004.mp4")
}

/// Asserts that every row has its own frame.
fn assert_frames(root: &Path) {
    let dataset = Dataset::open(root).unwrap();
    assert!(dataset.cameras()[0].video);
    let mut frame = 0;
    for (index, length) in LENGTHS.into_iter().enumerate() {
        let episode = dataset.read_columns(index, &[CAMERA, "action"]).unwrap();
        let images = episode.images(CAMERA).unwrap();
        assert_eq!((images.frames.len(), images.width), (length, SIDE as u32));
        for picture in &images.frames {
            let middle = picture[picture.len() / 2];
            assert!(middle.abs_diff(grey(frame)) < 5, "frame {frame} is {middle}");
            frame += 1;
        }
        let mut streamed = Vec::new();
        dataset
            .read_pictures(index, CAMERA, |row, picture| {
                streamed.push((row, picture));
                Ok::<_, DatasetError>(())
            })
            .unwrap();
        let expected: Vec<_> = images.frames.iter().cloned().enumerate().collect();
        assert_eq!(streamed, expected);
    }
}

/// A script in the place of ffmpeg.
fn tools(folder: &Path, ffmpeg: &str, patience: Duration) -> VideoTools {
    let path = folder.join("ffmpeg.sh");
    fs::write(&path, format!("#!/bin/sh\n{ffmpeg}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    VideoTools { ffmpeg: path, patience, ..VideoTools::default() }
}

/// paimon #9446: video features. All codecs that lerobot writes, several episodes in a file, frames
/// that are decoded in another order than they are shown.
#[test]
fn each_row_gets_its_frame_whatever_the_codec() {
    for codec in [
        &["-c:v", "libx264", "-g", "250", "-bf", "3"][..],
        &["-c:v", "libx264", "-g", "2"],
        &["-c:v", "libx265", "-x265-params", "log-level=error"],
        &["-c:v", "libsvtav1", "-g", "2", "-crf", "30"],
        // A clock of milliseconds.
        &["-c:v", "libx264", "-video_track_timescale", "1000"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let video = dataset(folder.path(), 0.0);
        encode(&video, FRAMES, codec);
        assert_frames(folder.path());
    }
}

#[test]
fn a_file_whose_clock_does_not_begin_at_zero_is_read_by_its_clock() {
    let folder = tempfile::tempdir().unwrap();
    let video = dataset(folder.path(), 5.0);
    // mp4 moves its clock to 0; Matroska keeps it, and ffmpeg goes by content, not by name.
    encode(&video, FRAMES, &["-c:v", "libx264", "-output_ts_offset", "5", "-f", "matroska"]);
    assert_frames(folder.path());
}

#[test]
fn without_ffmpeg_the_rest_is_read_and_the_message_says_what_to_install() {
    let folder = tempfile::tempdir().unwrap();
    let video = dataset(folder.path(), 0.0);
    encode(&video, FRAMES, &["-c:v", "libx264"]);
    let nowhere = PathBuf::from("/nowhere/ffprobe");
    let tools = VideoTools { ffprobe: nowhere, ..VideoTools::default() };
    let dataset = Dataset::open(folder.path()).unwrap().with_video_tools(tools);
    assert_eq!(dataset.read_columns(1, &["action"]).unwrap().length, 5);
    let error = dataset.read_columns(1, &[CAMERA]).unwrap_err();
    assert_eq!(blames_input(&error), Some(false));
    let text = error.to_string();
    assert!(text.contains("/nowhere/ffprobe") && text.contains("apt-get install ffmpeg"), "{text}");
}

#[test]
fn a_decoder_that_hangs_or_dies_is_named_and_ended() {
    let folder = tempfile::tempdir().unwrap();
    let video = dataset(folder.path(), 0.0);
    encode(&video, FRAMES, &["-c:v", "libx264"]);
    for (program, words) in [
        ("exec sleep 1000", "gave nothing for 0.3 s"),
        ("echo it broke >&2; exit 3", "it broke"),
        ("exit 3", "exit status: 3"),
        ("kill -9 $$", "signal: 9"),
        ("head -c 20000 /dev/zero", "gave 1 of 7 frames"),
    ] {
        let dataset = Dataset::open(folder.path()).unwrap();
        // Only one that hangs is to be given up before long.
        let seconds = if program.contains("sleep") { 0.3 } else { 600.0 };
        let patience = Duration::from_secs_f64(seconds);
        let dataset = dataset.with_video_tools(tools(folder.path(), program, patience));
        let error = dataset.read_columns(0, &[CAMERA]).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("file-004.mp4"), "{program}: {error}");
    }
}

#[test]
fn a_file_that_does_not_hold_the_frames_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let video = dataset(folder.path(), 0.0);
    let read = || {
        let dataset = Dataset::open(folder.path()).unwrap();
        dataset.read_columns(2, &[CAMERA]).unwrap_err().to_string()
    };
    assert!(read().contains("file-004.mp4"));
    // lerobot #2129: the last frames were never encoded.
    encode(&video, FRAMES - 2, &["-c:v", "libx264"]);
    let error = read();
    assert!(error.contains("row 7") && error.contains("19 frames"), "{error}");
    encode(&video, FRAMES, &["-c:v", "libx264"]);
    let whole = fs::read(&video).unwrap();
    for (bytes, words) in [
        (&whole[..whole.len() / 2], "no video that can be read"),
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
    ] {
        fs::write(&video, bytes).unwrap();
        let error = read();
        assert!(error.contains(words), "{error}");
    }
    let path = folder.path().join("meta/info.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&video, &whole).unwrap();
    fs::write(&path, text.replace("[64,64,3]", "[48,64,3]")).unwrap();
    let error = read();
    assert!(error.contains("64x64") && error.contains("64x48"), "{error}");
}

/// ffmpeg conceals what is damaged and gives the full count of frames all the same.
#[test]
fn a_damaged_file_is_refused_and_not_concealed() {
    let folder = tempfile::tempdir().unwrap();
    let video = dataset(folder.path(), 0.0);
    encode(&video, FRAMES, &["-c:v", "libx264", "-bf", "0"]);
    let whole = fs::read(&video).unwrap();
    let media = whole.windows(4).position(|four| four == b"mdat").unwrap();
    let read = |bytes: &[u8]| {
        fs::write(&video, bytes).unwrap();
        let dataset = Dataset::open(folder.path()).unwrap();
        (0..LENGTHS.len()).try_for_each(|it| dataset.read_columns(it, &[CAMERA]).map(drop))
    };
    read(&whole).unwrap();
    let mut damaged = whole.clone();
    // Behind the encoder's own words, among the pictures.
    let from = media + (whole.len() - media) / 2;
    damaged[from..from + 64].fill(0xff);
    let error = read(&damaged).unwrap_err();
    assert_eq!(blames_input(&error), Some(true), "{error}");
    assert!(error.to_string().contains(".mp4"), "{error}");
}

#[test]
fn what_holds_videos_is_not_appended_to_and_stays_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("data");
    let video = dataset(&root, 0.0);
    encode(&video, FRAMES, &["-c:v", "libx264"]);
    let error = DatasetWriter::open_append(&root).err().unwrap().to_string();
    assert!(error.contains("videos") && error.contains("record into a new folder"), "{error}");
    assert!(!root.join("meta/jacod").exists());
}

/// Frames that lean on those around them were left out at an episode's beginning, and the frames
/// after them took their place: 13 of 40 beginnings in MPEG-4 with B frames, 10 of 40 in H.264 with
/// open groups.
#[test]
fn an_episode_may_begin_at_any_frame_of_a_group_of_pictures() {
    for codec in [
        &["-c:v", "mpeg4", "-bf", "2", "-g", "12", "-q:v", "2"][..],
        &["-c:v", "libx264", "-x264-params", "open-gop=1:keyint=6:bframes=3:b-adapt=0"],
        &["-c:v", "libx264", "-g", "4", "-bf", "2"],
        &["-c:v", "libx265", "-x265-params", "log-level=error:open-gop=1:keyint=6:bframes=3"],
    ] {
        for first in 1..FRAMES {
            let folder = tempfile::tempdir().unwrap();
            let video = dataset_of(folder.path(), 0.0, [first, FRAMES - first, 0]);
            encode(&video, FRAMES, codec);
            let dataset = Dataset::open(folder.path()).unwrap();
            let episode = dataset.read_columns(1, &[CAMERA]).unwrap();
            for (row, picture) in episode.images(CAMERA).unwrap().frames.iter().enumerate() {
                let (frame, middle) = (first + row, picture[picture.len() / 2]);
                assert!(middle.abs_diff(grey(frame)) < 5, "{codec:?}: {frame} is {middle}");
            }
        }
    }
}

/// Rows beyond the end that the metadata give an episode were shown the next episode's pictures.
#[test]
fn rows_that_reach_beyond_the_episode_s_video_are_refused() {
    for (lengths, spans, words) in [
        ([12, 9, 0], [[0, 10], [12, 21], [21, 21]], Some("12 rows, the last at 1.100 s")),
        // Of one row more than there are frames, only the next episode tells.
        ([11, 10, 0], [[0, 10], [10, 20], [20, 20]], Some("11 rows, the last at 1.000 s")),
        // The time of the last frame for the end of it.
        ([11, 9, 0], [[0, 10], [11, 20], [20, 20]], None),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let video = dataset_with(folder.path(), 0.0, lengths, spans);
        encode(&video, FRAMES, &["-c:v", "libx264"]);
        // The rows of the tables are those of the lengths.
        let text = fs::read_to_string(folder.path().join("meta/info.json")).unwrap();
        let total = lengths.iter().sum::<usize>();
        let text = text.replace("\"total_frames\":21", &format!("\"total_frames\":{total}"));
        fs::write(folder.path().join("meta/info.json"), text).unwrap();
        let dataset = Dataset::open(folder.path()).unwrap();
        match (dataset.read_columns(0, &[CAMERA]), words) {
            (Err(error), Some(words)) => {
                let error = error.to_string();
                assert!(error.contains("to_timestamp") && error.contains(words), "{error}");
                assert!(error.contains("ends after 1.000 s"), "{error}");
            }
            (read, words) => assert!(read.is_ok() && words.is_none(), "{words:?}"),
        }
        assert!(dataset.read_columns(1, &[CAMERA]).is_ok());
    }
}
