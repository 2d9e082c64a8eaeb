//! What an operator asks of the arm: home, hold, stop, reset, release, take. Each is answered from what the
//! servo's statuses show afterwards, never from having been sent; each has a deadline.

use crate::Daemon;
use crate::activity::ENTRY_TIME;
use crate::arm::{ArmView, rests_since};
use crate::mode::{Request, permit};
use jaco_api::{Activity, Event, Mode, StopEvent};
use jaco_servo::{Command, Mode as ServoMode, ServoStatus, StopReason};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Time that homing gets.
const HOMING_TIME: Duration = Duration::from_secs(90);
/// Time in which readings must show that a stopped arm stands: braking, the readings' 200 ms, and
/// a servo that is replaced meanwhile.
const STANDING_TIME: Duration = Duration::from_secs(6);
/// Time in which the servo must take up a hold or a reset.
const ANSWER_TIME: Duration = Duration::from_secs(3);

/// Time that the disk gets to take the latch.
const SAVE_TIME: Duration = Duration::from_secs(3);

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum No {
    /// Nothing was done.
    Refused(String),
    /// It was begun and did not come to its end.
    Failed(String),
}

impl From<&str> for No {
    fn from(reason: &str) -> Self {
        No::Refused(reason.to_owned())
    }
}

impl Daemon {
    /// Takes the arm home. The answer is that of this homing: a reading shows it home, or not.
    /// Dropped before its end, the arm holds.
    pub async fn home(&self) -> Result<String, No> {
        permit(self.mode(), Request::Home)?;
        let guard = self
            .desk
            .claim(Activity::Homing, "the arm moves to its home pose")
            .map_err(|busy| No::Refused(busy.to_string()))?;
        let done = tokio::select! {
            biased;
            why = guard.until_told_to_end() => Err(No::Failed(not_home(&why))),
            done = self.homing() => done,
        };
        guard.finish(&done.as_ref().map_or_else(No::to_string, Clone::clone));
        done
    }

    async fn homing(&self) -> Result<String, No> {
        let Some(before) = self.arm.view().status else {
            return Err(No::Refused("the arm does not answer".to_owned()));
        };
        let process = self.arm.view().processes;
        let begun_before = before.report.homing.begun;
        self.arm.send(Command::Home);
        // None: not begun yet. The servo's own words where it refused.
        let begun = |view: &ArmView| {
            let status = view.status.as_ref()?;
            if status.report.homing.begun > begun_before || view.processes != process {
                return Some(Ok(()));
            }
            let refused = status.report.counters.refused > before.report.counters.refused;
            refused.then(|| Err(No::Failed(format!("the servo refused: {}", status.note))))
        };
        match self.arm.until(ENTRY_TIME, begun).await {
            Some(begun) => begun?,
            None => {
                let seconds = ENTRY_TIME.as_secs();
                return Err(No::Failed(format!("homing did not begin within {seconds} s")));
            }
        }
        let ended = self
            .arm
            .until(HOMING_TIME, |view| {
                let Some(status) = view.status.as_ref().filter(|_| view.processes == process)
                else {
                    return Some(Err("the arm's process was lost on the way".to_owned()));
                };
                let report = &status.report;
                match report.mode {
                    ServoMode::Homing => None,
                    ServoMode::Stopped => Some(Err(report
                        .stop_reason
                        .map_or_else(|| "it was stopped".to_owned(), |why| why.to_string()))),
                    _ if report.homing.home && status.homed => Some(Ok(())),
                    _ => Some(Err(format!("the servo says: {}", report.hold_reason))),
                }
            })
            .await;
        match ended {
            Some(Ok(())) => Ok("the arm is home".to_owned()),
            Some(Err(why)) => Err(No::Failed(not_home(&why))),
            None => {
                let seconds = HOMING_TIME.as_secs();
                Err(No::Failed(not_home(&format!("{seconds} s are over"))))
            }
        }
    }

    /// Ends whatever is going on; the arm holds.
    pub async fn hold(&self) -> Result<String, No> {
        permit(self.mode(), Request::Hold)?;
        if self.mode() == Mode::HandedOver {
            return Err("the arm is left to the joystick: `jaco take` takes it back".into());
        }
        let asked_ns = self.clock.now_ns();
        self.desk.end("the operator asked to hold");
        if self.latch.stop().is_none() {
            self.arm.send(Command::Hold);
        }
        let rests = |view: &ArmView| view.status.filter(|status| rests_since(status, asked_ns));
        let held = self.arm.until(ANSWER_TIME, rests).await;
        match held {
            Some(_) => Ok("the arm holds".to_owned()),
            None => Err(No::Failed(format!(
                "no reading of the last {} s shows the arm at rest: `jaco stop`",
                ANSWER_TIME.as_secs()
            ))),
        }
    }

    /// Stops and latches, and tells what the readings show until they show the arm at rest or a
    /// deadline has passed.
    pub fn stop(self: &Arc<Self>) -> mpsc::Receiver<StopEvent> {
        // First of all, and without waiting for anything: latch, then tell the servo.
        let asked_ns = self.clock.now_ns();
        let (_, new) = self.latch.set(StopReason::Operator);
        self.arm.send(Command::Stop { reason: StopReason::Operator });
        self.desk.end("stopped by the operator");
        let (tell, told) = mpsc::channel(2);
        let daemon = Arc::clone(self);
        tokio::spawn(async move {
            if new {
                tracing::warn!("stop: asked for by the operator");
                let why = StopReason::Operator.to_string();
                daemon.events.tell(Event::Stop { latched: true, why });
            }
            let _ = tell.send(StopEvent::Sent).await;
            let latch = Arc::clone(&daemon.latch);
            let saved = tokio::task::spawn_blocking(move || latch.save());
            let event = match daemon.until_standing(asked_ns).await {
                Ok(()) => StopEvent::Stands { unsaved: in_time(saved).await.err() },
                Err((known, doing)) => StopEvent::Unconfirmed { known, doing },
            };
            match &event {
                StopEvent::Stands { unsaved: None } => tracing::info!("stop: the arm stands"),
                StopEvent::Stands { unsaved: Some(why) } => {
                    tracing::error!("stop: the arm stands, but the stop is not saved: {why}");
                }
                StopEvent::Unconfirmed { known, doing } => {
                    tracing::error!("stop: not confirmed: {known}. {doing}");
                }
                StopEvent::Sent => {}
            }
            let _ = tell.send(event).await;
        });
        told
    }

    /// Returns when readings made after `asked_ns` show a stopped arm at rest; otherwise what is
    /// known, and what is being done.
    async fn until_standing(&self, asked_ns: u64) -> Result<(), (String, String)> {
        let stands = |view: &ArmView| {
            let status = view.status.as_ref()?;
            let stopped = status.report.mode == ServoMode::Stopped;
            (stopped && status.in_control && rests_since(status, asked_ns)).then_some(())
        };
        if self.arm.until(STANDING_TIME, stands).await.is_some() {
            return Ok(());
        }
        let seconds = STANDING_TIME.as_secs();
        let known = match self.arm.view().status {
            None => format!("no process has answered for the arm within {seconds} s"),
            Some(status) if status.report.mode != ServoMode::Stopped => {
                format!("the arm's process has not taken up the stop within {seconds} s")
            }
            Some(status) if !status.in_control => {
                "another program, or the joystick, has control of the arm".to_owned()
            }
            Some(status) if status.state.stamp_ns <= asked_ns => {
                format!("the arm could not be read for {seconds} s")
            }
            Some(_) => format!("the arm was still seen moving after {seconds} s"),
        };
        let doing = "the stop is latched, every process that reaches the arm is told of it first, \
                     and one that hangs is replaced; watch `jaco status`. The sure stop is the \
                     arm's power button";
        Err((known, doing.to_owned()))
    }

    /// Ends whatever is going on and leaves the arm to the joystick, or to another program.
    pub async fn release(&self) -> Result<String, No> {
        permit(self.mode(), Request::Release)?;
        self.desk.end("the arm was released");
        self.arm.send(Command::Release);
        let left = |view: &ArmView| {
            let left = |status: &ServoStatus| {
                status.report.mode == ServoMode::HandedOver && !status.in_control
            };
            view.status.filter(left)
        };
        match self.arm.until(ANSWER_TIME, left).await {
            Some(_) => Ok("the arm is left to the joystick; `jaco take` takes it back".to_owned()),
            None => Err(No::Failed(format!(
                "the arm's process has not let go of the arm within {} s: see `jaco status`",
                ANSWER_TIME.as_secs()
            ))),
        }
    }

    /// Takes the arm back from the joystick, or from another program; one that is ours is asked for
    /// Cartesian control again.
    pub async fn take(&self) -> Result<String, No> {
        permit(self.mode(), Request::Take)?;
        let asked_ns = self.clock.now_ns();
        let refused_before = self.arm.view().status.map(|status| status.report.counters.refused);
        self.arm.send(Command::Take);
        let answered = |view: &ArmView| {
            let status = view.status.as_ref().filter(|status| status.sent_ns > asked_ns)?;
            if Some(status.report.counters.refused) > refused_before {
                return Some(Err(No::Failed(format!("the servo refused: {}", status.note))));
            }
            let ours = status.in_control && status.report.mode != ServoMode::HandedOver;
            (ours && (status.report.ready || !status.homed)).then_some(Ok(status.homed))
        };
        match self.arm.until(ANSWER_TIME, answered).await {
            Some(Ok(true)) => Ok("the arm is taken back".to_owned()),
            Some(Ok(false)) => Ok("the arm is taken back; it is not homed: `jaco home`".to_owned()),
            Some(Err(no)) => Err(no),
            None => Err(No::Failed(format!(
                "the arm does not take Cartesian commands within {} s: see `jaco status`",
                ANSWER_TIME.as_secs()
            ))),
        }
    }

    /// Releases a latched stop, or takes the arm back from a person at the joystick.
    pub async fn reset(&self) -> Result<String, No> {
        permit(self.mode(), Request::Reset)?;
        let Some(before) = self.arm.view().status else {
            return Err("the arm does not answer: see `jaco status` for the reason".into());
        };
        let latched = self.latch.stop();
        if latched.is_some() {
            // A reset that overtook its stop would be undone by it.
            let stopped =
                |view: &ArmView| view.status.filter(|s| s.report.mode == ServoMode::Stopped);
            if self.arm.until(ANSWER_TIME, stopped).await.is_none() {
                let why = "the arm's process has not taken up the stop yet: see `jaco status`";
                return Err(why.into());
            }
        }
        let asked_ns = self.clock.now_ns();
        self.arm.send(Command::Reset);
        let reset = |view: &ArmView| {
            let status = view.status.as_ref().filter(|status| status.sent_ns > asked_ns)?;
            // A stop can always be released; an arm cannot be taken out of a person's hand.
            let in_hand = before.report.mode == ServoMode::HandedOver;
            if in_hand && status.report.counters.refused > before.report.counters.refused {
                return Some(Err(No::Failed(format!("the servo refused: {}", status.note))));
            }
            let left = matches!(status.report.mode, ServoMode::Stopped | ServoMode::HandedOver);
            let done = !left && status.in_control;
            done.then_some(Ok(()))
        };
        self.arm.until(ANSWER_TIME, reset).await.unwrap_or_else(|| {
            let seconds = ANSWER_TIME.as_secs();
            Err(No::Failed(format!("the arm's process has not reset within {seconds} s")))
        })?;
        let Some(stop) = latched else { return Ok("reset".to_owned()) };
        if !self.latch.release(stop) {
            self.arm.send(Command::Stop { reason: stop.reason });
            return Err(No::Failed("another stop came during the reset".to_owned()));
        }
        self.events.tell(Event::Stop { latched: false, why: "reset by the operator".to_owned() });
        let latch = Arc::clone(&self.latch);
        match in_time(tokio::task::spawn_blocking(move || latch.save())).await {
            Ok(()) => Ok("reset".to_owned()),
            Err(error) => Err(No::Failed(format!(
                "the stop is released, but {error}: after a restart it would be latched again"
            ))),
        }
    }
}

/// What became of a save, if that is known in time.
async fn in_time(save: tokio::task::JoinHandle<Result<(), String>>) -> Result<(), String> {
    match tokio::time::timeout(SAVE_TIME, save).await {
        Ok(Ok(saved)) => saved,
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("the disk has not answered within {} s", SAVE_TIME.as_secs())),
    }
}

fn not_home(why: &str) -> String {
    format!("the arm is not home: {why}")
}

impl std::fmt::Display for No {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            No::Refused(why) | No::Failed(why) => f.write_str(why),
        }
    }
}
