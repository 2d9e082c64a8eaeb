//! The edge to gilrs: events of pads in, the chosen pad's state out, rumbles in.
//!
//! No other file knows gilrs. Its filters are off, so that the dead zone of `steering` is the only
//! one. What it leaves to its users is done here: it says nothing of a pad whose reading fails until
//! udev tells of the unplugging, and of two hot plugs at once it tells the second with the next one.

use super::board::{Board, PadHealth};
use super::{BEAT, Rumble};
use crate::settings::{PadAxis, PadButton, Part, TeleopSettings};
use crossbeam_channel::{Receiver, TryRecvError};
use gilrs::ff::{BaseEffect, BaseEffectType, Effect, EffectBuilder, Repeat, Replay, Ticks};
use gilrs::{Axis, Button, EventType, Gamepad, GamepadId, Gilrs, GilrsBuilder, LinuxGamepadExt};
use jaco_core::Word;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// Where the kernel puts pads.
const DEVICES: &str = "/dev/input";
/// Without a pad, the devices are compared with those that gilrs knows this often \[ns\].
const LOOK_EVERY_NS: u64 = 500_000_000;
/// Pause while a pad that is gone is not told of as unplugged: its descriptor wakes at once.
const GONE_PAUSE: Duration = Duration::from_millis(5);

/// Why the reading ended, without a fault.
pub(super) enum Ended {
    /// Nobody listens any more.
    HandlesDropped,
    /// There is a device that gilrs did not tell of: it must look anew.
    PadMissed,
}

/// Reads pads until nobody holds a handle. It beats on the board at least every [`BEAT`].
///
/// # Errors
/// Pads cannot be read on this PC.
pub(super) fn listen(
    settings: &TeleopSettings,
    board: &Board,
    rumbles: &Receiver<Rumble>,
) -> Result<Ended, String> {
    let devices = devices();
    let mut builder =
        GilrsBuilder::new().with_default_filters(false).with_force_feedback(settings.rumble > 0.0);
    if let Some(mapping) = &settings.mapping {
        // Those that gilrs knows would go before it.
        builder = builder.add_included_mappings(false).add_mappings(mapping);
    }
    let gilrs = builder.build().map_err(|error| error.to_string())?;
    let pads = pads_of(&gilrs, &BTreeSet::new());
    let others = devices.into_iter().filter(|device| !pads.contains(device)).collect();
    let mut reader = Reader {
        gilrs,
        settings,
        board,
        chosen: None,
        gone: BTreeSet::new(),
        effect: None,
        others,
        strange: BTreeSet::new(),
        looked_ns: board.now_ns(),
    };
    reader.choose();
    loop {
        reader.next_event();
        if reader.missed_a_pad() {
            return Ok(Ended::PadMissed);
        }
        match rumbles.try_recv() {
            Ok(rumble) => reader.rumble(rumble),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return Ok(Ended::HandlesDropped),
        }
        board.beat();
    }
}

struct Reader<'a> {
    gilrs: Gilrs,
    settings: &'a TeleopSettings,
    board: &'a Board,
    chosen: Option<Chosen>,
    /// Pads that are gone, though gilrs does not know it yet.
    gone: BTreeSet<usize>,
    /// The rumble under way; dropping it ends it.
    effect: Option<Effect>,
    /// The devices that gilrs looked at when it began, and took for no pads.
    others: BTreeSet<OsString>,
    /// Those beside them at the last look.
    strange: BTreeSet<OsString>,
    looked_ns: u64,
}

struct Chosen {
    id: GamepadId,
    /// The device, to notice that it is gone; None where it cannot be opened twice.
    device: Option<File>,
}

impl Reader<'_> {
    /// Waits for an event for at most [`BEAT`], and heeds it.
    fn next_event(&mut self) {
        let Some(event) = self.gilrs.next_event_blocking(Some(BEAT)) else {
            return self.look_for_gone();
        };
        let of_chosen = self.chosen.as_ref().is_some_and(|chosen| chosen.id == event.id);
        match event.event {
            EventType::Connected | EventType::Disconnected => {
                self.gone.remove(&event.id.into());
                // A number that connects anew is another plugging-in, told of or not.
                if of_chosen {
                    self.drop_chosen();
                }
                self.choose();
            }
            EventType::ButtonChanged(button, value, _) if of_chosen => {
                self.board.hear(|pad| {
                    if let Some(button) = our_button(button) {
                        pad.set_button(button, f64::from(value));
                    }
                });
            }
            EventType::AxisChanged(axis, value, _) if of_chosen => {
                self.board.hear(|pad| {
                    if let Some(axis) = our_axis(axis) {
                        pad.set_axis(axis, f64::from(value));
                    }
                });
            }
            // Each is followed by a change of the button's value.
            _ => {}
        }
    }

    /// Without an event: a pad whose reading fails is unplugged, whatever gilrs knows.
    fn look_for_gone(&mut self) {
        if let Some(chosen) = &self.chosen
            && chosen.device.as_ref().is_some_and(is_gone)
        {
            self.gone.insert(chosen.id.into());
            self.drop_chosen();
            self.choose();
        }
        if !self.gone.is_empty() {
            std::thread::sleep(GONE_PAUSE);
        }
    }

    fn drop_chosen(&mut self) {
        self.chosen = None;
        self.effect = None;
        self.board.disconnect();
    }

    /// Chooses a pad if none is chosen, and tells how things are.
    fn choose(&mut self) {
        let mut health = PadHealth::default();
        let mut refusals = Vec::new();
        let mut candidate = None;
        for (id, pad) in self.gilrs.gamepads() {
            if self.gone.contains(&id.into()) {
                continue;
            }
            health.pads.push(pad.os_name().to_owned());
            if !is_called(&pad, self.settings.pad.as_deref()) {
                continue;
            }
            match missing(&pad, self.settings) {
                None => candidate = candidate.or(Some(id)),
                Some(refusal) => refusals.push(refusal),
            }
        }
        if self.chosen.is_none()
            && let Some(id) = candidate
        {
            let path = self.gilrs.gamepad(id).devpath().to_owned();
            self.chosen = Some(Chosen { id, device: open_again(&path) });
            self.board.connect();
        }
        let chosen = self.chosen.as_ref().map(|chosen| self.gilrs.gamepad(chosen.id));
        health.chosen = chosen.map(|pad| pad.os_name().to_owned());
        if health.chosen.is_none() {
            health.fault = Some(why_none(&health.pads, &refusals, self.settings.pad.as_deref()));
        }
        self.board.set_health(health);
    }

    /// Whether no pad is chosen and there is, for a while, a device that gilrs did not tell of.
    fn missed_a_pad(&mut self) -> bool {
        let now_ns = self.board.now_ns();
        if self.chosen.is_some() || now_ns.saturating_sub(self.looked_ns) < LOOK_EVERY_NS {
            return false;
        }
        self.looked_ns = now_ns;
        let present = devices();
        self.others.retain(|device| present.contains(device));
        let pads = pads_of(&self.gilrs, &self.gone);
        let known = |device: &OsString| self.others.contains(device) || pads.contains(device);
        let strange: BTreeSet<_> = present.into_iter().filter(|device| !known(device)).collect();
        // One that is new is given until the next look.
        let missed = strange.intersection(&self.strange).next().is_some();
        self.strange = strange;
        missed
    }

    /// Shakes the chosen pad, where it can.
    fn rumble(&mut self, rumble: Rumble) {
        let Some(chosen) = &self.chosen else { return };
        if !self.gilrs.gamepad(chosen.id).is_ff_supported() {
            return;
        }
        let magnitude = (rumble.strength * f32::from(u16::MAX)) as u16;
        let play_for = Ticks::from_ms(rumble.duration_ms);
        let shake = BaseEffect {
            kind: BaseEffectType::Strong { magnitude },
            scheduling: Replay { play_for, ..Replay::default() },
            ..BaseEffect::default()
        };
        let mut effect = EffectBuilder::new();
        effect.add_effect(shake).repeat(Repeat::For(play_for)).gamepads(&[chosen.id]);
        let effect = effect.finish(&mut self.gilrs);
        // A rumble that does not come is no fault: the limit is told on the screen, too.
        self.effect = effect.ok().filter(|effect| effect.play().is_ok());
    }
}

/// Whether a pad has the name that was asked for, as the system or as its mapping says it.
fn is_called(pad: &Gamepad<'_>, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| {
        let wanted = wanted.to_lowercase();
        [pad.name(), pad.os_name()].iter().any(|name| name.to_lowercase().contains(&wanted))
    })
}

/// Why a pad cannot be used: the controls that have a function and are not there.
fn missing(pad: &Gamepad<'_>, settings: &TeleopSettings) -> Option<String> {
    let has = |part: Part| match part {
        Part::Axis(axis) => has_axis(pad, axis),
        Part::Button(button) => has_button(pad, button),
    };
    let needed = settings.bindings.needed().into_iter().filter(|(_, part)| !has(*part));
    let lacks = needed.map(|(function, part)| format!("{part} ({function})")).collect::<Vec<_>>();
    (!lacks.is_empty()).then(|| {
        format!(
            "{} is not used: its mapping has no {}; bind what it has in [teleop.bindings], or give \
             its mapping in [teleop] mapping",
            pad.os_name(),
            lacks.join(", ")
        )
    })
}

fn has_axis(pad: &Gamepad<'_>, axis: PadAxis) -> bool {
    // A mapping may name an axis that the device has not; it has no dead zone then.
    let mapped = pad.axis_code(gilrs_axis(axis));
    mapped.is_some_and(|code| pad.deadzone(code).is_some()) || {
        let ends = PadButton::ALL.iter().filter(|button| button.end_of() == Some(axis));
        let mut ends = ends.peekable();
        ends.peek().is_some()
            && ends.all(|&end| pad.button_code(gilrs_button(end)).is_some())
            && mapped.is_none()
    }
}

fn has_button(pad: &Gamepad<'_>, button: PadButton) -> bool {
    match button.end_of() {
        Some(axis) => has_axis(pad, axis),
        None => pad.button_code(gilrs_button(button)).is_some(),
    }
}

fn why_none(pads: &[String], refusals: &[String], wanted: Option<&str>) -> String {
    match wanted {
        _ if !refusals.is_empty() => refusals.join("; "),
        Some(wanted) if !pads.is_empty() => {
            format!("no gamepad is called {wanted:?} ([teleop] pad); there is {}", pads.join(", "))
        }
        _ => "no gamepad is there: plug one in (the user that jacod runs as must be in the group \
              input)"
            .to_owned(),
    }
}

/// The names of the devices that may be pads.
fn devices() -> BTreeSet<OsString> {
    let entries = std::fs::read_dir(DEVICES).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name());
    names.filter(|name| name.as_encoded_bytes().starts_with(b"event")).collect()
}

/// The names of the devices that gilrs has for pads, without those that are `gone`.
fn pads_of(gilrs: &Gilrs, gone: &BTreeSet<usize>) -> BTreeSet<OsString> {
    let pads = gilrs.gamepads().filter(|(id, _)| !gone.contains(&(*id).into()));
    let names = pads.map(|(_, pad)| pad.devpath().file_name().map(ToOwned::to_owned));
    names.flatten().collect()
}

/// The pad's device once more, to ask it whether it is still there.
fn open_again(path: &Path) -> Option<File> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    std::fs::OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path).ok()
}

fn is_gone(device: &File) -> bool {
    let mut asked = [PollFd::new(device, PollFlags::empty())];
    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    poll(&mut asked, Some(&Timespec::default())).is_ok_and(|_| asked[0].revents().intersects(gone))
}

const AXES: [(PadAxis, Axis); PadAxis::COUNT] = [
    (PadAxis::LeftStickX, Axis::LeftStickX),
    (PadAxis::LeftStickY, Axis::LeftStickY),
    (PadAxis::RightStickX, Axis::RightStickX),
    (PadAxis::RightStickY, Axis::RightStickY),
    (PadAxis::DPadX, Axis::DPadX),
    (PadAxis::DPadY, Axis::DPadY),
];

const BUTTONS: [(PadButton, Button); PadButton::COUNT] = [
    (PadButton::South, Button::South),
    (PadButton::East, Button::East),
    (PadButton::North, Button::North),
    (PadButton::West, Button::West),
    (PadButton::C, Button::C),
    (PadButton::Z, Button::Z),
    (PadButton::LeftTrigger, Button::LeftTrigger),
    (PadButton::LeftTrigger2, Button::LeftTrigger2),
    (PadButton::RightTrigger, Button::RightTrigger),
    (PadButton::RightTrigger2, Button::RightTrigger2),
    (PadButton::Select, Button::Select),
    (PadButton::Start, Button::Start),
    (PadButton::Mode, Button::Mode),
    (PadButton::LeftThumb, Button::LeftThumb),
    (PadButton::RightThumb, Button::RightThumb),
    (PadButton::DPadUp, Button::DPadUp),
    (PadButton::DPadDown, Button::DPadDown),
    (PadButton::DPadLeft, Button::DPadLeft),
    (PadButton::DPadRight, Button::DPadRight),
];

fn gilrs_axis(axis: PadAxis) -> Axis {
    AXES[axis.index()].1
}

fn gilrs_button(button: PadButton) -> Button {
    BUTTONS[button.index()].1
}

fn our_axis(axis: Axis) -> Option<PadAxis> {
    AXES.iter().find(|(_, theirs)| *theirs == axis).map(|(ours, _)| *ours)
}

fn our_button(button: Button) -> Option<PadButton> {
    BUTTONS.iter().find(|(_, theirs)| *theirs == button).map(|(ours, _)| *ours)
}
