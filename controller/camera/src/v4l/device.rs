//! A Video4Linux device before it streams: opened, asked what it offers, set, and asked again
//! what it was set to. Errors name the device and what it failed to do.

use super::control::{self, Control};
use super::found;
use super::negotiate::{Choice, Interval, Offer, Rates, Size, fourcc_text};
use super::sys::{self, Listed};
use crate::error::{CameraError, ControlRefusal};
use jaco_config::Controls;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use v4l::v4l_sys as kernel;

/// Entries of a list that are read: a driver that never ends its list is none to wait for.
const LONGEST_LIST: u32 = 64;
const UNUSABLE: u32 = kernel::V4L2_CTRL_FLAG_DISABLED | kernel::V4L2_CTRL_FLAG_READ_ONLY;

/// An open device that captures.
pub(super) struct Device {
    file: File,
    path: PathBuf,
}

/// What the device says that it is set to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Set {
    pub(super) interval: Interval,
    pub(super) stride_bytes: u32,
}

impl Device {
    pub(super) fn open(path: &Path) -> Result<Self, CameraError> {
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path);
        let path = path.to_owned();
        let file = match opened {
            Ok(file) => file,
            Err(source) => {
                return Err(match (source.kind(), source.raw_os_error()) {
                    (io::ErrorKind::NotFound, _) => {
                        CameraError::Missing { path, cameras: found::in_words(&found::nodes()) }
                    }
                    (io::ErrorKind::PermissionDenied, _) => CameraError::Denied { path },
                    (_, Some(libc::EBUSY)) => CameraError::Busy { path },
                    (_, Some(libc::ENODEV | libc::ENXIO)) => CameraError::Gone { path },
                    _ => CameraError::Open { path, source },
                });
            }
        };
        let device = Self { file, path };
        match sys::captures(&device.file) {
            Ok(true) => Ok(device),
            // What is no video device at all does not know the question.
            Err(error) if error.raw_os_error() != Some(libc::ENOTTY) => {
                Err(device.failed("say what it is", error))
            }
            Ok(false) | Err(_) => Err(CameraError::NoCapture { path: device.path }),
        }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The error of a call that did not do `what`.
    pub(super) fn failed(&self, what: &'static str, source: io::Error) -> CameraError {
        let path = self.path.clone();
        match source.raw_os_error() {
            Some(libc::EBUSY) => CameraError::Busy { path },
            Some(libc::ENODEV | libc::ENXIO) => CameraError::Gone { path },
            _ => CameraError::Call { path, what, source },
        }
    }

    /// All that the camera offers.
    pub(super) fn offers(&self) -> Result<Vec<Offer>, CameraError> {
        let mut offers = Vec::new();
        for fourcc in listed(|index| sys::format_at(&self.file, index)) {
            let sizes = listed(|index| sys::size_at(&self.file, fourcc, index));
            let stated = sizes.into_iter().map(|size| {
                let (size, at) = match size {
                    Listed::One((width, height)) => (Size::One { width, height }, (width, height)),
                    Listed::Range((w0, h0), (w1, h1), (dw, dh)) => {
                        (Size::Range { width: [w0, w1, dw], height: [h0, h1, dh] }, (w1, h1))
                    }
                };
                // Of a range the rates are asked for at its largest size: those it surely has.
                Offer { fourcc, size, rates: self.rates(fourcc, at) }
            });
            let before = offers.len();
            offers.extend(stated);
            if offers.len() == before {
                offers.push(Offer { fourcc, size: Size::Unstated, rates: Rates::Unstated });
            }
        }
        if offers.is_empty() {
            // Some metadata nodes call themselves capture devices; but there is nothing in them.
            return Err(CameraError::NoCapture { path: self.path.clone() });
        }
        Ok(offers)
    }

    fn rates(&self, fourcc: [u8; 4], size: (u32, u32)) -> Rates {
        let interval = |(numerator, denominator)| Interval { numerator, denominator };
        let mut some = Vec::new();
        for listed in listed(|index| sys::interval_at(&self.file, fourcc, size, index)) {
            match listed {
                Listed::One(one) => some.push(interval(one)),
                Listed::Range(shortest, longest, _) => {
                    let (shortest, longest) = (interval(shortest), interval(longest));
                    return Rates::Range { shortest, longest };
                }
            }
        }
        if some.is_empty() { Rates::Unstated } else { Rates::Some(some) }
    }

    /// The controls that can be set: numbers, switches and lists.
    pub(super) fn controls(&self) -> Vec<Control> {
        let (mut controls, mut after) = (Vec::new(), 0);
        for _ in 0..LONGEST_LIST {
            let Ok(described) = sys::control_after(&self.file, after) else { break };
            if described.id <= after {
                break;
            }
            after = described.id;
            let is_menu = described.kind == kernel::v4l2_ctrl_type_V4L2_CTRL_TYPE_MENU;
            let is_number = [
                kernel::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER,
                kernel::v4l2_ctrl_type_V4L2_CTRL_TYPE_BOOLEAN,
            ]
            .contains(&described.kind);
            if described.flags & UNUSABLE != 0 || !(is_menu || is_number) {
                continue;
            }
            let entries = (described.min..=described.max).take(LONGEST_LIST as usize);
            let entry = |value: i32| {
                let index = u32::try_from(value).ok()?;
                Some((value, sys::menu_entry(&self.file, described.id, index).ok()?))
            };
            controls.push(Control {
                id: described.id,
                name: control::slug(&described.name),
                min: described.min,
                max: described.max,
                step: described.step,
                default: described.default,
                value: sys::control(&self.file, described.id).ok(),
                menu: if is_menu { entries.filter_map(entry).collect() } else { Vec::new() },
            });
        }
        controls
    }

    /// Sets what is configured, and compares what the device says then.
    pub(super) fn set_controls(&self, wanted: &Controls) -> Result<(), CameraError> {
        let refused = |refusal| CameraError::Control { path: self.path.clone(), refusal };
        let steps = control::plan(wanted, &self.controls()).map_err(refused)?;
        for step in &steps {
            sys::set_control(&self.file, step.id, step.value).map_err(|error| {
                match error.raw_os_error() {
                    Some(libc::ENODEV | libc::ENXIO) => self.failed("be set", error),
                    _ => refused(ControlRefusal::Failed {
                        control: step.name.clone(),
                        wanted: step.value,
                        reason: error.to_string(),
                    }),
                }
            })?;
        }
        // When all are set: one may have changed another.
        for step in steps {
            let got = sys::control(&self.file, step.id);
            let got = got.map_err(|error| self.failed("say what is set", error))?;
            if got != step.value {
                let (control, wanted) = (step.name, step.value);
                return Err(refused(ControlRefusal::NotTaken { control, wanted, got }));
            }
        }
        Ok(())
    }

    /// Sets the choice, and compares what the device says then.
    pub(super) fn set(&self, choice: &Choice) -> Result<Set, CameraError> {
        let Choice { pixel, width, height, interval } = *choice;
        sys::set_format(&self.file, pixel.fourcc(), (width, height))
            .map_err(|error| self.failed("be set to its size", error))?;
        let format = sys::format(&self.file).map_err(|error| self.failed("say its size", error))?;
        if (format.fourcc, format.width, format.height) != (pixel.fourcc(), width, height) {
            let got =
                format!("{} {} x {}", fourcc_text(format.fourcc), format.width, format.height);
            let wanted = format!("{pixel} {width} x {height}");
            return Err(CameraError::NotSet { path: self.path.clone(), wanted, got });
        }
        // A camera with one fixed rate need not know how to set it, nor to say it.
        match sys::set_interval(&self.file, (interval.numerator, interval.denominator)) {
            Err(error) if !matches!(error.raw_os_error(), Some(libc::ENOTTY | libc::EINVAL)) => {
                return Err(self.failed("be set to its rate", error));
            }
            _ => {}
        }
        let set = sys::interval(&self.file).ok();
        let set = set.map(|(numerator, denominator)| Interval { numerator, denominator });
        let interval = set.filter(|interval| interval.is_known()).unwrap_or(interval);
        Ok(Set { interval, stride_bytes: format.stride_bytes })
    }
}

/// The entries of a driver's list, up to the first it does not give.
fn listed<T>(entry: impl FnMut(u32) -> io::Result<T>) -> Vec<T> {
    (0..LONGEST_LIST).map(entry).map_while(Result::ok).collect()
}
