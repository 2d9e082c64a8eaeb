//! An operator who is a program: it holds a pad and does with its sticks what the scripted expert
//! has in mind.

use crate::rig::code::{
    HAT_X, HAT_Y, LEFT_TRIGGER, LEFT_X, LEFT_Y, RB, RIGHT_TRIGGER, RIGHT_X, RIGHT_Y, START,
};
use crate::rig::{Pads, XBOX, among_pads};
use jaco_api::client::Client;
use jaco_api::{Event, SessionEvent};
use jaco_config::Config;
use jaco_core::{Action, STEP_NS};
use jaco_sim_link::ControlClient;
use jaco_tests::{Rig, Setup, built, poll};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Far beyond what anything takes here.
const PATIENCE: Duration = Duration::from_secs(120);
/// Full deflection, in the units of the configuration below.
const FULL_M_S: f64 = 0.2;
const FULL_RAD_S: f64 = 1.07;
const DEAD_ZONE: f64 = 0.05;
/// Values of the mocked pad at full deflection.
const STICK_FULL: f64 = 32767.0;
const TRIGGER_FULL: i32 = 255;
/// A session takes what is held on the pad when it begins for what was held before: a press in its
/// first 0.3 s does not count.
pub const SETTLE_TICKS: u64 = 60;
/// Ticks of a step.
const STEP_TICKS: u64 = 10;

/// A rig whose daemon sees mocked pads; none is plugged in yet.
pub fn rig_among_pads() -> (Rig, Pads) {
    rig_with(|_| {})
}

/// As [`rig_among_pads`], with the configuration changed by `configure`.
pub fn rig_with(configure: fn(&mut Config)) -> (Rig, Pads) {
    let folder = tempfile::tempdir().unwrap().keep();
    let socket = folder.join("pads.sock");
    let command = among_pads(&socket, built("jacod").unwrap());
    let mut wrapper = vec![command.get_program().to_owned()];
    wrapper.extend(command.get_args().map(ToOwned::to_owned));
    // The rig adds the daemon itself.
    wrapper.pop();
    let setup = Setup { homed: true, configure: Some(configure), wrapper };
    let rig = Rig::start_as(setup).unwrap();
    let pads = poll("the pads' harness", || Ok(Pads::at(&socket))).unwrap();
    (rig, pads)
}

/// Sticks that are proportional up to what the expert asks for.
pub fn as_fast_as_the_expert(config: &mut Config) {
    config.teleop.normal_m_s = FULL_M_S;
    config.teleop.normal_rad_s = FULL_RAD_S;
    config.teleop.dead_zone = DEAD_ZONE;
    config.teleop.curve = 1.0;
    config.teleop.engage_ramp_ms = 0;
    // The expert's gripper heads for open or closed at once.
    config.teleop.gripper_per_s = 3.0;
    config.record.reset_s = 0.0;
}

/// What the daemon tells, as it comes.
pub struct Told(Receiver<Event>);

impl Told {
    /// Listens from now on.
    pub fn by(rig: &Rig) -> Self {
        let (sender, receiver) = channel();
        let client = Client::new(&rig.path("jacod.sock"));
        let (ready, listening) = channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let mut lines = client.get_lines("/v1/events").await.unwrap();
                ready.send(()).unwrap();
                while let Ok(Some(event)) = lines.next::<Event>().await {
                    if sender.send(event).is_err() {
                        return;
                    }
                }
            });
        });
        listening.recv_timeout(PATIENCE).unwrap();
        Self(receiver)
    }

    /// The next of the session's events that `wanted` likes; all before it are skipped.
    pub fn until<T>(&self, mut wanted: impl FnMut(&SessionEvent) -> Option<T>) -> T {
        loop {
            let event = self.0.recv_timeout(PATIENCE).expect("the daemon tells");
            if let Event::Session { session } = event
                && let Some(found) = wanted(&session)
            {
                return found;
            }
        }
    }
}

impl Told {
    /// Whether the session that began last has ended; what came before its end is skipped.
    fn has_ended(&self) -> bool {
        let ended =
            |event: &Event| matches!(event, Event::Session { session: SessionEvent::Ended { .. } });
        self.0.try_iter().any(|event| ended(&event))
    }
}

/// A pad and the hand that holds it.
pub struct Operator {
    pub pads: Pads,
    pub node: String,
    sim: ControlClient,
}

impl Operator {
    /// Plugs the pad in.
    pub fn with(mut pads: Pads, rig: &Rig) -> Self {
        let node = pads.plug(XBOX);
        let operator = Self { pads, node, sim: rig.control().unwrap() };
        rig.until("a pad", |status| status.pad.chosen.is_some()).unwrap();
        operator
    }

    /// Lets simulated time pass.
    pub fn wait(&mut self, ticks: u64) {
        self.sim.wait(ticks).unwrap();
    }

    /// Presses and lets go of a button.
    pub fn press(&mut self, button: crate::rig::code::Code) {
        self.pads.say(&[(button, 1)]);
        self.wait(5);
        self.pads.say(&[(button, 0)]);
        self.wait(5);
    }

    /// Lets go of everything.
    pub fn let_go(&mut self) {
        self.deflect(&Action::default(), [0, 0]);
        self.pads.say(&[(RB, 0)]);
    }

    /// Holds the dead-man, with all else at rest, until the pad has engaged.
    pub fn engage(&mut self) {
        self.deflect(&Action::default(), [0, 0]);
        self.wait(5);
        self.pads.say(&[(RB, 1)]);
        self.wait(10);
    }

    /// Carries out the expert's intention until the task is done or `steps` are over; whether it
    /// is done.
    pub fn demonstrate(&mut self, steps: u64) -> bool {
        for _ in 0..steps {
            let action = self.sim.demonstrate().unwrap();
            let triggers = if action.gripper > 0.5 { [TRIGGER_FULL, 0] } else { [0, TRIGGER_FULL] };
            self.deflect(&action, triggers);
            self.wait(STEP_TICKS);
            if self.sim.outcome().unwrap().success {
                return true;
            }
        }
        false
    }

    /// Starts an episode from the pad, and waits until it is being recorded.
    pub fn start(&mut self, told: &Told) -> usize {
        // The first session only looks at the dataset, and ends at once.
        loop {
            told.until(|event| matches!(event, SessionEvent::Began { .. }).then_some(()));
            self.wait(SETTLE_TICKS);
            if !told.has_ended() {
                break;
            }
        }
        self.press(START);
        told.until(|event| match event {
            SessionEvent::Recording { episode } => Some(*episode),
            _ => None,
        })
    }

    /// Puts the sticks where they do `action` in one step.
    pub fn deflect(&mut self, action: &Action, [open, close]: [i32; 2]) {
        let step_s = STEP_NS as f64 * 1e-9;
        let v = action.translation_m.map(|metres| metres / step_s / FULL_M_S);
        let w = action.rotation_rad.map(|radians| radians / step_s / FULL_RAD_S);
        let (left_x, left_y) = stick(-v[0], v[1]);
        let (right_x, right_y) = stick(-w[2], -v[2]);
        self.pads.say(&[
            (LEFT_X, left_x),
            (LEFT_Y, left_y),
            (RIGHT_X, right_x),
            (RIGHT_Y, right_y),
            (HAT_X, -digital(w[1])),
            (HAT_Y, digital(w[0])),
            (LEFT_TRIGGER, open),
            (RIGHT_TRIGGER, close),
        ]);
    }
}

/// A directional pad knows nothing between: it is pressed when at least half of it is asked for.
fn digital(share: f64) -> i32 {
    if share.abs() < 0.5 { 0 } else { share.signum() as i32 }
}

/// The stick's position behind its dead zone.
fn stick(x: f64, y: f64) -> (i32, i32) {
    let radius = x.hypot(y);
    if radius < 1e-6 {
        return (0, 0);
    }
    let outward = (DEAD_ZONE + radius.min(1.0) * (1.0 - DEAD_ZONE)) / radius * STICK_FULL;
    ((x * outward).round() as i32, (y * outward).round() as i32)
}

/// Rows of a recorded dataset's folder.
pub fn dataset(rig: &Rig, name: &str) -> std::path::PathBuf {
    let root = rig.path("data").join("datasets").join(name);
    assert!(Path::exists(&root), "{}", root.display());
    root
}
