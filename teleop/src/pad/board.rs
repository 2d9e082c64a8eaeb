//! Where the pad's thread leaves what it knows, for anyone to read: the newest state and the
//! health. Locks are held for a copy only.

use super::state::PadState;
use crossbeam_channel::Sender;
use jaco_core::Clock;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Which pads there are, and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PadHealth {
    /// Names of the pads that are plugged in, as the kernel has them, those that cannot be used
    /// included.
    pub pads: Vec<String>,
    /// Name of the one that is listened to.
    pub chosen: Option<String>,
    /// Why none is, in words with what to do.
    pub fault: Option<String>,
}

/// The thread's side writes, any other reads.
pub(super) struct Board {
    clock: Arc<dyn Clock>,
    changed: Sender<()>,
    state: Mutex<PadState>,
    health: Mutex<PadHealth>,
    heartbeat_ns: AtomicU64,
    connections: AtomicU64,
}

impl Board {
    pub(super) fn new(clock: Arc<dyn Clock>, changed: Sender<()>) -> Self {
        let now_ns = clock.now_ns();
        let fault = Some("gamepads are not looked for yet".to_owned());
        Self {
            clock,
            changed,
            state: Mutex::new(PadState::absent(now_ns)),
            health: Mutex::new(PadHealth { fault, ..PadHealth::default() }),
            heartbeat_ns: AtomicU64::new(now_ns),
            connections: AtomicU64::new(0),
        }
    }

    pub(super) fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    pub(super) fn state(&self) -> PadState {
        let mut state = lock(&self.state).clone();
        state.heartbeat_ns = self.heartbeat_ns.load(Ordering::Acquire);
        state
    }

    pub(super) fn health(&self) -> PadHealth {
        lock(&self.health).clone()
    }

    /// The thread lives.
    pub(super) fn beat(&self) {
        self.heartbeat_ns.store(self.now_ns(), Ordering::Release);
    }

    /// A pad was chosen: at rest, as far as one knows.
    pub(super) fn connect(&self) {
        let connection = 1 + self.connections.fetch_add(1, Ordering::Relaxed);
        self.put(PadState::connected(connection, self.now_ns()));
    }

    /// The pad is gone, and with it all that it said.
    pub(super) fn disconnect(&self) {
        self.put(PadState::absent(self.now_ns()));
    }

    /// The chosen pad says something.
    pub(super) fn hear(&self, change: impl FnOnce(&mut PadState)) {
        let mut state = lock(&self.state);
        state.heard_ns = self.now_ns();
        change(&mut state);
        drop(state);
        self.wake();
    }

    pub(super) fn set_health(&self, health: PadHealth) {
        let mut old = lock(&self.health);
        if *old != health {
            *old = health;
            drop(old);
            self.wake();
        }
    }

    fn put(&self, state: PadState) {
        *lock(&self.state) = state;
        self.wake();
    }

    fn wake(&self) {
        // A reader that was not woken yet sees this change, too.
        let _ = self.changed.try_send(());
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board").field("state", &self.state()).finish_non_exhaustive()
    }
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
