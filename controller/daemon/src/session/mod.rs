//! Sessions at the arm: a person (or, on the simulated arm, a client) steers, and what happens is
//! recorded if so asked.
//!
//! | file | owns |
//! |---|---|
//! | [`plan`] | what is asked, checked; the dataset, opened |
//! | [`drive`] | the loop that keeps the arm fed and the steps recorded |
//! | [`steer`] | who steers |
//! | [`flow`] | the course of episodes |
//! | [`sampler`], [`tally`] | steps as they are recorded, and how an episode kept its time |
//! | [`taping`] | the recording side: the episode that runs, what the writer answers |
//! | [`store`] | the thread that writes |
//!
//! The right to move the arm goes back before the end of an episode is written. A session whose
//! client goes away ends, and keeps the episode that was under way.

pub mod drive;
pub mod flow;
pub mod plan;
pub mod sampler;
pub mod steer;
pub mod store;
pub mod tally;
pub mod taping;

#[cfg(test)]
mod tests;

use crate::activity::Guard;
use crate::arm::Arm;
use crate::events::Events;
use crate::part;
use crate::run::ReportLock;
use crossbeam_channel::{Sender, bounded};
use drive::{Driving, Ended};
use jaco_api::{Event, Order, SessionEvent, Steer, Steering};
use jaco_camera::CameraHandle;
use jaco_core::Clock;
use plan::Recorder;
use std::sync::Arc;
use steer::{ClientSteer, Hand};
use tokio::sync::mpsc;

/// Events that may wait for the one who asked for the session.
const EVENT_DEPTH: usize = 256;
/// Places among them that progress must leave to what matters more.
const RESERVED: usize = 64;
/// Orders that may wait for the session.
const ORDERS: usize = 16;

/// A session under way, for those who give orders to it.
#[derive(Clone)]
pub struct SessionControl {
    steering: Steering,
    orders: Sender<Order>,
    steer: ClientSteer,
}

impl SessionControl {
    /// Gives an order; whether there was room for it.
    pub fn order(&self, order: Order) -> bool {
        self.orders.try_send(order).is_ok()
    }

    /// Steers, as a client.
    ///
    /// # Errors
    /// The session is steered by the pad, or a number is none.
    pub fn steer(&self, now_ns: u64, steer: Steer) -> Result<(), &'static str> {
        if self.steering != Steering::Client {
            return Err("this session is steered by the pad");
        }
        let numbers = steer.linear_m_s.iter().chain(&steer.angular_rad_s).chain([&steer.gripper]);
        if !numbers.into_iter().all(|number| number.is_finite()) {
            return Err("a velocity must be made of finite numbers");
        }
        self.steer.put((now_ns, steer));
        Ok(())
    }
}

/// What a session works with.
pub struct Session {
    /// The right to move the arm.
    pub guard: Guard,
    /// The arm.
    pub arm: Arm,
    /// Who steers.
    pub steering: Steering,
    /// The pad.
    pub pad: jaco_teleop::pad::PadHandle,
    /// What its sticks mean.
    pub mapping: jaco_teleop::Steering,
    /// How hard it shakes when a limit acts, 0 to 1.
    pub rumble: f32,
    /// All cameras.
    pub cameras: Vec<CameraHandle>,
    /// What is recorded, and where.
    pub recorder: Option<Recorder>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// All who listen.
    pub events: Events,
    /// Who else writes.
    pub reports: ReportLock,
}

/// Begins the session on a thread of its own. Returns what gives it orders and what tells of it.
pub fn begin(session: Session) -> std::io::Result<(SessionControl, mpsc::Receiver<SessionEvent>)> {
    let (orders, inbox) = bounded(ORDERS);
    let steer = ClientSteer::default();
    let control = SessionControl { steering: session.steering, orders, steer: steer.clone() };
    let (requester, outbox) = mpsc::channel(EVENT_DEPTH);
    let teller = Teller { requester, events: session.events.clone() };
    part::spawn(
        "session",
        move || carry_out(session, steer, &inbox, &teller),
        |panic| {
            if let Some(panic) = panic {
                // The guard went with the thread: the arm holds. The episode is salvaged later.
                tracing::error!("the session's thread panicked: {panic}");
            }
        },
    )?;
    Ok((control, outbox))
}

fn carry_out(
    session: Session,
    slot: ClientSteer,
    orders: &crossbeam_channel::Receiver<Order>,
    teller: &Teller,
) {
    let Session {
        guard,
        arm,
        steering,
        pad,
        mapping,
        rumble,
        cameras,
        recorder,
        clock,
        reports,
        ..
    } = session;
    // The daemon's end waits for what is written after the arm holds.
    let recording = reports.recording();
    let hand = match steering {
        Steering::Pad => Hand::Pad { pad, steering: Box::new(mapping), rumble },
        Steering::Client => Hand::Client(slot),
    };
    teller.tell(SessionEvent::Began {
        dataset: recorder.as_ref().map(|recorder| recorder.root.clone()),
        episodes: recorder.as_ref().map_or(0, |recorder| recorder.episodes_before),
        repairs: recorder.as_ref().map_or_else(Vec::new, |recorder| recorder.repairs.clone()),
        next_number: recorder.as_ref().map_or(0, |recorder| recorder.next_number),
    });
    let feeding = part::feed();
    let tell = |event| teller.tell(event);
    let driving = Driving {
        arm: &arm,
        clock: &*clock,
        guard: &guard,
        cameras: &cameras,
        watched: &|| !teller.requester.is_closed(),
        tell: &tell,
    };
    let Ended { mut why, mut complete, rest } = drive::drive(&driving, hand, recorder, orders);
    drop(feeding);
    guard.finish(&why);
    let (kept, discarded, failed) = rest.finish(&tell);
    if let Some(failed) = failed {
        (why, complete) = (format!("recording failed: {failed}"), false);
    }
    drop(recording);
    teller.tell(SessionEvent::Ended { why, complete, kept, discarded });
}

/// Tells the one who asked, and all who listen.
struct Teller {
    requester: mpsc::Sender<SessionEvent>,
    events: Events,
}

impl Teller {
    fn tell(&self, event: SessionEvent) {
        let chatter = matches!(event, SessionEvent::Progress(_) | SessionEvent::Step { .. });
        if !chatter || self.requester.capacity() > RESERVED {
            // A requester that reads nothing misses what does not fit; the session goes on.
            let _ = self.requester.try_send(event.clone());
        }
        if !chatter {
            self.events.tell(Event::Session { session: event });
        }
    }
}
