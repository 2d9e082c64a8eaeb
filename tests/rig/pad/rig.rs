//! Gamepads that are not there, for tests of any package: `#[path = ".../tests/rig/pad/rig.rs"]`.
//!
//! Builds the harness `pads.c` beside this file, which says what it can do, wraps a program in it,
//! and speaks to it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// This folder.
const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/rig/pad");

/// An Xbox 360 pad.
pub const XBOX: &str = "xpad";
/// Another pad with the same controls.
#[allow(dead_code)]
pub const LOGITECH: &str = "f310";
/// A flight stick that nobody has a mapping for.
#[allow(dead_code)]
pub const FLIGHT_STICK: &str = "stick";

/// Kernel's numbers of the controls that tests touch (linux/input-event-codes.h), type and code.
#[allow(dead_code)]
pub mod code {
    /// An event's type and code.
    pub type Code = (u16, u16);
    pub const A: Code = (1, 0x130);
    pub const B: Code = (1, 0x131);
    pub const X: Code = (1, 0x133);
    pub const Y: Code = (1, 0x134);
    pub const LB: Code = (1, 0x136);
    pub const RB: Code = (1, 0x137);
    pub const BACK: Code = (1, 0x13a);
    pub const START: Code = (1, 0x13b);
    pub const GUIDE: Code = (1, 0x13c);
    pub const LEFT_THUMB: Code = (1, 0x13d);
    pub const RIGHT_THUMB: Code = (1, 0x13e);
    /// -32768 .. 32767, right is positive.
    pub const LEFT_X: Code = (3, 0);
    /// -32768 .. 32767, down is positive.
    pub const LEFT_Y: Code = (3, 1);
    /// 0 .. 255.
    pub const LEFT_TRIGGER: Code = (3, 2);
    pub const RIGHT_X: Code = (3, 3);
    pub const RIGHT_Y: Code = (3, 4);
    /// 0 .. 255.
    pub const RIGHT_TRIGGER: Code = (3, 5);
    /// -1, 0, 1, right is positive.
    pub const HAT_X: Code = (3, 0x10);
    /// -1, 0, 1, down is positive.
    pub const HAT_Y: Code = (3, 0x11);
}

/// A command that starts `program` among mocked pads, which are plugged by [`Pads::at`] the same
/// `socket`. Add the program's arguments.
pub fn among_pads(socket: &Path, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("umockdev-wrapper");
    command.arg(harness()).arg(socket).arg(program);
    command
}

/// The harness, built once for this process.
fn harness() -> &'static Path {
    static HARNESS: OnceLock<PathBuf> = OnceLock::new();
    HARNESS.get_or_init(|| {
        let program =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("pads-{}", std::process::id()));
        let flags = Command::new("pkg-config")
            .args(["--cflags", "--libs", "umockdev-1.0"])
            .output()
            .expect("pkg-config starts");
        assert!(flags.status.success(), "no libumockdev-dev: run deploy/setup.sh");
        let flags = String::from_utf8(flags.stdout).expect("flags are text");
        let built = Command::new("cc")
            .args(["-O1", "-o"])
            .arg(&program)
            .arg(Path::new(HERE).join("pads.c"))
            .args(flags.split_whitespace())
            .status();
        assert!(built.expect("cc starts").success(), "pads.c does not compile");
        program
    })
}

/// The harness' other end.
pub struct Pads(BufReader<UnixStream>);

#[allow(dead_code)]
impl Pads {
    /// The harness that listens at `socket`; None as long as nobody does.
    pub fn at(socket: &Path) -> Option<Self> {
        UnixStream::connect(socket).ok().map(|stream| Self(BufReader::new(stream)))
    }

    /// Plugs a pad in; the node of its device.
    pub fn plug(&mut self, pad: &str) -> String {
        self.order(&format!("plug {HERE}/{pad}"))
    }

    /// The pad that was plugged in last says these values at once.
    pub fn say(&mut self, events: &[(code::Code, i32)]) {
        self.order(&format!("event{}", triples(events)));
    }

    /// The pad at `node` says these values at once.
    pub fn say_from(&mut self, node: &str, events: &[(code::Code, i32)]) {
        self.order(&format!("event {node}{}", triples(events)));
    }

    /// Pulls the pad at `node` out.
    pub fn unplug(&mut self, node: &str) {
        self.order(&format!("unplug {node}"));
    }

    /// The pad at `node` cannot be read any more; udev says nothing.
    pub fn vanish(&mut self, node: &str) {
        self.order(&format!("vanish {node}"));
    }

    fn order(&mut self, line: &str) -> String {
        writeln!(self.0.get_mut(), "{line}").expect("the harness listens");
        let mut answer = String::new();
        self.0.read_line(&mut answer).expect("the harness answers");
        let done = answer.trim_end().strip_prefix("ok").map(|node| node.trim_start().to_owned());
        done.unwrap_or_else(|| panic!("{line}: {answer}"))
    }
}

fn triples(events: &[(code::Code, i32)]) -> String {
    events.iter().map(|((kind, code), value)| format!(" {kind} {code} {value}")).collect()
}
