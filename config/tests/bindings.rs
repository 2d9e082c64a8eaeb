//! `[teleop]`: what a control may be bound to, what is refused in which words, and the table.

#![allow(clippy::unwrap_used)]

use jaco_config::teleop::{AxisBinding, Bindings, Chord, Part};
use jaco_config::teleop::{PadAxis, PadButton};
use jaco_config::{Config, Teleop};
use jaco_core::Word;

const VALID: &str = r#"
[arm]
sdk = "libkinova.so"

[[camera]]
name = "front"
source = "v4l"
device = 0
"#;

fn read(lines: &str) -> Teleop {
    Config::parse(&format!("{lines}{VALID}"), "j.toml").unwrap().teleop
}

/// The message for `lines`, the first of which is line 1.
fn refusal(lines: &str) -> String {
    Config::parse(&format!("{lines}{VALID}"), "j.toml").unwrap_err().to_string()
}

fn binding(line: &str) -> String {
    refusal(&format!("[teleop.bindings]\n{line}"))
}

#[test]
fn functions_are_bound_by_the_names_of_controls() {
    let lines = "[teleop.bindings]\ndead_man = \"LeftTrigger\"\nslower = \"RightTrigger\"\n\
                 x = \"RightStickX\"\nyaw = \"none\"\nstop_chord = \"Select+Start\"\n\
                 start_keep = \"C\"\ndiscard = \"Z\"";
    let bindings = read(lines).bindings;
    assert_eq!(bindings.dead_man, PadButton::LeftTrigger);
    assert_eq!(bindings.x, Some(AxisBinding { axis: PadAxis::RightStickX, inverted: false }));
    assert_eq!(bindings.y, Bindings::default().y);
    assert_eq!(bindings.yaw, None);
    assert_eq!(bindings.stop_chord, Some(Chord(PadButton::Select, PadButton::Start)));
}

#[test]
fn an_unknown_control_lists_those_there_are() {
    assert_eq!(
        binding("x = \"axis0\""),
        "j.toml:2: teleop.bindings.x = \"axis0\": must be one of \"LeftStickX\", \"LeftStickY\", \
         \"RightStickX\", \"RightStickY\", \"DPadX\", \"DPadY\", \"none\", with - before it or not"
    );
    for line in ["dead_man = \"0\"", "stop = \"leftTrigger\"", "stop_chord = \"North+\""] {
        let told = binding(line);
        for button in PadButton::ALL {
            assert!(told.contains(&format!("\"{button}\"")), "{told}");
        }
    }
    assert!(binding("dead_man = \"none\"").contains("must be one of \"South\""));
    assert!(binding("stop_chord = \"North\"").ends_with("must be two buttons with + between them"));
    assert_eq!(
        binding("gripper = \"North\""),
        "j.toml:2: teleop.bindings.gripper: unknown key; the keys here are dead_man, x, y, z, roll, \
         pitch, yaw, open, close, faster, slower, start_keep, discard, re_record, success, \
         failure, stop, stop_chord"
    );
}

#[test]
fn two_functions_on_one_control_are_refused_with_both() {
    for (line, reason) in [
        // At the function that is in the file, whichever comes first in the list.
        ("faster = \"Start\"", "faster = \"Start\": Start has a function already, start_keep"),
        ("stop = \"South\"", "stop = \"South\": South has a function already, faster"),
        ("z = \"LeftStickY\"", "z = \"LeftStickY\": LeftStickY has a function already, y"),
        ("open = \"LeftThumb\"", "LeftThumb has a function already, stop_chord"),
        ("failure = \"DPadUp\"", "DPadUp has a function already, roll"),
        ("dead_man = \"RightThumb\"", "RightThumb has a function already, stop_chord"),
        ("stop_chord = \"Z+Z\"", "names Z twice: a chord is two buttons"),
    ] {
        let told = binding(line);
        assert!(told.starts_with("j.toml:2: teleop.bindings."), "{told}");
        assert!(told.contains(reason), "{line}: {told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[test]
fn something_must_stop_the_arm() {
    assert!(read("[teleop.bindings]\nstop = \"none\"").bindings.stop.is_none());
    let told = binding("stop = \"none\"\nstop_chord = \"none\"");
    assert!(told.contains("one of them must stop the arm"), "{told}");
}

#[test]
fn a_mapping_is_one_as_sdl_writes_it() {
    let guid = "030000005e0400008e02000014010000";
    let line = format!("[teleop]\nmapping = \"{guid},My pad,a:b0,leftx:a0,platform:Linux,\"");
    assert!(read(&line).mapping.unwrap().starts_with(guid));
    for (mapping, reason) in [
        ("a:b0", "32 hexadecimal digits"),
        (&format!("{guid},My pad"), "fields such as a:b0"),
        (&format!("{guid},My pad,b0"), "fields such as a:b0"),
        (&format!("{guid},My pad,lefty:a1~"), "put - before it in [teleop.bindings]"),
        (&format!("{guid},My pad,a:b0,platform:Windows"), "platform:Linux"),
    ] {
        let told = refusal(&format!("[teleop]\nmapping = \"{mapping}\""));
        assert!(told.contains(reason), "{told}");
    }
}

#[test]
fn the_table_has_every_function_and_what_it_is_on() {
    let bindings = read("[teleop.bindings]\nyaw = \"none\"").bindings;
    let table = bindings.table();
    assert_eq!(table.len(), 18);
    for row in &table {
        assert!(!row.does.is_empty() && !row.label.is_empty(), "{row:?}");
    }
    let row = |function: &str| table.iter().find(|row| row.function == function).unwrap();
    assert_eq!(
        (row("dead_man").control.as_str(), row("dead_man").label.as_str()),
        ("RightTrigger", "right bumper (RB)")
    );
    assert_eq!(row("y").control, "-LeftStickY");
    assert_eq!((row("yaw").control.as_str(), row("yaw").label.as_str()), ("none", "-"));
    assert_eq!(row("stop_chord").label, "left stick pressed and right stick pressed together");
    // What a pad must have is what is bound.
    let needed = bindings.needed();
    assert!(needed.contains(&("stop_chord", Part::Button(PadButton::LeftThumb))));
    assert!(!needed.contains(&("yaw", Part::Axis(PadAxis::RightStickX))));
    assert_eq!(needed.len(), 18);
}
