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
    ("jaco-sim-link", 2),
    ("jaco-shell", 2),
    ("jaco-sim", 3),
    ("jaco-sim-sdk", 3),
    ("jaco-servo", 3),
    ("jaco-model", 3),
    ("jaco-teleop", 3),
    ("jaco-trials", 3),
    ("jaco-training", 4),
    ("jaco-api", 4),
    ("jaco-camera", 4),
    ("jaco-report", 4),
    ("jaco-cli", 5),
    ("jaco-flight", 5),
    ("jaco-daemon", 6),
    ("jaco-data", 6),
    ("jaco-diagnose", 6),
    ("jaco-operator", 6),
    ("jaco-lab", 6),
    ("jaco-policy", 6),
    ("jaco-train", 6),
    ("jaco-tests", 7),
];

const TORCH: &[&str] = &["tch", "torch-sys"];
const ASYNC: &[&str] = &["tokio", "axum", "hyper"];
const DEVICES: &[&str] = &["nokhwa", "v4l", "gilrs"];
const PHYSICS: &[&str] = &["mujoco-rs"];
const SIMULATION: &[&str] = &["jaco-sim", "jaco-sim-link"];
const ARM: &[&str] = &["kinova-sys"];
const TRAINER: &[&str] = &["jaco-training"];
const DATASETS: &[&str] = &["jaco-dataset"];
const PLOTS: &[&str] = &["plotters"];

/// What a package must not link, directly or through others.
const NEVER: &[(&str, &[&[&str]])] = &[
    ("jaco-core", &[TORCH, ASYNC, DEVICES, PHYSICS]),
    ("kinova-sys", &[TORCH, ASYNC, DEVICES, PHYSICS]),
    ("jaco-config", &[TORCH, ASYNC, DEVICES, PHYSICS, ARM]),
    ("jaco-dataset", &[TORCH, ASYNC, DEVICES, PHYSICS, ARM]),
    ("jaco-shell", &[TORCH, ASYNC, DEVICES, PHYSICS, ARM]),
    ("jaco-sim", &[TORCH, ASYNC, DEVICES]),
    ("jaco-sim-link", &[TORCH, ASYNC, DEVICES, PHYSICS]),
    ("jaco-sim-sdk", &[TORCH, ASYNC, DEVICES, PHYSICS]),
    ("jaco-servo", &[TORCH, ASYNC, DEVICES, PHYSICS, SIMULATION]),
    ("jaco-model", &[ASYNC, DEVICES, PHYSICS, SIMULATION, ARM, TRAINER, DATASETS]),
    ("jaco-training", &[ASYNC, DEVICES, PHYSICS, SIMULATION, ARM]),
    ("jaco-teleop", &[TORCH, ASYNC, PHYSICS, SIMULATION, ARM]),
    ("jaco-api", &[TORCH, DEVICES, PHYSICS, SIMULATION, ARM, TRAINER, DATASETS, PLOTS]),
    ("jaco-camera", &[TORCH, ASYNC, PHYSICS, TRAINER, DATASETS, PLOTS]),
    ("jaco-trials", &[TORCH, ASYNC, DEVICES, PHYSICS, SIMULATION, ARM, TRAINER, DATASETS, PLOTS]),
    ("jaco-report", &[TORCH, ASYNC, DEVICES, PHYSICS, SIMULATION, ARM, TRAINER, DATASETS]),
    ("jaco-flight", &[TORCH, ASYNC, DEVICES, PHYSICS, SIMULATION, TRAINER, DATASETS]),
    ("jaco-cli", &[TORCH, DEVICES, PHYSICS, SIMULATION, ARM, TRAINER, DATASETS, PLOTS]),
    ("jaco-daemon", &[PHYSICS, TRAINER, &["jaco-sim", "jaco-cli"]]),
    ("jaco-data", &[TORCH, DEVICES, PHYSICS, TRAINER, &["jaco-sim"]]),
    ("jaco-operator", &[TORCH, DEVICES, PHYSICS, TRAINER, DATASETS, PLOTS, &["jaco-sim"]]),
    ("jaco-diagnose", &[TORCH, PHYSICS, TRAINER, DATASETS, &["jaco-sim"]]),
    ("jaco-policy", &[DEVICES, PHYSICS, SIMULATION, ARM, TRAINER, DATASETS, PLOTS]),
    ("jaco-train", &[DEVICES, PHYSICS, SIMULATION, ARM]),
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
    let up = edge("jaco-core", "jaco-servo");
    let sideways = edge("jaco-sim-sdk", "jaco-sim");
    assert_eq!(climbing(&[down, up.clone(), sideways.clone()]), [up, sideways]);
}

#[test]
fn heavy_libraries_stay_where_they_belong() {
    let workspace = Workspace::read();
    // A walk that misses these would miss anything.
    for (package, name) in
        [("jaco-daemon", "tch"), ("jaco-daemon", "tokio"), ("jaco-lab", "mujoco-rs")]
    {
        let all = workspace.linked_by(package);
        assert!(all.contains(name), "{package} should link {name}; found {all:?}");
    }
    for (package, groups) in NEVER {
        let linked = workspace.linked_by(package);
        let found: Vec<_> =
            groups.iter().copied().flatten().filter(|name| linked.contains(**name)).collect();
        assert!(found.is_empty(), "{package} must not link {found:?}");
    }
}

/// Modules of one package that need one another cannot be understood alone. A module and those
/// below it are one here; tests may look anywhere.
#[test]
fn no_package_has_a_circle_of_modules() {
    let mut circles = Vec::new();
    for (package, folder) in &Workspace::read().members {
        let mut files = Vec::new();
        collect_rust(&folder.join("src"), &mut files);
        let arrows = arrows_between_modules(&folder.join("src"), &files);
        circles.extend(circle(&arrows).map(|circle| format!("{package}: {}", circle.join(" -> "))));
    }
    assert!(circles.is_empty(), "circles: {circles:#?}");
}

#[test]
fn a_circle_of_modules_is_found() {
    let arrows = |pairs: &[(&str, &str)]| -> BTreeMap<String, BTreeSet<String>> {
        let mut arrows = BTreeMap::<String, BTreeSet<String>>::new();
        for (from, to) in pairs {
            arrows.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        arrows
    };
    assert_eq!(circle(&arrows(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    let found = circle(&arrows(&[("a", "b"), ("b", "c"), ("c", "b")])).expect("a circle");
    assert_eq!(found, ["b", "c", "b"]);
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
    let allowed = |from: &str, to: &str| floor(to) < floor(from);
    dependencies.iter().filter(|(from, to)| !allowed(from, to)).cloned().collect()
}

/// Which top-level module of a package names which in `crate::...` outside its tests. The library's
/// root stands for no module: it names them all.
fn arrows_between_modules(
    src: &Path,
    files: &[(PathBuf, String)],
) -> BTreeMap<String, BTreeSet<String>> {
    let module = |path: &Path| -> Option<String> {
        let first = path.strip_prefix(src).ok()?.components().next()?;
        let name = Path::new(first.as_os_str()).file_stem()?.to_str()?.to_owned();
        (!matches!(name.as_str(), "lib" | "main" | "bin")).then_some(name)
    };
    let modules: BTreeSet<String> = files.iter().filter_map(|(path, _)| module(path)).collect();
    let mut arrows = BTreeMap::<String, BTreeSet<String>>::new();
    for (path, text) in files {
        let Some(from) = module(path) else { continue };
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            for rest in line.split("crate::").skip(1) {
                let name: String =
                    rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if name != from && modules.contains(&name) {
                    arrows.entry(from.clone()).or_default().insert(name);
                }
            }
        }
    }
    arrows
}

/// A circle in `arrows`, if there is one: its modules in order, the first again at the end.
fn circle(arrows: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn visit(
        at: &str,
        arrows: &BTreeMap<String, BTreeSet<String>>,
        path: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(start) = path.iter().position(|module| module == at) {
            let mut circle = path[start..].to_vec();
            circle.push(at.to_owned());
            return Some(circle);
        }
        if done.contains(at) {
            return None;
        }
        path.push(at.to_owned());
        let found =
            arrows.get(at).into_iter().flatten().find_map(|to| visit(to, arrows, path, done));
        path.pop();
        done.insert(at.to_owned());
        found
    }
    let mut done = BTreeSet::new();
    arrows.keys().find_map(|from| visit(from, arrows, &mut Vec::new(), &mut done))
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
