//! The faults in force, and what they do to a call before it reaches the base.

use jaco_sim_link::control::Faults;
use jaco_sim_link::sdk::Call;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fate {
    /// The base answers it.
    Served,
    /// It fails with 1015.
    Fails,
    /// It returns 1 and never reaches the base.
    Lost,
    /// It returns 1, with what the base answers to this call.
    Mistaken(Call),
}

/// What happens once, and has not happened yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Events {
    /// Another client stops control.
    pub take_control: bool,
    /// The base restarts.
    pub power_cycle: bool,
}

/// The faults in force, shared by all threads.
#[derive(Debug, Default)]
pub(super) struct FaultBoard {
    state: Mutex<State>,
    changed: Condvar,
}

impl FaultBoard {
    /// Puts `faults` in force in place of all others.
    pub fn inject(&self, faults: Faults) {
        *self.lock() = State { faults, ..State::default() };
        self.changed.notify_all();
    }

    /// The faults in force.
    pub fn current(&self) -> Faults {
        self.lock().faults.clone()
    }

    /// What is to happen once; it counts as done from now on.
    pub fn take_events(&self) -> Events {
        let faults = &mut self.lock().faults;
        Events {
            take_control: std::mem::take(&mut faults.take_control),
            power_cycle: std::mem::take(&mut faults.power_cycle),
        }
    }

    /// Takes the time that the faults ask for, and says what becomes of `call`.
    pub fn pass(&self, call: &Call) -> Fate {
        let delay = self.lock().delay(call);
        if !delay.is_zero() {
            std::thread::sleep(delay);
        }
        let guard = self.changed.wait_while(self.lock(), |state| state.faults.hang);
        guard.unwrap_or_else(PoisonError::into_inner).fate(call)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The faults, and how far those that count have come.
#[derive(Debug, Default)]
struct State {
    faults: Faults,
    /// Reads since the faults were put in force.
    reads: u64,
    /// Of these, those that `wrong_only` allows.
    mistakable: u64,
}

impl State {
    /// The time that `call` takes beyond that of the base.
    fn delay(&mut self, call: &Call) -> Duration {
        let faults = &mut self.faults;
        let once_ms = std::mem::take(&mut faults.block_once_ms);
        let packets_ms = faults.packet_ms * f64::from(packets(call));
        let packets = Duration::try_from_secs_f64(packets_ms / 1000.0).unwrap_or(Duration::MAX);
        Duration::from_millis(faults.slow_calls_ms.saturating_add(once_ms)).saturating_add(packets)
    }

    fn fate(&mut self, call: &Call) -> Fate {
        let faults = &mut self.faults;
        if faults.arm_absent {
            return Fate::Fails;
        }
        if !call.is_read() {
            let named = faults.lose_only.is_empty() || faults.lose_only.contains(&call.name());
            if named && faults.lose_commands > 0 {
                faults.lose_commands -= 1;
                return Fate::Lost;
            }
            if *call == Call::StopForceControl {
                faults.force_control_on = false;
            }
            return Fate::Served;
        }
        let (bad, good) = (faults.burst_failing_reads, faults.burst_good_reads);
        let period = u64::from(bad) + u64::from(good);
        let in_burst = bad > 0 && self.reads % period < u64::from(bad);
        self.reads += 1;
        if faults.fail_next_reads > 0 {
            faults.fail_next_reads -= 1;
            return Fate::Fails;
        }
        if in_burst {
            return Fate::Fails;
        }
        let named = faults.wrong_only.is_empty() || faults.wrong_only.contains(&call.name());
        // What is on the bus is not asked by a packet.
        if named && *call != Call::GetDevices {
            self.mistakable += 1;
            let every = u64::from(faults.wrong_reply_every);
            let next = faults.wrong_replies > 0;
            faults.wrong_replies = faults.wrong_replies.saturating_sub(1);
            if next || (every > 0 && self.mistakable.is_multiple_of(every)) {
                return Fate::Mistaken(mistaken_for(call));
            }
        }
        Fate::Served
    }
}

/// The read whose reply comes instead of that to `call`: the other one of pose and joints.
fn mistaken_for(call: &Call) -> Call {
    match call {
        Call::GetCartesianPosition => Call::GetAngularPosition,
        Call::GetCartesianCommand => Call::GetAngularCommand,
        Call::GetAngularCommand => Call::GetCartesianCommand,
        _ => Call::GetCartesianPosition,
    }
}

/// Packets of 56 bytes that `call` takes on the bus.
fn packets(call: &Call) -> u32 {
    match call {
        Call::InitAPI | Call::GetDevices | Call::SetActiveDevice(_) => 0,
        Call::GetSensorsInfo => 2,
        Call::SendAdvanceTrajectory(_) | Call::GetCodeVersion => 3,
        Call::GetPeripheralInventory => 6,
        Call::GetGripperStatus => 7,
        Call::GetGeneralInformations => 17,
        Call::GetClientConfigurations => 45,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jaco_sim_link::sdk::CallName;
    use std::sync::Arc;

    fn board(faults: Faults) -> FaultBoard {
        let board = FaultBoard::default();
        board.inject(faults);
        board
    }

    fn fates<const N: usize>(board: &FaultBoard, call: &Call) -> [Fate; N] {
        std::array::from_fn(|_| board.pass(call))
    }

    #[test]
    fn as_many_reads_fail_as_were_asked_for_and_no_command() {
        let board = board(Faults { fail_next_reads: 2, ..Faults::default() });
        assert_eq!(board.pass(&Call::GetQuickStatus), Fate::Fails);
        assert_eq!(board.pass(&Call::StartControlAPI), Fate::Served);
        assert_eq!(board.pass(&Call::GetCartesianPosition), Fate::Fails);
        assert_eq!(board.pass(&Call::GetCartesianPosition), Fate::Served);
    }

    #[test]
    fn reads_fail_in_bursts() {
        use Fate::{Fails, Served};
        let faults = Faults { burst_failing_reads: 2, burst_good_reads: 3, ..Faults::default() };
        let board = board(faults);
        assert_eq!(board.pass(&Call::EraseAllTrajectories), Served);
        let wanted = [Fails, Fails, Served, Served, Served, Fails, Fails, Served];
        assert_eq!(fates(&board, &Call::GetQuickStatus), wanted);
    }

    #[test]
    fn as_many_commands_are_lost_as_were_asked_for_and_no_read() {
        let board = board(Faults { lose_commands: 2, ..Faults::default() });
        assert_eq!(board.pass(&Call::StopControlAPI), Fate::Lost);
        assert_eq!(board.pass(&Call::GetQuickStatus), Fate::Served);
        assert_eq!(fates(&board, &Call::MoveHome), [Fate::Lost, Fate::Served]);
    }

    #[test]
    fn only_the_commands_that_are_named_are_lost() {
        let board = board(Faults {
            lose_commands: u32::MAX,
            lose_only: vec![CallName::StopControlAPI, CallName::SendJoystickCommand],
            ..Faults::default()
        });
        let release = Call::SendJoystickCommand(kinova_sys::JoystickCommand::default());
        assert_eq!(fates(&board, &release), [Fate::Lost; 3]);
        assert_eq!(board.pass(&Call::EraseAllTrajectories), Fate::Served);
        assert_eq!(board.pass(&Call::StopControlAPI), Fate::Lost);
    }

    #[test]
    fn a_pose_is_mistaken_for_joints_next_or_every_so_often() {
        let (pose, joints) = (Call::GetCartesianPosition, Call::GetAngularPosition);
        let mistaken = Fate::Mistaken(joints);
        let next = board(Faults { wrong_replies: 2, ..Faults::default() });
        assert_eq!(next.pass(&Call::GetDevices), Fate::Served);
        assert_eq!(fates(&next, &pose), [mistaken, mistaken, Fate::Served]);
        let every = board(Faults { wrong_reply_every: 3, ..Faults::default() });
        let wanted = [Fate::Served, Fate::Served, mistaken, Fate::Served, Fate::Served, mistaken];
        assert_eq!(fates(&every, &pose), wanted);
        let only = vec![CallName::GetCartesianPosition];
        let named = board(Faults { wrong_replies: 1, wrong_only: only, ..Faults::default() });
        assert_eq!(named.pass(&Call::GetQuickStatus), Fate::Served);
        assert_eq!(named.pass(&pose), mistaken);
    }

    #[test]
    fn a_call_takes_time_by_its_packets_and_blocks_once() {
        let faults = Faults { packet_ms: 5.5, block_once_ms: 2000, ..Faults::default() };
        let mut state = State { faults, ..State::default() };
        let mut ms = |call: Call| state.delay(&call).as_secs_f64() * 1000.0;
        assert_eq!(ms(Call::GetQuickStatus), 2005.5);
        assert_eq!(ms(Call::GetQuickStatus), 5.5);
        assert_eq!(ms(Call::SendBasicTrajectory(Default::default())), 5.5);
        assert_eq!(ms(Call::SendAdvanceTrajectory(Default::default())), 16.5);
        assert_eq!(ms(Call::GetClientConfigurations), 247.5);
        state.faults.slow_calls_ms = 20;
        assert_eq!(state.delay(&Call::GetDevices), Duration::from_millis(20));
    }

    #[test]
    fn what_happens_once_is_taken_once() {
        let board = board(Faults { power_cycle: true, dead_zone_m_s: 0.03, ..Faults::default() });
        assert_eq!(board.take_events(), Events { power_cycle: true, take_control: false });
        assert_eq!(board.take_events(), Events::default());
        let left = Faults { dead_zone_m_s: 0.03, ..Faults::default() };
        assert_eq!(board.current(), left);
    }

    #[test]
    fn force_control_is_on_until_it_is_stopped() {
        let board = board(Faults { force_control_on: true, ..Faults::default() });
        assert_eq!(board.pass(&Call::StopForceControl), Fate::Served);
        assert!(!board.current().force_control_on);
    }

    #[test]
    fn a_hanging_call_returns_when_the_fault_goes() {
        let board = Arc::new(board(Faults { hang: true, ..Faults::default() }));
        let hung = board.clone();
        let call = std::thread::spawn(move || hung.pass(&Call::EraseAllTrajectories));
        board.inject(Faults::default());
        assert_eq!(call.join().expect("no panic"), Fate::Served);
    }
}
