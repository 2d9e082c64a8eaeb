//! An arm in the SDK's place: it moves as told, keeps a log of calls, and fails on request.
// Each test program uses a part of it.
#![allow(dead_code)]

use jaco_core::{Clock, ManualClock};
use jaco_servo::driver::{Api, Called};
use kinova_sys::{
    AngularPosition, CartesianPosition, JoystickCommand, KinovaDevice, MAX_KINOVA_DEVICE,
    QuickStatus, SymbolError, TrajectoryFIFO, TrajectoryPoint,
};
use std::collections::VecDeque;
use std::ffi::{c_char, c_int};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What the joystick says.
#[derive(Clone, Copy, Debug)]
pub enum Joystick {
    /// Its first axis.
    At(f32),
    /// Nothing: this return code.
    Fails(c_int),
    /// Nothing: the SDK has no such function.
    Missing,
}

/// The arm's inside, for a test to set and to look at.
#[derive(Debug)]
pub struct Inside {
    pub log: Vec<&'static str>,
    pub points: Vec<TrajectoryPoint>,
    pub position: CartesianPosition,
    pub serials: Vec<&'static str>,
    pub homed: bool,
    /// RetractType after MoveHome.
    pub home_retract_type: u8,
    pub retract_type: u8,
    pub joystick: Joystick,
    pub fingers_initialised: bool,
    pub cartesian: bool,
    pub accepts_cartesian: bool,
    pub init_code: c_int,
    pub start_control_code: c_int,
    pub send_code: c_int,
    pub queue: u32,
    /// Return codes of the coming reads; good ones when empty.
    pub read_codes: VecDeque<c_int>,
    /// Metres along x that the arm moves at each read, whatever it is told.
    pub drift_m: f32,
    /// What each read takes \[ns\] on the manual clock.
    pub read_takes_ns: u64,
    /// MoveHome blocks until the queue is erased.
    pub home_blocks: bool,
    /// What MoveHome takes \[ns\] on the manual clock.
    pub home_takes_ns: u64,
    erased: bool,
}

/// A handle on the arm; clones are handles on the same one.
#[derive(Clone, Debug)]
pub struct MockArm {
    inside: Arc<(Mutex<Inside>, Condvar)>,
    pub clock: Arc<ManualClock>,
}

/// The manual clock of a test, shared.
#[derive(Clone, Debug)]
pub struct SharedClock(pub Arc<ManualClock>);

impl Clock for SharedClock {
    fn now_ns(&self) -> u64 {
        self.0.now_ns()
    }
}

impl MockArm {
    /// A homed arm above the table.
    pub fn new() -> Self {
        let mut position = CartesianPosition::default();
        position.Coordinates.Y = -0.4;
        position.Coordinates.Z = 0.25;
        position.Coordinates.ThetaX = 3.1;
        let inside = Inside {
            log: Vec::new(),
            points: Vec::new(),
            position,
            serials: vec!["PJ00900001"],
            homed: true,
            home_retract_type: 1,
            retract_type: 1,
            joystick: Joystick::At(0.0),
            fingers_initialised: true,
            cartesian: false,
            accepts_cartesian: true,
            init_code: 1,
            start_control_code: 1,
            send_code: 1,
            queue: 1,
            read_codes: VecDeque::new(),
            drift_m: 0.0,
            read_takes_ns: 0,
            home_blocks: false,
            home_takes_ns: 0,
            erased: false,
        };
        let inside = Arc::new((Mutex::new(inside), Condvar::new()));
        Self { inside, clock: Arc::default() }
    }

    pub fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calls since the last time, in order.
    pub fn take_log(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.inside().log)
    }

    fn set(&self, call: &'static str) -> MutexGuard<'_, Inside> {
        let mut inside = self.inside();
        inside.log.push(call);
        inside
    }

    fn done(&self, call: &'static str) -> Called {
        drop(self.set(call));
        Ok(1)
    }

    fn read(&self, call: &'static str, answer: impl FnOnce(&Inside)) -> Called {
        let mut inside = self.set(call);
        self.clock.advance_ns(inside.read_takes_ns);
        inside.position.Coordinates.X += inside.drift_m;
        let code = inside.read_codes.pop_front().unwrap_or(1);
        if code == 1 {
            answer(&inside);
        }
        Ok(code)
    }
}

impl Api for MockArm {
    fn init_api(&self) -> Called {
        Ok(self.set("InitAPI").init_code)
    }

    fn close_api(&self) -> Called {
        self.done("CloseAPI")
    }

    fn get_devices(
        &self,
        devices: &mut [KinovaDevice; MAX_KINOVA_DEVICE],
        result: &mut c_int,
    ) -> Called {
        let inside = self.set("GetDevices");
        for (device, serial) in devices.iter_mut().zip(&inside.serials) {
            for (char, byte) in device.SerialNumber.iter_mut().zip(serial.bytes()) {
                *char = byte as c_char;
            }
        }
        *result = 1;
        Ok(inside.serials.len() as c_int)
    }

    fn set_active_device(&self, _: KinovaDevice) -> Called {
        self.done("SetActiveDevice")
    }

    fn start_control_api(&self) -> Called {
        Ok(self.set("StartControlAPI").start_control_code)
    }

    fn stop_control_api(&self) -> Called {
        self.done("StopControlAPI")
    }

    fn set_cartesian_control(&self) -> Called {
        let mut inside = self.set("SetCartesianControl");
        inside.cartesian |= inside.accepts_cartesian;
        Ok(1)
    }

    fn get_control_type(&self, control_type: &mut c_int) -> Called {
        self.read("GetControlType", |inside| *control_type = c_int::from(!inside.cartesian))
    }

    fn get_quick_status(&self, status: &mut QuickStatus) -> Called {
        self.read("GetQuickStatus", |inside| {
            status.RetractType = if inside.homed { inside.retract_type } else { 6 };
            status.Finger1Status = u8::from(inside.fingers_initialised);
            status.Finger2Status = status.Finger1Status;
            status.Finger3Status = status.Finger1Status;
        })
    }

    fn get_cartesian_position(&self, position: &mut CartesianPosition) -> Called {
        self.read("GetCartesianPosition", |inside| *position = inside.position)
    }

    fn get_angular_position(&self, position: &mut AngularPosition) -> Called {
        self.read("GetAngularPosition", |_| position.Actuators.Actuator1 = 90.0)
    }

    fn get_global_trajectory_info(&self, fifo: &mut TrajectoryFIFO) -> Called {
        self.read("GetGlobalTrajectoryInfo", |inside| fifo.TrajectoryCount = inside.queue)
    }

    fn get_joystick_value(&self, command: &mut JoystickCommand) -> Called {
        let joystick = self.inside().joystick;
        match joystick {
            Joystick::At(axis) => self.read("GetJoystickValue", |_| {
                *command = JoystickCommand { InclineLeftRight: axis, ..Default::default() };
            }),
            Joystick::Fails(code) => {
                drop(self.set("GetJoystickValue"));
                Ok(code)
            }
            Joystick::Missing => {
                drop(self.set("GetJoystickValue"));
                Err(SymbolError { name: "GetJoystickValue", library: "layer.so".into() })
            }
        }
    }

    fn send_basic_trajectory(&self, point: TrajectoryPoint) -> Called {
        let mut inside = self.set("SendBasicTrajectory");
        inside.position.Coordinates.X += point.Position.CartesianPosition.X * 0.01;
        inside.points.push(point);
        Ok(inside.send_code)
    }

    fn erase_all_trajectories(&self) -> Called {
        self.set("EraseAllTrajectories").erased = true;
        self.inside.1.notify_all();
        Ok(1)
    }

    fn move_home(&self) -> Called {
        let mut inside = self.set("MoveHome");
        inside.erased = false;
        self.clock.advance_ns(inside.home_takes_ns);
        if inside.home_blocks {
            drop(self.inside.1.wait_while(inside, |inside| !inside.erased).unwrap());
        } else {
            inside.homed = true;
            inside.retract_type = inside.home_retract_type;
        }
        Ok(1)
    }

    fn init_fingers(&self) -> Called {
        let mut inside = self.set("InitFingers");
        inside.fingers_initialised = true;
        inside.cartesian = false;
        Ok(1)
    }
}
