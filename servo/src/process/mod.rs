//! The real-time process: a loop of 10 ms around the law and the arm.
//!
//! [`run`] only waits, receives and sends; what a tick does is [`cycle::Cycle`]. The loop never
//! bursts to catch up: ticks that were missed are left out and counted, for every point sent is
//! 10 ms of motion. It ends when the daemon closes the socket (the arm is slowed down, control
//! given back) or when the arm is lost. Signals do not end it: the daemon decides.

pub mod cycle;
pub mod follow;
pub mod pacer;
pub mod realtime;
pub mod rest;
pub mod socket;

use crate::driver::Api;
use crate::message::{FromServo, MAX_COMMAND_LEN, MAX_FROM_SERVO_LEN, Note, encode_from_servo};
use cycle::{Cycle, Lost};
use jaco_core::{Clock, TICK_NS};
use pacer::Pacer;
use socket::{PacketSocket, Received};
use std::time::Duration;

/// Packets taken in one tick at most, so that a flood cannot keep the arm waiting.
const MOST_PACKETS_PER_TICK: usize = 64;
/// Ticks that the arm gets to come to rest and homing to end after the daemon has gone.
const ENDING_TICKS: u64 = 300;
/// How long a process may still have the arm after its socket was closed.
pub const ENDING: Duration = Duration::from_nanos(ENDING_TICKS * TICK_NS);

/// Sends the daemon a message. One that does not read loses it; one that is gone is noticed where
/// commands are received.
pub fn say(socket: &PacketSocket, message: &FromServo) {
    let mut buffer = [0; MAX_FROM_SERVO_LEN];
    if let Ok(packet) = encode_from_servo(message, &mut buffer) {
        let _ = socket.send(packet);
    }
}

/// Ticks until the daemon closes `socket`, then gives the arm back. Fails when the arm is lost,
/// which is said: calls that give such an arm back may never return.
pub fn run<A: Api, C: Clock>(
    cycle: &mut Cycle<A, C>,
    socket: &PacketSocket,
    clock: &C,
) -> Result<(), Lost> {
    let mut pacer = Pacer::new(clock.now_ns());
    let mut packet = [0; MAX_COMMAND_LEN];
    let mut ending_ticks = 0;
    loop {
        let tick = pacer.next(clock.now_ns());
        realtime::sleep_until(tick.due_ns);
        let now_ns = clock.now_ns();
        if ending_ticks == 0 && receive(cycle, socket, &mut packet, now_ns) == Daemon::Gone {
            cycle.begin_ending(now_ns);
            ending_ticks = 1;
        }
        let status = cycle
            .tick(now_ns, &tick)
            .inspect_err(|lost| say(socket, &FromServo::LastWords(Note::of(lost))))?;
        if ending_ticks == 0 {
            say(socket, &FromServo::Status(status));
            continue;
        }
        ending_ticks += 1;
        if cycle.is_still() || ending_ticks > ENDING_TICKS {
            cycle.release();
            return Ok(());
        }
    }
}

#[derive(PartialEq, Eq)]
enum Daemon {
    There,
    Gone,
}

fn receive<A: Api, C: Clock>(
    cycle: &mut Cycle<A, C>,
    socket: &PacketSocket,
    packet: &mut [u8; MAX_COMMAND_LEN],
    now_ns: u64,
) -> Daemon {
    for _ in 0..MOST_PACKETS_PER_TICK {
        match socket.receive(packet) {
            Ok(Received::Packet(bytes)) => cycle.command(now_ns, bytes),
            Ok(Received::Nothing) => return Daemon::There,
            // A socket that fails is of no more use than a closed one.
            Ok(Received::Closed) | Err(_) => return Daemon::Gone,
        }
    }
    Daemon::There
}
