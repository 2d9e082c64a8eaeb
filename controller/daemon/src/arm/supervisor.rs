//! Keeps a servo process: started, listened to, fed with heartbeats, and replaced when it ends,
//! falls silent or cannot be told anything.
//!
//! One thread per direction, so that a command never waits for a status. Every new servo is born
//! stopped while a stop is latched, and a stop that a servo finds by itself is latched here. Must
//! never decide about motion: it carries commands and statuses.

use super::{Arm, Publisher, channel};
use crate::events::Events;
use crate::faults::FaultBoard;
use crate::latch::StopLatch;
use crate::part;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};
use jaco_api::Event;
use jaco_config::Config;
use jaco_core::{Clock, Word};
use jaco_servo::message::FromServo;
use jaco_servo::spawn::{LinkError, ServoLink, SpawnOptions, spawn};
use jaco_servo::{Command, Condition, Conditions, Mode, ServoStatus, StopReason};
use jaco_shell::prints::Printed;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

/// The part of the fault board.
pub const PART: &str = "servo";

/// Heartbeats are sent this often when there is nothing else to send; the servo slows to a hold
/// after 100 ms of silence.
const HEARTBEAT_EVERY: Duration = Duration::from_millis(25);
/// How often the reader looks whether it is to end.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// Silence before the first status after which a servo is given up: the SDK's start-up takes
/// seconds.
const START_NS: u64 = 30_000_000_000;
/// Silence of a servo that has answered after which it is given up.
const SILENCE_NS: u64 = 2_000_000_000;
/// The same while a stop is latched: only another servo can tell the arm.
const SILENCE_STOPPED_NS: u64 = 500_000_000;
/// Pause before another servo is started.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// Ends the servo when told to.
#[derive(Debug)]
pub struct Supervisor {
    /// Dropped to tell the thread to end.
    ending: Sender<()>,
    thread: JoinHandle<()>,
}

impl Supervisor {
    /// Lets the servo hold, give control back and exit.
    pub fn end(self) {
        drop(self.ending);
        // A panic was told when it happened.
        let _ = self.thread.join();
    }
}

/// What the supervisor tells, and to whom.
struct Office {
    options: SpawnOptions,
    publisher: Publisher,
    inbox: Receiver<Command>,
    latch: Arc<StopLatch>,
    faults: FaultBoard,
    events: Events,
    clock: Arc<dyn Clock>,
    /// Over all servos: each prints the same again.
    prints: Printed,
    /// Closed when the daemon ends.
    ending: Receiver<()>,
}

/// Why a servo is of no more use.
enum Loss {
    /// The daemon ends.
    Ending,
    /// It says nothing, or takes nothing: it must be killed.
    Hangs(String),
    /// It has ended, or the link is broken.
    Gone(String),
}

/// The part of the fault board for one thing that can be wrong with the arm.
fn part_of(condition: Condition) -> String {
    format!("arm/{}", condition.name())
}

/// What `config` says about the servo process, which lies beside the daemon.
pub fn options(config: &Config) -> anyhow::Result<SpawnOptions> {
    let program = std::env::current_exe()?.with_file_name("jaco-servo");
    let arm = &config.arm;
    let spawn = SpawnOptions::new(program, std::path::absolute(&arm.sdk)?);
    let spawn = match &config.sim {
        Some(sim) => spawn.simulated(&sim.socket, sim.semaphore.as_deref()),
        None => spawn,
    };
    Ok(SpawnOptions {
        transport: arm.transport,
        ethernet: arm.ethernet.unwrap_or_default(),
        serial: arm.serial.clone(),
        fingers: arm.fingers,
        angular_frame: arm.angular_frame,
        limits: arm.limits,
        log_level: config.log.level,
        log_format: config.log.format,
        ..spawn
    })
}

/// Starts a servo process and the threads that serve it. `broken` is called if they end by a
/// defect: without them the daemon is of no use.
pub fn start(
    options: SpawnOptions,
    latch: Arc<StopLatch>,
    faults: FaultBoard,
    events: Events,
    clock: Arc<dyn Clock>,
    broken: impl FnOnce(String) + Send + 'static,
) -> io::Result<(Arm, Supervisor)> {
    let (arm, publisher, inbox) = channel();
    let (ending, ended) = bounded(0);
    let prints = Printed::by("the arm's SDK");
    let office =
        Office { options, publisher, inbox, latch, faults, events, clock, prints, ending: ended };
    let thread = part::spawn(
        "servo-supervisor",
        move || office.supervise(),
        move |panic| {
            if let Some(panic) = panic {
                broken(format!("the servo's supervisor panicked: {panic}"));
            }
        },
    )?;
    Ok((arm, Supervisor { ending, thread }))
}

impl Office {
    fn supervise(self) {
        let mut handed_over = false;
        while !self.is_ending() {
            self.publisher.starting();
            // A person who had the arm when its servo was lost is not moved by the next one.
            let after_hand = handed_over.then_some(StopReason::Supervisor);
            let stopped = self.latch.stop().map(|stop| stop.reason).or(after_hand);
            match spawn(&SpawnOptions { stopped, ..self.options.clone() }) {
                Ok(mut process) => {
                    tracing::debug!(pid = process.pid(), "servo started");
                    let reader = process.take_prints().map(|prints| self.prints.log(prints));
                    if let Some(Err(error)) = reader {
                        tracing::warn!("what the SDK prints is lost: {error}");
                    }
                    let loss = self.serve(process.link());
                    self.forget_conditions();
                    if let Some(mode) = self.publisher.lost() {
                        handed_over = mode == Mode::HandedOver;
                    }
                    let ended = match loss {
                        Loss::Ending => process.end(),
                        Loss::Gone(why) => {
                            self.faults.set(PART, Some(why));
                            process.end()
                        }
                        Loss::Hangs(why) => {
                            self.faults.set(PART, Some(why));
                            process.kill()
                        }
                    };
                    tracing::debug!("servo ended: {ended}");
                    if ended.status.is_none() {
                        let why = "its process hangs in the kernel and still has the arm; no other \
                                   is started: switch the arm off, then restart the PC";
                        self.faults.set(PART, Some(why.to_owned()));
                        return;
                    }
                }
                Err(error) => {
                    self.faults.set(PART, Some(format!("cannot start jaco-servo: {error}")));
                }
            }
            // Returns at once when the daemon ends.
            let _ = self.ending.recv_timeout(RESTART_AFTER);
            // A command meant for the lost servo must not move the next one. A stop is not lost:
            // it was latched before it was sent.
            while self.inbox.try_recv().is_ok() {}
        }
    }

    /// Carries commands and statuses until the servo is lost or the daemon ends.
    fn serve(&self, link: &ServoLink) -> Loss {
        let (done, broken) = (AtomicBool::new(false), OnceLock::new());
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let _feeding = part::feed();
                if let Err(why) = self.write(link, &done) {
                    let _ = broken.set(why);
                }
            });
            let feeding = part::feed();
            let loss = self.read(link, &broken);
            drop(feeding);
            done.store(true, Ordering::SeqCst);
            match writer.join() {
                Ok(()) => loss,
                Err(_) => Loss::Hangs("the thread that tells it commands panicked".to_owned()),
            }
        })
    }

    fn read(&self, link: &ServoLink, broken: &OnceLock<String>) -> Loss {
        let mut heard_ns = self.clock.now_ns();
        let (mut answered, mut last_words) = (false, None);
        let mut conditions = Conditions::default();
        loop {
            if self.is_ending() {
                return Loss::Ending;
            }
            if let Some(why) = broken.get() {
                return Loss::Hangs(why.clone());
            }
            match link.recv_timeout(LOOK_EVERY) {
                Ok(Some(news)) => {
                    heard_ns = self.clock.now_ns();
                    match news {
                        FromServo::Status(status) => {
                            answered = true;
                            self.hear(status);
                            self.tell_conditions(&mut conditions, status.conditions);
                        }
                        FromServo::Starting(doing) => {
                            // The reason why the one before was lost is the better fault.
                            let before = self.faults.of(PART);
                            if before.is_none_or(|fault| fault.starts_with("starting")) {
                                self.faults.busy(PART, format!("starting: {doing}"));
                            }
                        }
                        FromServo::LastWords(why) => last_words = Some(why.to_string()),
                    }
                }
                Ok(None) => {
                    let silence_ns = self.clock.now_ns().saturating_sub(heard_ns);
                    let patience_ns = match (answered, self.latch.stop()) {
                        (false, _) => START_NS,
                        (true, None) => SILENCE_NS,
                        (true, Some(_)) => SILENCE_STOPPED_NS,
                    };
                    if silence_ns > patience_ns {
                        // The limit, not the silence: the same text each time is told once.
                        let patience_s = patience_ns as f64 * 1e-9;
                        return Loss::Hangs(format!("silent for {patience_s} s, was killed"));
                    }
                }
                Err(error) => return Loss::Gone(last_words.unwrap_or(error.to_string())),
            }
        }
    }

    /// Brings what is wrong with the arm to the board where it has changed.
    fn tell_conditions(&self, told: &mut Conditions, now: Conditions) {
        if *told == now {
            return;
        }
        for condition in Condition::ALL {
            if told.holds(*condition) != now.holds(*condition) {
                let fault = now.holds(*condition).then(|| condition.to_string());
                self.faults.set(&part_of(*condition), fault);
            }
        }
        *told = now;
    }

    /// Nothing is known of the arm any more.
    fn forget_conditions(&self) {
        for condition in Condition::ALL {
            self.faults.mirror(&part_of(*condition), None);
        }
    }

    fn hear(&self, status: ServoStatus) {
        self.faults.set(PART, None);
        self.publisher.status(status);
        let report = &status.report;
        if report.mode == Mode::Stopped
            && self.latch.stop().is_none()
            && let Some(reason) = report.stop_reason
        {
            self.latch.set(reason);
            tracing::error!("the servo stopped by itself: {reason}");
            self.events.tell(Event::Stop { latched: true, why: reason.to_string() });
            let latch = Arc::clone(&self.latch);
            let saved = move || {
                if let Err(error) = latch.save() {
                    tracing::error!("the stop is not saved: {error}");
                }
            };
            // The disk may take its time; statuses must not wait for it.
            if let Err(error) = part::spawn("stop-saver", saved, |_| {}) {
                tracing::error!("the stop is not saved: {error}");
            }
        }
    }

    fn write(&self, link: &ServoLink, done: &AtomicBool) -> Result<(), String> {
        let mut kept: Option<Command> = None;
        while !done.load(Ordering::SeqCst) {
            let command = match kept.take() {
                Some(command) => command,
                None => match self.inbox.recv_timeout(HEARTBEAT_EVERY) {
                    Ok(command) => command,
                    Err(RecvTimeoutError::Timeout) => Command::Heartbeat,
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                },
            };
            match link.send(&command) {
                Ok(()) => {}
                // The reader finds out that it has ended, and why.
                Err(LinkError::Closed) => return Ok(()),
                Err(LinkError::Hangs) => {
                    std::thread::sleep(LOOK_EVERY);
                    // What counts is told as soon as it can be; its silence is the reader's to judge.
                    kept = (command != Command::Heartbeat).then_some(command);
                }
                // A command of ours that cannot be written is a defect of ours, not the link's.
                Err(LinkError::Message(error)) => {
                    tracing::error!("{} cannot be sent: {error}", command.name());
                }
                Err(error) => return Err(format!("{} did not reach it: {error}", command.name())),
            }
        }
        Ok(())
    }

    fn is_ending(&self) -> bool {
        self.ending.try_recv() == Err(TryRecvError::Disconnected)
    }
}
