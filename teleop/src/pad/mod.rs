//! The chosen gamepad, read on a thread of its own: what it is doing now, how it is, and its
//! rumble.
//!
//! Pads come and go while the thread lives; a library that fails or panics under it is told as a
//! fault and started anew. It must never judge what a pad's controls mean: that is `steering`'s.

mod board;
mod reader;
mod state;

pub use board::PadHealth;
pub use state::PadState;

use crate::settings::TeleopSettings;
use board::Board;
use crossbeam_channel::{Receiver, Sender, bounded};
use jaco_core::Clock;
use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// Waits before pads are looked for again after a fault: the first, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The thread shows that it lives this often, at least.
const BEAT: Duration = Duration::from_millis(20);
/// Rumbles that may wait for the thread; more are dropped.
const RUMBLES: usize = 4;

/// The pads of this PC, and the one that is listened to. Clones share it; the thread ends with the
/// last of them.
#[derive(Clone, Debug)]
pub struct PadHandle {
    board: Arc<Board>,
    changes: Receiver<()>,
    rumbles: Sender<Rumble>,
}

/// A pad is to shake.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rumble {
    /// 0 to 1.
    strength: f32,
    duration_ms: u32,
}

/// Reads pads on a thread of its own. One that appears later just works; that there is none, or no
/// way to read any, is no error but a fault in [`PadHandle::health`].
///
/// # Errors
/// The thread cannot be started.
pub fn start(settings: &TeleopSettings, clock: Arc<dyn Clock>) -> io::Result<PadHandle> {
    let (changed, changes) = bounded(1);
    let (rumbles, orders) = bounded(RUMBLES);
    let board = Arc::new(Board::new(clock, changed));
    let thread = std::thread::Builder::new().name("pad".to_owned());
    thread.spawn({
        let (settings, board) = (settings.clone(), Arc::clone(&board));
        move || read_for_ever(&settings, &board, &orders)
    })?;
    Ok(PadHandle { board, changes, rumbles })
}

impl PadHandle {
    /// What the chosen pad is doing.
    pub fn now(&self) -> PadState {
        self.board.state()
    }

    /// Woken by any change of the pad or its health; one reader is woken by each.
    pub fn changes(&self) -> Receiver<()> {
        self.changes.clone()
    }

    /// Which pads there are, and what is wrong.
    pub fn health(&self) -> PadHealth {
        self.board.health()
    }

    /// Shakes the chosen pad with `strength` (0 to 1), where it can. Never waits.
    pub fn rumble(&self, strength: f32, duration_ms: u32) {
        if strength > 0.0 && duration_ms > 0 {
            let rumble = Rumble { strength: strength.min(1.0), duration_ms };
            // One that comes too late is worth nothing.
            let _ = self.rumbles.try_send(rumble);
        }
    }
}

/// Reads pads until nobody holds a handle.
fn read_for_ever(settings: &TeleopSettings, board: &Board, orders: &Receiver<Rumble>) {
    let mut wait = FIRST_WAIT;
    loop {
        let began_ns = board.now_ns();
        let listened = AssertUnwindSafe(|| reader::listen(settings, board, orders));
        let fault = match catch_unwind(listened) {
            Ok(Ok(reader::Ended::HandlesDropped)) => return,
            Ok(Ok(reader::Ended::PadMissed)) => None,
            Ok(Err(error)) => Some(format!("gamepads cannot be read: {error}")),
            Err(panic) => Some(format!("reading gamepads failed: {}", words_of(&*panic))),
        };
        board.disconnect();
        let Some(fault) = fault else { continue };
        tracing::warn!("{fault}");
        board.set_health(PadHealth { fault: Some(fault), ..PadHealth::default() });
        let lasted = Duration::from_nanos(board.now_ns().saturating_sub(began_ns));
        wait = if lasted > LONGEST_WAIT { FIRST_WAIT } else { wait };
        for _ in 0..wait.as_millis() / BEAT.as_millis() {
            board.beat();
            std::thread::sleep(BEAT);
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

fn words_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words")
}
