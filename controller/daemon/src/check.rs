//! `jacod --check`: whether what the configuration names is there, for the user that asks.
//!
//! The file alone was judged before. Here the files, folders and devices that it names are looked
//! at; nothing is opened for use, made or changed. What only comes when something is plugged in or
//! started is noted, and is no fault.

use crate::settings::Settings;
use jaco_api::check::{Finding, Said as How};
use jaco_camera::FaultKind;
use jaco_config::{Config, ConfigError, Problem, Source};
use jaco_model::PolicyOptions;
use jaco_shell::file::kind;
use rustix::fs::{Access, access};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// First bytes of every library.
const LIBRARY: [u8; 4] = *b"\x7fELF";
/// Where systemd makes a folder when it starts the unit.
const MADE_BY_UNIT: &str = "/run/jacod";

/// What `--check` found to be in order, and what a person should know besides.
#[derive(Debug, Default)]
pub struct Checked {
    /// What was looked at and is well.
    pub well: Vec<String>,
    /// What is not there now and need not be.
    pub notes: Vec<String>,
}

/// What is said of one key.
type Said = Result<Found, String>;

enum Found {
    Well(String),
    Note(String),
}

/// Looks at everything that `settings` name.
///
/// # Errors
/// What is wrong, all of it, each with its line.
pub fn check(settings: &Settings) -> Result<Checked, ConfigError> {
    let Settings { config, bytes, name } = settings;
    let mut checked = Checked::default();
    checked.well.push("every key, its range, and what the keys say together".to_owned());
    let mut problems = Vec::new();
    for (key, said) in look_at_all(config) {
        match said {
            Ok(Found::Well(what)) => checked.well.push(format!("{key}: {what}")),
            Ok(Found::Note(what)) => checked.notes.push(format!("{key}: {what}")),
            Err(reason) => problems.push(Problem::at(bytes, &key, reason)),
        }
    }
    if problems.is_empty() {
        return Ok(checked);
    }
    problems.sort_by_key(|problem| problem.line.unwrap_or(usize::MAX));
    Err(ConfigError { file: name.clone(), problems })
}

/// What is said of each key, for programs.
pub fn findings(settings: &Settings) -> Vec<Finding> {
    let finding = |(key, said): (String, Said)| {
        let (said, what, line) = match said {
            Ok(Found::Well(what)) => (How::Well, what, None),
            Ok(Found::Note(what)) => (How::Note, what, None),
            Err(reason) => {
                let line = Problem::at(&settings.bytes, &key, reason.clone()).line;
                (How::Wrong, reason, line)
            }
        };
        Finding { key, said, what, line }
    };
    look_at_all(&settings.config).into_iter().map(finding).collect()
}

fn look_at_all(config: &Config) -> Vec<(String, Said)> {
    let policy = &config.policy;
    let mut said = vec![
        ("paths.data_dir".to_owned(), data_folder(&config.paths.data_dir)),
        ("api.socket".to_owned(), api_socket(&config.api.socket)),
        ("arm.sdk".to_owned(), library(&config.arm.sdk)),
        ("policy.checkpoint".to_owned(), model_folder(&policy.checkpoint, "config.json")),
    ];
    let adapter = policy.adapter.as_ref();
    said.extend(
        adapter.map(|folder| {
            ("policy.adapter".to_owned(), model_folder(folder, "adapter_config.json"))
        }),
    );
    if said.iter().all(|(key, said)| !key.starts_with("policy") || said.is_ok()) {
        said.push(("policy.statistics".to_owned(), statistics(config)));
    }
    said.extend(config.sim.iter().map(|sim| ("sim.socket".to_owned(), sim_socket(&sim.socket))));
    said.extend(cameras(config));
    said
}

/// `path` as a reader can find it, whatever folder he is in.
fn full(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

fn data_folder(folder: &Path) -> Said {
    match folder.metadata() {
        Ok(found) if !found.is_dir() => {
            Err(format!("{} is {}, not a folder", full(folder), kind(found.file_type())))
        }
        Ok(_) if writable(folder) => Ok(Found::Well(format!("{} can be written", full(folder)))),
        Ok(_) => Err(format!("this user may not write in {}", full(folder))),
        Err(error) if is_absent(&error) => {
            can_be_made(folder)?;
            Ok(Found::Well(format!("{} can be made", full(folder))))
        }
        Err(error) => Err(format!("cannot look at {}: {error}", full(folder))),
    }
}

fn api_socket(socket: &Path) -> Said {
    let folder = folder_of(socket);
    match socket.symlink_metadata() {
        Ok(found) if !found.file_type().is_socket() => {
            Err(format!("{} is {}, not a socket", full(socket), kind(found.file_type())))
        }
        Ok(_) => match std::os::unix::net::UnixStream::connect(socket) {
            Ok(_) => Ok(Found::Note(format!("a daemon serves {} now", full(socket)))),
            Err(_) => Ok(Found::Well(format!("{} can be served", full(socket)))),
        },
        Err(error) if !is_absent(&error) => {
            Err(format!("cannot look at {}: {error}", full(socket)))
        }
        Err(_) if folder.is_dir() && writable(&folder) => {
            Ok(Found::Well(format!("{} can be served", full(socket))))
        }
        Err(_) if folder.is_dir() => Err(format!("this user may not write in {}", full(&folder))),
        Err(_) if folder == Path::new(MADE_BY_UNIT) => {
            Ok(Found::Note(format!("systemd makes {MADE_BY_UNIT} when it starts the unit")))
        }
        Err(_) => {
            can_be_made(&folder)?;
            Ok(Found::Well(format!("{} can be made", full(&folder))))
        }
    }
}

fn sim_socket(socket: &Path) -> Said {
    match socket.symlink_metadata() {
        Ok(found) if !found.file_type().is_socket() => {
            Err(format!("{} is {}, not a socket", full(socket), kind(found.file_type())))
        }
        Ok(_) => Ok(Found::Well(format!("{} is a socket", full(socket)))),
        Err(_) => Ok(Found::Note(format!("jaco-sim does not serve {} now", full(socket)))),
    }
}

fn library(path: &Path) -> Said {
    let file = readable_file(path)?;
    let mut start = [0; LIBRARY.len()];
    let is_library = (&file).read_exact(&mut start).is_ok() && start == LIBRARY;
    if is_library {
        Ok(Found::Well(format!("{} is a library", full(path))))
    } else {
        Err(format!("{} is no library: give the SDK's *CommandLayerUbuntu.so", full(path)))
    }
}

/// A folder that holds `description`.
fn model_folder(folder: &Path, description: &str) -> Said {
    match folder.metadata() {
        Err(error) => Err(not_there(folder, &error)),
        Ok(found) if !found.is_dir() => {
            Err(format!("{} is {}, not a folder", full(folder), kind(found.file_type())))
        }
        Ok(_) => {
            readable_file(&folder.join(description))?;
            Ok(Found::Well(format!("{} holds {description}", full(folder))))
        }
    }
}

fn statistics(config: &Config) -> Said {
    let wanted = &config.policy;
    let options = PolicyOptions {
        adapter: wanted.adapter.clone(),
        statistics: wanted.statistics.clone(),
        ..PolicyOptions::on_cpu(wanted.checkpoint.clone())
    };
    let key = options.statistics_key(crate::loading::STATISTICS_SETTING);
    key.map(|key| Found::Well(format!("those of {key}")))
        .map_err(|error| jaco_api::say::in_full(&error.into()))
}

/// What is said of each camera's device; one device is one camera's, by whatever name.
fn cameras(config: &Config) -> Vec<(String, Said)> {
    let mut earlier: Vec<(PathBuf, &str)> = Vec::new();
    let mut said = Vec::new();
    for (index, camera) in config.cameras.iter().enumerate() {
        let Source::V4l { device } = &camera.source else { continue };
        let path = match jaco_camera::node_of(device) {
            Ok(path) => path,
            Err((FaultKind::Gone, reason)) => {
                let note = format!("{reason}; it is opened when it comes");
                said.push((format!("camera[{index}].device"), Ok(Found::Note(note))));
                continue;
            }
            Err((_, reason)) => {
                said.push((format!("camera[{index}].device"), Err(reason)));
                continue;
            }
        };
        let told = match path.metadata() {
            Err(error) if is_absent(&error) => Ok(Found::Note(format!(
                "{} is not there now; it is opened when it comes",
                path.display()
            ))),
            Err(error) => Err(format!("cannot look at {}: {error}", path.display())),
            Ok(found) if !found.file_type().is_char_device() => {
                Err(format!("{} is {}, no camera", path.display(), kind(found.file_type())))
            }
            Ok(_) => {
                let real = path.canonicalize().unwrap_or_else(|_| path.clone());
                let owner = earlier.iter().find(|(device, _)| *device == real);
                match owner {
                    Some((_, owner)) => Err(format!(
                        "leads to {}, the device of the camera \"{owner}\" too",
                        real.display()
                    )),
                    None => {
                        earlier.push((real.clone(), &camera.name));
                        Ok(Found::Well(format!("{} is a device", real.display())))
                    }
                }
            }
        };
        said.push((format!("camera[{index}].device"), told));
    }
    said
}

fn readable_file(path: &Path) -> Result<File, String> {
    match path.metadata() {
        Ok(found) if !found.is_file() => {
            return Err(format!("{} is {}, not a file", full(path), kind(found.file_type())));
        }
        Ok(_) => {}
        Err(error) => return Err(not_there(path, &error)),
    }
    File::open(path).map_err(|error| not_there(path, &error))
}

/// Why nothing can be had at `path`.
fn not_there(path: &Path, error: &std::io::Error) -> String {
    let text = path.to_string_lossy();
    let spaces = if text.trim() == text { "" } else { " (its name begins or ends with a space)" };
    match error.kind() {
        std::io::ErrorKind::NotFound => format!("{} is not there{spaces}", full(path)),
        std::io::ErrorKind::PermissionDenied => {
            format!("this user may not read {}", full(path))
        }
        _ => format!("cannot look at {}: {error}", full(path)),
    }
}

/// Whether a folder and those above it that are not there could be made.
fn can_be_made(folder: &Path) -> Result<(), String> {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let there = absolute.ancestors().find(|above| above.symlink_metadata().is_ok());
    let there = there.unwrap_or(Path::new("/"));
    if !there.is_dir() {
        return Err(format!("{} cannot be made: {} is no folder", full(folder), there.display()));
    }
    match writable(there) {
        true => Ok(()),
        false => Err(format!(
            "{} is not there, and this user may not make it in {}",
            full(folder),
            there.display()
        )),
    }
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn writable(folder: &Path) -> bool {
    access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

fn is_absent(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotFound
}
