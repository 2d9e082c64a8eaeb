//! Pictures of the tables made videos, one file an episode and camera: frames at exactly
//! `i / fps`, as lerobot demands, and a key frame at every second one, so that training reads any
//! frame quickly. ffmpeg encodes, as a child.

use crate::error::{DatasetError, IoContext};
use crate::feature::FeatureKind;
use crate::json::shortened;
use crate::listing::EpisodeInfo;
use crate::reader::Dataset;
use crate::tree::Tree;
use serde_json::json;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How videos are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Quick to write and to read.
    H264,
    /// Smaller and slower: lerobot's own choice.
    Av1,
}

/// What videos are made, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoPlan {
    /// The program that encodes.
    pub ffmpeg: PathBuf,
    /// How.
    pub codec: Codec,
}

impl Codec {
    fn name(self) -> &'static str {
        match self {
            Codec::H264 => "h264",
            Codec::Av1 => "av1",
        }
    }

    fn arguments(self) -> &'static [&'static str] {
        match self {
            Codec::H264 => &["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-bf", "0"],
            Codec::Av1 => &["-c:v", "libsvtav1", "-preset", "10", "-crf", "30"],
        }
    }
}

impl VideoPlan {
    /// The cameras whose pictures become videos.
    pub(super) fn cameras<'a>(&self, dataset: &'a Dataset) -> impl Iterator<Item = &'a str> {
        dataset.cameras().into_iter().filter(|camera| !camera.video).map(|camera| camera.key)
    }

    /// Whether the pictures can be videos; otherwise why not.
    pub(super) fn fits(&self, dataset: &Dataset) -> Result<(), String> {
        let mut any = false;
        for camera in dataset.cameras().iter().filter(|camera| !camera.video) {
            any = true;
            if camera.width % 2 == 1 || camera.height % 2 == 1 {
                let (key, w, h) = (camera.key, camera.width, camera.height);
                return Err(format!("\"{key}\" has {w}x{h} pixels: videos need even sides"));
            }
        }
        match (any, dataset.info().whole_fps()) {
            (false, _) => Err("it has no pictures in its tables".to_owned()),
            (true, None) => Err(format!("its rate, {}, is not a whole number", dataset.fps())),
            (true, Some(_)) => Ok(()),
        }
    }

    /// Encodes the pictures of a camera in an episode; the folder of `to` is there.
    pub(super) fn encode(
        &self,
        dataset: &Dataset,
        episode: &EpisodeInfo,
        key: &str,
        to: &Path,
    ) -> Result<(), DatasetError> {
        let size = dataset.features().kind(key).and_then(size_of);
        let (Some((width, height)), Some(fps)) = (size, dataset.info().whole_fps()) else {
            return Ok(());
        };
        let fps_text = fps.to_string();
        // A clock in which each frame's time is a whole number.
        let clock = (fps * 1000).to_string();
        let mut child = Command::new(&self.ffmpeg)
            .args(["-nostdin", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"])
            .args(["-s", &format!("{width}x{height}"), "-r", &fps_text, "-i", "pipe:0"])
            .args(self.codec.arguments())
            .args(["-g", "2", "-pix_fmt", "yuv420p", "-fps_mode", "passthrough"])
            .args(["-video_track_timescale", &clock, "-an", "-f", "mp4"])
            .arg(file_url(to))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| DatasetError::NoVideoProgram {
                program: self.ffmpeg.clone(),
                source,
            })?;
        let complaints = child.stderr.take().map(|mut stderr| {
            std::thread::spawn(move || {
                let mut text = String::new();
                // What cannot be read of a complaint is missing in a message, no more.
                let _ = stderr.read_to_string(&mut text);
                text
            })
        });
        let fed = match child.stdin.take() {
            Some(mut input) => dataset
                .read_pictures(episode.index, key, |_, rgb| input.write_all(&rgb).at("encode", to)),
            None => Ok(()),
        };
        let status = child.wait().at("encode", to)?;
        let said = complaints.and_then(|thread| thread.join().ok()).unwrap_or_default();
        if !status.success() {
            let reason = format!("ffmpeg ended with {status}: {}", shortened(said.trim()));
            return Err(DatasetError::Video { path: to.to_owned(), reason });
        }
        fed?;
        File::open(to).and_then(|file| file.sync_all()).at("write", to)
    }

    /// Makes the entry of a camera in `info.json` that of a video.
    pub(super) fn describe(&self, dataset: &Dataset, key: &str, entry: &mut Tree) {
        let size = dataset.features().kind(key).and_then(size_of);
        let is_stored = self.cameras(dataset).any(|camera| camera == key);
        let (Some((width, height)), Tree::Object(fields)) = (size.filter(|_| is_stored), entry)
        else {
            return;
        };
        for (name, value) in fields.iter_mut() {
            if name == "dtype" {
                *value = json!("video").into();
            }
        }
        fields.retain(|(name, _)| name != "info");
        let info = json!({
            "video.height": height, "video.width": width, "video.codec": self.codec.name(),
            "video.pix_fmt": "yuv420p", "video.is_depth_map": false,
            "video.fps": dataset.info().whole_fps(), "video.channels": 3, "has_audio": false,
        });
        fields.push(("info".to_owned(), info.into()));
    }
}

/// Width and height of a picture \[pixels\].
fn size_of(kind: &FeatureKind) -> Option<(u32, u32)> {
    match kind {
        FeatureKind::Image { height, width } => Some((*width, *height)),
        _ => None,
    }
}

/// A path that ffmpeg takes for nothing else, whatever is in it.
fn file_url(path: &Path) -> std::ffi::OsString {
    let mut file = std::ffi::OsString::from("file:");
    file.push(path);
    file
}
