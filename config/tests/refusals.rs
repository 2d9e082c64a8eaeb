//! What a user reads when a file is wrong: exact messages.

#![allow(clippy::unwrap_used)]

use jaco_config::{Config, Fault};

const VALID: &str = r#"
[arm]
sdk = "libkinova.so"

[[camera]]
name = "front"
source = "v4l"
device = 0
"#;

fn message(text: &str) -> String {
    Config::parse(text, "j.toml").unwrap_err().to_string()
}

/// The message for the valid file with `lines` in front: the first of them is line 1.
fn message_with(lines: &str) -> String {
    message(&format!("{lines}{VALID}"))
}

#[test]
fn the_base_of_these_tests_is_valid() {
    assert!(Config::parse(VALID, "j.toml").is_ok());
}

#[test]
fn a_misspelt_key_is_named_with_the_likely_one() {
    assert_eq!(
        message_with("[arm.limits]\nlinear_sped_m_s = 0.1"),
        "j.toml:2: arm.limits.linear_sped_m_s: unknown key; did you mean \"linear_speed_m_s\"?"
    );
    assert_eq!(
        message_with("[arm.limit]\nlinear_speed_m_s = 0.1"),
        "j.toml:1: arm.limit: unknown key; did you mean \"limits\"?"
    );
    assert_eq!(
        message_with("[polcy]\nhorizon = 4"),
        "j.toml:1: polcy: unknown key; did you mean \"policy\"?"
    );
}

#[test]
fn a_key_like_no_other_lists_those_there_are() {
    assert_eq!(
        message_with("[log]\ncolour = true"),
        "j.toml:2: log.colour: unknown key; the keys here are level, format"
    );
}

/// Found by the fuzz target `config`: a line end in a key broke its message in two.
#[test]
fn a_key_that_needs_quotes_is_shown_in_quotes() {
    assert_eq!(
        message_with("[log]\n\"col\\nour\" = true"),
        "j.toml:2: log.\"col\\nour\": unknown key; the keys here are level, format"
    );
}

#[test]
fn a_wrong_type_says_which_is_right() {
    assert_eq!(
        message_with("[api]\nsocket = 5"),
        "j.toml:2: api.socket = 5: must be text in quotes"
    );
    assert_eq!(
        message_with("[arm.limits]\nlinear_speed_m_s = \"0.1\""),
        "j.toml:2: arm.limits.linear_speed_m_s = \"0.1\": must be a number"
    );
    assert_eq!(
        message_with("[run]\nmax_steps = 1.5"),
        "j.toml:2: run.max_steps = 1.5: must be a whole number"
    );
    assert_eq!(
        message_with("[arm.limits]\nworkspace_max_m = [1, 2]"),
        "j.toml:2: arm.limits.workspace_max_m = [1, 2]: must be three numbers, \
         such as [0.1, -0.2, 0.3]"
    );
    assert_eq!(message_with("log = 3\n"), "j.toml:1: log = 3: must be a section");
    assert_eq!(
        message("camera = []\n[arm]\nsdk = \"s\""),
        "j.toml:1: camera = []: must be a list of sections, each under [[camera]]"
    );
    assert_eq!(
        message("camera = 1\n[arm]\nsdk = \"s\""),
        "j.toml:1: camera = 1: must be a list of sections, each under [[camera]]"
    );
}

#[test]
fn a_number_out_of_range_says_the_range() {
    assert_eq!(
        message_with("[arm.limits]\nlinear_speed_m_s = 3.0"),
        "j.toml:2: arm.limits.linear_speed_m_s = 3.0: must be 0.01 to 0.5"
    );
    assert_eq!(
        message_with("[arm.limits]\nlinear_speed_m_s = nan"),
        "j.toml:2: arm.limits.linear_speed_m_s = nan: must be 0.01 to 0.5"
    );
    assert_eq!(
        message_with("[policy]\nhorizon = -1"),
        "j.toml:2: policy.horizon = -1: must be 1 to 28"
    );
    assert_eq!(
        message_with("[run]\nmax_steps = 99999999999999999999"),
        "j.toml:2: run.max_steps = 99999999999999999999: must be 1 to 100000"
    );
}

#[test]
fn a_camera_that_is_not_there_cannot_be_recorded() {
    for (cameras, reason) in [
        ("[\"nose\"]", "no [[camera]] has the name \"nose\"; there is \"front\""),
        ("[\"front\", \"front\"]", "\"front\" is named twice"),
        ("[]", "must name at least one camera"),
        ("\"front\"", "must be a list of texts, such as [\"front\", \"wrist\"]"),
    ] {
        assert_eq!(
            message_with(&format!("[record]\ncameras = {cameras}")),
            format!("j.toml:2: record.cameras = {cameras}: {reason}")
        );
    }
}

#[test]
fn an_unknown_word_lists_the_words() {
    assert_eq!(
        message_with("[log]\nlevel = \"loud\""),
        "j.toml:2: log.level = \"loud\": \
         must be one of \"error\", \"warn\", \"info\", \"debug\", \"trace\""
    );
    assert_eq!(
        message_with("[policy]\ndevice = \"gpu\""),
        "j.toml:2: policy.device = \"gpu\": must be \"cpu\" or \"cuda:0\", \"cuda:1\", ..."
    );
}

#[test]
fn a_way_to_decode_that_there_is_not_lists_those_there_are() {
    let allowed = "must be \"greedy\", \"top-k:K\" or \"top-k:K:TEMPERATURE\" (K 1 to 256, \
                   TEMPERATURE above 0), or \"beam:WIDTH\" (WIDTH 1 to 64)";
    for text in ["nucleus:0.9", "top-k:257", "beam:0"] {
        assert_eq!(
            message_with(&format!("[policy]\ndecode = \"{text}\"")),
            format!("j.toml:2: policy.decode = \"{text}\": {allowed}")
        );
    }
    assert_eq!(
        message_with("[policy]\nmax_entropy = -0.5"),
        "j.toml:2: policy.max_entropy = -0.5: must be 0 to 5.55"
    );
    assert_eq!(
        message_with("[policy]\ndtype = \"int8\""),
        "j.toml:2: policy.dtype = \"int8\": must be one of \"f32\", \"bf16\", \"f16\""
    );
    assert_eq!(
        message_with("[policy]\nstatistics = \"\"\nadapter = 3\nexpectation = \"yes\""),
        "j.toml:2: policy.statistics = \"\": must not be empty\n\
         j.toml:3: policy.adapter = 3: must be text in quotes\n\
         j.toml:4: policy.expectation = \"yes\": must be true or false"
    );
}

#[test]
fn an_absent_key_without_default_is_asked_for_at_its_section() {
    assert_eq!(
        message("\n[arm]\n[[camera]]\nname = \"front\"\nsource = \"v4l\""),
        "j.toml:2: arm.sdk: missing; give the path of the SDK's command-layer library\n\
         j.toml:3: camera[0].device: missing; give N of the camera's /dev/videoN, or its \
         path in quotes"
    );
}

#[test]
fn an_empty_file_is_told_what_it_needs() {
    assert_eq!(
        message(""),
        "j.toml: arm.sdk: missing; give the path of the SDK's command-layer library\n\
         j.toml: camera: missing; give at least one [[camera]] section"
    );
}

#[test]
fn two_cameras_of_one_name_are_refused_with_both_lines() {
    let text = format!("{VALID}[[camera]]\nname = \"front\"\nsource = \"v4l\"\ndevice = 1\n");
    assert_eq!(
        message(&text),
        "j.toml:10: camera[1].name = \"front\": is the name of the camera on line 6 too"
    );
}

#[test]
fn two_cameras_of_one_device_are_refused_with_both_lines() {
    let second = |device: &str| {
        format!("{VALID}[[camera]]\nname = \"wrist\"\nsource = \"v4l\"\ndevice = {device}\n")
    };
    for device in ["0", "\"/dev/video0\"", "\"/dev//video0\""] {
        assert_eq!(
            message(&second(device)),
            format!(
                "j.toml:12: camera[1].device = {device}: \
                 is the device of the camera \"front\" on line 8 too"
            )
        );
    }
    assert!(Config::parse(&second("1"), "j.toml").is_ok());
    assert!(Config::parse(&second("\"/dev/v4l/by-id/usb-a-video-index0\""), "j.toml").is_ok());
}

#[test]
fn a_device_is_a_number_or_an_absolute_path() {
    let with = |device: &str| message(&VALID.replace("device = 0", &format!("device = {device}")));
    for text in ["\"0\"", "\"video0\"", "\"\"", "\"/dev/vid\\u0000eo\""] {
        assert_eq!(
            with(text),
            format!(
                "j.toml:8: camera[0].device = {text}: must be N of /dev/videoN without quotes, an \
                 absolute path, such as \"/dev/v4l/by-id/usb-...-video-index0\", \"serial:...\" or \
                 \"name:...\""
            )
        );
    }
    for text in ["1.5", "true", "[0]"] {
        assert_eq!(
            with(text),
            format!(
                "j.toml:8: camera[0].device = {text}: \
                 must be N of /dev/videoN, or a path in quotes"
            )
        );
    }
    assert_eq!(with("256"), "j.toml:8: camera[0].device = 256: must be 0 to 255");
    for text in ["\"serial:\"", "\"name: C920\""] {
        let reason = "must have text behind the colon, without spaces around it";
        assert_eq!(with(text), format!("j.toml:8: camera[0].device = {text}: {reason}"));
    }
}

#[test]
fn a_cameras_setting_is_a_number_or_auto() {
    let with = |line: &str| message(&format!("{VALID}{line}"));
    for (key, range) in
        [("exposure", "1 to 100000"), ("gain", "0 to 65535"), ("white_balance", "1000 to 15000")]
    {
        let wrong = with(&format!("{key} = \"manual\""));
        let place = format!("j.toml:9: camera[0].{key} = ");
        assert_eq!(wrong, format!("{place}\"manual\": must be a whole number, or \"auto\""));
        assert_eq!(with(&format!("{key} = -1")), format!("{place}-1: must be {range}"));
        assert!(Config::parse(&format!("{VALID}{key} = \"auto\""), "j.toml").is_ok());
    }
    assert_eq!(
        with("power_line = 50"),
        "j.toml:9: camera[0].power_line = 50: must be one of \"off\", \"50Hz\", \"60Hz\", \"auto\""
    );
    let sim = VALID.replace("\"v4l\"\ndevice = 0", "\"sim\"\nexposure = 3");
    assert_eq!(
        message(&format!("{sim}[sim]\nsocket = \"s\"")),
        "j.toml:8: camera[0].exposure = 3: is for source = \"v4l\" only"
    );
}

#[test]
fn a_camera_name_that_no_dataset_key_could_hold_is_refused() {
    assert_eq!(
        message(&VALID.replace("front", "front/left")),
        "j.toml:6: camera[0].name = \"front/left\": must be 1 to 32 of a-z, 0-9, _ and -"
    );
}

#[test]
fn the_policy_must_see_through_a_camera_there_is() {
    assert_eq!(
        message_with("[policy]\ncamera = \"wrist\""),
        "j.toml:2: policy.camera = \"wrist\": no [[camera]] has this name; there is \"front\""
    );
}

#[test]
fn a_simulated_camera_needs_the_simulator() {
    let sim_camera = VALID.replace("\"v4l\"\ndevice = 0", "\"sim\"");
    assert_eq!(
        message(&sim_camera),
        "j.toml:7: camera[0].source = \"sim\": \
         needs the simulator's socket: add a [sim] section with socket"
    );
    assert_eq!(
        message(&format!("[sim]\n{sim_camera}")),
        "j.toml:1: sim.socket: missing; give the path of the simulator's socket"
    );
    assert!(Config::parse(&format!("{sim_camera}[sim]\nsocket = \"s\""), "j.toml").is_ok());
    assert_eq!(
        message(&format!("{sim_camera}device = 1\n[sim]\nsocket = \"s\"")),
        "j.toml:8: camera[0].device = 1: is for source = \"v4l\" only"
    );
}

#[test]
fn async_commits_fewer_steps_than_it_decodes() {
    let policy = "[policy]\nhorizon = 3\ncommit_steps = 3\nexecution = ";
    assert_eq!(
        message_with(&format!("{policy}\"async\"")),
        "j.toml:3: policy.commit_steps = 3: must be below horizon, which is 3"
    );
    assert!(Config::parse(&format!("{policy}\"sync\"{VALID}"), "j.toml").is_ok());
}

#[test]
fn the_workspace_has_room_on_every_axis() {
    assert_eq!(
        message_with("[arm.limits]\nworkspace_min_m = [-0.4, -0.7, 0.57]"),
        "j.toml:1: arm.limits.workspace_max_m: must exceed workspace_min_m by 0.05 m on each \
         axis, but z goes from 0.57 to 0.6"
    );
    let just_enough = format!("[arm.limits]\nworkspace_min_m = [-0.4, -0.7, 0.55]\n{VALID}");
    assert!(Config::parse(&just_enough, "j.toml").is_ok());
}

#[test]
fn keep_out_boxes_have_room_and_both_corners_and_are_at_most_eight() {
    let unit = "[[arm.limits.keep_out]]\nmin_m = [0, 0, 0]\nmax_m = [0.1, 0.1, 0.1]\n";
    assert_eq!(
        message_with(&unit.replace("0.1]", "0.001]")),
        "j.toml:3: arm.limits.keep_out[0].max_m = [0.1, 0.1, 0.001]: must exceed min_m by 0.01 m \
         on each axis, but z goes from 0 to 0.001"
    );
    assert_eq!(
        message_with("[[arm.limits.keep_out]]\nmin_m = [0, 0, 0]\nmax_n = 3"),
        "j.toml:1: arm.limits.keep_out[0].max_m: missing; give the highest corner of the box, \
         three numbers\n\
         j.toml:3: arm.limits.keep_out[0].max_n: unknown key; did you mean \"max_m\"?"
    );
    let error = message_with(&unit.repeat(9));
    assert!(error.ends_with("there are 9 of them, and at most 8 are allowed"), "{error}");
    assert!(Config::parse(&format!("{}{VALID}", unit.repeat(8)), "j.toml").is_ok());
}

#[test]
fn a_socket_path_the_kernel_would_refuse_is_refused_here() {
    let fits = format!("[api]\nsocket = \"/{}\"\n{VALID}", "s".repeat(106));
    assert!(Config::parse(&fits, "j.toml").is_ok());
    let error = message_with(&format!("[api]\nsocket = \"/{}\"\n", "s".repeat(107)));
    assert!(error.ends_with("a socket's path has at most 107 bytes, this one has 108"), "{error}");
}

#[test]
fn what_is_not_toml_is_refused_where_it_breaks() {
    let error = Config::parse("[arm]\nsdk = \"x\"\nsdk = \"y\"\n", "j.toml").unwrap_err();
    assert_eq!(error.to_string(), "j.toml:3: not valid TOML: duplicate key");
    assert!(matches!(&error.problems[..], [problem] if matches!(problem.fault, Fault::Syntax(_))));
}

#[test]
fn all_faults_are_told_at_once_in_the_order_of_the_file() {
    let text = "[log]\nlevel = \"loud\"\n[run]\nmax_step = 3\n[arm]\nsdk = \"\"\n\
                [arm.limits]\nfinger_speed_per_s = 7\n[[camera]]\nname = \"a\"\nsource = \"v4l\"\n\
                device = 0\nwidth = 8\n";
    let error = Config::parse(text, "j.toml").unwrap_err();
    let told: Vec<_> = error.problems.iter().map(|p| (p.line, p.key.as_str())).collect();
    assert_eq!(
        told,
        [
            (Some(2), "log.level"),
            (Some(4), "run.max_step"),
            (Some(6), "arm.sdk"),
            (Some(8), "arm.limits.finger_speed_per_s"),
            (Some(13), "camera[0].width"),
        ]
    );
}
