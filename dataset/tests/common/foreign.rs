//! Datasets as others write them: the same three episodes in any of the layouts that the format
//! allows, written with the parquet library alone.

use arrow::array::{
    Array, ArrayRef, BinaryArray, DictionaryArray, FixedSizeListArray, Float32Array, Float64Array,
    Int64Array, LargeBinaryArray, LargeListArray, ListArray, RecordBatch, StringArray, StructArray,
    UInt8Array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields, Int32Type, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use serde_json::{Value as Json, json};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

pub const WIDTH: u32 = 8;
pub const HEIGHT: u32 = 6;
pub const TASKS: [&str; 3] = ["push the red box", "lift the cup", "pose la tasse 🍊"];
/// Rows of the three episodes.
pub const LENGTHS: [usize; 3] = [4, 2, 5];

/// How numbers of a vector are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lists {
    List,
    Large,
    Fixed,
}

/// How pictures are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pictures {
    Struct,
    Binary,
    LargeBinary,
    /// `path` without bytes, beside files in `images/`.
    Files,
}

/// Which column of tasks.parquet holds the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskTexts {
    /// An index named "task", as lerobot 0.6 writes it.
    Index,
    /// An index without a name, as lerobot 0.4 writes it.
    Unnamed,
    /// A plain column, without pandas' metadata.
    Plain,
}

/// The free choices of a writer.
#[derive(Clone, Debug)]
pub struct Layout {
    pub fps: Json,
    pub tasks: TaskTexts,
    pub task_index: DataType,
    pub reversed_tasks: bool,
    pub lists: Lists,
    pub pictures: Pictures,
    pub chw: bool,
    pub float: DataType,
    pub codec: Compression,
    pub row_group_rows: usize,
    /// Data file of each episode.
    pub files: [usize; 3],
    /// Order in which the episodes stand in the data and are counted.
    pub standing: [usize; 3],
    /// Whether `task_index` is null in all rows.
    pub null_tasks: bool,
    /// Order of the rows of meta/episodes.
    pub listed: [usize; 3],
    /// Whether each row of meta/episodes is in a file of its own.
    pub split_meta: bool,
    /// Columns of meta/episodes that are left out.
    pub without: Vec<&'static str>,
    /// Keys that info.json lacks.
    pub without_keys: Vec<&'static str>,
    pub chunks_size: usize,
    pub data_path: &'static str,
    /// A string, a dictionary, a language and a uint8 column, which nobody needs.
    pub extras: bool,
    /// Whether the tasks change within an episode.
    pub several_tasks: bool,
}

impl Default for Layout {
    /// As lerobot 0.6 writes it.
    fn default() -> Self {
        Self {
            fps: json!(10),
            tasks: TaskTexts::Index,
            task_index: DataType::Int64,
            reversed_tasks: false,
            lists: Lists::Fixed,
            pictures: Pictures::Struct,
            chw: false,
            float: DataType::Float32,
            codec: Compression::SNAPPY,
            row_group_rows: 1000,
            files: [0, 0, 0],
            standing: [0, 1, 2],
            null_tasks: false,
            listed: [0, 1, 2],
            split_meta: false,
            without: vec![],
            without_keys: vec![],
            chunks_size: 1000,
            data_path: "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
            extras: false,
            several_tasks: false,
        }
    }
}

pub fn zstd() -> Compression {
    Compression::ZSTD(ZstdLevel::default())
}

pub fn gzip() -> Compression {
    Compression::GZIP(GzipLevel::default())
}

/// The number of row `row` of episode `episode` over all rows.
fn global(episode: usize, row: usize) -> usize {
    LENGTHS[..episode].iter().sum::<usize>() + row
}

/// The action of a row: exact in every type of number.
pub fn action(episode: usize, row: usize) -> [f32; 3] {
    [global(episode, row) as f32 * 0.5, -(episode as f32), row as f32]
}

/// The pixels of a row: equal in all kinds of PNG.
pub fn picture(episode: usize, row: usize) -> Vec<u8> {
    (0..WIDTH * HEIGHT * 3).map(|i| (i as usize * 5 + global(episode, row) * 17) as u8).collect()
}

impl Layout {
    /// The number of the task of a row.
    pub fn task(&self, episode: usize, row: usize) -> usize {
        if self.several_tasks && row >= 2 { (episode + 1) % 3 } else { episode % 3 }
    }

    /// The number of the first row of an episode over the whole dataset.
    fn first(&self, episode: usize) -> usize {
        let before = self.standing.iter().take_while(|&&other| other != episode);
        before.map(|&other| LENGTHS[other]).sum()
    }

    /// Writes the dataset.
    pub fn write(&self, root: &Path) {
        self.write_tasks(root);
        self.write_data(root);
        self.write_episodes(root);
        self.write_info(root);
    }

    fn write_info(&self, root: &Path) {
        let (float, image) =
            (float_name(&self.float), if self.chw { [3, 6, 8] } else { [6, 8, 3] });
        let axes = ["height", "width", "channels"];
        let names = if self.chw { json!(["channels", "height", "width"]) } else { json!(axes) };
        let scalar = |dtype: &str| json!({"dtype": dtype, "shape": [1], "names": null});
        let mut features = json!({
            "observation.images.top": {"dtype": "image", "shape": image, "names": names},
            "action": {"dtype": float, "shape": [3], "names": {"motors": ["x", "y", "z"]}},
            "timestamp": scalar("float32"),
            "frame_index": scalar("int64"),
            "episode_index": scalar("int64"),
            "index": scalar("int64"),
            "task_index": scalar("int64"),
        });
        if self.extras {
            features["note"] = scalar("string");
            features["mode"] = scalar("string");
            features["language_events"] = json!({"dtype": "language", "shape": [1], "names": null});
            features["step_type"] = scalar("uint8");
        }
        let mut info = json!({
            "codebase_version": "v3.0", "robot_type": "so101", "total_episodes": 3,
            "total_frames": 11, "total_tasks": 3, "chunks_size": self.chunks_size,
            "data_files_size_in_mb": 100, "video_files_size_in_mb": 200, "fps": self.fps,
            "splits": {"train": "0:3"}, "data_path": self.data_path, "video_path": null,
            "features": features,
        });
        for key in &self.without_keys {
            info.as_object_mut().unwrap().remove(*key);
        }
        let path = root.join("meta/info.json");
        fs::write(path, serde_json::to_vec_pretty(&info).unwrap()).unwrap();
    }

    fn write_tasks(&self, root: &Path) {
        let mut order = vec![0_i64, 1, 2];
        if self.reversed_tasks {
            order.reverse();
        }
        let texts = StringArray::from_iter_values(order.iter().map(|&i| TASKS[i as usize]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(order));
        let numbers = cast(&numbers, &self.task_index).unwrap();
        let (column, pandas) = match self.tasks {
            TaskTexts::Index => ("task", Some(json!({"index_columns": ["task"]}))),
            TaskTexts::Unnamed => {
                ("__index_level_0__", Some(json!({"index_columns": ["__index_level_0__"]})))
            }
            TaskTexts::Plain => ("task", None),
        };
        let columns = vec![("task_index".to_owned(), numbers), (column.to_owned(), array(texts))];
        self.parquet(&root.join("meta/tasks.parquet"), columns, pandas);
    }

    fn write_episodes(&self, root: &Path) {
        let int = |values: Vec<usize>| {
            array(Int64Array::from_iter_values(values.iter().map(|&v| v as i64)))
        };
        let rows = |listed: &[usize]| {
            let each = |f: &dyn Fn(usize) -> usize| int(listed.iter().map(|&e| f(e)).collect());
            let tasks = listed.iter().map(|&e| {
                let mut tasks: Vec<usize> = (0..LENGTHS[e]).map(|row| self.task(e, row)).collect();
                tasks.dedup();
                tasks.into_iter().map(|task| TASKS[task]).collect::<Vec<_>>()
            });
            let tasks: Vec<Vec<&str>> = tasks.collect();
            let offsets = OffsetBuffer::from_lengths(tasks.iter().map(Vec::len));
            let texts = array(StringArray::from_iter_values(tasks.into_iter().flatten()));
            let item = Arc::new(Field::new("element", DataType::Utf8, true));
            let mut columns = vec![
                ("episode_index", each(&|e| e)),
                ("tasks", array(ListArray::new(item, offsets, texts, None))),
                ("length", each(&|e| LENGTHS[e])),
                ("data/chunk_index", each(&|e| self.files[e] / self.chunks_size)),
                ("data/file_index", each(&|e| self.files[e] % self.chunks_size)),
                ("dataset_from_index", each(&|e| self.first(e))),
                ("dataset_to_index", each(&|e| self.first(e) + LENGTHS[e])),
                ("meta/episodes/chunk_index", each(&|_| 0)),
                ("meta/episodes/file_index", each(&|_| 0)),
            ];
            columns.retain(|(name, _)| !self.without.contains(name));
            columns.into_iter().map(|(name, array)| (name.to_owned(), array)).collect::<Vec<_>>()
        };
        let path =
            |file: usize| root.join(format!("meta/episodes/chunk-000/file-{file:03}.parquet"));
        match self.split_meta {
            true => (0..3).for_each(|i| self.parquet(&path(i), rows(&self.listed[i..=i]), None)),
            false => self.parquet(&path(0), rows(&self.listed), None),
        }
    }

    fn write_data(&self, root: &Path) {
        for file in 0..3 {
            let rows: Vec<(usize, usize)> = self
                .standing
                .into_iter()
                .filter(|&e| self.files[e] == file)
                .flat_map(|e| (0..LENGTHS[e]).map(move |row| (e, row)))
                .collect();
            if rows.is_empty() {
                continue;
            }
            let (chunk, file) = (file / self.chunks_size, file % self.chunks_size);
            let name = self.data_path.replace("{chunk_index:03d}", &format!("{chunk:03}"));
            let name = name.replace("{file_index:03d}", &format!("{file:03}"));
            let name = name.replace("{chunk_index}", &chunk.to_string());
            let name = name.replace("{file_index}", &file.to_string());
            self.parquet(&root.join(name), self.columns(root, &rows), None);
        }
    }

    fn columns(&self, root: &Path, rows: &[(usize, usize)]) -> Vec<(String, ArrayRef)> {
        let int = |f: &dyn Fn(usize, usize) -> usize| {
            array(Int64Array::from_iter_values(rows.iter().map(|&(e, r)| f(e, r) as i64)))
        };
        let actions: Vec<f32> = rows.iter().flat_map(|&(e, r)| action(e, r)).collect();
        let actions = cast(&array(Float32Array::from(actions)), &self.float).unwrap();
        let mut columns = vec![
            ("observation.images.top", self.pictures(root, rows)),
            ("action", self.vectors(actions, 3)),
            (
                "timestamp",
                array(Float32Array::from_iter_values(rows.iter().map(|r| r.1 as f32 / 10.0))),
            ),
            ("frame_index", int(&|_, row| row)),
            ("episode_index", int(&|episode, _| episode)),
            ("index", int(&|episode, row| self.first(episode) + row)),
            (
                "task_index",
                match self.null_tasks {
                    true => array(Int64Array::new_null(rows.len())),
                    false => int(&|e, r| self.task(e, r)),
                },
            ),
        ];
        if self.extras {
            let texts: Vec<&str> = rows.iter().map(|_| "a word").collect();
            let dictionary: DictionaryArray<Int32Type> = texts.iter().copied().collect();
            columns.push(("note", array(StringArray::from(texts.clone()))));
            columns.push(("mode", array(dictionary)));
            let role = vec![Arc::new(Field::new("role", DataType::Utf8, true))];
            let role = StructArray::new(role.into(), vec![array(StringArray::from(texts))], None);
            let offsets = OffsetBuffer::from_lengths(rows.iter().map(|_| 1));
            let item = Arc::new(Field::new("item", role.data_type().clone(), true));
            columns
                .push(("language_events", array(ListArray::new(item, offsets, array(role), None))));
            columns.push(("step_type", array(UInt8Array::from(vec![2; rows.len()]))));
        }
        columns.into_iter().map(|(name, array)| (name.to_owned(), array)).collect()
    }

    fn vectors(&self, values: ArrayRef, dims: usize) -> ArrayRef {
        let rows = values.len() / dims;
        let item = Arc::new(Field::new("item", values.data_type().clone(), true));
        match self.lists {
            Lists::Fixed => array(FixedSizeListArray::new(item, dims as i32, values, None)),
            Lists::List => {
                let offsets = OffsetBuffer::from_lengths((0..rows).map(|_| dims));
                array(ListArray::new(item, offsets, values, None))
            }
            Lists::Large => {
                let offsets = OffsetBuffer::from_lengths((0..rows).map(|_| dims));
                array(LargeListArray::new(item, offsets, values, None))
            }
        }
    }

    fn pictures(&self, root: &Path, rows: &[(usize, usize)]) -> ArrayRef {
        let pngs: Vec<Vec<u8>> = rows.iter().map(|&(e, r)| png(&picture(e, r))).collect();
        let of = |bytes: ArrayRef, path: StringArray| {
            let fields = Fields::from(vec![
                Field::new("bytes", DataType::Binary, true),
                Field::new("path", DataType::Utf8, true),
            ]);
            array(StructArray::new(fields, vec![bytes, array(path)], None))
        };
        match self.pictures {
            Pictures::Struct => {
                let bytes = array(BinaryArray::from_iter_values(&pngs));
                of(bytes, StringArray::new_null(rows.len()))
            }
            Pictures::Binary => array(BinaryArray::from_iter_values(&pngs)),
            Pictures::LargeBinary => array(LargeBinaryArray::from_iter_values(&pngs)),
            Pictures::Files => {
                let name = |&(e, r): &(usize, usize)| format!("images/top/{e}-{r}.png");
                for (row, png) in rows.iter().zip(&pngs) {
                    fs::create_dir_all(root.join("images/top")).unwrap();
                    fs::write(root.join(name(row)), png).unwrap();
                }
                // Paths of the machine that recorded.
                let paths = rows.iter().map(|row| format!("/home/someone/data/{}", name(row)));
                of(array(BinaryArray::new_null(rows.len())), StringArray::from_iter_values(paths))
            }
        }
    }

    fn parquet(&self, path: &Path, columns: Vec<(String, ArrayRef)>, pandas: Option<Json>) {
        let pandas =
            pandas.map(|pandas| vec![KeyValue::new("pandas".to_owned(), pandas.to_string())]);
        let properties = WriterProperties::builder()
            .set_compression(self.codec)
            .set_max_row_group_row_count(Some(self.row_group_rows))
            .set_key_value_metadata(pandas)
            .build();
        write_parquet(path, columns, properties);
    }
}

/// Writes a parquet file.
pub fn write_parquet(path: &Path, columns: Vec<(String, ArrayRef)>, properties: WriterProperties) {
    let fields: Vec<Field> =
        columns.iter().map(|(n, a)| Field::new(n, a.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

pub fn array(array: impl Array + 'static) -> ArrayRef {
    Arc::new(array)
}

fn float_name(of: &DataType) -> &'static str {
    match of {
        DataType::Float16 => "float16",
        DataType::Float64 => "float64",
        DataType::Int32 => "int32",
        _ => "float32",
    }
}

fn png(rgb: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, WIDTH, HEIGHT);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(rgb).unwrap();
    writer.finish().unwrap();
    bytes
}

/// Numbers of 64 bits, for columns of a test's own.
pub fn doubles(values: Vec<f64>) -> ArrayRef {
    array(Float64Array::from(values))
}
