//! Every seed of the fuzzers, and every input that once broke a promise, goes through its door:
//! what the fuzzers have found stays mended, whoever runs the tests. See docs/fuzzing.md.

use std::fs;
use std::path::{Path, PathBuf};

#[path = "../fuzz/doors/adapter.rs"]
mod adapter;
#[path = "../fuzz/doors/checkpoint.rs"]
mod checkpoint;
#[path = "../fuzz/doors/config.rs"]
mod config;
#[path = "../fuzz/doors/dataset.rs"]
mod dataset;
#[path = "../fuzz/doors/http_api.rs"]
mod http_api;
#[path = "../fuzz/doors/parts.rs"]
mod parts;
#[path = "../fuzz/doors/promise.rs"]
mod promise;
#[path = "../fuzz/doors/servo_law.rs"]
mod servo_law;
#[path = "../fuzz/doors/servo_wire.rs"]
mod servo_wire;
#[path = "../fuzz/doors/sim_link.rs"]
mod sim_link;
#[path = "../fuzz/doors/sim_world.rs"]
mod sim_world;
#[path = "../fuzz/doors/statistics.rs"]
mod statistics;
#[path = "../fuzz/doors/tokenizer.rs"]
mod tokenizer;
#[path = "../fuzz/doors/workshop.rs"]
mod workshop;

macro_rules! each_goes_through {
    ($($door:ident,)*) => {
        $(
            #[test]
            fn $door() {
                for (path, input) in inputs(stringify!($door)) {
                    // Shown if the door breaks.
                    println!("{}", path.display());
                    $door::open(&input);
                }
            }
        )*

        /// A target without a test here would rot.
        #[test]
        fn every_target_is_tested() {
            let tested: Vec<_> = vec![$(stringify!($door).to_owned()),*];
            let mut targets: Vec<String> = fs::read_dir(fuzz().join("fuzz_targets"))
                .expect("a folder of targets")
                .map(|entry| entry.expect("a readable folder").path())
                .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
                .collect();
            targets.sort();
            assert_eq!(targets, tested);
        }
    };
}

each_goes_through! {
    adapter,
    checkpoint,
    config,
    dataset,
    http_api,
    servo_law,
    servo_wire,
    sim_link,
    sim_world,
    statistics,
    tokenizer,
}

/// Seeds of a wire that is no longer spoken would all be refused at their first byte.
#[test]
fn the_seeds_of_the_servo_speak_todays_wire() {
    use jaco_servo::message::{decode_command, decode_from_servo};
    for (path, input) in files("seeds", "servo_wire") {
        let read = match input.split_first() {
            Some((0, packet)) => decode_command(packet).map(drop),
            Some((1, packet)) => decode_from_servo(packet).map(drop),
            _ => continue,
        };
        let again = "write them again: cargo run -p jaco-tests --example fuzz_seeds";
        assert_eq!(read, Ok(()), "{}: {again}", path.display());
    }
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The seeds of `target`, then what was found through it.
fn inputs(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let seeds = files("seeds", target);
    assert!(!seeds.is_empty(), "no seed for {target}");
    [seeds, files("findings", target)].concat()
}

/// Path and content of every file of `target` below `kind`; none where there is no folder.
fn files(kind: &str, target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(fuzz().join(kind).join(target)).into_iter().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    let with_content = |path: PathBuf| {
        let content = fs::read(&path).expect("a readable file");
        (path, content)
    };
    paths.into_iter().map(with_content).collect()
}
