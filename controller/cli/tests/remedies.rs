//! A remedy that a message names exists: every command of `jaco` and `jacod`, every option and
//! every file of this project in the texts of the sources.

#![allow(clippy::unwrap_used)]

use clap::{Command, CommandFactory, Parser};
use jaco_cli::Cli;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// Options of the programs that are not `jaco`, and of the systems' own tools that texts name.
const OTHER_OPTIONS: &[(&str, &[&str])] = &[
    ("jacod", &["config", "check", "json", "cameras"]),
    ("lerobot's converter", &["repo-id", "root", "push-to-hub"]),
    (
        "jaco-sim",
        &[
            "socket",
            "task",
            "seed",
            "homed",
            "timestep-ms",
            "angular-frame",
            "faults",
            "fault-schedule",
        ],
    ),
    (
        "jaco-servo",
        &[
            "socket-fd",
            "look",
            "sdk",
            "transport",
            "ethernet",
            "serial",
            "fingers",
            "semaphore",
            "angular-frame",
            "limits",
            "stopped",
            "priority",
            "log-level",
            "log-format",
        ],
    ),
    ("every program", &["help", "version"]),
    ("sysctl", &["system"]),
    ("udevadm", &["reload"]),
];
/// Folders of this project that texts name files in.
const FOLDERS: &[&str] = &["docs/", "deploy/", "config/"];

/// The sources outside tests, without comments, continued literals joined.
fn sources() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    collect(Path::new(ROOT), &mut files);
    let code = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let mut joined = String::new();
        for line in lines {
            match line.strip_suffix('\\') {
                Some(continued) => joined += continued.trim_start(),
                None => joined += &format!("{}\n", line.trim_start()),
            }
        }
        (path, joined)
    };
    files.into_iter().map(code).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let elsewhere = ["target", "tests", "examples", "build.rs", "rpath.rs"];
        if name.starts_with('.') || elsewhere.contains(&&*name) {
            continue;
        }
        match path.is_dir() {
            true => collect(&path, files),
            false if name.ends_with(".rs") => files.push(path),
            false => {}
        }
    }
}

/// Texts in backquotes that begin with the program's name.
fn quoted<'a>(code: &'a str, program: &'a str) -> impl Iterator<Item = &'a str> {
    let spans = code.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    spans.filter(move |span| span.split(' ').next() == Some(program) && !span.contains('{'))
}

#[test]
fn every_command_that_a_text_names_is_understood() {
    let mut understood = 0;
    for (path, code) in sources() {
        for command in quoted(&code, "jaco") {
            let parsed = Cli::try_parse_from(command.split_whitespace());
            let unfinished = [
                clap::error::ErrorKind::MissingRequiredArgument,
                clap::error::ErrorKind::MissingSubcommand,
                clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
                // An option stands without its value in a sentence.
                clap::error::ErrorKind::InvalidValue,
            ];
            match parsed {
                Err(error) if !unfinished.contains(&error.kind()) => {
                    panic!("{}: `{command}`\n{error}", path.display())
                }
                _ => understood += 1,
            }
        }
    }
    assert!(understood > 10, "only {understood} commands were found in the texts");
}

#[test]
fn every_option_that_a_text_names_is_one() {
    fn options(command: &Command, all: &mut BTreeSet<String>) {
        all.extend(command.get_arguments().filter_map(|arg| arg.get_long()).map(str::to_owned));
        command.get_subcommands().for_each(|command| options(command, all));
    }
    let mut known = BTreeSet::new();
    options(&Cli::command(), &mut known);
    known.extend(OTHER_OPTIONS.iter().flat_map(|(_, names)| *names).map(|name| (*name).to_owned()));
    let mut found = 0;
    for (path, code) in sources() {
        let words = code.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        for name in words.filter_map(|word| word.strip_prefix("--")) {
            let name = name.trim_end_matches('-');
            if name.starts_with(|c: char| c.is_ascii_lowercase()) {
                assert!(known.contains(name), "{}: there is no option --{name}", path.display());
                found += 1;
            }
        }
    }
    assert!(found > 10, "only {found} options were found in the texts");
}

#[test]
fn every_file_that_a_text_names_is_there() {
    let mut found = 0;
    for (path, code) in sources() {
        let words = code.split(|c: char| !(c.is_ascii_alphanumeric() || "-_./".contains(c)));
        for word in words.filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder))) {
            let named = Path::new(ROOT).join(word.trim_end_matches('.'));
            assert!(named.exists(), "{}: there is no {word}", path.display());
            found += 1;
        }
    }
    assert!(found > 0, "no file was found in the texts");
}
