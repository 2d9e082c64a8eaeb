//! A disk that is too small, and one that fills up while a training goes on: its folder `out` is a small
//! file system of its own.

use crate::support::{Place, Training, json};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Mounts, runs what it is given, and keeps what is there for those outside. Exits as that did.
const SCRIPT: &str = "mkdir out && mount -t tmpfs -o size=\"$SIZE\" full out && \"$@\"; \
                      code=$?; cp -a --sparse=always out kept; exit $code";

/// `command` where `out` is a disk of `size`; it is in `kept` afterwards.
fn on_a_disk_of(size: &str, command: &Command, place: &Place) -> Command {
    let mut inside = Command::new("unshare");
    inside.args(["--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh"]);
    inside.arg(command.get_program()).args(command.get_args());
    inside.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    inside.env("SIZE", size).current_dir(place.path(""));
    inside
}

/// The folder `out` as the training sees it.
fn inside(training: &Training, place: &Place) -> PathBuf {
    let out = place.path("out").canonicalize().unwrap();
    let root = PathBuf::from(format!("/proc/{}/root", training.id()));
    root.join(out.strip_prefix("/").unwrap())
}

/// The training itself, which the shell inside waits for.
fn itself(training: &Training) -> Pid {
    let shell = training.id();
    let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
    Pid::from_raw(children.trim().parse().unwrap()).unwrap()
}

/// Fills the disk of the folder `out` but for `free_bytes`.
fn fill(out: &Path, free_bytes: usize) {
    let mut filler = File::create(out.join("filler")).unwrap();
    let mut bytes: u64 = 0;
    // Smaller and smaller pieces, until not a byte more goes in.
    let mut piece = vec![0; 1 << 20];
    while !piece.is_empty() {
        match filler.write(&piece) {
            Ok(written) => bytes += written as u64,
            Err(_) => piece.truncate(piece.len() / 2),
        }
    }
    filler.set_len(bytes - free_bytes as u64).unwrap();
}

/// On a disk that is full to the last byte a line of metrics or the next save fails; with a little room
/// the next save is not begun. Either way the machine is to blame, and what was saved goes on.
#[test]
fn a_disk_that_fills_up_ends_a_training_which_goes_on_elsewhere() {
    let (full, filled) = ("No space left on device", "has filled up: the next");
    for (free_bytes, words) in [(0, &[full, filled][..]), (1 << 20, &[filled])] {
        let place = Place::with_tiny_model();
        let command = place.tiny(&["--steps", "40"]);
        let mut training = Training::begin(on_a_disk_of("160m", &command, &place));
        training.hear("saved");
        // It stands still meanwhile, between two saves.
        kill_process(itself(&training), Signal::STOP).unwrap();
        fill(&inside(&training, &place), free_bytes);
        kill_process(itself(&training), Signal::CONT).unwrap();
        let (output, said) = training.end();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(words.iter().any(|words| said.contains(words)), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        // What the disk held is given more room; --resume goes on from its last state.
        fs::remove_dir(place.path("out")).unwrap();
        fs::rename(place.path("kept"), place.path("out")).unwrap();
        fs::remove_file(place.path("out/filler")).unwrap();
        let (seen, _) = place.ask("status");
        assert!(seen["saved_step"].as_u64().unwrap() >= 10, "{seen}");
        assert_eq!(json(&place.train_tiny(&["--steps", "40", "--resume"]))["step"], 40);
        // The checkpoint is a policy.
        let again = ["train", "lbc", "--recipe", "recipe.toml", "--init", "out", "--out", "next"];
        json(&place.command(&[&again[..], &["--steps", "1"]].concat()).output().unwrap());
    }
}

/// Alignment keeps its reference in the training state and one more checkpoint.
#[test]
fn a_disk_too_small_for_all_that_a_run_keeps_is_refused_before_its_data_are_read() {
    let place = Place::with_tiny_model();
    json(&place.train_tiny(&["--steps", "1"]));
    fs::rename(place.path("out"), place.path("base")).unwrap();
    let needed = |stage: &str, keep_last: usize| -> u64 {
        let recipe = format!(
            "keep_last = {keep_last}\nhorizon = 2\nthreads = 1\nema_decay = 0.0\n\
             augmentation = \"none\"\nsteps = 100\nsave_every = 10\nvalidation_fraction = 0.5\n"
        );
        place.write("keeps.toml", &recipe);
        let given =
            ["--recipe", "keeps.toml", "--init", "base", "--dataset", "demos", "--out", "out"];
        let command = place.command(&[&["train", stage], &given[..]].concat());
        let output = on_a_disk_of("8m", &command, &place).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        let files = fs::read_dir(place.path("kept")).unwrap().count();
        assert_eq!(files, 0, "nothing was written");
        fs::remove_dir(place.path("kept")).unwrap();
        fs::remove_dir(place.path("out")).unwrap();
        let (_, rest) = said.split_once("need ").unwrap_or_else(|| panic!("{said}"));
        rest.split(' ').next().unwrap().parse().unwrap()
    };
    let bytes = |name: &str| fs::metadata(place.path(name)).unwrap().len();
    let checkpoint_mb = bytes("base/model.safetensors") / 1_000_000;
    let (lbc, saa) = (needed("lbc", 1), needed("saa", 1));
    // The reference is in both of the states that are there at once.
    let wanted = lbc + 3 * checkpoint_mb;
    assert!((wanted..=wanted + 4).contains(&saa), "{lbc} {saa}, a checkpoint is {checkpoint_mb}");
    let wanted = saa + 3 * checkpoint_mb;
    let more = needed("saa", 4);
    assert!((wanted..=wanted + 4).contains(&more), "{saa} {more}");
}
