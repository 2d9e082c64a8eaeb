//! The daemon's answers to whoever wants to steer, to record or to replay: who may, and with what.

use crate::Daemon;
use crate::mode::{Request, permit};
use crate::operate::No;
use crate::replay::{self, Replay};
use crate::session::plan::Recorder;
use crate::session::{self, Session, SessionControl};
use jaco_api::{
    Activity, Order, ReplayEvent, ReplayRequest, SessionEvent, SessionRequest, Steer, Steering,
};
use jaco_teleop::Press;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

/// How often the pad's stop is looked for: a tick of the servo.
const LOOK_EVERY: Duration = Duration::from_millis(10);

impl Daemon {
    /// Begins a session. Returns what tells of it, until its end; dropped before, the session ends.
    /// Opens a dataset, so not for a thread that must not wait for a disk.
    pub fn session(&self, request: &SessionRequest) -> Result<mpsc::Receiver<SessionEvent>, No> {
        permit(self.mode(), Request::Steer)?;
        let refused = |reason: String| No::Refused(reason);
        if request.steering == Steering::Client && self.config.sim.is_none() {
            return Err(
                "only a simulated arm can be steered by a client: a client has no dead-man, \
                        a pad has"
                    .into(),
            );
        }
        let source = match request.steering {
            Steering::Pad => "teleoperation",
            Steering::Client => "client",
        };
        let recorder = match &request.record {
            None => None,
            Some(asked) => {
                // The dataset comes first: a slow disk must not hold the arm's place.
                let clock = Arc::clone(&self.clock);
                let opened = Recorder::open(asked, &self.config, &self.cameras, source, clock);
                Some(opened.map_err(refused)?)
            }
        };
        permit(self.mode(), Request::Steer)?;
        let what = request.record.as_ref().map_or("nothing is recorded", |asked| &asked.task);
        let guard = self
            .desk
            .claim(Activity::Teleoperation, what)
            .map_err(|busy| refused(busy.to_string()))?;
        let session = Session {
            guard,
            arm: self.arm.clone(),
            steering: request.steering,
            pad: self.pad.clone(),
            mapping: jaco_teleop::Steering::new(&self.config.teleop),
            rumble: self.config.teleop.rumble as f32,
            cameras: self.cameras.clone(),
            recorder,
            clock: Arc::clone(&self.clock),
            events: self.events.clone(),
            reports: self.reports.clone(),
        };
        let (control, outbox) = session::begin(session)
            .map_err(|error| refused(format!("cannot start a thread: {error}")))?;
        *self.steered() = Some(control);
        Ok(outbox)
    }

    /// Gives an order to the session under way.
    pub fn order(&self, order: Order) -> Result<String, No> {
        match self.under_way()?.order(order) {
            true => Ok("the session is told".to_owned()),
            false => Err("the session is busy: say it again".into()),
        }
    }

    /// Steers the session under way, as its client.
    pub fn steer(&self, steer: Steer) -> Result<String, No> {
        self.under_way()?.steer(self.clock.now_ns(), steer)?;
        Ok("steered".to_owned())
    }

    fn under_way(&self) -> Result<SessionControl, No> {
        match &*self.steered() {
            Some(control) if self.desk.now() == Activity::Teleoperation => Ok(control.clone()),
            _ => Err("no session is under way: `jaco teleop` or `jaco record` begins one".into()),
        }
    }

    /// Carries out a replay. Returns what tells of it, until its end; dropped before, it ends.
    pub fn replay(
        self: &Arc<Self>,
        request: ReplayRequest,
    ) -> Result<mpsc::Receiver<ReplayEvent>, No> {
        replay::check(&request).map_err(No::Refused)?;
        permit(self.mode(), if request.home { Request::Home } else { Request::Run })?;
        let (teller, outbox) = replay::channel();
        let daemon = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(why) = daemon.home_and_replay(&request, &teller).await {
                let ended = ReplayEvent::Ended { complete: false, detail: why.to_string() };
                let _ = teller.try_send(ended);
            }
        });
        Ok(outbox)
    }

    async fn home_and_replay(
        &self,
        request: &ReplayRequest,
        teller: &mpsc::Sender<ReplayEvent>,
    ) -> Result<(), No> {
        if request.home {
            let _ = teller.try_send(ReplayEvent::Homing);
            tokio::select! {
                home = self.home() => drop(home?),
                () = teller.closed() => return Err("the client of the replay went away".into()),
            }
        }
        permit(self.mode(), Request::Run)?;
        let guard = self
            .desk
            .claim(Activity::Replay, &request.what)
            .map_err(|busy| No::Refused(busy.to_string()))?;
        let (arm, clock) = (self.arm.clone(), Arc::clone(&self.clock));
        replay::begin(Replay { guard, arm, clock, outbox: teller.clone() }, request)
            .map_err(|error| No::Failed(format!("cannot start a thread: {error}")))
    }

    /// Stops the arm when the stop is pressed on the pad, whatever is under way, for as long as the
    /// daemon runs.
    pub async fn watch_pad(self: Arc<Self>) {
        let mut buttons = jaco_teleop::Steering::new(&self.config.teleop);
        let mut timer = tokio::time::interval(LOOK_EVERY);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            timer.tick().await;
            let pressed = buttons.step(self.clock.now_ns(), &self.pad.now(), 1.0).pressed;
            if pressed.contains(&Press::Stop) {
                // It goes on without anybody who waits for its end.
                drop(self.stop());
            }
        }
    }
}
