//! One new dataset, written from the episodes that it is to have: data files, videos, metadata,
//! statistics, notes, and whatever else lay in a dataset that is edited.

use super::disk::Disk;
use super::plan::{Checked, Source, refused, tasks};
use super::table::Rewrite;
use super::video::VideoPlan;
use super::{Taken, Target};
use crate::episode::default_columns;
use crate::episodes::{EpisodeRecord, VideoPlace};
use crate::error::{DatasetError, IoContext};
use crate::feature::{Feature, Features};
use crate::info::{Info, Totals};
use crate::layout::{CHUNKS_SIZE, DATA_PATH, FilePlace, PathTemplate, VIDEO_PATH};
use crate::notes::{notes_path, read_notes};
use crate::parquet_file::{batch, count_rows, encode_batch, encoded};
use crate::rebuild::stats_of_rows;
use crate::stats::FeatureStats;
use crate::storage::parquet_files;
use crate::summary::Summary;
use crate::tasks::Tasks;
use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, new_null_array};
use arrow::compute::{cast, concat_batches};
use parquet::errors::ParquetError;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A dataset in the making.
pub(super) struct Composed<'a> {
    pub checked: &'a Checked,
    pub target: &'a Target,
    /// The folder that it is made in.
    pub root: &'a Path,
    /// Whether files that stay as they are may be the very same: the old dataset is to go.
    pub share: bool,
}

/// What is known so far of the new dataset.
struct Progress {
    tasks: Tasks,
    totals: Totals,
    place: FilePlace,
    /// Where each video of the sources went.
    videos: BTreeMap<(usize, String, FilePlace), FilePlace>,
    next_video: BTreeMap<String, FilePlace>,
    stats: Vec<Option<FeatureStats>>,
    rows: Vec<RecordBatch>,
}

impl Composed<'_> {
    /// Writes all of it.
    pub fn write(
        &self,
        disk: &mut Disk<'_>,
        video: Option<&VideoPlan>,
    ) -> Result<(), DatasetError> {
        let sources = &self.checked.sources;
        let Some(first) = sources.first() else { return Ok(()) };
        let mut known: BTreeMap<(usize, usize), Vec<Option<FeatureStats>>> = BTreeMap::new();
        let own: Vec<Feature> = first.dataset.features().iter().cloned().collect();
        for (at, source) in sources.iter().enumerate() {
            for path in parquet_files(&source.dataset.root().join("meta/episodes"))? {
                let stats = EpisodeRecord::read_stats(&path, &own)?;
                known.extend(stats.into_iter().map(|(episode, stats)| ((at, episode), stats)));
            }
        }
        let mut progress = Progress {
            tasks: tasks(sources, self.target)?,
            totals: Totals::default(),
            place: FilePlace::default(),
            videos: BTreeMap::new(),
            next_video: BTreeMap::new(),
            stats: vec![None; own.len() + Features::defaults().len()],
            rows: Vec::new(),
        };
        progress.totals.tasks = progress.tasks.len();
        for taken in &self.target.episodes {
            let stats = known.remove(&(taken.source, taken.episode)).unwrap_or_default();
            let stats = self.stats(taken, &own, stats)?;
            self.episode(taken, stats, &own, &mut progress, disk, video)?;
        }
        self.metadata(&progress, &own, first, disk, video)?;
        self.others(first, disk)
    }

    /// The statistics of an episode's own columns; what the metadata lack is computed.
    fn stats(
        &self,
        taken: &Taken,
        own: &[Feature],
        mut known: Vec<Option<FeatureStats>>,
    ) -> Result<Vec<Option<FeatureStats>>, DatasetError> {
        known.resize(own.len(), None);
        let (source, episode) = self.checked.of(taken);
        let dataset = &source.dataset;
        for (feature, stats) in own.iter().zip(&mut known) {
            let video = dataset.feature(&feature.key).is_some_and(|f| f.is_video());
            if stats.is_some() || video {
                continue;
            }
            let only = std::slice::from_ref(feature);
            let rows = dataset.rows_of(episode)?.range;
            let path = episode.data_path(dataset.root(), dataset.info());
            *stats = stats_of_rows(dataset.root(), &path, episode.index, only, rows)?.pop();
        }
        Ok(known)
    }

    fn episode(
        &self,
        taken: &Taken,
        mut stats: Vec<Option<FeatureStats>>,
        own: &[Feature],
        progress: &mut Progress,
        disk: &mut Disk<'_>,
        video: Option<&VideoPlan>,
    ) -> Result<(), DatasetError> {
        let (source, episode) = self.checked.of(taken);
        let (index, from, length) =
            (progress.totals.episodes, progress.totals.frames, episode.length);
        let texts = source.texts(taken)?;
        let number = |text: &Arc<str>| progress.tasks.index_of(text).unwrap_or(0);
        let numbers: Vec<i64> = texts.iter().map(number).collect();
        let place = progress.place;
        self.data(taken, (index, from), &numbers, place.data(self.root), disk, video)?;
        let mut videos = BTreeMap::new();
        for (key, was) in &episode.videos {
            let place = self.video(taken.source, source, key, was.place, progress, disk)?;
            videos.insert(key.clone(), VideoPlace { place, ..*was });
        }
        if let Some(plan) = video {
            for key in plan.cameras(&source.dataset) {
                let path = PathTemplate::parse(VIDEO_PATH)
                    .map_err(|why| refused(&self.target.root, why))?
                    .path(self.root, place, key);
                disk.prepare(&path)?;
                plan.encode(&source.dataset, episode, key, &path)?;
                let to_s = length as f64 / source.dataset.fps();
                let of = VideoPlace { place, from_s: Some(0.0), to_s: Some(to_s) };
                videos.insert(key.to_owned(), of);
            }
        }
        self.notes(taken, index, disk)?;

        let mut tasks: Vec<String> = Vec::new();
        for text in &texts {
            if !tasks.iter().any(|known| **known == **text) {
                tasks.push(text.to_string());
            }
        }
        let record = EpisodeRecord {
            index,
            tasks,
            length: Some(length),
            data: Some(place),
            meta: FilePlace::default(),
            from: Some(from),
            videos,
        };
        let mut defaults = default_columns(source.dataset.fps(), index, from, length, 0);
        if let Some(column) = defaults.last_mut() {
            *column = crate::table::StoredColumn::I64(numbers);
        }
        let defaults: Vec<FeatureStats> = defaults.iter().map(FeatureStats::of_column).collect();
        let listed = source.listed.get(&taken.episode).ok_or_else(|| {
            refused(source.dataset.root(), format!("episode {} is not listed", taken.episode))
        })?;
        let row = row(listed, &record, &defaults);
        progress.rows.push(row.map_err(|source| DatasetError::Encode {
            path: self.root.join("meta/episodes"),
            source,
        })?);
        stats.extend(defaults.into_iter().map(Some));
        for (all, one) in progress.stats.iter_mut().zip(stats) {
            match (all.as_mut(), one) {
                (Some(all), Some(one)) => all.merge(&one),
                (None, one) if index == 0 => *all = one,
                // Of some episodes only: statistics of a part are none of the whole.
                _ => *all = None,
            }
        }
        debug_assert_eq!(progress.stats.len(), own.len() + 5);
        progress.totals.episodes += 1;
        progress.totals.frames += length;
        progress.place = place.next(CHUNKS_SIZE);
        Ok(())
    }

    /// The rows: the very file where nothing about it changes.
    fn data(
        &self,
        taken: &Taken,
        (index, from): (usize, usize),
        tasks: &[i64],
        to: PathBuf,
        disk: &mut Disk<'_>,
        video: Option<&VideoPlan>,
    ) -> Result<(), DatasetError> {
        let (source, episode) = self.checked.of(taken);
        let dataset = &source.dataset;
        let path = episode.data_path(dataset.root(), dataset.info());
        let found = dataset.rows_of(episode)?;
        let alone =
            source.in_file.get(&path) == Some(&1) && count_rows(&path)? == found.range.len();
        let same = alone && index == episode.index && from == episode.first_row;
        if self.share && same && video.is_none() && found.task_index == tasks {
            return disk.bring(&path, &to, true);
        }
        let pictures: Vec<String> = dataset
            .cameras()
            .iter()
            .filter(|camera| !camera.video)
            .map(|camera| camera.key.to_owned())
            .collect();
        let without: Vec<String> = match video {
            Some(plan) => plan.cameras(dataset).map(str::to_owned).collect(),
            None => Vec::new(),
        };
        disk.prepare(&to)?;
        let (from_path, rows) = (path.as_path(), found.range);
        let rewrite = Rewrite {
            from: from_path,
            rows,
            to: &to,
            episode: index,
            first_row: from,
            tasks,
            without: &without,
            pictures: &pictures,
        };
        rewrite.carry_out()
    }

    /// The file of a video, which several episodes may share.
    fn video(
        &self,
        at: usize,
        source: &Source,
        key: &str,
        was: FilePlace,
        progress: &mut Progress,
        disk: &mut Disk<'_>,
    ) -> Result<FilePlace, DatasetError> {
        if let Some(place) = progress.videos.get(&(at, key.to_owned(), was)) {
            return Ok(*place);
        }
        let next = progress.next_video.entry(key.to_owned()).or_default();
        let place = *next;
        *next = place.next(CHUNKS_SIZE);
        let template =
            PathTemplate::parse(VIDEO_PATH).map_err(|why| refused(&self.target.root, why))?;
        let from = source.dataset.info().video_path.path(source.dataset.root(), was, key);
        disk.bring(&from, &template.path(self.root, place, key), self.share)?;
        progress.videos.insert((at, key.to_owned(), was), place);
        Ok(place)
    }

    fn notes(&self, taken: &Taken, index: usize, disk: &mut Disk<'_>) -> Result<(), DatasetError> {
        let root = self.checked.sources[taken.source].dataset.root();
        let there = notes_path(root, taken.episode).exists();
        let mut notes = read_notes(root, taken.episode)?;
        if let Some(success) = taken.success {
            notes.insert("success".to_owned(), json!(success));
        }
        if !there && notes.is_empty() {
            return Ok(());
        }
        let text = crate::json::to_text(&notes);
        disk.write(&notes_path(self.root, index), text.as_bytes())
    }

    fn metadata(
        &self,
        progress: &Progress,
        own: &[Feature],
        first: &Source,
        disk: &mut Disk<'_>,
        video: Option<&VideoPlan>,
    ) -> Result<(), DatasetError> {
        let path = Tasks::path(self.root);
        disk.write(&path, &encoded(progress.tasks.encode(), &path)?)?;
        let path = FilePlace::default().episodes(self.root);
        let table = progress.rows.first().map(|row| row.schema());
        let bytes = match table {
            Some(schema) => concat_batches(&schema, &progress.rows)
                .map_err(ParquetError::from)
                .and_then(|table| encode_batch(&table, None, false)),
            None => return Ok(()),
        };
        disk.write(&path, &encoded(bytes, &path)?)?;
        let mut summary = Summary::default();
        let columns = own.iter().cloned().chain(Features::defaults());
        for (column, stats) in columns.zip(&progress.stats) {
            if let Some(stats) = stats {
                summary.set(&column, stats);
            }
        }
        disk.write(&Summary::path(self.root), &summary.to_bytes())?;
        let info = first.dataset.info();
        let has_videos =
            video.is_some() || first.dataset.described().iter().any(|feature| feature.is_video());
        let splits = self.splits(first);
        let bytes = info.edited(
            &progress.totals,
            |keys| {
                keys.insert("splits".to_owned(), splits);
                keys.insert("data_path".to_owned(), json!(DATA_PATH));
                keys.insert("chunks_size".to_owned(), json!(CHUNKS_SIZE));
                let path = if has_videos { json!(VIDEO_PATH) } else { Json::Null };
                keys.insert("video_path".to_owned(), path);
            },
            |key, entry| {
                if let Some(plan) = video {
                    plan.describe(&first.dataset, key, entry);
                }
            },
        );
        disk.write(&Info::path(self.root), &bytes)
    }

    /// Which episodes belong to which split: as before where episodes of one dataset kept their
    /// order, else all of them to `train`.
    fn splits(&self, first: &Source) -> Json {
        let taken = &self.target.episodes;
        let in_order = taken.windows(2).all(|pair| pair[0].episode < pair[1].episode);
        let before = first.dataset.info().splits();
        let covered = before.iter().map(|(_, range)| range.len()).sum::<usize>();
        let one = self.checked.sources.len() == 1 && in_order;
        if !one || before.len() < 2 || covered != first.dataset.episodes().len() {
            return json!({"train": format!("0:{}", taken.len())});
        }
        let place =
            |episode: usize| taken.iter().take_while(|taken| taken.episode < episode).count();
        let splits = before.into_iter().map(|(name, range)| {
            (name, json!(format!("{}:{}", place(range.start), place(range.end))))
        });
        Json::Object(splits.collect())
    }

    /// What else lies in the folder of a dataset that is edited.
    fn others(&self, first: &Source, disk: &mut Disk<'_>) -> Result<(), DatasetError> {
        if !self.share {
            return Ok(());
        }
        let from = first.dataset.root();
        for path in others_below(from, from)? {
            let Ok(name) = path.strip_prefix(from) else { continue };
            let to = self.root.join(name);
            match path.symlink_metadata().at("read", &path)?.is_symlink() {
                true => disk.link(&path, &to)?,
                false => disk.bring(&path, &to, true)?,
            }
        }
        Ok(())
    }
}

/// The files of a dataset's folder that no part of the format is.
fn others_below(root: &Path, folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).at("list", folder)? {
        let entry = entry.at("list", folder)?;
        let path = entry.path();
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        let kind = entry.file_type().at("list", &path)?;
        if kind.is_dir() {
            if name != "meta/jacod" {
                files.extend(others_below(root, &path)?);
            }
            continue;
        }
        let ends = |ending: &str| name.ends_with(ending);
        let format = (name.starts_with("data/") && ends(".parquet"))
            || (name.starts_with("videos/") && ends(".mp4"))
            || (name.starts_with("meta/episodes/") && ends(".parquet"))
            || ["meta/info.json", "meta/stats.json", "meta/tasks.parquet"].contains(&name.as_str());
        let half = ends(".parquet.tmp") || ends(".json.tmp");
        if !format && !half {
            files.push(path);
        }
    }
    Ok(files)
}

/// A row of `meta/episodes` with what `record` says of its place.
fn row(
    listed: &RecordBatch,
    record: &EpisodeRecord,
    defaults: &[FeatureStats],
) -> Result<RecordBatch, ParquetError> {
    let mut known: Vec<(String, ArrayRef)> = record.columns(&Features::defaults(), defaults);
    for (key, video) in &record.videos {
        let int = |value: usize| Arc::new(Int64Array::from(vec![value as i64])) as ArrayRef;
        let time = |value: Option<f64>| Arc::new(Float64Array::from(vec![value])) as ArrayRef;
        known.extend([
            (format!("videos/{key}/chunk_index"), int(video.place.chunk)),
            (format!("videos/{key}/file_index"), int(video.place.file)),
            (format!("videos/{key}/from_timestamp"), time(video.from_s)),
            (format!("videos/{key}/to_timestamp"), time(video.to_s)),
        ]);
    }
    let mut columns = Vec::new();
    let schema = listed.schema();
    for (field, was) in schema.fields().iter().zip(listed.columns()) {
        let name = field.name();
        let array = match known.iter().position(|(known, _)| known == name) {
            Some(at) => cast(&known.swap_remove(at).1, field.data_type())?,
            None if was.is_empty() => new_null_array(field.data_type(), 1),
            None => Arc::clone(was),
        };
        columns.push((name.clone(), array));
    }
    // Statistics that others do not keep are not begun with a few columns.
    let needed = |name: &str| !name.starts_with("stats/");
    let mut missing: Vec<_> = known.into_iter().filter(|(name, _)| needed(name)).collect();
    missing.sort_by(|a, b| a.0.cmp(&b.0));
    columns.extend(missing);
    batch(columns)
}
