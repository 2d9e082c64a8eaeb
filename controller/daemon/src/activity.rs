//! Who may move the arm: one value, one guard, one table.
//!
//! | activity | who asks | entry at the latest after | when its client goes away |
//! |---|---|---|---|
//! | homing | `jaco home`, or the daemon at its start | 3 s | the arm holds |
//! | a run | `jaco run`, `jaco demo` | 3 s | the arm holds, the report is written |
//! | teleoperation | `jaco teleop`, `jaco record` | 3 s | the arm holds, the episode under way is kept |
//! | a replay | `jaco replay` | 3 s | the arm holds |
//!
//! An activity begins only when nobody else's is under way and the mode table allows it, and ends
//! when its [`Guard`] goes, however the thread or task that holds it ends. The guard's end first
//! lets the arm hold, then frees the place. A stop, the joystick, a lost servo or the daemon's end
//! end every activity: its holder sees that in the servo's statuses or is told by [`Desk::end`].

use crate::arm::Arm;
use crate::events::Events;
use crate::latch::StopLatch;
use jaco_api::{Activity, Event};
use jaco_servo::{Command, Mode as ServoMode};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Time that the arm's process gets to begin what an activity asks for.
pub const ENTRY_TIME: Duration = Duration::from_secs(3);

/// Why nobody else may begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Busy {
    /// Another activity is under way.
    #[error("{0} is under way: wait for its end, or `jaco stop`")]
    UnderWay(Activity),
    /// The daemon ends.
    #[error("the daemon ends")]
    Ending,
}

/// The place of the one who may move the arm.
#[derive(Clone)]
pub struct Desk(Arc<Shared>);

struct Shared {
    arm: Arm,
    latch: Arc<StopLatch>,
    events: Events,
    place: Mutex<Place>,
    now: watch::Sender<Activity>,
}

#[derive(Default)]
struct Place {
    holder: Activity,
    closed: bool,
    /// Where the holder hears that it is to end, and why.
    end: Option<watch::Sender<Option<String>>>,
}

impl Desk {
    /// A free place.
    pub fn new(arm: Arm, latch: Arc<StopLatch>, events: Events) -> Self {
        let (place, now) = (Mutex::default(), watch::Sender::new(Activity::Nobody));
        Self(Arc::new(Shared { arm, latch, events, place, now }))
    }

    /// Takes the place for `activity`, which is for `what`.
    ///
    /// # Errors
    /// Somebody has it, or the daemon ends.
    pub fn claim(&self, activity: Activity, what: &str) -> Result<Guard, Busy> {
        let mut place = self.place();
        match place.holder {
            _ if place.closed => return Err(Busy::Ending),
            Activity::Nobody => {}
            holder => return Err(Busy::UnderWay(holder)),
        }
        let (end, told_to_end) = watch::channel(None);
        (place.holder, place.end) = (activity, Some(end));
        self.announce(&place, what);
        drop(place);
        let why = format!("{activity} ended without a word");
        Ok(Guard { desk: self.clone(), activity, told_to_end, why })
    }

    /// Who has the place.
    pub fn now(&self) -> Activity {
        *self.0.now.borrow()
    }

    /// Tells whoever has the place to end, for this reason; whether somebody has it.
    pub fn end(&self, why: &str) -> bool {
        let place = self.place();
        if let Some(end) = &place.end {
            end.send_replace(Some(why.to_owned()));
        }
        place.holder != Activity::Nobody
    }

    /// Gives the place to nobody any more, and ends the holder's activity.
    pub fn close(&self, why: &str) {
        self.place().closed = true;
        self.end(why);
    }

    /// Returns when nobody has the place.
    pub async fn until_free(&self) {
        let mut now = self.0.now.subscribe();
        // The sender lives in `self`.
        let _ = now.wait_for(|activity| *activity == Activity::Nobody).await;
    }

    fn leave(&self, why: &str) {
        // The arm holds before anybody else may begin, also where no status shows yet that it was
        // told to move. One that is stopped or left to a person is not ours to hold.
        let taken = matches!(self.0.arm.mode(), Some(ServoMode::Stopped | ServoMode::HandedOver));
        if !taken && self.0.latch.stop().is_none() {
            self.0.arm.send(Command::Hold);
        }
        let mut place = self.place();
        (place.holder, place.end) = (Activity::Nobody, None);
        self.announce(&place, why);
    }

    /// Under the place's lock, so that the order of what is told is that of what happened.
    fn announce(&self, place: &Place, why: &str) {
        let now = place.holder;
        tracing::info!(%now, "{why}");
        self.0.events.tell(Event::Activity { now, why: why.to_owned() });
        self.0.now.send_replace(now);
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.0.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to move the arm. Its end is the activity's end.
pub struct Guard {
    desk: Desk,
    activity: Activity,
    told_to_end: watch::Receiver<Option<String>>,
    why: String,
}

impl Guard {
    /// Why the activity is to end; none as long as it may go on.
    pub fn told_to_end(&self) -> Option<String> {
        self.told_to_end.borrow().clone()
    }

    /// Returns when the activity is to end, with the reason.
    pub async fn until_told_to_end(&self) -> String {
        let mut told = self.told_to_end.clone();
        let why = told.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
        why.unwrap_or_else(|| "the daemon ends".to_owned())
    }

    /// Ends the activity, for this reason.
    pub fn finish(mut self, why: &str) {
        self.why = format!("{} ends: {why}", self.activity);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.why = format!("{} ends: its thread panicked", self.activity);
        }
        self.desk.leave(&self.why);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::arm::tests::{FakeArm, status_in};

    fn desk() -> (FakeArm, Desk) {
        let fake = FakeArm::new();
        fake.show(status_in(ServoMode::Policy));
        let desk = Desk::new(fake.arm.clone(), fake.latch(), Events::default());
        (fake, desk)
    }

    #[test]
    fn only_one_may_move_the_arm() {
        let (_fake, desk) = desk();
        let guard = desk.claim(Activity::Run, "a test").unwrap();
        let second = desk.claim(Activity::Homing, "a test").err();
        assert_eq!(second, Some(Busy::UnderWay(Activity::Run)));
        assert_eq!(desk.now(), Activity::Run);
        guard.finish("done");
        assert_eq!(desk.now(), Activity::Nobody);
        assert!(desk.claim(Activity::Homing, "a test").is_ok());
    }

    /// A panic in the run's thread left "a run is under way" until restart.
    #[test]
    fn a_thread_that_panics_lets_the_arm_hold_and_frees_the_place() {
        let (fake, desk) = desk();
        let guard = desk.claim(Activity::Run, "a test").unwrap();
        let thread = std::thread::spawn(move || {
            let _guard = guard;
            panic!("plotting");
        });
        assert!(thread.join().is_err());
        assert_eq!(desk.now(), Activity::Nobody);
        assert_eq!(fake.sent(), ["Hold"]);
    }

    #[tokio::test]
    async fn whoever_moves_the_arm_is_told_to_end() {
        let (_fake, desk) = desk();
        assert!(!desk.end("nobody is there to be told"));
        let guard = desk.claim(Activity::Teleoperation, "a test").unwrap();
        assert_eq!(guard.told_to_end(), None);
        desk.close("SIGTERM");
        assert_eq!(guard.until_told_to_end().await, "SIGTERM");
        guard.finish("told to");
        desk.until_free().await;
        assert_eq!(desk.claim(Activity::Run, "a test").err(), Some(Busy::Ending));
    }

    /// The hold that followed a stop was refused, and a reset took that for its own refusal.
    #[test]
    fn a_hold_does_not_follow_a_stop() {
        let fake = FakeArm::new();
        fake.show(status_in(ServoMode::Homing));
        let latch = fake.latch();
        let desk = Desk::new(fake.arm.clone(), Arc::clone(&latch), Events::default());
        let guard = desk.claim(Activity::Homing, "a test").unwrap();
        latch.set(jaco_servo::StopReason::Operator);
        guard.finish("stopped");
        assert!(fake.sent().is_empty());
    }

    #[test]
    fn a_stopped_arm_is_not_told_to_hold() {
        let (fake, desk) = desk();
        let guard = desk.claim(Activity::Run, "a test").unwrap();
        fake.show(status_in(ServoMode::Stopped));
        guard.finish("stopped");
        assert!(fake.sent().is_empty());
    }
}
