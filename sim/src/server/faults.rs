//! The faults in force, and what they do to a call before it reaches the base.

use jaco_sim_link::control::Faults;
use jaco_sim_link::sdk::Call;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The base answers it.
    Served,
    /// It fails with 1015.
    Fails,
}

/// The faults in force, shared by all threads.
#[derive(Debug, Default)]
pub(super) struct FaultBoard {
    faults: Mutex<Faults>,
    changed: Condvar,
}

impl FaultBoard {
    /// Puts `faults` in force in place of all others.
    pub fn inject(&self, faults: Faults) {
        *self.lock() = faults;
        self.changed.notify_all();
    }

    /// The faults in force.
    pub fn current(&self) -> Faults {
        *self.lock()
    }

    /// Takes the time that the faults ask for, and says what becomes of `call`.
    pub fn pass(&self, call: &Call) -> Fate {
        let slow_ms = self.current().slow_calls_ms;
        if slow_ms > 0 {
            std::thread::sleep(Duration::from_millis(slow_ms));
        }
        let guard = self.changed.wait_while(self.lock(), |faults| faults.hang);
        let mut faults = guard.unwrap_or_else(PoisonError::into_inner);
        if faults.arm_absent {
            return Fate::Fails;
        }
        if call.is_read() && faults.fail_next_reads > 0 {
            faults.fail_next_reads -= 1;
            return Fate::Fails;
        }
        Fate::Served
    }

    fn lock(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn as_many_reads_fail_as_were_asked_for_and_no_command() {
        let board = FaultBoard::default();
        board.inject(Faults { fail_next_reads: 2, ..Faults::default() });
        assert_eq!(board.pass(&Call::GetQuickStatus), Fate::Fails);
        assert_eq!(board.pass(&Call::StartControlAPI), Fate::Served);
        assert_eq!(board.pass(&Call::GetCartesianPosition), Fate::Fails);
        assert_eq!(board.pass(&Call::GetCartesianPosition), Fate::Served);
    }

    #[test]
    fn a_hanging_call_returns_when_the_fault_goes() {
        let board = Arc::new(FaultBoard::default());
        board.inject(Faults { hang: true, ..Faults::default() });
        let hung = board.clone();
        let call = std::thread::spawn(move || hung.pass(&Call::EraseAllTrajectories));
        board.inject(Faults::default());
        assert_eq!(call.join().expect("no panic"), Fate::Served);
    }
}
