//! Reading pictures: of an episode one after the other, or of single rows.
//!
//! Owns how many are in memory at a time: few, however long the episode. Which row a picture
//! belongs to is `rows`' to say, and what a picture is `image`'s and `video`'s.

use crate::error::DatasetError;
use crate::feature::{Feature, FeatureKind};
use crate::image;
use crate::listing::EpisodeInfo;
use crate::parquet_file::each_batch_of;
use crate::reader::{Dataset, Part};
use crate::table;
use crate::video::Wanted;
use std::ops::Range;
use std::sync::Arc;

/// Rows whose compressed pictures are in memory at a time.
const BATCH_ROWS: usize = 32;

impl Dataset {
    /// Hands the pictures of the camera `key` in episode `index` to `each`, with the number of
    /// their row, one after the other: however long the episode, few of them are in memory.
    pub fn read_pictures<E: From<DatasetError>>(
        &self,
        index: usize,
        key: &str,
        each: impl FnMut(usize, Arc<[u8]>) -> Result<(), E>,
    ) -> Result<(), E> {
        let length = self.episode(index)?.length;
        self.read_some_pictures(index, 0..length, key, each)
    }

    /// [`read_pictures`](Self::read_pictures) of the rows `rows` alone. Of a data file only the row
    /// groups are read that hold them, of a video the frames from the nearest key frame on.
    pub fn read_some_pictures<E: From<DatasetError>>(
        &self,
        index: usize,
        rows: Range<usize>,
        key: &str,
        mut each: impl FnMut(usize, Arc<[u8]>) -> Result<(), E>,
    ) -> Result<(), E> {
        let feature = self.wanted(key)?;
        if !matches!(feature.kind, FeatureKind::Image { .. }) {
            return Err(self.absent(key, "image").into());
        }
        self.each_picture(&self.part(index, rows)?, &feature, &mut each)
    }

    /// Hands the pictures of `part` to `each`, with the number of their row in the episode.
    pub(crate) fn each_picture<E: From<DatasetError>>(
        &self,
        part: &Part,
        feature: &Feature,
        each: &mut impl FnMut(usize, Arc<[u8]>) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.is_video(&feature.key) {
            true => self.each_frame(part, feature, &mut |row, rgb| each(part.first + row, rgb)),
            false => self.each_embedded(part, feature, each),
        }
    }

    fn each_embedded<E: From<DatasetError>>(
        &self,
        part: &Part,
        feature: &Feature,
        each: &mut impl FnMut(usize, Arc<[u8]>) -> Result<(), E>,
    ) -> Result<(), E> {
        let FeatureKind::Image { height, width } = feature.kind else { return Ok(()) };
        let path = part.episode.data_path(self.root(), self.info());
        let fault = |reason| DatasetError::Column {
            path: path.clone(),
            column: feature.key.clone(),
            reason,
        };
        let (range, mut done) = (part.rows.range.clone(), 0);
        let wanted = range.len();
        each_batch_of(
            BATCH_ROWS,
            &path,
            |name| name == feature.key,
            Some(range),
            |batch| {
                let array = batch.column_by_name(&feature.key);
                let array = array.ok_or_else(|| fault("it is not in the file".to_owned()))?;
                let pictures =
                    table::pictures(array, self.root()).map_err(|reason| match done {
                        0 => fault(reason),
                        _ => fault(format!("{reason} (counted after {done} others)")),
                    })?;
                for bytes in pictures {
                    let frame = part.first + done;
                    let rgb = image::decode(&bytes, width, height).map_err(|reason| {
                        DatasetError::Image {
                            path: path.clone(),
                            column: feature.key.clone(),
                            episode: part.episode.index,
                            frame,
                            reason,
                        }
                    })?;
                    each(frame, Arc::from(rgb))?;
                    done += 1;
                }
                Ok::<(), E>(())
            },
        )?;
        match done == wanted {
            true => Ok(()),
            false if done == 0 => Err(fault("it is not in the file".to_owned()).into()),
            false => Err(fault(format!("it has {done} rows, {wanted} expected")).into()),
        }
    }

    /// Hands the frames of a video to `each`, with their number in `part`.
    fn each_frame<E: From<DatasetError>>(
        &self,
        part: &Part,
        feature: &Feature,
        each: &mut impl FnMut(usize, Arc<[u8]>) -> Result<(), E>,
    ) -> Result<(), E> {
        let FeatureKind::Image { height, width } = feature.kind else { return Ok(()) };
        let episode = part.episode;
        let half_a_row_s = 0.5 / self.fps();
        let fault = |column: &str, reason: String| DatasetError::Column {
            path: self.root().join("meta/episodes"),
            column: format!("videos/{}/{column}", feature.key),
            reason,
        };
        let absent = |what: &str| {
            fault("from_timestamp", format!("{what} is not given for episode {}", episode.index))
        };
        let video = episode.videos.get(&feature.key).ok_or_else(|| absent("a file"))?;
        let begins = |other: &EpisodeInfo| match other.videos.get(&feature.key) {
            Some(v) if v.place == video.place && other.index != episode.index => Some(v.from_s),
            _ => None,
        };
        let mut others = self.episodes().iter().filter_map(begins);
        let from_s = match video.from_s {
            Some(from_s) if from_s.is_finite() => from_s,
            None if others.next().is_none() => 0.0,
            _ => return Err(absent("it").into()),
        };
        let times_s: Vec<f64> = part.rows.timestamps_s.iter().map(|t| from_s + t).collect();
        if let (Some(to_s), Some(&last_s)) = (video.to_s, times_s.last()) {
            let near =
                |begin_s: Option<f64>| begin_s.is_some_and(|s| (s - to_s).abs() < half_a_row_s);
            // Where another episode begins there, the frame at the end is of that one.
            let spare_s = if others.any(near) { -half_a_row_s } else { half_a_row_s };
            if last_s > to_s + spare_s {
                let (index, rows, length_s) = (episode.index, times_s.len(), to_s - from_s);
                let last_s = last_s - from_s;
                let reason = format!(
                    "episode {index} has {rows} rows, the last at {last_s:.3} s, but its video ends \
                     after {length_s:.3} s"
                );
                return Err(fault("to_timestamp", reason).into());
            }
        }
        let path = self.info().video_path.path(self.root(), video.place, &feature.key);
        let wanted = Wanted { times_s: &times_s, tolerance_s: half_a_row_s, width, height };
        self.videos().frames(&path, &wanted, each)
    }
}
