//! Homing: MoveHome on a thread of its own.
//!
//! MoveHome blocks until the arm's queue is empty, for ever if the arm is lost, and only it (or
//! the joystick) homes an arm after power-up. On its own thread it does not silence the servo:
//! statuses go on, and a stop stays possible. Meanwhile the real-time thread calls nothing,
//! except to cancel: EraseAllTrajectories and StopControlAPI beside the running MoveHome, which
//! then finds the queue empty and returns. The SDK's calls are not made for that; a lost reply
//! is the price of a stop that works.

use super::api::Api;
use super::error::{CallError, judge};
use kinova_sys::QuickStatus;
use std::ffi::c_int;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

/// RETRACT_TYPE: the arm is at its home position.
const AT_HOME: u8 = 1;
/// RETRACT_TYPE: the arm has not been homed since power-up. Many other values exist, some of them
/// cut to a byte, and say nothing.
const NOT_INITIALISED: u8 = 6;
/// GetControlType: Cartesian.
pub(super) const CARTESIAN: c_int = 0;
/// How often the control type is read after a change, until it is Cartesian.
const CONTROL_TYPE_READS: u32 = 5;

/// What it takes for Cartesian velocities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Homed since power-up.
    pub homed: bool,
    /// In Cartesian control.
    pub cartesian: bool,
}

impl Readiness {
    /// Whether the arm takes Cartesian velocities.
    pub fn is_ready(&self) -> bool {
        self.homed && self.cartesian
    }
}

/// What MoveHome came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Homed {
    /// The arm said that it is at home.
    pub at_home: bool,
    /// What it takes for Cartesian velocities, afterwards.
    pub readiness: Readiness,
}

/// Asks for Cartesian control and reads what came of it: the arm may refuse in silence. `settle`
/// passes between reads.
pub(super) fn make_ready(api: &impl Api, settle: Duration) -> Result<Readiness, CallError> {
    let mut status = QuickStatus { RetractType: NOT_INITIALISED, ..QuickStatus::default() };
    judge("GetQuickStatus", api.get_quick_status(&mut status))?;
    let homed = status.RetractType != NOT_INITIALISED;
    if !homed {
        return Ok(Readiness { homed, cartesian: false });
    }
    judge("SetCartesianControl", api.set_cartesian_control())?;
    for _ in 0..CONTROL_TYPE_READS {
        if read_control_type(api)? == CARTESIAN {
            return Ok(Readiness { homed, cartesian: true });
        }
        thread::sleep(settle);
    }
    Ok(Readiness { homed, cartesian: false })
}

pub(super) fn read_control_type(api: &impl Api) -> Result<c_int, CallError> {
    let mut control_type = -1;
    judge("GetControlType", api.get_control_type(&mut control_type))?;
    Ok(control_type)
}

/// The thread that homes.
#[derive(Debug)]
pub(super) struct HomingThread {
    orders: SyncSender<()>,
    outcomes: Receiver<Result<Homed, CallError>>,
    busy: bool,
}

impl HomingThread {
    /// Starts the thread, which waits; `api` is a second handle on the same SDK.
    pub fn start(api: impl Api, settle: Duration) -> std::io::Result<Self> {
        let (orders, inbox) = sync_channel::<()>(1);
        let (outbox, outcomes) = sync_channel(1);
        thread::Builder::new().name("homing".to_owned()).spawn(move || {
            for () in inbox {
                if outbox.send(home(&api, settle)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { orders, outcomes, busy: false })
    }

    pub fn is_busy(&self) -> bool {
        self.busy
    }

    pub fn begin(&mut self) {
        self.busy = self.busy || self.orders.try_send(()).is_ok();
    }

    /// The outcome, once.
    pub fn poll(&mut self) -> Option<Result<Homed, CallError>> {
        match self.outcomes.try_recv() {
            Ok(outcome) => {
                self.busy = false;
                Some(outcome)
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => None,
        }
    }
}

fn home(api: &impl Api, settle: Duration) -> Result<Homed, CallError> {
    judge("MoveHome", api.move_home())?;
    // MoveHome returns when the arm's queue is empty, whatever emptied it.
    let mut status = QuickStatus { RetractType: NOT_INITIALISED, ..QuickStatus::default() };
    judge("GetQuickStatus", api.get_quick_status(&mut status))?;
    let at_home = status.RetractType == AT_HOME;
    let fingers = [status.Finger1Status, status.Finger2Status, status.Finger3Status];
    if at_home && fingers.contains(&0) {
        judge("InitFingers", api.init_fingers())?;
    }
    Ok(Homed { at_home, readiness: make_ready(api, settle)? })
}
