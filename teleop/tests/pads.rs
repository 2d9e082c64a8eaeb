//! Gamepads on their real path: kernel events through udev and gilrs, from pads that are mocked
//! (`tests/rig/pad`).
//!
//! Each test starts itself again among mocked pads, and is the test there.
#![allow(clippy::unwrap_used)]

#[path = "../../tests/rig/pad/rig.rs"]
mod rig;

use jaco_core::{Clock, MonotonicClock};
use jaco_teleop::pad::{self, PadHandle, PadState};
use jaco_teleop::settings::{Bindings, PadAxis, PadButton};
use jaco_teleop::{Press, Steer, Steering, Still, TeleopSettings};
use rig::{FLIGHT_STICK, LOGITECH, Pads, XBOX, code};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Tells a test where the harness listens.
const SOCKET: &str = "JACO_TEST_PADS";
/// For what comes at once on a machine that is not busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// Carries `test` out among mocked pads; `name` is the name of the test that calls.
fn among_pads(name: &str, test: impl FnOnce(Pads)) {
    if let Some(socket) = std::env::var_os(SOCKET) {
        return test(Pads::at(&PathBuf::from(socket)).unwrap());
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("pads.sock");
    let status = rig::among_pads(&socket, std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(SOCKET, &socket)
        .env("TMPDIR", folder.path())
        .status()
        .expect("umockdev-wrapper starts (deploy/setup.sh installs it)");
    assert!(status.success(), "{name} failed among the pads: see above");
}

/// The pads' thread, and a person's patience with it.
struct Reader {
    handle: PadHandle,
    steering: Steering,
}

impl Reader {
    fn start(settings: &TeleopSettings) -> Self {
        let handle = pad::start(settings, Arc::new(MonotonicClock)).unwrap();
        Self { handle, steering: Steering::new(settings) }
    }

    fn until<T>(&self, what: &str, mut look: impl FnMut(&PadHandle) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(seen) = look(&self.handle) {
                return seen;
            }
            assert!(Instant::now() < deadline, "never {what}: {:?}", self.handle);
            let _ = self.handle.changes().recv_timeout(Duration::from_millis(20));
        }
    }

    fn until_chosen(&self, name: &str) -> PadState {
        self.until(name, |pads| {
            let is_it = pads.health().chosen.as_deref() == Some(name);
            Some(pads.now()).filter(|pad| is_it && pad.connection.is_some())
        })
    }

    fn until_state(&self, what: &str, look: impl Fn(&PadState) -> bool) -> PadState {
        self.until(what, |pads| Some(pads.now()).filter(&look))
    }

    fn until_fault(&self, words: &str) -> String {
        let fault = |pads: &PadHandle| pads.health().fault.filter(|fault| fault.contains(words));
        self.until(words, fault)
    }

    fn step(&mut self) -> Steer {
        // The state first: its heartbeat is not younger than the time.
        let pad = self.handle.now();
        self.steering.step(MonotonicClock.now_ns(), &pad, 0.5)
    }

    fn until_step(&mut self, what: &str, look: impl Fn(&Steer) -> bool) -> Steer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let steer = self.step();
            if look(&steer) {
                return steer;
            }
            assert!(Instant::now() < deadline, "never {what}: {steer:?}");
            let _ = self.handle.changes().recv_timeout(Duration::from_millis(5));
        }
    }

    /// Presses the dead-man and then says `events`, until `look` sees it. On a busy machine the
    /// pad's thread may starve in between, and the dead-man must be pressed again.
    fn steer_until(
        &mut self,
        pads: &mut Pads,
        events: &[(code::Code, i32)],
        look: impl Fn(&Steer) -> bool,
    ) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let rest: Vec<_> = events.iter().map(|(code, _)| (*code, 0)).collect();
            pads.say(&[&rest[..], &[(code::RB, 0)]].concat());
            self.until_step("a dead-man that is up", |s| s.still == Some(Still::DeadManUp));
            // What is held at a plugging-in is told apart from what is pressed after it by time.
            let settled_ns = MonotonicClock.now_ns() + jaco_teleop::steering::SETTLE_NS;
            self.until_step("time", |_| MonotonicClock.now_ns() > settled_ns);
            pads.say(&[(code::RB, 1)]);
            self.until_step("pressed", |s| s.still != Some(Still::DeadManUp));
            pads.say(events);
            let steer = self.until_step("steered", |s| look(s) || !s.engaged);
            if look(&steer) {
                return;
            }
            assert!(Instant::now() < deadline, "never steered: {steer:?}");
        }
    }

    fn engage(&mut self, pads: &mut Pads) {
        self.steer_until(pads, &[(code::A, 0)], |s| s.engaged);
    }
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 0.01
}

#[test]
fn every_control_of_an_xbox_pad_has_its_name_and_sign() {
    among_pads("every_control_of_an_xbox_pad_has_its_name_and_sign", |mut pads| {
        let node = pads.plug(XBOX);
        let reader = Reader::start(&TeleopSettings::default());
        reader.until_chosen("Microsoft X-Box 360 pad");
        assert_eq!(node, "event20");
        let buttons = [
            (code::A, PadButton::South),
            (code::B, PadButton::East),
            (code::X, PadButton::West),
            (code::Y, PadButton::North),
            (code::LB, PadButton::LeftTrigger),
            (code::RB, PadButton::RightTrigger),
            (code::BACK, PadButton::Select),
            (code::START, PadButton::Start),
            (code::GUIDE, PadButton::Mode),
            (code::LEFT_THUMB, PadButton::LeftThumb),
            (code::RIGHT_THUMB, PadButton::RightThumb),
        ];
        for (code, button) in buttons {
            pads.say(&[(code, 1)]);
            let pad = reader.until_state(&format!("{button} pressed"), |p| p.is_pressed(button));
            assert_eq!(pad.presses(button), 1);
            pads.say(&[(code, 0)]);
            reader.until_state(&format!("{button} released"), |p| !p.is_pressed(button));
        }
        for (code, button) in [
            (code::LEFT_TRIGGER, PadButton::LeftTrigger2),
            (code::RIGHT_TRIGGER, PadButton::RightTrigger2),
        ] {
            pads.say(&[(code, 128)]);
            reader.until_state("half a trigger", |p| near(p.value(button), 0.502));
            pads.say(&[(code, 255)]);
            reader.until_state("a trigger", |p| p.value(button) == 1.0 && p.is_pressed(button));
            pads.say(&[(code, 0)]);
            reader.until_state("no trigger", |p| p.value(button) == 0.0 && !p.is_pressed(button));
        }
        // The kernel counts down as positive, we up.
        for (code, axis, sign) in [
            (code::LEFT_X, PadAxis::LeftStickX, 1.0),
            (code::LEFT_Y, PadAxis::LeftStickY, -1.0),
            (code::RIGHT_X, PadAxis::RightStickX, 1.0),
            (code::RIGHT_Y, PadAxis::RightStickY, -1.0),
        ] {
            for (value, expected) in [(32767, 1.0), (-32768, -1.0), (16384, 0.5), (300, 0.0092)] {
                pads.say(&[(code, value)]);
                let there = |p: &PadState| (p.axis(axis) - sign * expected).abs() < 1e-3;
                reader.until_state(&format!("{axis} at {value}"), there);
            }
        }
        for (code, axis, low, high) in [
            (code::HAT_X, PadAxis::DPadX, PadButton::DPadLeft, PadButton::DPadRight),
            (code::HAT_Y, PadAxis::DPadY, PadButton::DPadUp, PadButton::DPadDown),
        ] {
            let sign = if axis == PadAxis::DPadX { 1.0 } else { -1.0 };
            pads.say(&[(code, 1)]);
            reader.until_state("a hat", |p| p.axis(axis) == sign && p.is_pressed(high));
            pads.say(&[(code, -1)]);
            reader.until_state("a hat", |p| p.axis(axis) == -sign && p.is_pressed(low));
            pads.say(&[(code, 0)]);
            reader.until_state("no hat", |p| p.axis(axis) == 0.0 && !p.is_pressed(low));
        }
    });
}

#[test]
fn a_pad_plugged_in_later_steers_and_one_pulled_out_does_not() {
    among_pads("a_pad_plugged_in_later_steers_and_one_pulled_out_does_not", |mut pads| {
        let mut reader = Reader::start(&TeleopSettings::default());
        reader.until_fault("plug one in");
        assert_eq!(reader.step().still, Some(Still::NoPad));
        let node = pads.plug(XBOX);
        let first = reader.until_chosen("Microsoft X-Box 360 pad").connection;
        // Up is away from a person who faces the connector panel.
        let up = [(code::LEFT_Y, -32768)];
        let away = |s: &Steer| near(s.twist.linear_m_s.y, -0.1) && near(s.twist.linear_m_s.x, 0.0);
        reader.steer_until(&mut pads, &up, away);
        pads.say(&[(code::GUIDE, 1)]);
        let stopped = reader.until_step("stopped", |s| s.pressed.contains(&Press::Stop));
        assert_eq!((stopped.twist, stopped.engaged), (jaco_core::Twist::zero(), false));
        pads.say(&[(code::GUIDE, 0)]);
        reader.steer_until(&mut pads, &up, away);

        pads.unplug(&node);
        reader.until_state("gone", |pad| pad.connection.is_none());
        let gone = reader.step();
        assert_eq!(gone.still, Some(Still::Unplugged));
        assert_eq!(gone.twist, jaco_core::Twist::zero());
        reader.until_fault("plug one in");

        pads.plug(XBOX);
        let second = reader.until_chosen("Microsoft X-Box 360 pad").connection;
        assert!(second > first, "{second:?} after {first:?}");
        // Nothing of what was held before is believed.
        assert_eq!(reader.handle.now().axis(PadAxis::LeftStickY), 0.0);
        reader.until_step("at rest", |s| s.still == Some(Still::DeadManUp));
        reader.engage(&mut pads);
    });
}

/// evdev says HUP at once, udev needs its rules first; gilrs 0.11 waits for udev.
#[test]
fn a_pad_that_cannot_be_read_is_gone_before_udev_says_so() {
    among_pads("a_pad_that_cannot_be_read_is_gone_before_udev_says_so", |mut pads| {
        let node = pads.plug(XBOX);
        let reader = Reader::start(&TeleopSettings::default());
        reader.until_chosen("Microsoft X-Box 360 pad");
        pads.vanish(&node);
        reader.until_state("gone", |pad| pad.connection.is_none());
        assert_eq!(reader.handle.health().pads, Vec::<String>::new());
        pads.unplug(&node);
        pads.plug(XBOX);
        reader.until_chosen("Microsoft X-Box 360 pad");
    });
}

#[test]
fn a_device_without_the_controls_is_refused_with_words() {
    among_pads("a_device_without_the_controls_is_refused_with_words", |mut pads| {
        let node = pads.plug(FLIGHT_STICK);
        let mut reader = Reader::start(&TeleopSettings::default());
        let fault = reader.until_fault("Logitech Extreme 3D is not used: its mapping has no ");
        for lacking in ["RightTrigger (dead_man)", "RightStickX (yaw)", "Mode (stop)"] {
            assert!(fault.contains(lacking), "{fault}");
        }
        assert!(fault.contains("[teleop] mapping"), "{fault}");
        assert_eq!(reader.handle.health().pads, ["Logitech Extreme 3D"]);
        assert_eq!(reader.step().still, Some(Still::NoPad));
        pads.say(&[((1, 0x120), 1), ((3, 0), 255)]);
        assert_eq!(reader.handle.now().connection, None);
        // A real one beside it is taken.
        pads.plug(XBOX);
        reader.until_chosen("Microsoft X-Box 360 pad");
        let health = reader.handle.health();
        assert_eq!((health.pads.len(), health.fault), (2, None));
        pads.unplug(&node);
    });
}

#[test]
fn the_same_device_is_used_with_a_mapping_and_bindings_that_fit_it() {
    among_pads("the_same_device_is_used_with_a_mapping_and_bindings_that_fit_it", |mut pads| {
        let bindings = Bindings {
            z: None,
            yaw: None,
            open: Some(PadButton::West),
            close: Some(PadButton::North),
            re_record: None,
            success: None,
            ..Bindings::default()
        };
        let mapping = "030000006d04000015c2000010010000,Flight stick,a:b0,b:b1,x:b2,y:b3,\
                       leftshoulder:b4,rightshoulder:b5,back:b6,start:b7,guide:b8,leftstick:b9,\
                       rightstick:b10,leftx:a0,lefty:a1,dpdown:h0.4,dpleft:h0.8,dpright:h0.2,\
                       dpup:h0.1,platform:Linux,";
        let settings = TeleopSettings {
            mapping: Some(mapping.to_owned()),
            bindings,
            ..TeleopSettings::default()
        };
        pads.plug(FLIGHT_STICK);
        let mut reader = Reader::start(&settings);
        reader.until_chosen("Logitech Extreme 3D");
        reader.until_step("at rest", |s| s.still == Some(Still::DeadManUp));
        pads.say(&[((1, 0x125), 1)]);
        reader.until_state("its trigger", |pad| pad.is_pressed(PadButton::RightTrigger));
        pads.say(&[((3, 0), 255)]);
        reader.until_state("its handle", |pad| pad.axis(PadAxis::LeftStickX) > 0.99);
    });
}

#[test]
fn of_several_pads_one_is_heard() {
    among_pads("of_several_pads_one_is_heard", |mut pads| {
        let xbox = pads.plug(XBOX);
        let reader = Reader::start(&TeleopSettings::default());
        let first = reader.until_chosen("Microsoft X-Box 360 pad").connection;
        let logitech = pads.plug(LOGITECH);
        reader.until("two pads", |pads| (pads.health().pads.len() == 2).then_some(()));
        pads.say_from(&logitech, &[(code::A, 1)]);
        pads.say_from(&xbox, &[(code::B, 1)]);
        let pad = reader.until_state("B", |pad| pad.is_pressed(PadButton::East));
        assert_eq!((pad.connection, pad.presses(PadButton::South)), (first, 0));
        // The other one takes over when the chosen one is gone, as a pad just plugged in.
        pads.unplug(&xbox);
        let pad = reader.until_chosen("Logitech Gamepad F310");
        assert!(pad.connection > first);
        assert!(!pad.is_pressed(PadButton::East) && !pad.is_pressed(PadButton::South));
    });
}

#[test]
fn the_pad_that_is_asked_for_is_waited_for() {
    among_pads("the_pad_that_is_asked_for_is_waited_for", |mut pads| {
        let settings =
            TeleopSettings { pad: Some("logitech".to_owned()), ..TeleopSettings::default() };
        pads.plug(XBOX);
        let reader = Reader::start(&settings);
        let fault = reader.until_fault("no gamepad is called \"logitech\"");
        assert!(fault.contains("there is Microsoft X-Box 360 pad"), "{fault}");
        assert_eq!(reader.handle.now().connection, None);
        pads.plug(LOGITECH);
        reader.until_chosen("Logitech Gamepad F310");
    });
}

/// gilrs 0.11 tells one hot plug for each time that it is woken: of two at once the second came with
/// the third.
#[test]
fn pads_plugged_in_at_once_are_all_found() {
    among_pads("pads_plugged_in_at_once_are_all_found", |mut pads| {
        let settings =
            TeleopSettings { pad: Some("logitech".to_owned()), ..TeleopSettings::default() };
        let reader = Reader::start(&settings);
        reader.until_fault("plug one in");
        for _ in 0..4 {
            let stick = pads.plug(FLIGHT_STICK);
            let xbox = pads.plug(XBOX);
            let logitech = pads.plug(LOGITECH);
            reader.until_chosen("Logitech Gamepad F310");
            for node in [logitech, xbox, stick] {
                pads.unplug(&node);
            }
            reader.until_state("gone", |pad| pad.connection.is_none());
        }
    });
}

/// gilrs 0.11 panics at an axis that a pad has not announced, as buggy firmware sends it.
#[test]
fn a_library_that_panics_is_told_and_started_anew() {
    among_pads("a_library_that_panics_is_told_and_started_anew", |mut pads| {
        pads.plug(XBOX);
        let mut reader = Reader::start(&TeleopSettings::default());
        let first = reader.until_chosen("Microsoft X-Box 360 pad").connection;
        reader.engage(&mut pads);
        pads.say(&[((3, 0x28), 1)]);
        let fault = reader.until_fault("reading gamepads failed");
        assert!(fault.contains("unwrap()"), "{fault}");
        assert_eq!(reader.handle.now().connection, None);
        let again = reader.until_state("there again", |pad| pad.connection.is_some());
        assert!(again.connection > first);
        reader.until("no fault", |pads| pads.health().fault.is_none().then_some(()));
        reader.engage(&mut pads);
    });
}

#[test]
fn a_rumble_never_waits_and_harms_nothing() {
    among_pads("a_rumble_never_waits_and_harms_nothing", |mut pads| {
        let reader = Reader::start(&TeleopSettings::default());
        // None there, then one that cannot, more than anyone would hear of.
        for _ in 0..100 {
            reader.handle.rumble(1.0, 100);
        }
        pads.plug(XBOX);
        reader.until_chosen("Microsoft X-Box 360 pad");
        for strength in [0.0, 0.5, 2.0, f32::NAN, f32::INFINITY, -1.0] {
            reader.handle.rumble(strength, 0);
            reader.handle.rumble(strength, u32::MAX);
            reader.handle.rumble(strength, 1);
            pads.say(&[(code::A, 1)]);
            reader.until_state("A", |pad| pad.is_pressed(PadButton::South));
            pads.say(&[(code::A, 0)]);
            reader.until_state("no A", |pad| !pad.is_pressed(PadButton::South));
        }
        assert_eq!(reader.handle.now().connection, Some(1), "the thread was started anew");
    });
}
