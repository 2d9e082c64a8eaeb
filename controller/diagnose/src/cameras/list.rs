//! `jaco cameras list`: what each camera of this PC is called, offers and can be set to, and how
//! those are that jacod uses.

use super::{Daemon, read};
use jaco_api::CameraStatus;
use jaco_camera::{Control, Found, Mode, here};
use jaco_cli::cameras::CamerasListArgs;
use jaco_config::{Camera, Source};
use jaco_shell::say::print;
use serde::Serialize;
use std::fmt::{self, Write};
use std::path::PathBuf;

/// What `jaco cameras list` prints.
#[derive(Debug, Serialize)]
struct List {
    cameras: Vec<Here>,
    /// None where no configuration is given.
    configured: Option<Vec<Configured>>,
    /// None where no daemon answers.
    daemon: Option<Vec<CameraStatus>>,
}

/// A camera of this PC.
#[derive(Debug, Serialize)]
struct Here {
    path: PathBuf,
    links: Vec<PathBuf>,
    name: String,
    serial: Option<String>,
    modes: Vec<Offered>,
    controls: Vec<Settable>,
    /// Why it does not say what it offers.
    wrong: Option<String>,
}

#[derive(Debug, Serialize)]
struct Offered {
    format: String,
    size: String,
    rates: String,
    readable: bool,
}

#[derive(Debug, Serialize)]
struct Settable {
    name: String,
    min: i32,
    max: i32,
    step: i32,
    default: i32,
    value: Option<i32>,
    menu: Vec<(i32, String)>,
}

/// A camera of the configuration.
#[derive(Debug, Serialize)]
struct Configured {
    name: String,
    device: String,
    /// The node that it is now; none if it is not there, or simulated.
    path: Option<PathBuf>,
    /// Why it is not there.
    wrong: Option<String>,
}

/// Carries out `jaco cameras list`.
pub fn list(args: &CamerasListArgs, daemon: &Daemon, json: bool) -> anyhow::Result<()> {
    let configured = match &args.config {
        Some(path) => Some(read(path)?.cameras.iter().map(configured).collect()),
        None => None,
    };
    let list = List {
        cameras: here().into_iter().map(told).collect(),
        configured,
        daemon: daemon.status()?.map(|status| status.cameras),
    };
    print(json, &list)
}

fn told(found: Found) -> Here {
    let Found { path, links, name, serial, abilities } = found;
    let (modes, controls, wrong) = match abilities {
        Ok(abilities) => (abilities.modes, abilities.controls, None),
        Err(wrong) => (Vec::new(), Vec::new(), Some(wrong)),
    };
    let offered =
        |Mode { format, size, rates, readable }| Offered { format, size, rates, readable };
    let modes = modes.into_iter().map(offered).collect();
    let controls = controls.into_iter().map(settable).collect();
    Here { path, links, name, serial, modes, controls, wrong }
}

fn settable(control: Control) -> Settable {
    let Control { name, min, max, step, default, value, menu, .. } = control;
    Settable { name, min, max, step, default, value, menu }
}

fn configured(camera: &Camera) -> Configured {
    let name = camera.name.clone();
    let (device, found) = match &camera.source {
        Source::Sim => {
            return Configured { name, device: "sim".to_owned(), path: None, wrong: None };
        }
        Source::V4l { device } => (device.to_string(), jaco_camera::node_of(device)),
    };
    match found {
        Ok(path) if path.exists() => Configured { name, device, path: Some(path), wrong: None },
        Ok(path) => {
            let wrong = Some(format!("there is no {}", path.display()));
            Configured { name, device, path: None, wrong }
        }
        Err((_, wrong)) => Configured { name, device, path: None, wrong: Some(wrong) },
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        if self.cameras.is_empty() {
            writeln!(text, "this PC has no camera")?;
        }
        for camera in &self.cameras {
            write!(text, "{camera}")?;
        }
        for camera in self.configured.iter().flatten() {
            let Configured { name, device, path, wrong } = camera;
            let now = match (path, wrong) {
                (_, Some(wrong)) => format!(": {wrong}"),
                (Some(path), None) if path.display().to_string() != *device => {
                    format!(", now {}", path.display())
                }
                _ => String::new(),
            };
            writeln!(text, "configured  {name} = {device}{now}")?;
        }
        for camera in self.daemon.iter().flatten() {
            writeln!(text, "in jacod    {}: {}", camera.name, super::watch::state(camera))?;
        }
        f.write_str(text.trim_end())
    }
}

impl fmt::Display for Here {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}  {}", self.path.display(), self.name)?;
        if let Some(serial) = &self.serial {
            writeln!(f, "  device = \"serial:{serial}\"")?;
        }
        for link in &self.links {
            writeln!(f, "  device = \"{}\"", link.display())?;
        }
        if let Some(wrong) = &self.wrong {
            writeln!(f, "  {wrong}")?;
        }
        for Offered { format, size, rates, readable } in &self.modes {
            let note = if *readable { "" } else { " (jacod does not read it)" };
            writeln!(f, "  {format} {size}: {rates}{note}")?;
        }
        for Settable { name, min, max, step, value, menu, .. } in &self.controls {
            let range = match (menu.is_empty(), step) {
                (false, _) => {
                    let entries = menu.iter().map(|(value, name)| format!("{value} = {name}"));
                    entries.collect::<Vec<_>>().join(", ")
                }
                (true, ..=1) => format!("{min} to {max}"),
                (true, _) => format!("{min} to {max} in steps of {step}"),
            };
            let now = value.map_or("unknown".to_owned(), |value| value.to_string());
            writeln!(f, "  {name}: {now} ({range})")?;
        }
        Ok(())
    }
}
