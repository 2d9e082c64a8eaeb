//! A dataset as LeRobot 0.6 lays it out, written with arrow alone: several episodes in a file, the
//! tasks under an index called "task", a rate as a float, a column that training does not need, and
//! nothing of ours.

use crate::support::{SIDE, picture};
use arrow::array::{
    ArrayRef, BinaryArray, Float32Array, Int64Array, ListArray, RecordBatch, StringArray,
    StructArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields};
use parquet::arrow::ArrowWriter;
use serde_json::{Value as Json, json};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

/// One row.
#[derive(Clone, Debug)]
pub struct Row {
    pub action: Vec<f32>,
    pub task: i64,
    /// Which quarter of the picture is white.
    pub corner: usize,
}

/// What to write; the defaults are a small dataset at 30 Hz.
#[derive(Clone, Debug)]
pub struct LeRobot {
    pub fps: Json,
    /// Key and `names` of the action.
    pub action: (&'static str, Json),
    /// Last parts of the cameras' keys; all show the same.
    pub cameras: Vec<&'static str>,
    pub tasks: Vec<&'static str>,
    pub episodes: Vec<Vec<Row>>,
    /// Seconds between two rows.
    pub period_s: f64,
}

impl Default for LeRobot {
    /// Four episodes of a second and two tenths: the white corner changes each 100 ms, and the
    /// action says where it is.
    fn default() -> Self {
        let row = |episode: usize, frame: usize| {
            let corner = (episode + 3 * (frame / 3)) % 4;
            let sign = |positive: bool| if positive { 1.0 } else { -1.0 };
            let (x, y) = (0.006 * sign(corner.is_multiple_of(2)), 0.003 * sign(corner < 2));
            let open = f32::from(u8::from(corner < 2));
            Row { action: vec![x, y, 0.0, 0.0, 0.0, 0.001, open], task: 0, corner }
        };
        let episode = |episode| (0..36).map(|frame| row(episode, frame)).collect();
        let names = ["x", "y", "z", "roll", "pitch", "yaw", "gripper"];
        Self {
            fps: json!(30.0),
            action: ("action", json!(names)),
            cameras: vec!["top"],
            tasks: vec!["put the blue cube on the green plate"],
            episodes: (0..4).map(episode).collect(),
            period_s: 1.0 / 30.0,
        }
    }
}

impl LeRobot {
    /// This dataset with every row changed.
    pub fn map(mut self, change: impl Fn(&mut Row)) -> Self {
        self.episodes.iter_mut().flatten().for_each(change);
        self
    }

    pub fn write(&self, root: &Path) {
        let lengths: Vec<usize> = self.episodes.iter().map(Vec::len).collect();
        let total: usize = lengths.iter().sum();
        let info = json!({
            "codebase_version": "v3.0", "robot_type": "so101_follower",
            "total_episodes": lengths.len(), "total_frames": total,
            "total_tasks": self.tasks.len(), "chunks_size": 1000, "fps": self.fps,
            "data_files_size_in_mb": 100, "video_files_size_in_mb": 200,
            "splits": {"train": format!("0:{}", lengths.len())},
            "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
            "video_path": null, "features": self.features(),
        });
        write(&root.join("meta/info.json"), info.to_string().as_bytes());
        write(&root.join("meta/stats.json"), b"{}");
        let texts: ArrayRef = Arc::new(StringArray::from(self.tasks.clone()));
        parquet(
            &root.join("meta/tasks.parquet"),
            vec![("task_index", ints(0..self.tasks.len())), ("task", texts)],
        );
        let starts: Vec<usize> = lengths
            .iter()
            .scan(0, |sum, length| {
                *sum += length;
                Some(*sum - length)
            })
            .collect();
        let zeros = || ints(lengths.iter().map(|_| 0));
        let tasks = self.episodes.iter().map(|rows| {
            let mut tasks: Vec<i64> = rows.iter().map(|row| row.task).collect();
            tasks.dedup();
            tasks.into_iter().map(|task| self.tasks[task as usize]).collect::<Vec<_>>()
        });
        let tasks: Vec<Vec<&str>> = tasks.collect();
        let texts: ArrayRef = Arc::new(StringArray::from(tasks.concat()));
        let ends = starts.iter().zip(&lengths).map(|(start, length)| start + length);
        parquet(
            &root.join("meta/episodes/chunk-000/file-000.parquet"),
            vec![
                ("episode_index", ints(0..lengths.len())),
                ("tasks", list(texts, tasks.iter().map(Vec::len))),
                ("length", ints(lengths.iter().copied())),
                ("data/chunk_index", zeros()),
                ("data/file_index", zeros()),
                ("dataset_from_index", ints(starts.iter().copied())),
                ("dataset_to_index", ints(ends)),
                ("meta/episodes/chunk_index", zeros()),
                ("meta/episodes/file_index", zeros()),
            ],
        );
        self.write_rows(&root.join("data/chunk-000/file-000.parquet"));
    }

    fn features(&self) -> Json {
        let mut features = json!({
            "observation.state": {"dtype": "float32", "shape": [2], "names": ["x", "y"]},
            "note": {"dtype": "string", "shape": [1], "names": null},
            "timestamp": {"dtype": "float32", "shape": [1], "names": null},
        });
        for key in ["frame_index", "episode_index", "index", "task_index"] {
            features[key] = json!({"dtype": "int64", "shape": [1], "names": null});
        }
        for camera in &self.cameras {
            features[format!("observation.images.{camera}")] = json!({
                "dtype": "image", "shape": [SIDE, SIDE, 3],
                "names": ["height", "width", "channels"],
            });
        }
        let numbers = self.episodes[0][0].action.len();
        features[self.action.0] =
            json!({"dtype": "float32", "shape": [numbers], "names": self.action.1});
        features
    }

    fn write_rows(&self, path: &Path) {
        let rows: Vec<&Row> = self.episodes.iter().flatten().collect();
        let per_episode = |of: &dyn Fn(usize, usize) -> i64| -> ArrayRef {
            let values = self.episodes.iter().enumerate();
            let values = values.flat_map(|(i, rows)| (0..rows.len()).map(move |row| of(i, row)));
            Arc::new(values.collect::<Int64Array>())
        };
        let times = self.episodes.iter().flat_map(|rows| 0..rows.len());
        let times = times.map(|row| (row as f64 * self.period_s) as f32);
        let numbers: Vec<f32> = rows.iter().flat_map(|row| row.action.clone()).collect();
        let states: ArrayRef = Arc::new(Float32Array::from(vec![0.5; 2 * rows.len()]));
        let notes: ArrayRef = Arc::new(StringArray::from(vec!["a note"; rows.len()]));
        let action: ArrayRef = Arc::new(Float32Array::from(numbers));
        let width = rows[0].action.len();
        let mut columns = vec![
            (self.action.0, list(action, rows.iter().map(|_| width))),
            ("observation.state", list(states, rows.iter().map(|_| 2))),
            ("note", notes),
            ("timestamp", Arc::new(times.collect::<Float32Array>()) as ArrayRef),
            ("frame_index", per_episode(&|_, row| row as i64)),
            ("episode_index", per_episode(&|episode, _| episode as i64)),
            ("index", ints(0..rows.len())),
            ("task_index", Arc::new(rows.iter().map(|row| row.task).collect::<Int64Array>())),
        ];
        let keys: Vec<String> =
            self.cameras.iter().map(|camera| format!("observation.images.{camera}")).collect();
        columns.extend(keys.iter().map(|key| (key.as_str(), pictures(&rows))));
        parquet(path, columns);
    }
}

fn pictures(rows: &[&Row]) -> ArrayRef {
    let encoded: Vec<Vec<u8>> = (0..4).map(|corner| png(&picture(corner))).collect();
    let bytes = BinaryArray::from_iter_values(rows.iter().map(|row| &encoded[row.corner]));
    let fields = Fields::from(vec![
        Field::new("bytes", DataType::Binary, true),
        Field::new("path", DataType::Utf8, true),
    ]);
    let columns: Vec<ArrayRef> = vec![Arc::new(bytes), Arc::new(StringArray::new_null(rows.len()))];
    Arc::new(StructArray::new(fields, columns, None))
}

fn png(rgb: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, SIDE, SIDE);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(rgb).unwrap();
    bytes
}

fn ints(values: impl IntoIterator<Item = usize>) -> ArrayRef {
    Arc::new(values.into_iter().map(|value| value as i64).collect::<Int64Array>())
}

fn list(values: ArrayRef, lengths: impl Iterator<Item = usize>) -> ArrayRef {
    let item = Arc::new(Field::new("item", values.data_type().clone(), true));
    Arc::new(ListArray::new(item, OffsetBuffer::from_lengths(lengths), values, None))
}

fn parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}
