//! A camera on the real device path, which misbehaves as it is told: the stand-in of jaco-camera's
//! own tests behind the calls of a whole program.

use anyhow::{Context, ensure};
use jaco_config::{Camera, CameraFormat, Config, Controls, Source, VideoDevice};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

const SOURCE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../controller/camera/tests/fakecam/fakecam.c");
/// Its name in the daemon.
pub const NAME: &str = "wrist";

/// A camera that programs find as `/dev/video0`, with raw pictures alone.
pub struct FakeCamera {
    folder: tempfile::TempDir,
}

impl FakeCamera {
    /// Compiles it. It behaves well at first.
    pub fn new() -> anyhow::Result<Self> {
        let camera = Self { folder: tempfile::tempdir()? };
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(camera.library())
            .args([SOURCE, "-ldl"])
            .output()
            .context("a C compiler is part of the set-up")?;
        let complaint = String::from_utf8_lossy(&compiled.stderr);
        ensure!(compiled.status.success(), "fakecam.c does not compile: {complaint}");
        let node = camera.folder.path().join("before/sys/class/video4linux/video0");
        std::fs::create_dir_all(&node)?;
        std::fs::write(node.join("name"), "Fake camera\n")?;
        std::fs::create_dir_all(node.join("device"))?;
        std::fs::write(node.join("device/serial"), "8A3B1D2F\n")?;
        camera.misbehave("")?;
        Ok(camera)
    }

    /// From now on it does what these words of `fakecam.c` say.
    pub fn misbehave(&self, words: &str) -> anyhow::Result<()> {
        let draft = self.folder.path().join("draft");
        std::fs::write(&draft, words)?;
        Ok(std::fs::rename(draft, self.words())?)
    }

    /// The environment in which a program has it.
    pub fn environment(&self) -> [(&'static str, PathBuf); 3] {
        [
            ("LD_PRELOAD", self.library()),
            ("FAKECAM_FILE", self.words()),
            ("FAKECAM_TREE", self.folder.path().to_owned()),
        ]
    }

    /// What starts a daemon that has it.
    pub fn wrapper(&self) -> Vec<OsString> {
        let set = self.environment().map(|(key, path)| {
            let mut word = OsString::from(key);
            word.push("=");
            word.push(path);
            word
        });
        std::iter::once("env".into()).chain(set).collect()
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("fakecam.so")
    }

    fn words(&self) -> PathBuf {
        self.folder.path().join("words")
    }
}

/// Adds it to the daemon's cameras, as [`NAME`].
pub fn configure(config: &mut Config) {
    config.cameras.push(Camera {
        name: NAME.to_owned(),
        source: Source::V4l { device: VideoDevice::Serial("8A3B1D2F".to_owned()) },
        width: 640,
        height: 480,
        rate_hz: 30,
        format: CameraFormat::Auto,
        controls: Controls::default(),
        stale_after_ms: 500,
        late_after_ms: 250,
        dark_below: 8,
    });
}
