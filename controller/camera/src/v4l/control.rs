//! A camera's controls: which of them a configuration sets, to what, and why not. Pure.
//!
//! What is automatic is switched off before the value that it would overrule is set.

use crate::error::ControlRefusal;
use jaco_config::{Controls, PowerLine, Setting};

/// Controls by the kernel's numbers (linux/v4l2-controls.h).
mod id {
    pub(super) const AUTO_WHITE_BALANCE: u32 = 0x0098_090c;
    pub(super) const AUTO_GAIN: u32 = 0x0098_0912;
    pub(super) const GAIN: u32 = 0x0098_0913;
    pub(super) const POWER_LINE: u32 = 0x0098_0918;
    pub(super) const WHITE_BALANCE: u32 = 0x0098_091a;
    pub(super) const AUTO_EXPOSURE: u32 = 0x009a_0901;
    pub(super) const EXPOSURE: u32 = 0x009a_0902;
    pub(super) const DYNAMIC_RATE: u32 = 0x009a_0903;
    pub(super) const FOCUS: u32 = 0x009a_090a;
    pub(super) const AUTO_FOCUS: u32 = 0x009a_090c;
}

/// Entries of the menu of `AUTO_EXPOSURE`.
const EXPOSURE_MANUAL: i32 = 1;
/// What cameras mean by automatic: the time alone (most have no other), or all of it.
const EXPOSURE_AUTOMATIC: [i32; 2] = [3, 0];

/// A control that a camera has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    pub(crate) id: u32,
    /// Its name, as `v4l2-ctl` writes it.
    pub name: String,
    /// Lowest value.
    pub min: i32,
    /// Highest value.
    pub max: i32,
    /// Step from one value to the next.
    pub step: i32,
    /// Value that the camera has when nobody sets one.
    pub default: i32,
    /// Value that it has now; none if it cannot be read.
    pub value: Option<i32>,
    /// Values that it can have, with their names, where these are a list.
    pub menu: Vec<(i32, String)>,
}

impl Control {
    fn takes(&self, value: i32) -> bool {
        let within = (self.min..=self.max).contains(&value);
        let steps = i64::from(value) - i64::from(self.min);
        within
            && steps % i64::from(self.step.max(1)) == 0
            && (self.menu.is_empty() || self.menu.iter().any(|(entry, _)| *entry == value))
    }

    /// "3 to 2047", or the values of its list.
    pub(crate) fn range(&self) -> String {
        if !self.menu.is_empty() {
            let entries = self.menu.iter().map(|(value, name)| format!("{value} = {name}"));
            return entries.collect::<Vec<_>>().join(", ");
        }
        let step =
            if self.step > 1 { format!(" in steps of {}", self.step) } else { String::new() };
        format!("{} to {}{step}", self.min, self.max)
    }
}

/// The name that `v4l2-ctl` makes of a driver's: "Exposure Time, Absolute" is
/// exposure_time_absolute.
pub(crate) fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => slug.push(c.to_ascii_lowercase()),
            _ if slug.ends_with('_') || slug.is_empty() => {}
            _ => slug.push('_'),
        }
    }
    slug.trim_end_matches('_').to_owned()
}

/// One thing to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) value: i32,
}

/// What is to be set, in this order, in a camera that has these controls.
pub(crate) fn plan(wanted: &Controls, has: &[Control]) -> Result<Vec<Step>, ControlRefusal> {
    let mut plan = Plan { has, steps: Vec::new() };
    let Controls { exposure, gain, white_balance, focus, power_line } = wanted;
    // The rate is what is configured, however dark it is.
    plan.if_there(id::DYNAMIC_RATE, 0);
    match exposure {
        None => {}
        Some(Setting::Auto) => {
            let automatic = plan.control("exposure", id::AUTO_EXPOSURE)?;
            let value = EXPOSURE_AUTOMATIC.into_iter().find(|value| automatic.takes(*value));
            let value = value.unwrap_or(EXPOSURE_AUTOMATIC[0]);
            plan.set("exposure", id::AUTO_EXPOSURE, value)?;
        }
        Some(Setting::Fixed(value)) => {
            plan.if_there(id::AUTO_EXPOSURE, EXPOSURE_MANUAL);
            plan.set("exposure", id::EXPOSURE, *value)?;
        }
    }
    for (key, setting, automatic, fixed) in [
        ("gain", gain, id::AUTO_GAIN, id::GAIN),
        ("white_balance", white_balance, id::AUTO_WHITE_BALANCE, id::WHITE_BALANCE),
        ("focus", focus, id::AUTO_FOCUS, id::FOCUS),
    ] {
        match setting {
            None => {}
            Some(Setting::Auto) => plan.set(key, automatic, 1)?,
            Some(Setting::Fixed(value)) => {
                plan.if_there(automatic, 0);
                plan.set(key, fixed, *value)?;
            }
        }
    }
    if let Some(power_line) = power_line {
        let value = match power_line {
            PowerLine::Off => 0,
            PowerLine::Hz50 => 1,
            PowerLine::Hz60 => 2,
            PowerLine::Auto => 3,
        };
        plan.set("power_line", id::POWER_LINE, value)?;
    }
    Ok(plan.steps)
}

struct Plan<'a> {
    has: &'a [Control],
    steps: Vec<Step>,
}

impl<'a> Plan<'a> {
    fn find(&self, id: u32) -> Option<&'a Control> {
        self.has.iter().find(|control| control.id == id)
    }

    fn control(&self, key: &'static str, id: u32) -> Result<&'a Control, ControlRefusal> {
        let list = || self.has.iter().map(|c| format!("{} ({})", c.name, c.range()));
        self.find(id).ok_or_else(|| ControlRefusal::Absent {
            key,
            has: match list().collect::<Vec<_>>() {
                texts if texts.is_empty() => "no control at all".to_owned(),
                texts => texts.join(", "),
            },
        })
    }

    fn set(&mut self, key: &'static str, id: u32, value: i32) -> Result<(), ControlRefusal> {
        let control = self.control(key, id)?;
        let name = control.name.clone();
        if !control.takes(value) {
            let range = control.range();
            return Err(ControlRefusal::OutOfRange { key, control: name, wanted: value, range });
        }
        self.steps.push(Step { id, name, value });
        Ok(())
    }

    fn if_there(&mut self, id: u32, value: i32) {
        if let Some(control) = self.find(id).filter(|control| control.takes(value)) {
            self.steps.push(Step { id, name: control.name.clone(), value });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn control(id: u32, name: &str, min: i32, max: i32, step: i32) -> Control {
        let (value, menu, name) = (Some(min), Vec::new(), slug(name));
        Control { id, name, min, max, step, default: min, value, menu }
    }

    fn camera() -> Vec<Control> {
        let modes = vec![(1, "Manual Mode".to_owned()), (3, "Aperture Priority Mode".to_owned())];
        vec![
            control(id::AUTO_WHITE_BALANCE, "White Balance, Automatic", 0, 1, 1),
            control(id::GAIN, "Gain", 0, 255, 1),
            control(id::WHITE_BALANCE, "White Balance Temperature", 2000, 6500, 10),
            Control { menu: modes, ..control(id::AUTO_EXPOSURE, "Auto Exposure", 0, 3, 1) },
            control(id::EXPOSURE, "Exposure Time, Absolute", 3, 2047, 1),
            control(id::DYNAMIC_RATE, "Exposure, Dynamic Framerate", 0, 1, 1),
        ]
    }

    fn planned(wanted: &Controls) -> Vec<(String, i32)> {
        let steps = plan(wanted, &camera()).unwrap();
        steps.into_iter().map(|step| (step.name, step.value)).collect()
    }

    #[test]
    fn what_is_automatic_is_switched_off_first() {
        let fixed = |value| Some(Setting::Fixed(value));
        let (exposure, gain, white_balance) = (fixed(100), fixed(32), fixed(4600));
        let wanted = Controls { exposure, gain, white_balance, ..Controls::default() };
        let expected = [
            ("exposure_dynamic_framerate", 0),
            ("auto_exposure", 1),
            ("exposure_time_absolute", 100),
            ("gain", 32),
            ("white_balance_automatic", 0),
            ("white_balance_temperature", 4600),
        ];
        assert_eq!(planned(&wanted), expected.map(|(name, value)| (name.to_owned(), value)));
        let wanted = Controls { exposure: Some(Setting::Auto), ..Controls::default() };
        assert_eq!(planned(&wanted)[1], ("auto_exposure".to_owned(), 3));
        assert_eq!(planned(&Controls::default()).len(), 1);
        assert_eq!(plan(&Controls::default(), &[]).unwrap(), []);
    }

    #[test]
    fn a_control_that_is_not_there_and_a_value_beyond_its_range_are_refused_with_what_is() {
        let refused = |wanted: Controls| plan(&wanted, &camera()).unwrap_err().to_string();
        let focus = Controls { focus: Some(Setting::Fixed(3)), ..Controls::default() };
        let told = refused(focus);
        assert!(told.starts_with("has no control for focus; it has white_balance_"), "{told}");
        assert!(told.contains("gain (0 to 255), white_balance_temperature (2000 to 6500 in steps"));
        assert!(told.contains("(1 = Manual Mode, 3 = Aperture Priority Mode)"), "{told}");
        let fixed = |value| Some(Setting::Fixed(value));
        for (value, taken) in [(2, false), (3, true), (2047, true), (2048, false)] {
            let wanted = Controls { exposure: fixed(value), ..Controls::default() };
            assert_eq!(plan(&wanted, &camera()).is_ok(), taken, "{value}");
        }
        assert_eq!(
            refused(Controls { white_balance: fixed(4605), ..Controls::default() }),
            "does not take white_balance = 4605: its white_balance_temperature is 2000 to 6500 in \
             steps of 10"
        );
        // A camera that has no automatic gain is not asked to use it.
        let automatic = Controls { gain: Some(Setting::Auto), ..Controls::default() };
        assert!(refused(automatic).starts_with("has no control for gain; "));
    }
}
