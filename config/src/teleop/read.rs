//! `[teleop]` as written: ranges, names of controls, and that no control has two functions.

use super::bindings::NONE;
use super::{AxisBinding, Bindings, Chord, PadAxis, PadButton, Teleop};
use crate::section::Section;
use jaco_core::Word;

/// Reads the section; what is not there has its default.
pub(crate) fn read(mut section: Section<'_>) -> Teleop {
    let d = Teleop::default();
    let s = &mut section;
    let pad = s.text("pad", |_| Ok(()));
    let mapping = s.text("mapping", mapping_line);
    let teleop = Teleop {
        pad,
        mapping,
        operator_yaw_deg: s
            .number("operator_yaw_deg", -180.0..=180.0)
            .unwrap_or(d.operator_yaw_deg),
        slow_m_s: s.number("slow_m_s", 0.005..=0.2).unwrap_or(d.slow_m_s),
        normal_m_s: s.number("normal_m_s", 0.005..=0.2).unwrap_or(d.normal_m_s),
        fast_m_s: s.number("fast_m_s", 0.005..=0.2).unwrap_or(d.fast_m_s),
        slow_rad_s: s.number("slow_rad_s", 0.02..=1.07).unwrap_or(d.slow_rad_s),
        normal_rad_s: s.number("normal_rad_s", 0.02..=1.07).unwrap_or(d.normal_rad_s),
        fast_rad_s: s.number("fast_rad_s", 0.02..=1.07).unwrap_or(d.fast_rad_s),
        gripper_per_s: s.number("gripper_per_s", 0.1..=3.0).unwrap_or(d.gripper_per_s),
        dead_zone: s.number("dead_zone", 0.0..=0.5).unwrap_or(d.dead_zone),
        curve: s.number("curve", 1.0..=4.0).unwrap_or(d.curve),
        engage_ramp_ms: s.integer("engage_ramp_ms", 0..=2000).unwrap_or(d.engage_ramp_ms),
        silent_after_ms: s.integer("silent_after_ms", 300..=60000).unwrap_or(d.silent_after_ms),
        rumble: s.number("rumble", 0.0..=1.0).unwrap_or(d.rumble),
        bindings: bindings(s.section("bindings")),
    };
    section.finish();
    teleop
}

fn bindings(mut section: Section<'_>) -> Bindings {
    let d = Bindings::default();
    let s = &mut section;
    let bindings = Bindings {
        dead_man: s.word("dead_man").unwrap_or(d.dead_man),
        x: bound(s, "x", axis, d.x),
        y: bound(s, "y", axis, d.y),
        z: bound(s, "z", axis, d.z),
        roll: bound(s, "roll", axis, d.roll),
        pitch: bound(s, "pitch", axis, d.pitch),
        yaw: bound(s, "yaw", axis, d.yaw),
        open: bound(s, "open", button, d.open),
        close: bound(s, "close", button, d.close),
        faster: bound(s, "faster", button, d.faster),
        slower: bound(s, "slower", button, d.slower),
        start_keep: bound(s, "start_keep", button, d.start_keep),
        discard: bound(s, "discard", button, d.discard),
        re_record: bound(s, "re_record", button, d.re_record),
        success: bound(s, "success", button, d.success),
        failure: bound(s, "failure", button, d.failure),
        stop: bound(s, "stop", button, d.stop),
        stop_chord: bound(s, "stop_chord", chord, d.stop_chord),
    };
    refuse_shared(&section, &bindings);
    if bindings.stop.is_none() && bindings.stop_chord.is_none() {
        let reason = "is \"none\", and so is stop_chord: one of them must stop the arm";
        section.refuse("stop", reason.to_owned());
    }
    section.finish();
    bindings
}

/// Refuses controls with two functions, at a function that is in the file.
fn refuse_shared(section: &Section<'_>, bindings: &Bindings) {
    let needed = bindings.needed();
    for (index, &(key, part)) in needed.iter().enumerate() {
        let earlier = needed[..index].iter().find(|(_, earlier)| earlier.touches(part));
        let Some(&(earlier, _)) = earlier else { continue };
        let (at, other) = match section.line_of(key) {
            Some(_) => (key, earlier),
            None => (earlier, key),
        };
        let reason = if at == other {
            format!("names {part} twice: a chord is two buttons")
        } else {
            format!("{part} has a function already, {other}: give each its own")
        };
        section.refuse(at, reason);
    }
}

/// The binding `key`; its default if it is absent or refused.
fn bound<T: Copy>(
    section: &mut Section<'_>,
    key: &'static str,
    parse: fn(&str) -> Result<T, String>,
    default: Option<T>,
) -> Option<T> {
    let mut read = default;
    section.text(key, |text| {
        read = if text == NONE { None } else { Some(parse(text)?) };
        Ok(())
    });
    read
}

fn axis(text: &str) -> Result<AxisBinding, String> {
    let (name, inverted) = match text.strip_prefix('-') {
        Some(name) => (name, true),
        None => (text, false),
    };
    match PadAxis::ALL.iter().find(|axis| axis.name() == name) {
        Some(&axis) => Ok(AxisBinding { axis, inverted }),
        None => Err(format!("must be one of {}, with - before it or not", names::<PadAxis>())),
    }
}

fn button(text: &str) -> Result<PadButton, String> {
    let button = PadButton::ALL.iter().copied().find(|button| button.name() == text);
    button.ok_or_else(|| format!("must be one of {}", names::<PadButton>()))
}

fn chord(text: &str) -> Result<Chord, String> {
    let two = text.split_once('+').ok_or("must be two buttons with + between them")?;
    Ok(Chord(button(two.0)?, button(two.1)?))
}

fn names<W: Word>() -> String {
    let names = W::ALL.iter().map(|word| format!("{:?}", word.name()));
    let names = names.chain([format!("{NONE:?}")]).collect::<Vec<_>>();
    names.join(", ")
}

/// What a mapping must have to be one: SDL's form, on one line.
fn mapping_line(text: &str) -> Result<(), String> {
    let mut fields = text.split(',');
    let guid = fields.next().unwrap_or_default();
    let is_guid = guid.len() == 32 && guid.bytes().all(|byte| byte.is_ascii_hexdigit());
    let rest = fields.skip(1).filter(|field| !field.is_empty()).collect::<Vec<_>>();
    if !is_guid || rest.is_empty() || rest.iter().any(|field| !field.contains(':')) {
        return Err("must be a mapping as SDL writes it: 32 hexadecimal digits, a name, \
                    then fields such as a:b0, all with commas between them"
            .to_owned());
    }
    let platform = rest.iter().find_map(|field| field.strip_prefix("platform:"));
    if let Some(platform) = platform.filter(|platform| *platform != "Linux") {
        return Err(format!("is for {platform}: take the line with platform:Linux"));
    }
    // The library that reads it passes over such marks, and the arm would go the other way.
    if rest.iter().any(|field| field.ends_with('~')) {
        return Err(
            "must not turn an axis round with ~: put - before it in [teleop.bindings]".to_owned()
        );
    }
    Ok(())
}
