//! The misbehaving camera, and a program that watches it through the package's public door.
//!
//! `fakecam.c` is compiled once per test program and loaded into `examples/watch.rs`.

use jaco_core::Slot;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Ends a test whose event never comes. No test asserts that anything is faster.
const NEVER: Duration = Duration::from_secs(120);
const PICTURES: u8 = 30;

/// The dark and the bright stripes of the picture number `index`. A JPEG holds the step from one to
/// the other: where the bytes of an earlier picture follow, its larger steps show.
fn greys(index: u8) -> [u8; 2] {
    [20 + 3 * index, 235 - 4 * index]
}

/// The compiled camera and the folder of its pictures.
fn camera() -> &'static (PathBuf, PathBuf) {
    static CAMERA: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    CAMERA.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fakecam");
        std::fs::create_dir_all(&folder).unwrap();
        // Test programs may run side by side: a file is whole when it gets its name.
        let draft = folder.join(format!("{}.draft", std::process::id()));
        let keep = |name: &str| {
            let path = folder.join(name);
            std::fs::rename(&draft, &path).unwrap();
            path
        };
        for index in 0..PICTURES {
            std::fs::write(&draft, jpeg(640, 480, greys(index))).unwrap();
            keep(&format!("{index:02}.jpg"));
        }
        std::fs::write(&draft, jpeg(480, 640, greys(0))).unwrap();
        keep("odd.jpg");
        std::fs::write(&draft, jpeg(640, 480, [2, 3])).unwrap();
        keep("dark.jpg");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&draft)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fakecam/fakecam.c"))
            .arg("-ldl")
            .output()
            .expect("a C compiler is part of the set-up");
        let tree = folder.join("tree");
        for (when, number) in [("before", 0), ("after", 7)] {
            plug_in(&tree.join(when), number);
        }
        let complaint = String::from_utf8_lossy(&compiled.stderr);
        assert!(compiled.status.success(), "fakecam.c does not compile: {complaint}");
        let library = keep("fakecam.so");
        (library, folder)
    })
}

/// What the kernel lists of the camera: its node, and that of its metadata.
fn plug_in(root: &Path, number: u32) {
    for index in 0..2 {
        let usb = root.join("sys/devices/usb1/1-4");
        let node = root.join(format!("sys/class/video4linux/video{}", number + index));
        std::fs::create_dir_all(&node).unwrap();
        std::fs::create_dir_all(usb.join("1-4:1.0")).unwrap();
        std::fs::write(usb.join("serial"), "8A3B1D2F\n").unwrap();
        std::fs::write(node.join("name"), "Fake camera\n").unwrap();
        std::fs::write(node.join("index"), format!("{index}\n")).unwrap();
        // Another test program may have made it.
        let _ = std::os::unix::fs::symlink(usb.join("1-4:1.0"), node.join("device"));
        let links = root.join("dev/v4l/by-id");
        std::fs::create_dir_all(&links).unwrap();
        let link = links.join(format!("usb-Fake_8A3B1D2F-video-index{index}"));
        let _ = std::os::unix::fs::symlink(format!("../../video{}", number + index), link);
    }
}

fn jpeg(width: usize, height: usize, greys: [u8; 2]) -> Vec<u8> {
    let mut encoder = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_RGB);
    encoder.set_size(width, height);
    encoder.set_fastest_defaults();
    let mut encoder = encoder.start_compress(Vec::new()).unwrap();
    // As wide as the blocks of a JPEG, so that their edges stay sharp.
    let row = (0..width).flat_map(|x| [greys[x / 16 % 2]; 3]).collect::<Vec<_>>();
    encoder.write_scanlines(&row.repeat(height)).unwrap();
    encoder.finish().unwrap()
}

/// The example, which `cargo test` builds along with this test.
fn watch_program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("examples/watch");
    let hint = "is not built: `cargo test -p jaco-camera` without --test builds it";
    assert!(program.exists(), "{} {hint}", program.display());
    program
}

/// A running watch program; it ends with this.
pub struct Watch {
    child: Child,
    /// Its input, whose end makes it end.
    input: Option<ChildStdin>,
    events: Receiver<Value>,
    /// All that it logged so far.
    log: Slot<String>,
    log_reader: Option<JoinHandle<()>>,
}

impl Watch {
    /// Watches `/dev/video0` with these words of `fakecam.c`.
    pub fn start(words: &str) -> Self {
        Self::start_on("/dev/video0", words)
    }

    /// Watches any device.
    pub fn start_on(device: &str, words: &str) -> Self {
        Self::start_as(&[&format!("device = \"{device}\"")], words)
    }

    /// Watches a camera with these lines in its section.
    pub fn start_as(lines: &[&str], words: &str) -> Self {
        let (library, folder) = camera();
        let mut child = Command::new(watch_program())
            .args(lines)
            .env("LD_PRELOAD", library)
            .env("FAKECAM", words)
            .env("FAKECAM_FRAMES", folder)
            .env("FAKECAM_TREE", folder.join("tree"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, events) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines() {
                let line = line.expect("the program writes text");
                let event = serde_json::from_str(&line).expect("the program writes JSON");
                if sender.send(event).is_err() {
                    break;
                }
            }
        });
        let errors = BufReader::new(child.stderr.take().unwrap());
        let log = Slot::default();
        let written: Slot<String> = log.clone();
        let log_reader = std::thread::spawn(move || {
            let mut text = String::new();
            for line in errors.lines() {
                text += &line.expect("the program logs text");
                text.push('\n');
                written.put(text.clone());
            }
        });
        Self { input: child.stdin.take(), child, events, log, log_reader: Some(log_reader) }
    }

    /// Waits until it logged `part`.
    pub fn until_logged(&self, part: &str) {
        let logged = self.log.wait_for(NEVER, |text| text.contains(part));
        assert!(logged.is_some(), "never logged {part:?}");
    }

    /// The next event.
    pub fn next(&self) -> Value {
        self.events.recv_timeout(NEVER).expect("the program goes on to tell events")
    }

    /// All events up to the first of the kind `event`, that one last.
    pub fn until(&self, event: &str) -> Vec<Value> {
        self.until_any(|next| next["event"] == event)
    }

    /// All events up to the first for which `wanted` holds, that one last.
    pub fn until_any(&self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let event = self.next();
            let done = wanted(&event);
            events.push(event);
            if done {
                return events;
            }
        }
    }

    /// Ends the program, and returns what it logged.
    pub fn end(mut self) -> String {
        drop(self.input.take());
        let status = self.child.wait().unwrap();
        self.log_reader.take().unwrap().join().unwrap();
        let log = self.log.get().map(|log| String::clone(&log)).unwrap_or_default();
        assert!(status.success(), "{status}\n{log}");
        log
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // For a test that fails on the way; one that ended has nothing left to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number `key` of an event.
pub fn number(event: &Value, key: &str) -> u64 {
    event[key].as_u64().unwrap_or_else(|| panic!("no number {key} in {event}"))
}

/// The text of an event.
pub fn text(event: &Value) -> &str {
    event["text"].as_str().unwrap_or_else(|| panic!("no text in {event}"))
}

/// Asserts that an event is one of the camera's pictures: not two in one, not half of one.
pub fn assert_whole(event: &Value) {
    assert_eq!(event["event"], "picture", "{event}");
    assert_eq!((number(event, "width"), number(event, "height")), (640, 480));
    let got = [number(event, "low"), number(event, "high")];
    // Greys may be a little off after decoding.
    let is =
        |index: u8| greys(index).iter().zip(got).all(|(&grey, got)| got.abs_diff(grey.into()) <= 4);
    assert!((0..PICTURES).any(is), "no picture of the camera: {event}");
}
