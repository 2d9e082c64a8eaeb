//! The shipped files: `jacod.toml` is the reference and must say what the code does.

#![allow(clippy::unwrap_used)]

use jaco_config::{Config, Controls, KeepOut, Limits, PowerLine, Setting, Source, VideoDevice};
use jaco_core::Execution;

const REFERENCE: &str = include_str!("../jacod.toml");
const SIM: &str = include_str!("../sim.toml");

/// The keys without a default, as `jacod.toml` has them, and nothing else.
const REQUIRED_ONLY: &str = r#"
[arm]
sdk = "/usr/lib/Kinova.API.USBCommandLayerUbuntu.so"

[[camera]]
name = "front"
source = "v4l"
device = 0
"#;

/// A `key = value` line of `jacod.toml` and the comment above it.
struct Documented {
    line: usize,
    key: String,
    value: String,
    comment: String,
}

/// Every key of `jacod.toml`, those that are commented out included.
fn documented() -> Vec<Documented> {
    let mut comment = String::new();
    let mut keys = Vec::new();
    for (line, text) in REFERENCE.lines().enumerate() {
        let bare = text.trim_start_matches("# ");
        let pair = bare.split_once(" = ").filter(|(key, _)| key.bytes().all(is_key_byte));
        match pair {
            Some((key, value)) => {
                let (key, value) = (key.to_owned(), value.to_owned());
                keys.push(Documented { line, key, value, comment: std::mem::take(&mut comment) });
            }
            None if text.starts_with('#') => comment = format!("{comment} {bare}"),
            None => comment.clear(),
        }
    }
    keys
}

fn is_key_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')
}

/// `jacod.toml` with one line replaced. If its section is commented out, it is there then, with what
/// it needs.
fn reference_with(line: usize, text: &str) -> String {
    let mut lines: Vec<&str> = REFERENCE.lines().collect();
    lines[line] = text;
    let header = |line: &str| line.trim_start_matches("# ").starts_with('[');
    let section = (0..line).rev().find(|&line| header(lines[line])).unwrap();
    if lines[section] == "# [arm.ethernet]" {
        lines[section] = "[arm.ethernet]";
        let transport = lines.iter().position(|line| *line == "transport = \"usb\"").unwrap();
        lines[transport] = "transport = \"ethernet\"";
    }
    lines.join("\n")
}

#[test]
fn the_reference_states_the_defaults() {
    let reference = Config::parse(REFERENCE, "jacod.toml").unwrap();
    let defaults = Config::parse(REQUIRED_ONLY, "required-only.toml").unwrap();
    assert_eq!(reference, defaults);
}

#[test]
fn the_reference_comments_state_the_defaults_too() {
    let stated = documented().into_iter().filter_map(|documented| {
        let (_, stated) = documented.comment.split_once("Default: ")?;
        Some((documented.key, documented.value, stated.to_owned()))
    });
    let mut checked = 0;
    for (key, value, stated) in stated {
        let described = [
            "serial",
            "checkpoint",
            "statistics",
            "adapter",
            "camera",
            "max_entropy",
            "semaphore",
            "cameras",
            "pad",
            "mapping",
            "exposure",
            "gain",
            "white_balance",
            "focus",
            "power_line",
        ];
        if described.contains(&key.as_str()) {
            continue; // Their defaults are described, not values.
        }
        assert!(
            stated == format!("{value}.") || stated.starts_with(&format!("{value}, ")),
            "{key} = {value}, but its comment ends: {stated}"
        );
        checked += 1;
    }
    assert_eq!(checked, 101);
}

#[test]
fn the_reference_mentions_every_key() {
    // Everything optional filled in, so that no key hides.
    let mut config = Config::parse(SIM, "sim.toml").unwrap();
    config.arm.serial = Some("PJ0".to_owned());
    config.arm.ethernet = Some(jaco_core::Ethernet::default());
    if let Some(sim) = &mut config.sim {
        sim.semaphore = Some("/jaco-sim".to_owned());
    }
    config.policy.statistics = Some("dataset".to_owned());
    config.policy.adapter = Some("adapter".into());
    config.policy.max_entropy = Some(1.0);
    config.teleop.pad = Some("pad".to_owned());
    config.teleop.mapping = Some("mapping".to_owned());
    config.arm.limits.keep_out = vec![KeepOut::default()].try_into().unwrap();
    config.cameras[0].source = Source::V4l { device: VideoDevice::Number(0) };
    let auto = Some(Setting::Auto);
    config.cameras[0].controls = Controls {
        exposure: auto,
        gain: auto,
        white_balance: auto,
        focus: auto,
        power_line: Some(PowerLine::Auto),
    };
    let mut keys = Vec::new();
    leaves(&toml::Value::try_from(&config).unwrap(), "", &mut keys);
    assert!(keys.len() > 30, "the serialised configuration lost its keys: {keys:?}");
    let documented: Vec<String> = documented().into_iter().map(|entry| entry.key).collect();
    for key in keys {
        assert!(documented.contains(&key), "jacod.toml does not mention {key}");
    }
}

fn leaves(value: &toml::Value, key: &str, keys: &mut Vec<String>) {
    match value {
        toml::Value::Table(table) => {
            table.iter().for_each(|(key, value)| leaves(value, key, keys));
        }
        toml::Value::Array(items) if items.iter().all(toml::Value::is_table) => {
            items.iter().for_each(|item| leaves(item, key, keys));
        }
        _ => keys.push(key.to_owned()),
    }
}

#[test]
fn the_documented_ranges_are_the_ranges() {
    let mut checked = 0;
    for Documented { line, key, comment, .. } in documented() {
        let Some((_, range)) = comment.split_once("Range: ") else { continue };
        let (low, rest) = range.split_once(" .. ").unwrap();
        let high = rest.split_once(". ").map_or(rest.trim_end_matches('.'), |(high, _)| high);
        if key.starts_with("workspace") {
            // Three numbers, tied to another three: the message alone is compared.
            refused(line, &format!("{key} = [0.0, 9.0, 0.0]"), low, high);
        } else {
            let whole = !low.contains('.') && !high.contains('.');
            let step = if whole { 1.0 } else { 1e-6 };
            let (low_value, high_value) =
                (low.parse::<f64>().unwrap(), high.parse::<f64>().unwrap());
            refused(line, &format!("{key} = {}", low_value - step), low, high);
            refused(line, &format!("{key} = {}", high_value + step), low, high);
            for value in [low, high] {
                let text = reference_with(line, &format!("{key} = {value}"));
                assert!(Config::parse(&text, "t").is_ok(), "{key} = {value} was refused");
            }
        }
        checked += 1;
    }
    assert_eq!(checked, 70);
}

/// Asserts that the line is refused with exactly the documented range.
fn refused(line: usize, text: &str, low: &str, high: &str) {
    let message = Config::parse(&reference_with(line, text), "t").unwrap_err().to_string();
    let (place, range) = (format!("t:{}: ", line + 1), format!(": must be {low} to {high}"));
    assert!(message.starts_with(&place) && message.ends_with(&range), "{text}: {message}");
}

/// The folders that systemd makes are those that the defaults name.
#[test]
fn the_unit_and_the_defaults_name_the_same_places() {
    let unit = include_str!("../../deploy/systemd/jacod.service");
    let set = |key: &str| {
        let lines = unit.lines().filter_map(|line| line.strip_prefix(&format!("{key}=")));
        lines.map(str::to_owned).next().unwrap()
    };
    let config = Config::parse(REQUIRED_ONLY, "t").unwrap();
    let data = format!("/var/lib/{}", set("StateDirectory"));
    assert_eq!(config.paths.data_dir, std::path::Path::new(&data));
    let run = format!("/run/{}", set("RuntimeDirectory"));
    assert_eq!(config.api.socket.parent(), Some(std::path::Path::new(&run)));
    let file = format!("/etc/{}/jacod.toml", set("ConfigurationDirectory"));
    assert!(set("ExecStart").ends_with(&format!("/jacod --config {file}")));
}

#[test]
fn the_simulator_file_runs_without_an_arm() {
    let config = Config::parse(SIM, "sim.toml").unwrap();
    assert!(config.sim.is_some());
    assert_eq!(config.cameras[0].source, Source::Sim);
    assert_eq!(config.policy.execution, Execution::Sync);
    assert_eq!(config.policy.camera, "front");
    assert_eq!(config.arm.limits, Limits::default());
    assert!(config.paths.data_dir.is_relative() && config.api.socket.is_relative());
}
