//! `jaco policy` and `jaco bench`, as whoever has a checkpoint uses them: what they print, and
//! how they refuse what cannot be used.

#![allow(clippy::unwrap_used)]

use jaco_tests::built;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const TASK: &str = "put the blue cube on the green plate";

fn jaco(arguments: &[&str]) -> Output {
    Command::new(built("jaco").unwrap()).args(arguments).output().unwrap()
}

fn json(arguments: &[&str]) -> Value {
    let output = jaco(&[&["--json"], arguments].concat());
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "jaco {arguments:?}: {words}");
    serde_json::from_slice(&output.stdout).expect("one JSON object on stdout")
}

/// What it says when it refuses.
fn refusal(arguments: &[&str]) -> String {
    let output = jaco(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "jaco {arguments:?}: {said}");
    assert!(output.stdout.is_empty());
    assert!(said.len() < 2000, "too long to be read: {said}");
    said
}

fn shipped() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../model/mini").to_owned()
}

fn table() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/images/table.png").to_owned()
}

/// A folder with a synthetic checkpoint in shards, to be spoilt.
struct Synthetic {
    _root: TempDir,
    dir: PathBuf,
}

impl Synthetic {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("synthetic");
        let written = json(&[
            "policy",
            "synth",
            "--like",
            "mini",
            "--dtype",
            "f32",
            "--max-shard-gb",
            "0.003",
            "--out",
            dir.to_str().unwrap(),
        ]);
        assert!(written["weight_bytes"].as_u64().unwrap() > 7_000_000);
        Self { _root: root, dir }
    }

    fn name(&self) -> &str {
        self.dir.to_str().unwrap()
    }

    fn shards(&self) -> Vec<PathBuf> {
        let mut shards: Vec<PathBuf> = fs::read_dir(&self.dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "safetensors"))
            .collect();
        shards.sort();
        shards
    }

    fn ask(&self) -> String {
        refusal(&["policy", "ask", self.name(), "--image", &table(), "--instruction", TASK])
    }

    fn rewrite(&self, name: &str, edit: impl Fn(&str) -> String) {
        let path = self.dir.join(name);
        let text = fs::read_to_string(&path).unwrap();
        let edited = edit(&text);
        assert_ne!(edited, text, "nothing was edited");
        fs::write(path, edited).unwrap();
    }
}

#[test]
fn a_checkpoint_is_shown() {
    let synthetic = Synthetic::new();
    assert!(synthetic.shards().len() > 1);
    for (dir, statistics) in
        [(shipped(), "place-block"), (synthetic.name().to_owned(), "synthetic")]
    {
        let words = jaco(&["policy", "inspect", &dir]);
        assert!(words.status.success());
        let words = String::from_utf8(words.stdout).unwrap();
        for wanted in ["DINOv2-like", "3 layers", "parameters", "tokenizer", statistics] {
            assert!(words.contains(wanted), "{wanted} is missing in: {words}");
        }
        assert!(json(&["policy", "inspect", &dir])["model"].is_object());
    }
}

#[test]
fn the_shipped_policy_answers_about_a_picture() {
    let table = table();
    let ask = ["policy", "ask", &shipped(), "--image", &table, "--instruction", TASK];
    let answer = json(&[&ask[..], &["--horizon", "3"]].concat());
    let actions = answer["streams"][0]["actions"].as_array().unwrap();
    assert_eq!(actions.len(), 3);
    for action in actions {
        let opening = action["gripper"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&opening), "{action}");
        assert!(action["entropy"].as_f64().unwrap() >= 0.0);
    }
    let beams = json(&[&ask[..], &["--horizon", "2", "--decode", "beam:4"]].concat());
    let scores: Vec<f64> = beams["streams"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stream| stream["score"].as_f64().unwrap())
        .collect();
    assert_eq!(scores.len(), 4);
    assert!(scores.windows(2).all(|pair| pair[0] >= pair[1]), "{scores:?}");
    let drawn = ["--decode", "top-k:5", "--samples", "3", "--seed", "7", "--expectation"];
    assert_eq!(json(&[&ask[..], &drawn].concat())["streams"].as_array().unwrap().len(), 3);
}

#[test]
fn a_policy_is_measured() {
    let report = json(&["bench", "policy", "--horizon", "2", "--runs", "3", "--warm-up", "1"]);
    assert_eq!((&report["horizon"], &report["runs"]), (&Value::from(2), &Value::from(3)));
    assert_eq!(report["tokens"].as_array().unwrap().len(), 14);
    for part in ["vision", "prefill", "per_pass", "per_unit", "inference"] {
        assert!(report["median_ms"][part].as_f64().unwrap() > 0.0, "{part}");
    }
    assert!(report["bytes_per_pass"].as_u64().unwrap() > 2_000_000);
    let random = json(&["bench", "policy", "--synth", "mini", "--runs", "1", "--decode", "beam:3"]);
    assert_eq!(random["streams"], 3);
}

#[test]
fn pictures_and_instructions_that_cannot_be_used_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dot = folder.path().join("dot.png");
    write_png(&dot, 1, 1);
    let (dot, table, shipped) = (dot.to_str().unwrap(), table(), shipped());
    let long = "put the blue cube on the plate ".repeat(400);
    let text = folder.path().join("words.png");
    fs::write(&text, "no picture").unwrap();
    for (image, instruction, wanted) in [
        (dot, TASK, "1x1"),
        (table.as_str(), "", "is empty"),
        (&table, "  ", "is empty"),
        (&table, &long, "1000"),
        (&table, "open the pod bay doors", "does not know"),
        (text.to_str().unwrap(), TASK, "no PNG picture"),
        ("/nowhere.png", TASK, "/nowhere.png"),
    ] {
        let said =
            refusal(&["policy", "ask", &shipped, "--image", image, "--instruction", instruction]);
        assert!(said.contains(wanted), "{said}");
    }
}

#[test]
fn a_truncated_shard_is_named() {
    let synthetic = Synthetic::new();
    let shard = synthetic.shards().remove(1);
    let bytes = fs::read(&shard).unwrap();
    fs::write(&shard, &bytes[..bytes.len() / 2]).unwrap();
    let name = shard.file_name().unwrap().to_str().unwrap();
    for said in [synthetic.ask(), refusal(&["policy", "inspect", synthetic.name()])] {
        assert!(said.contains(name), "{said}");
    }
}

#[test]
fn a_missing_shard_is_named() {
    let synthetic = Synthetic::new();
    let shard = synthetic.shards().remove(1);
    fs::remove_file(&shard).unwrap();
    let said = synthetic.ask();
    assert!(said.contains(shard.file_name().unwrap().to_str().unwrap()), "{said}");
}

#[test]
fn a_wrong_element_type_is_named() {
    let synthetic = Synthetic::new();
    let shard = synthetic.shards().remove(0);
    let bytes = fs::read(&shard).unwrap();
    // The header is JSON; a type of the same width keeps all offsets.
    let end = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = String::from_utf8(bytes[8..end].to_vec()).unwrap().replacen("F32", "I32", 1);
    fs::write(&shard, [&bytes[..8], header.as_bytes(), &bytes[end..]].concat()).unwrap();
    let said = synthetic.ask();
    assert!(said.contains("I32") && said.contains("F32, BF16, F16 or F64"), "{said}");
}

#[test]
fn pickles_are_never_opened() {
    let synthetic = Synthetic::new();
    for shard in synthetic.shards() {
        fs::remove_file(shard).unwrap();
    }
    fs::remove_file(synthetic.dir.join("model.safetensors.index.json")).unwrap();
    fs::write(synthetic.dir.join("pytorch_model.bin"), b"PK\x03\x04").unwrap();
    let said = synthetic.ask();
    assert!(said.contains("pytorch_model.bin") && said.contains("safetensors"), "{said}");
}

#[test]
fn a_config_that_contradicts_the_tensors_is_refused() {
    let synthetic = Synthetic::new();
    synthetic.rewrite("config.json", |text| {
        let mut config: Value = serde_json::from_str(text).unwrap();
        config["text_config"]["intermediate_size"] = Value::from(300);
        config.to_string()
    });
    let said = synthetic.ask();
    assert!(said.contains("[300, 128]") && said.contains("[352, 128]"), "{said}");
}

#[test]
fn statistics_that_are_missing_or_ambiguous_list_what_there_is() {
    let synthetic = Synthetic::new();
    synthetic.rewrite("dataset_statistics.json", |text| {
        let one: Value = serde_json::from_str(text).unwrap();
        serde_json::json!({"left": one["synthetic"], "right": one["synthetic"]}).to_string()
    });
    let said = synthetic.ask();
    assert!(said.contains("left, right"), "{said}");
    let table = table();
    let ask = ["policy", "ask", synthetic.name(), "--image", &table, "--instruction", TASK];
    let said = refusal(&[&ask[..], &["--statistics", "middle"]].concat());
    assert!(said.contains("middle") && said.contains("left, right"), "{said}");
    assert!(jaco(&[&ask[..], &["--statistics", "left"]].concat()).status.success());
}

#[test]
fn a_file_is_no_checkpoint_folder() {
    let said = refusal(&["policy", "inspect", &format!("{}/model.safetensors", shipped())]);
    assert!(said.contains("name the folder"), "{said}");
}

#[test]
fn what_exists_is_never_overwritten() {
    let synthetic = Synthetic::new();
    let said = refusal(&["policy", "synth", "--like", "mini", "--out", synthetic.name()]);
    assert!(said.contains("never overwritten"), "{said}");
}

#[test]
fn random_weights_have_any_geometry() {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../model/tests/fixtures/odd-openvla");
    let report = json(&["bench", "policy", "--synth", config, "--runs", "1", "--horizon", "2"]);
    assert_eq!(report["prefix_tokens"], 9 + 29);
    let said = refusal(&["bench", "policy", "--synth", "openvla-8b"]);
    assert!(said.contains("openvla-7b, mini"), "{said}");
}

/// A grey picture.
fn write_png(path: &Path, width: u32, height: u32) {
    let mut encoder = png::Encoder::new(fs::File::create(path).unwrap(), width, height);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&vec![128; (width * height) as usize]).unwrap();
}
