//! The thread that owns the world: ticks it in real time and answers requests between ticks.

use super::base::Base;
use super::faults::FaultBoard;
use super::pace::Pace;
use super::schedule::Schedule;
use crate::firmware::fingers;
use crate::{Expert, ExpertOptions, Snapshot, StartPose, World};
use jaco_core::{Action, Clock, TICK_NS, TICK_S, Task};
use jaco_sim_link::control::{OutcomeReport, Status};
use jaco_sim_link::sdk::{Call, Reply};
use nalgebra::Vector3;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

/// Ticks over which finished points are counted.
const RATE_TICKS: usize = 100;

/// Something asked of the world's thread. Answers to whoever has gone are dropped.
pub(super) enum Request {
    /// A call of the SDK.
    Sdk(Call, Sender<Reply>),
    /// Lays out this task with this seed.
    Reset(Task, u64, Sender<()>),
    /// The verdict.
    Outcome(Sender<OutcomeReport>),
    /// How it runs.
    Status(Sender<Status>),
    /// The expert's next action.
    Demonstrate(Sender<Action>),
    /// Begins the schedule of faults of this seed; none ends the one that runs.
    Schedule(Option<u64>, Sender<()>),
    /// Answers when so many ticks have passed.
    Wait(u64, Sender<()>),
    /// The state after the last tick.
    Picture(Sender<Moment>),
    /// The end.
    Stop,
}

/// A state of the world and when it was.
pub(super) struct Moment {
    /// Monotonic time of the tick that led to it \[ns\].
    pub stamp_ns: u64,
    /// The state.
    pub snapshot: Snapshot,
}

/// The world and its bookkeeping.
pub(super) struct Cycle {
    world: World,
    expert: Expert,
    seed: u64,
    base: Base,
    pace: Pace,
    clock: Arc<dyn Clock>,
    faults: Arc<FaultBoard>,
    schedule: Option<Schedule>,
    sdk_clients: Arc<AtomicU32>,
    ticks: u64,
    /// The tick in which the arm was switched on.
    booted: u64,
    tick_ns: u64,
    speed_m_s: f64,
    /// Points finished in each of the last ticks.
    finished: VecDeque<u32>,
    waiting: Vec<(u64, Sender<()>)>,
}

impl Cycle {
    pub fn new(
        world: World,
        seed: u64,
        base: Base,
        clock: Arc<dyn Clock>,
        faults: Arc<FaultBoard>,
        sdk_clients: Arc<AtomicU32>,
    ) -> Self {
        let now_ns = clock.now_ns();
        Self {
            expert: Expert::new(world.task(), ExpertOptions::with_seed(seed)),
            world,
            seed,
            base,
            pace: Pace::new(now_ns),
            clock,
            faults,
            schedule: None,
            sdk_clients,
            ticks: 0,
            booted: 0,
            tick_ns: now_ns,
            speed_m_s: 0.0,
            finished: VecDeque::with_capacity(RATE_TICKS),
            waiting: Vec::new(),
        }
    }

    /// Runs until [`Request::Stop`].
    pub fn run(mut self, inbox: &Receiver<Request>) {
        loop {
            let wait = Duration::from_nanos(self.pace.wait_ns(self.clock.now_ns()));
            match inbox.recv_timeout(wait) {
                Ok(Request::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(request) => self.answer(request),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.pace.wait_ns(self.clock.now_ns()) == 0 {
                self.tick();
            }
        }
    }

    /// Begins the schedule of faults of `seed`, on top of the faults in force.
    pub fn schedule(&mut self, seed: u64) {
        tracing::info!(seed, tick = self.ticks, "a schedule of faults begins");
        self.schedule = Some(Schedule::new(seed, self.faults.current(), self.ticks));
    }

    fn tick(&mut self) {
        self.tick_ns = self.clock.now_ns();
        self.pace.begin(self.tick_ns);
        if let Some(faults) = self.schedule.as_mut().and_then(|plan| plan.change(self.ticks)) {
            tracing::info!(tick = self.ticks, "scheduled faults: {faults}");
            self.faults.inject(faults);
        }
        self.befall();
        let faults = self.faults.current();
        self.world.firmware().set_vices((&faults).into());
        self.world.firmware().set_joystick(f64::from(faults.joystick_axis));
        let (queued, at) = (self.queued(), self.tool_m());
        self.world.tick();
        self.ticks += 1;
        self.speed_m_s = (self.tool_m() - at).norm() / TICK_S;
        if self.finished.len() == RATE_TICKS {
            self.finished.pop_front();
        }
        self.finished.push_back(queued - self.queued());
        let ticks = self.ticks;
        for (_, waiter) in self.waiting.extract_if(.., |(due, _)| *due <= ticks) {
            let _ = waiter.send(());
        }
    }

    /// What is to happen once, happens.
    fn befall(&mut self) {
        let events = self.faults.take_events();
        if events.power_cycle {
            self.world.firmware().reboot();
            self.booted = self.ticks;
        }
        if events.take_control {
            self.world.firmware().stop_control();
        }
    }

    fn queued(&self) -> u32 {
        self.world.firmware_ref().fifo_info().count
    }

    fn tool_m(&self) -> Vector3<f64> {
        self.world.firmware_ref().measured().pose.position_m
    }

    fn answer(&mut self, request: Request) {
        self.befall();
        match request {
            Request::Sdk(call, reply) => {
                let uptime_s = (self.ticks - self.booted) as f64 * TICK_S;
                let faults = self.faults.current();
                let _ = reply.send(self.base.answer(&call, &mut self.world, &faults, uptime_s));
            }
            Request::Reset(task, seed, reply) => {
                self.world.reset(task, seed, StartPose::Home);
                self.expert = Expert::new(task, ExpertOptions::with_seed(seed));
                self.seed = seed;
                self.finished.clear();
                self.pace.forget();
                let _ = reply.send(());
            }
            Request::Outcome(reply) => {
                let outcome = self.world.outcome();
                let _ = reply.send(OutcomeReport {
                    success: outcome.success,
                    stable_ns: outcome.stable_ns,
                    distance_m: outcome.distance_m,
                    detail: outcome.detail.to_owned(),
                });
            }
            Request::Status(reply) => _ = reply.send(self.status()),
            Request::Demonstrate(reply) => {
                let _ = reply.send(self.expert.act(&self.world.truth()));
            }
            Request::Schedule(seed, reply) => {
                self.schedule = None;
                if let Some(seed) = seed {
                    self.schedule(seed);
                }
                let _ = reply.send(());
            }
            Request::Wait(ticks, reply) => {
                self.waiting.push((self.ticks.saturating_add(ticks), reply));
            }
            Request::Picture(reply) => {
                let moment = Moment { stamp_ns: self.tick_ns, snapshot: self.world.save() };
                let _ = reply.send(moment);
            }
            Request::Stop => {}
        }
    }

    fn status(&self) -> Status {
        let firmware = self.world.firmware_ref();
        let counts = firmware.counts();
        let closure = firmware.measured().fingers_rad.map(fingers::closure);
        Status {
            simulated_ns: self.ticks * TICK_NS,
            ticks: self.ticks,
            late_ticks: self.pace.late,
            dropped_ticks: self.pace.dropped,
            lateness_p50_us: self.pace.lateness_us(0.5),
            lateness_p99_us: self.pace.lateness_us(0.99),
            points_per_s: self.finished.iter().sum(),
            points_taken: counts.taken,
            points_dropped: counts.dropped,
            fifo_count: self.queued(),
            most_fifo: counts.most_fifo,
            tool_m: firmware.measured().pose.position_m.into(),
            opening: 1.0 - closure.iter().sum::<f64>() / closure.len() as f64,
            arm_speed_m_s: self.speed_m_s,
            homed: firmware.is_homed(),
            homing: firmware.is_homing(),
            has_control: firmware.has_control(),
            sdk_clients: self.sdk_clients.load(Ordering::Relaxed),
            task: self.world.task(),
            seed: self.seed,
        }
    }
}
