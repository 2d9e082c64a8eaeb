//! Configuration files as other people's editors, scripts and habits leave them: read as they are
//! meant, or refused in words that are true.

#![allow(clippy::unwrap_used)]

use jaco_config::{Config, ConfigError, Problem, VideoDevice};
use std::ffi::OsString;
use std::path::Path;

const VALID: &str =
    "[arm]\nsdk = \"s.so\"\n[[camera]]\nname = \"front\"\nsource = \"v4l\"\ndevice = 0\n";

fn ada(name: &str) -> Option<OsString> {
    match name {
        "HOME" => Some("/home/ada".into()),
        "CAMERA" => Some("/dev/v4l/by-id/usb-a".into()),
        "EMPTY" => Some("".into()),
        _ => None,
    }
}

fn read(bytes: impl AsRef<[u8]>) -> Result<Config, ConfigError> {
    Config::read(bytes.as_ref(), "j.toml", &ada)
}

fn refusal(bytes: impl AsRef<[u8]>) -> String {
    read(bytes).unwrap_err().to_string()
}

/// syncthing #1924, pitchfork #675: a folder called `~` was made.
#[test]
fn every_path_may_begin_with_a_home_and_hold_variables() {
    let text = "[paths]\ndata_dir = \"~/data\"\n[api]\nsocket = \"$HOME/a.sock\"\n\
                [arm]\nsdk = \"${HOME}/sdk.so\"\n\
                [[camera]]\nname = \"a\"\nsource = \"v4l\"\ndevice = \"$CAMERA-index0\"\n\
                [policy]\ncheckpoint = \"~/c\"\nadapter = \"~\"\n[sim]\nsocket = \"~/b.sock\"\n";
    let config = read(text).unwrap();
    assert_eq!(config.paths.data_dir, Path::new("/home/ada/data"));
    assert_eq!(config.api.socket, Path::new("/home/ada/a.sock"));
    assert_eq!(config.arm.sdk, Path::new("/home/ada/sdk.so"));
    assert_eq!(config.policy.checkpoint, Path::new("/home/ada/c"));
    assert_eq!(config.policy.adapter.as_deref(), Some(Path::new("/home/ada")));
    assert_eq!(config.sim.unwrap().socket, Path::new("/home/ada/b.sock"));
    let device = VideoDevice::Path("/dev/v4l/by-id/usb-a-index0".into());
    assert_eq!(config.cameras[0].source, jaco_config::Source::V4l { device });
}

#[test]
fn a_path_that_stands_for_nothing_is_refused_with_its_line() {
    for (value, reason) in [
        ("~bob/data", "~bob is not looked up"),
        ("$NOWHERE/data", "the variable NOWHERE is not set"),
        ("${EMPTY}/data", "the variable EMPTY is not set"),
        ("/data/$", "a $ without a name"),
        ("/data\\n", "U+000A"),
        ("/da\\u0000ta", "U+0000"),
    ] {
        let told = refusal(format!("[paths]\ndata_dir = \"{value}\"\n{VALID}"));
        let place = format!("j.toml:2: paths.data_dir = \"{value}\": ");
        assert!(told.starts_with(&place) && told.contains(reason), "{told}");
    }
    let told = refusal(VALID.replace("device = 0", "device = \"$NO_CAMERA\""));
    assert!(told.contains("j.toml:6") && told.contains("NO_CAMERA is not set"), "{told}");
    let long = format!("[api]\nsocket = \"~/{}\"\n{VALID}", "s".repeat(100));
    assert!(refusal(long).ends_with("at most 107 bytes, this one has 110"));
}

#[test]
fn two_sockets_of_one_path_are_refused() {
    let told = refusal(format!(
        "[api]\nsocket = \"/run/a.sock\"\n{VALID}[sim]\nsocket = \"/run//./a.sock\"\n"
    ));
    assert!(
        told.starts_with("j.toml:10: sim.socket = \"/run//./a.sock\": is the socket of"),
        "{told}"
    );
}

#[test]
fn windows_and_other_writers_of_toml_are_read() {
    let valid = read(VALID).unwrap();
    let tabs = VALID.replace(" = ", "\t=\t").replace('\n', "  \n");
    let dotted =
        "arm.sdk = \"s.so\"\ncamera = [{ name = \"front\", source = \"v4l\", device = 0 }]";
    for text in [
        format!("\u{feff}{VALID}"),
        VALID.replace('\n', "\r\n"),
        format!("\u{feff}{}", VALID.replace('\n', "\r\n")),
        tabs,
        dotted.to_owned(),
        VALID.trim_end().to_owned(),
        VALID.replace("sdk", "\"sdk\""),
    ] {
        assert_eq!(read(&text).unwrap(), valid, "{text:?}");
    }
}

#[test]
fn another_encoding_or_language_is_called_by_its_name() {
    let latin1 = b"# caf\xe9\n[arm]\n".to_vec();
    assert_eq!(
        refusal(latin1),
        "j.toml:1: not valid TOML: byte 6 of the file, 0xE9, is not UTF-8 (Latin-1, perhaps): save \
         it as UTF-8"
    );
    let utf16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(VALID.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert_eq!(refusal(utf16), "j.toml:1: not valid TOML: it is UTF-16: save it as UTF-8");
    for (text, language) in [
        ("{\"arm\": {\"sdk\": \"s\"}}", "JSON"),
        ("---\narm:\n  sdk: s\n", "YAML"),
        ("# mine\narm:\n  sdk: s\n", "YAML"),
        ("<xml/>", "XML"),
    ] {
        let told = refusal(text);
        assert!(told.contains(&format!("it looks like {language}, and must be TOML")), "{told}");
    }
    assert!(!refusal("arm = \"a: b\" c").contains("looks like"));
    for text in ["\0\0\0", "\u{7f}ELF"] {
        assert!(refusal(text).starts_with("j.toml:1: not valid TOML: "), "{}", refusal(text));
    }
}

#[test]
fn numbers_that_are_none_are_out_of_range() {
    for number in ["inf", "-inf", "nan", "+nan", "1e999"] {
        let text = format!("[arm.limits]\nlinear_speed_m_s = {number}\n{VALID}");
        // The section [arm] of the base comes after its own part, which TOML allows.
        assert!(refusal(text).contains(": must be 0.01 to 0.5"), "{number}");
    }
}

#[test]
fn what_is_found_wrong_later_is_told_at_its_place() {
    let text = format!("{VALID}[[camera]]\nname = \"b\"\nsource = \"v4l\"\ndevice = \"/dev/b\"\n");
    let at = |key: &str| Problem::at(text.as_bytes(), key, "is not there".to_owned());
    assert_eq!(at("arm.sdk").to_string(), "arm.sdk = \"s.so\": is not there");
    assert_eq!(at("arm.sdk").line, Some(2));
    assert_eq!(at("camera[1].device").line, Some(10));
    let default = at("policy.checkpoint");
    assert_eq!(
        (default.line, default.to_string().as_str()),
        (None, "policy.checkpoint: is not there")
    );
}
