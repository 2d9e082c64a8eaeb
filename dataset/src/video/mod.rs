//! Frames of video files, decoded by ffmpeg's programs as children, so that whatever they can
//! decode (AV1, H.264, HEVC, ...) can be read and a decoder that hangs or dies takes nothing along.
//!
//! A frame is chosen by the file's own timestamps: the one nearest to the row's time, which must
//! be nearer than half the distance between rows. (lerobot demands 0.1 ms, which files whose
//! clock counts in milliseconds fail; half a row is what tells frames apart.) Decoding begins one
//! group of pictures early, since frames just after a key frame may lean on the group before it,
//! and what comes out is cut by the same timestamps. It must be as many frames as were chosen: a
//! decoder leaves out what it cannot show, and the frames after it must not take its place.

mod process;

use crate::error::{DatasetError, IoContext};
use crate::json::{LFS_POINTER, LFS_REASON};
use process::{Ended, run};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The programs that decode videos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoTools {
    /// Decodes.
    pub ffmpeg: PathBuf,
    /// Lists the times of frames.
    pub ffprobe: PathBuf,
    /// A program that gives nothing for so long is taken for hung and ended.
    pub patience: Duration,
}

impl Default for VideoTools {
    /// `ffmpeg` and `ffprobe` on the path; half a minute.
    fn default() -> Self {
        let patience = Duration::from_secs(30);
        Self { ffmpeg: "ffmpeg".into(), ffprobe: "ffprobe".into(), patience }
    }
}

/// What is wanted of a file.
pub(crate) struct Wanted<'a> {
    /// Times in the file, increasing \[s\].
    pub times_s: &'a [f64],
    /// How far from its time a frame may be \[s\].
    pub tolerance_s: f64,
    pub width: u32,
    pub height: u32,
}

/// The video files of a dataset; what is known of them is shared by its copies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Videos {
    tools: VideoTools,
    known: Arc<Mutex<HashMap<PathBuf, Arc<Timeline>>>>,
}

/// What a file says of its pictures.
#[derive(Debug, Default, PartialEq)]
struct Timeline {
    width: u32,
    height: u32,
    /// When each frame is shown, sorted \[s\].
    times_s: Vec<f64>,
    /// Those of them at which decoding can begin, sorted \[s\].
    keys_s: Vec<f64>,
}

impl Videos {
    pub fn new(tools: VideoTools) -> Self {
        Self { tools, known: Arc::default() }
    }

    /// Hands the frame of each wanted time to `each`, with the number of the time.
    pub fn frames<E: From<DatasetError>>(
        &self,
        path: &Path,
        wanted: &Wanted,
        each: &mut impl FnMut(usize, Arc<[u8]>) -> Result<(), E>,
    ) -> Result<(), E> {
        let fault = |reason: String| DatasetError::Video { path: path.to_owned(), reason };
        let timeline = self.timeline(path)?;
        let (width, height) = (timeline.width, timeline.height);
        if (width, height) != (wanted.width, wanted.height) {
            return Err(fault(format!(
                "its pictures have {width}x{height} pixels, but info.json says {}x{}",
                wanted.width, wanted.height
            ))
            .into());
        }
        let chosen = timeline.choose(wanted).map_err(fault)?;
        let (Some(&first), Some(&last)) = (chosen.first(), chosen.last()) else { return Ok(()) };
        let count = last - first + 1;
        let frame_bytes = width as usize * height as usize * 3;
        let arguments = decoding(path, &timeline.span(first, last));
        let (mut bytes, mut decoded, mut row) = (Vec::new(), 0, 0);
        let ended = run(&self.tools.ffmpeg, &arguments, self.tools.patience, |more| {
            bytes.extend_from_slice(more);
            let mut whole = bytes.chunks_exact(frame_bytes);
            for frame in whole.by_ref() {
                let rows = chosen[row..].iter().take_while(|&&at| at == first + decoded).count();
                let shared: Option<Arc<[u8]>> = (rows > 0).then(|| Arc::from(frame));
                for picture in std::iter::repeat_n(shared.iter(), rows).flatten() {
                    each(row, Arc::clone(picture))?;
                    row += 1;
                }
                decoded += 1;
            }
            bytes = whole.remainder().to_vec();
            Ok::<_, E>(())
        })?;
        let ended = ended.map_err(|e| e.into_dataset(&self.tools.ffmpeg, path))?;
        if decoded != count {
            let words = ended.words("ffmpeg");
            return Err(fault(format!("ffmpeg gave {decoded} of {count} frames{words}")).into());
        }
        Ok(())
    }

    fn timeline(&self, path: &Path) -> Result<Arc<Timeline>, DatasetError> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(timeline) = known().get(path) {
            return Ok(Arc::clone(timeline));
        }
        let fault = |reason: String| DatasetError::Video { path: path.to_owned(), reason };
        let mut head = Vec::new();
        let file = File::open(path).at("read", path)?;
        file.take(LFS_POINTER.len() as u64).read_to_end(&mut head).at("read", path)?;
        match &head[..] {
            [] => return Err(fault("the file is empty".to_owned())),
            head if head == LFS_POINTER.as_bytes() => return Err(fault(LFS_REASON.to_owned())),
            _ => {}
        }
        let mut listing = Vec::new();
        let ended = run(&self.tools.ffprobe, &listing_of(path), self.tools.patience, |more| {
            listing.extend_from_slice(more);
            Ok::<_, DatasetError>(())
        })?;
        let ended = ended.map_err(|e| e.into_dataset(&self.tools.ffprobe, path))?;
        let timeline =
            Timeline::parse(&String::from_utf8_lossy(&listing), &ended).map_err(fault)?;
        let timeline = Arc::new(timeline);
        known().insert(path.to_owned(), Arc::clone(&timeline));
        Ok(timeline)
    }
}

impl Timeline {
    /// Reads what ffprobe lists.
    fn parse(listing: &str, ended: &Ended) -> Result<Self, String> {
        let mut timeline = Self::default();
        for line in listing.lines() {
            let mut fields = line.split('|');
            let section = fields.next().unwrap_or_default();
            let fields: HashMap<&str, &str> =
                fields.filter_map(|field| field.split_once('=')).collect();
            let side = |name: &str| fields.get(name).and_then(|side| side.parse().ok());
            match section {
                // Frames that are marked so are decoded and not shown.
                "packet" if fields.get("flags").is_some_and(|flags| flags.contains('D')) => {}
                "packet" => match fields.get("pts_time").and_then(|time| time.parse().ok()) {
                    Some(time_s) => {
                        timeline.times_s.push(time_s);
                        if fields.get("flags").is_some_and(|flags| flags.contains('K')) {
                            timeline.keys_s.push(time_s);
                        }
                    }
                    None => return Err("its frames have no times".to_owned()),
                },
                "stream" => {
                    (timeline.width, timeline.height) =
                        side("width").zip(side("height")).unwrap_or_default();
                }
                _ => {}
            }
        }
        if timeline.times_s.is_empty() || timeline.width == 0 || timeline.height == 0 {
            return Err(format!("it holds no video that can be read{}", ended.words("ffprobe")));
        }
        timeline.times_s.sort_by(f64::total_cmp);
        timeline.keys_s.sort_by(f64::total_cmp);
        Ok(timeline)
    }

    /// The frame of each time.
    fn choose(&self, wanted: &Wanted) -> Result<Vec<usize>, String> {
        let near = |(row, &time_s): (usize, &f64)| {
            let after = self.times_s.partition_point(|&t| t < time_s);
            let around = [after.checked_sub(1), (after < self.times_s.len()).then_some(after)];
            let distance = |&at: &usize| (self.times_s[at] - time_s).abs();
            let nearest =
                around.into_iter().flatten().min_by(|a, b| distance(a).total_cmp(&distance(b)));
            match nearest {
                Some(at) if distance(&at) < wanted.tolerance_s => Ok(at),
                _ => Err(format!(
                    "row {row} of the episode is at {time_s:.4} s of the file, which has {} frames \
                     from {:.4} s to {:.4} s and none there",
                    self.times_s.len(),
                    self.times_s.first().copied().unwrap_or_default(),
                    self.times_s.last().copied().unwrap_or_default(),
                )),
            }
        };
        wanted.times_s.iter().enumerate().map(near).collect()
    }

    /// What is to be decoded for the frames `first` to `last`.
    fn span(&self, first: usize, last: usize) -> Span {
        let between = |before: usize| -> Option<f64> {
            Some((self.times_s.get(before)? + self.times_s.get(before + 1)?) / 2.0)
        };
        let keys = self.keys_s.partition_point(|&key| key <= self.times_s[first]);
        // To the first key frame of all leads no seeking: it is where the file begins.
        let early = keys.checked_sub(2).filter(|&key| key > 0);
        Span {
            seek_s: early.map(|key| self.keys_s[key]),
            begin_s: first.checked_sub(1).and_then(between),
            end_s: between(last),
        }
    }
}

/// A part of a file, by the file's clock; what is not given is the file's own end.
#[derive(Debug, PartialEq)]
struct Span {
    /// Where decoding begins \[s\].
    seek_s: Option<f64>,
    /// Between the last frame that is not wanted and the first one that is \[s\].
    begin_s: Option<f64>,
    /// Between the last frame that is wanted and the one after it \[s\].
    end_s: Option<f64>,
}

/// A path that ffmpeg takes for nothing else, whatever is in it.
fn as_file(path: &Path) -> OsString {
    let mut file = OsString::from("file:");
    file.push(path);
    file
}

fn listing_of(path: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = [
        "-v",
        "error",
        "-select_streams",
        "v:0",
        "-show_entries",
        "stream=width,height:packet=pts_time,flags",
        "-of",
        "compact",
    ]
    .map(OsString::from)
    .into();
    arguments.push(as_file(path));
    arguments
}

/// With -xerror, as what ffmpeg conceals of a damaged file is a picture that never was.
fn decoding(path: &Path, span: &Span) -> Vec<OsString> {
    let mut arguments: Vec<OsString> =
        ["-nostdin", "-v", "error", "-xerror", "-noautorotate"].map(OsString::from).into();
    if let Some(seek_s) = span.seek_s {
        // Times as the file counts them, which need not begin at 0.
        let seek = ["-noaccurate_seek", "-seek_timestamp", "1", "-ss"].map(OsString::from);
        arguments.extend(seek.into_iter().chain([format!("{seek_s:.6}").into()]));
    }
    arguments.extend(["-copyts".into(), "-i".into(), as_file(path)]);
    arguments.extend(["-map", "0:v:0"].map(OsString::from));
    let ends = [("start", span.begin_s), ("end", span.end_s)];
    let ends: Vec<String> =
        ends.into_iter().filter_map(|(name, at_s)| Some(format!("{name}={:.6}", at_s?))).collect();
    if !ends.is_empty() {
        arguments
            .extend(["-vf".to_owned(), format!("trim={}", ends.join(":"))].map(OsString::from));
    }
    let output = ["-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1"];
    arguments.extend(output.map(OsString::from));
    arguments
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn timeline(times_s: &[f64]) -> Timeline {
        Timeline { width: 4, height: 2, times_s: times_s.to_vec(), keys_s: vec![] }
    }

    fn choose(times_s: &[f64], wanted: &[f64]) -> Result<Vec<usize>, String> {
        let wanted = Wanted { times_s: wanted, tolerance_s: 0.05, width: 4, height: 2 };
        timeline(times_s).choose(&wanted)
    }

    #[test]
    fn the_nearest_frame_is_chosen_and_one_that_is_too_far_is_named() {
        let times = [0.0, 0.1, 0.2, 0.3];
        assert_eq!(choose(&times, &[0.0999, 0.2001]).unwrap(), [1, 2]);
        // Milliseconds, as some containers count.
        assert_eq!(choose(&[0.0, 0.033, 0.067], &[0.0333, 0.0667]).unwrap(), [1, 2]);
        for late in [0.36, 0.4, -0.1] {
            let error = choose(&times, &[0.1, late]).unwrap_err();
            assert!(error.contains("row 1") && error.contains("4 frames"), "{error}");
        }
    }

    #[test]
    fn the_listing_is_read_in_any_order_of_frames() {
        let listing = "packet|pts_time=0.200000|flags=K_\npacket|pts_time=0.100000|flags=_D\n\
                       packet|pts_time=0.000000|flags=K_\nstream|width=4|height=2\n";
        let read = Timeline::parse(listing, &Ended::default()).unwrap();
        assert_eq!(read, Timeline { keys_s: vec![0.0, 0.2], ..timeline(&[0.0, 0.2]) });
        let none = Timeline::parse("stream|width=4|height=2", &Ended::default()).unwrap_err();
        assert!(none.contains("no video"), "{none}");
        let no_time = "packet|pts_time=N/A|flags=K_\nstream|width=4|height=2\n";
        assert!(Timeline::parse(no_time, &Ended::default()).unwrap_err().contains("no times"));
    }

    #[test]
    fn decoding_begins_a_key_frame_early_and_is_cut_between_frames() {
        let times: Vec<f64> = (0..12).map(f64::from).collect();
        let film = Timeline { keys_s: vec![0.0, 3.0, 6.0, 9.0], ..timeline(&times) };
        let span = |seek_s, begin_s, end_s| Span { seek_s, begin_s, end_s };
        assert_eq!(film.span(9, 10), span(Some(6.0), Some(8.5), Some(10.5)));
        assert_eq!(film.span(8, 11), span(Some(3.0), Some(7.5), None));
        assert_eq!(film.span(5, 5), span(None, Some(4.5), Some(5.5)));
        assert_eq!(film.span(0, 11), span(None, None, None));
    }
}
