//! The house rules that a compiler does not know: dependencies point down, some packages stay
//! free of heavy libraries, and every source file says what it owns and stays readable.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The floor of every package of the workspace; docs/architecture.md explains them.
const FLOORS: &[(&str, u8)] = &[
    ("jaco-core", 1),
    ("kinova-sys", 1),
    ("jaco-dataset", 2),
    ("jaco-config", 2),
    ("jaco-sim", 2),
    ("jaco-sim-link", 2),
    ("jaco-sim-sdk", 2),
    ("jaco-servo", 3),
    ("jaco-model", 3),
    ("jaco-teleop", 3),
    ("jaco-controller", 4),
    ("jaco-tests", 5),
];

/// The only pairs that may depend sideways.
const SIDEWAYS: &[(&str, &str)] =
    &[("jaco-sim", "jaco-sim-link"), ("jaco-sim-sdk", "jaco-sim-link")];

const TORCH: &[&str] = &["tch", "torch-sys"];
const ASYNC: &[&str] = &["tokio", "axum", "hyper"];
const DEVICES: &[&str] = &["nokhwa", "v4l", "gilrs"];
const PHYSICS: &[&str] = &["mujoco-rs"];
const SIMULATION: &[&str] = &["jaco-sim", "jaco-sim-link"];
const ARM: &[&str] = &["kinova-sys"];

/// What a package must not link, directly or through others.
const NEVER: &[(&str, &[&[&str]])] = &[
    ("jaco-core", &[TORCH, ASYNC, DEVICES, PHYSICS]),
    ("kinova-sys", &[TORCH, ASYNC, DEVICES, PHYSICS]),
    ("jaco-config", &[TORCH, ASYNC, DEVICES, PHYSICS, ARM]),
    ("jaco-dataset", &[TORCH, ASYNC, DEVICES, PHYSICS, ARM]),
    ("jaco-sim", &[TORCH, ASYNC, DEVICES]),
    ("jaco-sim-link", &[TORCH, ASYNC, DEVICES, PHYSICS]),
    ("jaco-sim-sdk", &[TORCH, ASYNC, DEVICES, PHYSICS]),
    ("jaco-servo", &[TORCH, ASYNC, DEVICES, PHYSICS, SIMULATION]),
    ("jaco-model", &[ASYNC, DEVICES, PHYSICS, SIMULATION, ARM]),
    ("jaco-teleop", &[TORCH, ASYNC, PHYSICS, SIMULATION, ARM]),
];

/// A file longer than this has more than one owner in it.
const LONGEST_FILE_LINES: usize = 500;

#[test]
fn dependencies_point_down() {
    let workspace = Workspace::read();
    let unplaced: Vec<_> = workspace.members.keys().filter(|name| floor(name).is_none()).collect();
    assert!(unplaced.is_empty(), "packages without a floor in this test: {unplaced:?}");
    let wrong = climbing(&workspace.direct);
    assert!(wrong.is_empty(), "dependencies that point up or sideways: {wrong:#?}");
}

#[test]
fn a_dependency_that_climbs_is_found() {
    let edge = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    let down = edge("jaco-servo", "jaco-core");
    let listed = edge("jaco-sim", "jaco-sim-link");
    let up = edge("jaco-core", "jaco-servo");
    let sideways = edge("jaco-sim-link", "jaco-sim");
    assert_eq!(climbing(&[down, up.clone(), listed, sideways.clone()]), [up, sideways]);
}

#[test]
fn heavy_libraries_stay_where_they_belong() {
    let workspace = Workspace::read();
    // The daemon holds everything together: a walk that misses these would miss anything.
    let all = workspace.linked_by("jaco-controller");
    for name in ["tch", "tokio", "mujoco-rs"] {
        assert!(all.contains(name), "jaco-controller should link {name}; found {all:?}");
    }
    for (package, groups) in NEVER {
        let linked = workspace.linked_by(package);
        let found: Vec<_> =
            groups.iter().copied().flatten().filter(|name| linked.contains(**name)).collect();
        assert!(found.is_empty(), "{package} must not link {found:?}");
    }
}

#[test]
fn every_source_file_says_what_it_owns() {
    let headless: Vec<_> = Workspace::read()
        .source_files("src")
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| path)
        .collect();
    assert!(headless.is_empty(), "files that do not open with a `//!` comment: {headless:#?}");
}

#[test]
fn no_file_is_too_long_to_read() {
    let workspace = Workspace::read();
    let long: Vec<_> = ["src", "tests"]
        .into_iter()
        .flat_map(|folder| workspace.source_files(folder))
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE_LINES)
        .collect();
    assert!(long.is_empty(), "files of more than {LONGEST_FILE_LINES} lines: {long:#?}");
}

fn floor(package: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == package).map(|(_, floor)| *floor)
}

/// The dependencies among our packages, (from, to), that do not point to a lower floor.
fn climbing(dependencies: &[(String, String)]) -> Vec<(String, String)> {
    let allowed = |from: &str, to: &str| floor(to) < floor(from) || SIDEWAYS.contains(&(from, to));
    dependencies.iter().filter(|(from, to)| !allowed(from, to)).cloned().collect()
}

/// The workspace as cargo sees it.
struct Workspace {
    /// Folder of each package of ours, by name.
    members: BTreeMap<String, PathBuf>,
    /// Dependencies of our packages on one another, of every kind.
    direct: Vec<(String, String)>,
    /// Name of every package, by id.
    names: BTreeMap<String, String>,
    /// What every package links (nothing of its build script or its tests), by id.
    links: BTreeMap<String, Vec<String>>,
}

impl Workspace {
    fn read() -> Self {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let output = Command::new(cargo)
            .args(["metadata", "--format-version", "1", "--offline"])
            .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo runs");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cargo metadata failed: {complaint}");
        Self::from_metadata(&serde_json::from_slice(&output.stdout).expect("metadata is JSON"))
    }

    fn from_metadata(metadata: &Value) -> Self {
        let ours: BTreeSet<_> = list(&metadata["workspace_members"]).map(string).collect();
        let (mut members, mut direct) = (BTreeMap::new(), Vec::new());
        let (mut names, mut links) = (BTreeMap::new(), BTreeMap::new());
        for package in list(&metadata["packages"]) {
            let (id, name) = (string(&package["id"]), string(&package["name"]));
            if ours.contains(&id) {
                let manifest = PathBuf::from(string(&package["manifest_path"]));
                let folder = manifest.parent().expect("a manifest lies in a folder");
                members.insert(name.clone(), folder.to_owned());
                let local = list(&package["dependencies"]).filter(|to| to["path"].is_string());
                direct.extend(local.map(|to| (name.clone(), string(&to["name"]))));
            }
            names.insert(id, name);
        }
        for node in list(&metadata["resolve"]["nodes"]) {
            let linked = list(&node["deps"])
                .filter(|dep| list(&dep["dep_kinds"]).any(|kind| kind["kind"].is_null()))
                .map(|dep| string(&dep["pkg"]));
            links.insert(string(&node["id"]), linked.collect());
        }
        Self { members, direct, names, links }
    }

    /// Names of all packages that `package` links, itself included.
    fn linked_by(&self, package: &str) -> BTreeSet<&str> {
        let start = self.names.iter().find(|(_, name)| *name == package);
        let (start, _) = start.unwrap_or_else(|| panic!("no package {package} in the workspace"));
        let (mut seen, mut ahead) = (BTreeSet::new(), vec![start]);
        while let Some(id) = ahead.pop() {
            if seen.insert(id) {
                ahead.extend(&self.links[id]);
            }
        }
        seen.into_iter().map(|id| self.names[id].as_str()).collect()
    }

    /// Path and text of every Rust file below `folder` of each of our packages.
    fn source_files(&self, folder: &str) -> Vec<(PathBuf, String)> {
        let mut files = Vec::new();
        for package in self.members.values() {
            collect_rust(&package.join(folder), &mut files);
        }
        assert!(!files.is_empty(), "no Rust file found below any {folder}/");
        files
    }
}

fn collect_rust(folder: &Path, files: &mut Vec<(PathBuf, String)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            collect_rust(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a readable source file");
            files.push((path, text));
        }
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn string(value: &Value) -> String {
    value.as_str().expect("cargo metadata holds a string here").to_owned()
}
