//! What the programs are given: paths that no shell expanded, files that are none, empty
//! variables, places that cannot be used. Refused with exit code 2, in words that are true.

#![allow(clippy::unwrap_used)]

use jaco_config::Config;
use jaco_tests::built;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const MINI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../model/mini");
/// A user who may nothing.
const NOBODY: u32 = 65534;

/// A program with its command line, in an empty environment but for HOME.
fn program(words: &[&str]) -> Command {
    let mut command = Command::new(built(words[0]).unwrap());
    command.args(&words[1..]).env_clear().env("HOME", "/nonexistent/ada").stdin(Stdio::null());
    command
}

/// Exit code and words of a command.
fn told(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("panicked"), "{command:?}: {said}");
    (output.status.code(), said)
}

fn refused(words: &[&str], reasons: &[&str]) {
    let (code, said) = told(&mut program(words));
    assert_eq!(code, Some(2), "{words:?}: {said}");
    for reason in reasons {
        assert!(said.contains(reason), "{words:?} should say {reason:?}: {said}");
    }
}

/// A configuration that `--check` finds good, in `folder`.
fn good(folder: &Path) -> Config {
    let mut config = Config::parse(include_str!("../../config/sim.toml"), "sim.toml").unwrap();
    config.paths.data_dir = folder.join("data");
    config.api.socket = folder.join("jacod.sock");
    config.arm.sdk = built("libjaco_sim_sdk.so").unwrap();
    config.policy.checkpoint = MINI.into();
    config.sim = Some(jaco_config::Sim { socket: folder.join("sim.sock"), semaphore: None });
    config
}

/// `jacod --check` of the configuration, as text changed by `change`.
fn check(folder: &Path, change: impl FnOnce(String) -> String) -> (Option<i32>, String) {
    let path = folder.join("jacod.toml");
    std::fs::write(&path, change(toml::to_string(&good(folder)).unwrap())).unwrap();
    let output = program(&["jacod", "--check", "--config"]).arg(&path).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// `text` with the value of the first `key` replaced.
fn with(text: &str, key: &str, value: &str) -> String {
    let start = format!("{key} = ");
    let mut found = false;
    let lines = text.lines().map(|line| {
        let this = !found && line.starts_with(&start);
        found |= this;
        if this { format!("{start}{value}") } else { line.to_owned() }
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    assert!(found, "no {key}");
    text
}

#[test]
fn check_says_what_it_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = check(folder.path(), |text| text);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with(&format!("{}: good\n", folder.path().join("jacod.toml").display())));
    for key in ["every key", "paths.data_dir", "api.socket", "arm.sdk", "policy.checkpoint"] {
        assert!(said.contains(&format!("  checked {key}")), "{key}: {said}");
    }
    assert!(said.contains("  note    sim.socket: jaco-sim does not serve"), "{said}");
    assert!(!folder.path().join("data").exists(), "nothing is made");
}

/// syncthing #1924, pitchfork #675: `--check` said "good", and a folder called `~` was made.
#[test]
fn check_follows_home_and_variables() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = check(folder.path(), |text| with(&text, "data_dir", "\"~bob/data\""));
    assert_eq!(code, Some(2));
    assert!(said.contains(":2: paths.data_dir = \"~bob/data\": ~bob is not looked up"), "{said}");
    let (code, said) = check(folder.path(), |text| with(&text, "sdk", "\"~/sdk.so\""));
    assert_eq!(code, Some(2));
    assert!(said.contains("/nonexistent/ada/sdk.so is not there"), "{said}");
    let (code, said) = check(folder.path(), |text| with(&text, "sdk", "\"$KINOVA/sdk.so\""));
    assert_eq!(code, Some(2));
    assert!(said.contains("the variable KINOVA is not set"), "{said}");
}

/// rayforge #318: an SDK that is not there was "good"; and every other place that is none.
#[test]
fn check_refuses_what_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("file"), "text").unwrap();
    std::fs::create_dir(at("empty")).unwrap();
    for (key, name, reason) in [
        ("sdk", "none.so", "is not there"),
        ("sdk", "none.so ", "begins or ends with a space"),
        ("sdk", "empty", "is a folder, not a file"),
        ("sdk", "file", "is no library"),
        ("checkpoint", "none", "is not there"),
        ("checkpoint", "file", "is a file, not a folder"),
        ("checkpoint", "empty", "config.json is not there"),
        ("data_dir", "file", "is a file, not a folder"),
        ("data_dir", "file/below", "cannot"),
        ("socket", "file", "is a file, not a socket"),
        ("socket", "file/below.sock", "cannot"),
    ] {
        let value = format!("\"{}\"", at(name).display());
        let (code, said) = check(folder.path(), |text| with(&text, key, &value));
        assert_eq!(code, Some(2), "{key} {name}: {said}");
        assert!(said.contains(&format!("{key} = {value}: ")), "{said}");
        assert!(said.contains(reason), "{key} {name}: {said}");
    }
    let (code, said) = check(folder.path(), |text| {
        let adapter = format!("[policy]\nadapter = \"{}\"", at("empty").display());
        text.replace("[policy]", &adapter)
    });
    assert!(code == Some(2) && said.contains("adapter_config.json is not there"), "{said}");
    let (code, said) =
        check(folder.path(), |text| text.replace("[policy]", "[policy]\nstatistics = \"taco\""));
    assert!(code == Some(2) && said.contains("no statistics under \"taco\""), "{said}");
}

/// nokhwa #171: a camera by its path, and one device by two names.
#[test]
fn check_knows_a_device_by_all_its_names() {
    let folder = tempfile::tempdir().unwrap();
    // Any device will do where none is opened.
    symlink("/dev/null", folder.path().join("by-id")).unwrap();
    let cameras = |first: &str, second: &str| {
        let of = |name: &str, device: &str| {
            format!("\n[[camera]]\nname = \"{name}\"\nsource = \"v4l\"\ndevice = {device}\n")
        };
        check(folder.path(), |text| format!("{text}{}{}", of("a", first), of("b", second)))
    };
    let by_id = format!("\"{}\"", folder.path().join("by-id").display());
    let (code, said) = cameras("\"/dev/null\"", &by_id);
    assert_eq!(code, Some(2), "{said}");
    let reason =
        format!("device = {by_id}: leads to /dev/null, the device of the camera \"a\" too");
    assert!(said.contains(&reason), "{said}");
    let (code, said) = cameras("\"/dev/zero\"", &by_id);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = cameras("\"/dev/zero\"", "\"/dev/v4l/by-id/usb-none-video-index0\"");
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("usb-none-video-index0 is not there now; it is opened when it"),
        "{said}"
    );
    let toml = format!("\"{}\"", folder.path().join("jacod.toml").display());
    let (code, said) = cameras("\"/dev/zero\"", &toml);
    assert!(code == Some(2) && said.contains("is a file, no camera"), "{said}");
}

#[test]
fn what_is_no_configuration_file_is_called_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir(at("folder")).unwrap();
    std::fs::write(at("empty"), "").unwrap();
    std::fs::File::create(at("huge")).unwrap().set_len(1 << 33).unwrap();
    symlink("circle", at("circle")).unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();
    let fifo = Command::new("mkfifo").arg(at("pipe")).status().unwrap();
    assert!(fifo.success());
    for (name, reason) in [
        (at("folder"), "is a folder, not a configuration file"),
        (at("pipe"), "is a named pipe, not a configuration file"),
        (at("socket"), "is a socket, not a configuration file"),
        ("/dev/null".to_owned(), "is a device, not a configuration file"),
        (at("huge"), "has 8589934592 bytes: a configuration has at most 1048576"),
        (at("empty"), "arm.sdk: missing"),
        (at("none"), "there is none (--config names another)"),
        (at("empty/below"), "Not a directory"),
        (at("circle"), "the system refused"),
    ] {
        refused(&["jacod", "--config", &name], &[reason]);
        refused(&["jacod", "--check", "--config", &name], &[reason]);
    }
}

#[test]
fn what_cannot_be_used_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "text").unwrap();
    let file = file.to_str().unwrap();
    let below = format!("{file}/below");
    let record = ["jaco", "record", "--sim", "--task", "place-block", "--episodes", "1", "--out"];
    let eval = ["jaco", "eval", "--sim", "--task", "place-block", "--checkpoint"];
    let long = "word ".repeat(1000);
    let socket = format!("/{}", "s".repeat(200));
    for (words, reason) in [
        (vec!["jaco-sim", "--socket", file], "is no socket"),
        (vec!["jaco-sim", "--socket", &below], "cannot listen"),
        (vec!["jaco-sim", "--socket", &socket], "cannot listen"),
        (vec!["jaco-sim", "--socket", "s", "--timestep-ms", "3"], "does not divide"),
        (vec!["jaco-sim", "--socket", ""], "must not be empty"),
        (vec!["jaco-sim", "--socket", "$NOWHERE/s"], "NOWHERE is not set"),
        (vec!["jaco-servo", "--socket-fd", "99", "--sdk", "x"], "jacod starts this program"),
        (vec!["jacod", "--config", "~bob/x"], "~bob is not looked up"),
        (vec!["jaco", "demo", "--out", &below], "cannot create"),
        (vec!["jaco", "demo", "--out=~bob/x"], "~bob is not looked up"),
        (vec!["jaco", "demo", "--checkpoint", "/nonexistent"], "/nonexistent"),
        ([&record[..], &[file]].concat(), file),
        ([&record[..], &[&below]].concat(), &below),
        ([&record[..], &["~bob/x"]].concat(), "~bob is not looked up"),
        ([&eval[..], &["/nonexistent"]].concat(), "/nonexistent"),
        ([&eval[..], &[file]].concat(), file),
        (vec!["jaco", "policy", "inspect", "/nonexistent"], "/nonexistent"),
        (vec!["jaco", "--socket", &socket, "status"], "at most 107 bytes"),
        (vec!["jaco", "run", ""], "say what to do"),
        (vec!["jaco", "run", " \t"], "say what to do"),
        (vec!["jaco", "run", "put\nit"], "without control characters"),
        (vec!["jaco", "run", &long], "has 5000 characters: at most 2000"),
    ] {
        let mut command = program(&words);
        let (code, said) = told(command.current_dir(folder.path()).env("TMPDIR", folder.path()));
        assert_eq!(code, Some(2), "{words:?}: {said}");
        assert!(said.contains(reason), "{words:?} should say {reason:?}: {said}");
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), "text");
}

/// A command line that is not Unicode, from a folder of another time.
#[test]
fn words_that_are_not_unicode_are_refused_and_paths_are_not() {
    use std::os::unix::ffi::OsStringExt;
    let latin1 = std::ffi::OsString::from_vec(b"caf\xe9".to_vec());
    let (code, said) = told(program(&["jaco", "run"]).arg(&latin1));
    assert!(code == Some(2) && said.contains("invalid UTF-8"), "{said}");
    let (code, said) = told(program(&["jaco", "status", "--socket"]).arg(&latin1));
    assert!(code == Some(3) && said.contains("there is no such socket"), "{said}");
}

/// pitchfork #675, and a variable that is set to nothing.
#[test]
fn the_socket_comes_from_the_option_then_the_variable_then_the_default() {
    let status = |set: Option<&str>, option: Option<&str>| {
        let mut command = program(&["jaco", "status"]);
        command.args(option.map(|path| format!("--socket={path}")));
        command.envs(set.map(|path| ("JACO_SOCKET", path)));
        told(&mut command)
    };
    for (set, option, looked_at) in [
        (None, None, "/run/jacod/jacod.sock"),
        (Some(""), None, "/run/jacod/jacod.sock"),
        (Some("~/s"), None, "/nonexistent/ada/s"),
        (Some("${HOME}/s"), None, "/nonexistent/ada/s"),
        (Some("~bob/s"), Some("~/o"), "/nonexistent/ada/o"),
    ] {
        let (code, said) = status(set, option);
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains(&format!("no daemon answers on {looked_at}: ")), "{said}");
    }
    assert_eq!(status(Some("~bob/s"), None).0, Some(2));
    assert_eq!(status(Some("/run/s\r"), None).0, Some(2), "a variable from a file with CR LF");
}

/// lxd #12761: "is jacod running?", to somebody who may not talk to it.
#[test]
fn permission_is_told_from_absence() {
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(folder.path(), 0o755);
    let jaco = folder.path().join("jaco");
    std::fs::copy(built("jaco").unwrap(), &jaco).unwrap();
    open(&jaco, 0o755);
    let socket = folder.path().join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    open(&socket, 0o000);
    let status = |socket: PathBuf| {
        let mut command = Command::new(&jaco);
        command.arg("--socket").arg(socket).arg("status");
        if rustix::process::getuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        told(&mut command)
    };
    let (code, said) = status(socket.clone());
    assert_eq!(code, Some(3));
    assert!(said.contains("you are not in the daemon's group"), "{said}");
    let (_, said) = status(folder.path().join("none"));
    assert!(said.contains("there is no such socket: is jacod running?"), "{said}");
    open(&socket, 0o777);
    drop(listener);
    let (_, said) = status(socket);
    assert!(said.contains("nobody serves it any more"), "{said}");
}
