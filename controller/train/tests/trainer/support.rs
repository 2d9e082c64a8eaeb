//! A folder with small datasets and a tiny model, and the program started in it.

use jaco_dataset::{DatasetWriter, EpisodeNotes, FeatureKind, Features, Row, Value};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde_json::Value as Json;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const NAMES: [&str; 7] = ["dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"];
pub const TASK: &str = "put the blue cube on the green plate";
/// Steps that no test waits for.
pub const ENDLESS: &str = "1000000";

/// Two episodes of twelve rows at `rate_hz`, whose gripper's numbers are `closed` and `open`.
pub fn dataset(root: &Path, rate_hz: u32, camera: &str, [closed, open]: [f32; 2]) {
    let features = Features::new([
        (format!("observation.images.{camera}"), FeatureKind::Image { height: 8, width: 8 }),
        ("action".to_owned(), FeatureKind::float32(NAMES)),
    ]);
    let mut writer = DatasetWriter::create(root, rate_hz, "test", features.unwrap()).unwrap();
    for _ in 0..2 {
        writer.begin(TASK, &EpisodeNotes::new()).unwrap();
        for step in 0..12 {
            let gripper = if step < 6 { open } else { closed };
            let action = vec![0.002, -0.001, 0.0, 0.0, 0.0, 0.01 * step as f32, gripper];
            let row = Row::new()
                .with(format!("observation.images.{camera}"), Value::Image(vec![step; 192].into()))
                .with("action", Value::F32(action));
            writer.push(row).unwrap();
        }
        writer.keep(&EpisodeNotes::new()).unwrap();
    }
}

pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With the dataset `demos`, a model that trains in milliseconds, and a recipe for both.
    pub fn with_tiny_model() -> Self {
        let place = Self::new();
        dataset(&place.path("demos"), 10, "front", [0.0, 1.0]);
        write_model(&place.path("model"));
        place.write(
            "recipe.toml",
            "batch_size = 4\nhorizon = 2\nthreads = 1\nreport_every = 1\nvalidate_every = 10\n\
             save_every = 10\nvalidation_fraction = 0.5\n[[dataset]]\npath = \"demos\"\n",
        );
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// `jaco-train --json ARGUMENTS`, in this folder, with the daemon of this folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_jaco-train"));
        program.current_dir(self.0.path()).env("JACO_SOCKET", "daemon.sock");
        program.arg("--json").args(arguments);
        program
    }

    /// `jaco-train --json train lbc ARGUMENTS`.
    pub fn train(&self, arguments: &[&str]) -> Output {
        self.command(&[&["train", "lbc"], arguments].concat()).output().unwrap()
    }

    /// Trains the tiny model in `out`, with `arguments`.
    pub fn train_tiny(&self, arguments: &[&str]) -> Output {
        self.tiny(arguments).output().unwrap()
    }

    /// Begins to train the tiny model in `out`, with `arguments`; what it says can be read.
    pub fn begin_tiny(&self, arguments: &[&str]) -> Training {
        Training::begin(self.tiny(arguments))
    }

    pub fn tiny(&self, arguments: &[&str]) -> Command {
        let fixed = ["train", "lbc", "--recipe", "recipe.toml", "--out", "out"];
        let start: &[&str] = match arguments.contains(&"--resume") {
            true => &[],
            false => &["--init", "model"],
        };
        self.command(&[&fixed, start, arguments].concat())
    }

    /// Trains the tiny model in `out` in the background; its process.
    pub fn detach_tiny(&self, arguments: &[&str]) -> Pid {
        let begun = json(&self.train_tiny(&[&["--detach"], arguments].concat()));
        Pid::from_raw(begun["pid"].as_i64().unwrap() as i32).unwrap()
    }

    /// What `jaco train VERB` says of the training in `out`, and its exit code.
    pub fn ask(&self, verb: &str) -> (Json, i32) {
        let output = self.command(&["train", verb, "--out", "out"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let seen = serde_json::from_slice(&output.stdout);
        (seen.unwrap_or_else(|_| panic!("{said}")), output.status.code().unwrap())
    }

    /// Looks at the training in `out` now and then until it `is` so.
    pub fn until(&self, is: impl Fn(&Json) -> bool) -> Json {
        loop {
            let (seen, _) = self.ask("status");
            if is(&seen) {
                return seen;
            }
            assert!(!seen["dead"].as_bool().unwrap() && seen["state"] != "failed", "{seen}");
            // One in the background has the lowest priority.
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// What is said when the arguments are refused with exit code 2.
    pub fn refusal(&self, arguments: &[&str]) -> String {
        let output = self.train(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(output.stdout.is_empty());
        // Debug forms of values, and the words of a parser.
        for form in ["Some(", "None", "Err(", "unknown field", "expected `", " { "] {
            assert!(!said.contains(form), "{form}: {said}");
        }
        said
    }
}

/// A training under way in the foreground. Killed when dropped.
pub struct Training {
    child: Child,
    said: BufReader<ChildStderr>,
    heard: String,
}

impl Training {
    pub fn begin(mut command: Command) -> Self {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let said = BufReader::new(child.stderr.take().unwrap());
        Self { child, said, heard: String::new() }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it says a line with `words`.
    pub fn hear(&mut self, words: &str) {
        loop {
            let mut line = String::new();
            let length = self.said.read_line(&mut line).unwrap();
            assert!(length > 0, "it never said \"{words}\":\n{}", self.heard);
            self.heard += &line;
            if line.contains(words) {
                return;
            }
        }
    }

    /// Waits for a line, or for its end.
    pub fn hear_any(&mut self) {
        self.said.read_line(&mut self.heard).unwrap();
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// How it ended, with the rest of what it said.
    pub fn end(mut self) -> (Output, String) {
        while self.said.read_line(&mut self.heard).unwrap() > 0 {}
        let mut stdout = Vec::new();
        std::io::Read::read_to_end(&mut self.child.stdout.take().unwrap(), &mut stdout).unwrap();
        let status = self.child.wait().unwrap();
        (Output { status, stdout, stderr: Vec::new() }, std::mem::take(&mut self.heard))
    }
}

impl Drop for Training {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One in the background, which no failing test leaves behind.
pub struct Background(pub Pid);

impl Background {
    /// Waits until it has ended.
    pub fn wait(&self) {
        if let Ok(handle) = pidfd_open(self.0, PidfdFlags::empty()) {
            poll(&mut [PollFd::new(&handle, PollFlags::IN)], None).unwrap();
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.0, signal).unwrap();
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
    }
}

pub fn json(output: &Output) -> Json {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The mini policy's files with sizes cut down.
fn write_model(dir: &Path) {
    let mini = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../model/mini");
    fs::create_dir(dir).unwrap();
    fs::copy(mini.join("tokenizer.json"), dir.join("tokenizer.json")).unwrap();
    let text = fs::read_to_string(mini.join("config.json")).unwrap();
    let mut config: Json = serde_json::from_str(&text).unwrap();
    config["image_sizes"] = serde_json::json!([32, 32]);
    let sizes = [("hidden_size", 32), ("intermediate_size", 48), ("num_hidden_layers", 2)];
    for (key, value) in sizes {
        config["text_config"][key] = value.into();
    }
    for tower in ["featurizer", "fused_featurizer"] {
        for (key, value) in [("embed_dim", 16), ("depth", 2), ("num_heads", 2), ("mlp_hidden", 32)]
        {
            config["vision"][tower][key] = value.into();
        }
    }
    fs::write(dir.join("config.json"), config.to_string()).unwrap();
}
