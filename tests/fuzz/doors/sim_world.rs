//! Door: calls of the SDK, as any client of the simulator may send them, on the world itself.
//! Whatever is asked, every call is answered within the wire's limits, the arm's readings stay
//! finite, and no tick adds a point to the base's queue.
//!
//! Input: a script of operations, each a letter and its operands; what is no operation is skipped.
//! `T n`: up to 32 ticks. `K tag len_lo len_hi payload`: a call. `J f32`: the joystick. `P task`:
//! the arm is switched on anew. `X task`: a reset.

use jaco_core::Task;
use jaco_sim::server::Base;
use jaco_sim::{Snapshot, StartPose, World, WorldOptions};
use jaco_sim_link::Message;
use jaco_sim_link::control::Faults;
use jaco_sim_link::sdk::{Call, MAX_PAYLOAD_BYTES};
use std::cell::RefCell;

/// Most ticks of one script: what comes after them is not played.
const MOST_TICKS: u32 = 300;

thread_local! {
    /// The scene is compiled once; every script begins with the same state.
    static START: RefCell<(World, Snapshot)> = RefCell::new({
        let world = World::new(&WorldOptions::default()).expect("the shipped scene compiles");
        let start = world.save();
        (world, start)
    });
}

pub fn open(data: &[u8]) {
    START.with_borrow_mut(|(world, start)| {
        world.restore(start).expect("a snapshot of this world");
        let mut bench = Bench { world, base: Base::default(), faults: Faults::default(), ticks: 0 };
        let mut script = data;
        while bench.carry_out(&mut script).is_some() {}
    });
}

struct Bench<'a> {
    world: &'a mut World,
    base: Base,
    faults: Faults,
    ticks: u32,
}

impl Bench<'_> {
    /// None at the end of the script, or when it has ticked enough.
    fn carry_out(&mut self, script: &mut &[u8]) -> Option<()> {
        match byte(script)? {
            b'T' => {
                for _ in 0..byte(script)? % 33 {
                    self.tick();
                }
            }
            b'K' => {
                let tag = u32::from(byte(script)?);
                let len = usize::from(u16::from_le_bytes([byte(script)?, byte(script)?]));
                let payload = take(script, len).to_vec();
                if let Ok(call) = Call::decode(&Message { tag, payload }) {
                    let uptime_s = f64::from(self.ticks) * 0.01;
                    let reply = self.base.answer(&call, self.world, &self.faults, uptime_s);
                    assert!(reply.output.len() <= MAX_PAYLOAD_BYTES, "{call:?}");
                    assert_eq!(call.is_read(), !reply.output.is_empty(), "{call:?}");
                }
            }
            // As the control channel takes it: JSON holds finite numbers alone.
            b'J' => {
                let axis = f32::from_le_bytes(take(script, 4).try_into().ok()?);
                self.faults.joystick_axis = if axis.is_finite() { axis } else { 0.0 };
            }
            b'P' => self.world.power_up(task(byte(script)?), 0),
            b'X' => self.world.reset(task(byte(script)?), 1, StartPose::Home),
            _ => {}
        }
        (self.ticks < MOST_TICKS).then_some(())
    }

    fn tick(&mut self) {
        let queued = self.world.firmware_ref().fifo_info().count;
        self.world.firmware().set_joystick(f64::from(self.faults.joystick_axis));
        self.world.tick();
        self.ticks += 1;
        assert!(self.world.firmware_ref().fifo_info().count <= queued);
        let state = self.world.arm_state();
        let pose = state.pose.position_m.iter().chain(state.pose.orientation.coords.iter());
        let mut numbers = pose.chain(&state.joints_rad).chain(&state.closure);
        assert!(numbers.all(|number| number.is_finite()), "{state:?}");
    }
}

fn task(number: u8) -> Task {
    Task::ALL[usize::from(number) % Task::ALL.len()]
}

fn byte(script: &mut &[u8]) -> Option<u8> {
    let (first, rest) = script.split_first()?;
    *script = rest;
    Some(*first)
}

fn take<'a>(script: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (taken, rest) = script.split_at(len.min(script.len()));
    *script = rest;
    taken
}
