//! Autonomous runs: what is asked is checked, a thread drives the arm until there is a verdict,
//! the arm holds, and the report is written.
//!
//! [`pacer`] is the rule of when to think, [`drive`] the loop around it, [`hand`] a person's who
//! takes over, [`attempt`] what is gathered meanwhile, [`folder`] what is left on the disk, [`tape`]
//! the recording of the run as an episode. The right to move the arm goes back
//! before anything is drawn or written, whatever becomes of that. A run that nobody watches any
//! more ends.

pub mod attempt;
pub mod drive;
pub mod folder;
pub mod hand;
pub mod pacer;
pub mod tape;

use crate::activity::Guard;
use crate::arm::Arm;
use crate::events::Events;
use crate::part;
use crate::policy::PolicyHandle;
use crate::recorder::Recorder;
use attempt::AttemptRecorder;
use crossbeam_channel::{Receiver, Sender, bounded};
use drive::{Changing, Driving, drive};
use folder::RunFolder;
use hand::Takeover;
use jaco_api::{Event, Placement, RunEvent, RunRequest};
use jaco_camera::CameraHandle;
use jaco_config::Config;
use jaco_core::{Cause, Clock, Execution, Verdict};
use pacer::Pace;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tape::Tape;
use tokio::sync::mpsc;

/// Events that may wait for the one who asked for the run.
const EVENT_DEPTH: usize = 64;
/// Places among them that progress must leave to what matters more.
const RESERVED: usize = 8;

/// What a run is to do, resolved.
#[derive(Clone, Debug)]
pub struct RunPlan {
    /// The instruction.
    pub instruction: Arc<str>,
    /// Units per inference.
    pub horizon: usize,
    /// How units are executed.
    pub pace: Pace,
    /// Steps after which the run has failed.
    pub max_steps: u64,
}

impl RunPlan {
    /// What `request` asks for, with what it leaves out as in `config`; refuses what `policy`
    /// cannot do, in words.
    pub fn of(
        request: &RunRequest,
        config: &Config,
        policy: &PolicyHandle,
    ) -> Result<Self, String> {
        let configured = &config.policy;
        let instruction = request.instruction.trim();
        if instruction.is_empty() {
            return Err("the instruction is empty: say what to do, in words".to_owned());
        }
        if instruction.contains(char::is_control) {
            return Err("the instruction must be one line, without control characters".to_owned());
        }
        policy.check(instruction)?;
        let horizon = request.horizon.unwrap_or(configured.horizon);
        let trained = policy.facts.horizon;
        if !(1..=trained).contains(&horizon) {
            return Err(format!(
                "horizon {horizon} is outside 1..={trained}, what the policy was trained for"
            ));
        }
        let execution = request.execution.unwrap_or(configured.execution);
        if execution == Execution::Async && horizon < 2 {
            return Err("async execution needs a horizon of at least 2".to_owned());
        }
        Ok(Self {
            instruction: instruction.into(),
            horizon,
            pace: match execution {
                Execution::Sync => Pace::Sync,
                Execution::Async => Pace::Async { commit_steps: configured.commit_steps },
            },
            max_steps: request.max_steps.unwrap_or(config.run.max_steps),
        })
    }
}

/// The operator's end of a run under way.
#[derive(Clone, Debug)]
pub struct RunControl(Sender<Verdict>);

impl RunControl {
    /// Ends the run with this verdict. One that has just ended by itself needs no second one.
    pub fn finish(&self, verdict: Verdict) {
        let _ = self.0.try_send(verdict);
    }
}

/// One report is written at a time, and no run's folder is opened meanwhile.
#[derive(Clone, Debug, Default)]
pub struct ReportLock {
    folders: Arc<Mutex<()>>,
    recordings: Arc<RwLock<()>>,
}

impl ReportLock {
    /// Has the folders to itself until the returned guard goes.
    pub fn alone(&self) -> std::sync::MutexGuard<'_, ()> {
        // A report that panicked left a folder that is whole: files are replaced in one step.
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is recorded until the returned guard goes.
    pub fn recording(&self) -> std::sync::RwLockReadGuard<'_, ()> {
        self.recordings.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nothing is being recorded or reported.
    pub fn until_written(&self) {
        drop(self.recordings.write().unwrap_or_else(PoisonError::into_inner));
        drop(self.alone());
    }
}

/// What a run works with.
pub struct Run {
    /// The right to move the arm.
    pub guard: Guard,
    /// The arm.
    pub arm: Arm,
    /// The policy.
    pub policy: Arc<PolicyHandle>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What it is to do.
    pub plan: RunPlan,
    /// Where its report goes.
    pub folder: RunFolder,
    /// What lies on the simulated table.
    pub placement: Option<Placement>,
    /// All who listen.
    pub events: Events,
    /// Who else writes reports.
    pub reports: ReportLock,
    /// The flight recorder.
    pub recorder: Recorder,
    /// A person's hand.
    pub takeover: Takeover,
    /// The recording of the run; none = it is not recorded.
    pub tape: Option<Tape>,
    /// The camera that the policy sees through, and how long it may have a fault \[ns\].
    pub eye: Option<(CameraHandle, u64)>,
}

/// Begins the run on a thread of its own. Returns what ends it and what tells of it, until its
/// report is written.
pub fn begin(run: Run) -> std::io::Result<(RunControl, mpsc::Receiver<RunEvent>)> {
    let (finish, operator) = bounded(1);
    let (requester, outbox) = mpsc::channel(EVENT_DEPTH);
    let teller = Teller { requester, events: run.events.clone() };
    part::spawn(
        "run",
        move || carry_out(run, &operator, &teller),
        |panic| {
            if let Some(panic) = panic {
                // The guard went with the thread: the arm holds, and the next run may begin.
                tracing::error!("the run's thread panicked: {panic}");
            }
        },
    )?;
    Ok((RunControl(finish), outbox))
}

fn carry_out(run: Run, operator: &Receiver<Verdict>, teller: &Teller) {
    let Run {
        guard, arm, policy, clock, plan, folder, placement, reports, recorder: flight, ..
    } = run;
    let (mut takeover, mut tape, eye) = (run.takeover, run.tape, run.eye);
    // The daemon's end waits for what is written after the arm holds.
    let recording = reports.recording();
    let id: Arc<str> = folder.id().into();
    let name: Arc<str> = policy.facts.checkpoint.display().to_string().into();
    teller.tell(RunEvent::Started { run_id: folder.id().to_owned() });
    let mut recorder = AttemptRecorder::default();
    let watched = || !teller.requester.is_closed();
    let driving = Driving {
        arm: &arm,
        policy: &policy,
        clock: &*clock,
        plan: &plan,
        guard: &guard,
        watched: &watched,
        streamed: &|stream| flight.stream(&id, &name, stream),
        blind: &|| eye.as_ref().and_then(|(eye, patience_ns)| blind(eye, *patience_ns, &*clock)),
        changes_hands: &|by_person| teller.tell(RunEvent::ChangesHands { by_person }),
    };
    let feeding = part::feed();
    let changing = Changing {
        recorder: &mut recorder,
        takeover: &mut takeover,
        tape: tape.as_mut(),
        progress: &mut |progress| teller.tell(RunEvent::Progress(progress)),
    };
    let verdict = drive(&driving, operator, changing);
    drop(feeding);
    guard.finish(&verdict.detail);
    if verdict.cause == Some(Cause::Fault) {
        flight.run_failed(&verdict.detail);
    }
    teller.tell(RunEvent::Held { verdict: verdict.clone() });
    if let Some(tape) = tape {
        let (what, kept) = match tape.end(&verdict) {
            Ok(what) => (what, true),
            Err(why) => (format!("the run is not recorded: {why}"), false),
        };
        teller.tell(RunEvent::Recorded { what, kept });
    }
    let path = folder.path().to_owned();
    let alone = reports.alone();
    let written = folder.write(&recorder, placement.as_ref(), &verdict);
    drop(alone);
    let (summary, unsaved) = match written {
        Ok(summary) => (summary, None),
        Err(error) => {
            let why = format!("the report is not on disk: {}", jaco_api::say::in_full(&error));
            tracing::error!("{why}");
            (recorder.summary(&verdict), Some(why))
        }
    };
    drop(recording);
    teller.tell(RunEvent::Ended { verdict, folder: path, summary, unsaved });
}

/// What has been wrong with the camera for longer than it may be.
fn blind(eye: &CameraHandle, patience_ns: u64, clock: &dyn Clock) -> Option<String> {
    let health = eye.health();
    let since_ns = health.fault_since_ns?;
    health.fault.filter(|_| clock.now_ns().saturating_sub(since_ns) >= patience_ns)
}

/// Tells the one who asked, and all who listen.
struct Teller {
    requester: mpsc::Sender<RunEvent>,
    events: Events,
}

impl Teller {
    fn tell(&self, event: RunEvent) {
        let progress = matches!(event, RunEvent::Progress(_));
        if !progress || self.requester.capacity() > RESERVED {
            // A requester that reads nothing misses what does not fit; the run goes on.
            let _ = self.requester.try_send(event.clone());
        }
        self.events.tell(Event::Run { run: event });
    }
}
