//! jacod, the controller daemon: which threads and tasks there are and how they are wired.
//!
//! tokio for what waits (the API, signals, timers); a plain thread for what works (each camera,
//! the policy, the servo's two directions, a run). They hand over through channels and
//! latest-value slots. A part that fails degrades itself, is named on the fault board, and leaves
//! the others alone.
//!
//! | file | owns |
//! |---|---|
//! | [`activity`] | who may move the arm |
//! | [`latch`] | the stop that outlives servo and daemon |
//! | [`arm`] | the servo process, and what is known of the arm |
//! | [`operate`] | home, hold, stop, reset, release, take |
//! | [`run`] | autonomous runs |
//! | [`session`], [`replay`] | teleoperation with recording; recordings played back |
//! | `teleoperate` | who may steer, record or replay, and with what |
//! | [`policy`] | the policy's thread |
//! | [`server`] | the API's socket |
//! | [`mode`], [`status`], [`events`], [`faults`] | what is allowed, and what is told |
//! | [`ending`] | the order in which everything ends |
//! | [`settings`], [`check`] | the configuration file, and whether what it names is there |
//! | [`look`] | whether its cameras give pictures, for those who only ask |
//! | [`recorder`] | the flight recorder: the last 30 s, written when something goes wrong |
//! | [`loading`], [`part`] | the policy read from its folder; threads that say when they end |

pub mod activity;
pub mod arm;
pub mod check;
pub mod ending;
pub mod events;
pub mod faults;
pub mod latch;
pub mod loading;
pub mod look;
pub mod mode;
pub mod operate;
pub mod part;
pub mod policy;
pub mod recorder;
pub mod replay;
pub mod run;
pub mod server;
pub mod session;
pub mod settings;
pub mod status;
mod teleoperate;

use activity::Desk;
use arm::Arm;
use arm::supervisor::{self, Supervisor};
use events::Events;
use faults::FaultBoard;
use jaco_api::{Activity, Mode, Recording, RunEvent, RunRequest};
use jaco_camera::CameraHandle;
use jaco_config::Config;
use jaco_core::{Clock, Verdict};
use jaco_shell::args::Unusable;
use jaco_teleop::pad::PadHandle;
use latch::StopLatch;
use loading::PolicyLoader;
use mode::{Request, mode_of, permit};
use operate::No;
use policy::PolicyState;
use recorder::Recorder;
use run::folder::{LoadedAs, RunFolder};
use run::hand::Takeover;
use run::tape::Tape;
use run::{Run, RunControl, RunPlan};
use session::SessionControl;
use session::steer::Hand;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// The file of the stop latch, below the data folder.
pub const LATCH_FILE: &str = "stop-latch";
/// How often a camera is looked at while its first picture is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The daemon, once its parts are started.
pub struct Daemon {
    config: Config,
    clock: Arc<dyn Clock>,
    arm: Arm,
    latch: Arc<StopLatch>,
    desk: Desk,
    events: Events,
    faults: FaultBoard,
    cameras: Vec<CameraHandle>,
    policy: watch::Receiver<PolicyState>,
    loaded_as: Arc<OnceLock<LoadedAs>>,
    reports: run::ReportLock,
    recorder: Recorder,
    running: Mutex<Option<RunControl>>,
    pad: PadHandle,
    steered: Mutex<Option<SessionControl>>,
}

/// Starts all parts. A policy that cannot be loaded leaves a daemon that refuses to run one.
/// `broken` is called if a part without which the daemon is of no use ends by a defect.
pub fn start(
    config: Config,
    clock: Arc<dyn Clock>,
    broken: impl FnOnce(String) + Send + 'static,
) -> anyhow::Result<(Arc<Daemon>, Supervisor)> {
    let events = Events::default();
    // The recorder hears all that is told from here on.
    let heard = events.listen();
    let faults = FaultBoard::new(events.clone());
    let data = &config.paths.data_dir;
    let latch = std::fs::create_dir_all(data)
        .and_then(|()| StopLatch::open(&data.join(LATCH_FILE)))
        .map_err(|error| {
            Unusable::path(format!("cannot keep the stop latch in {}", data.display()), error)
        })?;
    let latch = Arc::new(latch);
    if let Some(stop) = latch.stop() {
        tracing::warn!("a stop is latched from before ({}): `jaco reset`", stop.reason);
    }
    let (arm, supervisor) = supervisor::start(
        supervisor::options(&config)?,
        Arc::clone(&latch),
        faults.clone(),
        events.clone(),
        Arc::clone(&clock),
        broken,
    )?;
    let sim_socket = config.sim.as_ref().map(|sim| sim.socket.clone());
    let cameras = config
        .cameras
        .iter()
        .map(|camera| Ok(jaco_camera::start(camera, sim_socket.clone(), Arc::clone(&clock))?))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let pad = jaco_teleop::pad::start(&config.teleop, Arc::clone(&clock))?;
    let recorder = recorder::start(recorder::Options {
        folder: data.join(recorder::FOLDER),
        arm: arm.clone(),
        heard,
        events: events.clone(),
        faults: faults.clone(),
        clock: Arc::clone(&clock),
        eyes: cameras.iter().map(eye).collect(),
        about: about(&config),
    })?;
    let loader = PolicyLoader::new(&config, &cameras, &faults, &clock);
    let (policy, loaded_as) = loader.start()?;
    let daemon = Daemon {
        desk: Desk::new(arm.clone(), Arc::clone(&latch), events.clone()),
        config,
        clock,
        arm,
        latch,
        events,
        faults,
        cameras,
        policy,
        loaded_as,
        reports: run::ReportLock::default(),
        recorder,
        running: Mutex::default(),
        pad,
        steered: Mutex::default(),
    };
    Ok((Arc::new(daemon), supervisor))
}

/// A camera, as the recorder looks at it.
fn eye(camera: &CameraHandle) -> recorder::Eye {
    let frames = camera.frames.clone();
    let newest_ns = Box::new(move || frames.get().map(|frame| frame.captured_ns));
    recorder::Eye { name: Arc::clone(&camera.name), newest_ns }
}

/// What a flight record says of this daemon.
fn about(config: &Config) -> BTreeMap<String, String> {
    let simulated = if config.sim.is_some() { "simulated" } else { "real" };
    let entries = [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("arm", simulated.to_owned()),
        ("sdk", config.arm.sdk.display().to_string()),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// What a run's episode says of the simulated table.
fn placed(request: &RunRequest) -> serde_json::Map<String, serde_json::Value> {
    let Some(placement) = &request.placement else { return serde_json::Map::new() };
    let entries = [("task", placement.task.clone().into()), ("seed", placement.seed.into())];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

impl Daemon {
    /// Begins a run. Returns what tells of it, until its report is written; dropped before, the run
    /// ends. Opens the run's folder, so not for a thread that must not wait for a disk.
    pub fn run(&self, request: &RunRequest) -> Result<mpsc::Receiver<RunEvent>, No> {
        permit(self.mode(), Request::Run)?;
        let refused = |reason: String| No::Refused(reason);
        let policy = match self.policy.borrow().clone() {
            PolicyState::Ready(handle) => handle,
            PolicyState::Loading => return Err("the policy is still being loaded".into()),
            PolicyState::Failed(reason) => return Err(refused(format!("no policy: {reason}"))),
        };
        let plan = RunPlan::of(request, &self.config, &policy).map_err(refused)?;
        let loaded_as = self.loaded_as.get().ok_or("the policy is still being loaded")?;
        // The folder comes first: a disk that does not answer must not hold the arm's place.
        let runs = self.config.paths.runs();
        let alone = self.reports.alone();
        let opened = RunFolder::open_or_create(&runs, request.run_id.as_deref(), loaded_as, &plan);
        drop(alone);
        let folder = opened.map_err(|error| refused(jaco_api::say::in_full(&error)))?;
        let recorder = match &request.record {
            None => None,
            Some(dataset) => {
                let asked = Recording {
                    task: plan.instruction.to_string(),
                    dataset: dataset.clone(),
                    episodes: 1,
                    max_s: None,
                    reset_s: None,
                    notes: placed(request),
                };
                let clock = Arc::clone(&self.clock);
                let recorder = session::plan::Recorder::open(
                    &asked,
                    &self.config,
                    &self.cameras,
                    "policy",
                    clock,
                );
                Some(recorder.map_err(refused)?)
            }
        };
        permit(self.mode(), Request::Run)?;
        let guard = self
            .desk
            .claim(Activity::Run, &plan.instruction)
            .map_err(|busy| refused(busy.to_string()))?;
        let run = Run {
            guard,
            arm: self.arm.clone(),
            policy,
            clock: Arc::clone(&self.clock),
            plan,
            folder,
            placement: request.placement.clone(),
            events: self.events.clone(),
            reports: self.reports.clone(),
            recorder: self.recorder.clone(),
            takeover: Takeover::new(Hand::Pad {
                pad: self.pad.clone(),
                steering: Box::new(jaco_teleop::Steering::new(&self.config.teleop)),
                rumble: self.config.teleop.rumble as f32,
            }),
            tape: recorder.map(|recorder| Tape::begin(recorder, self.cameras.clone())),
            eye: self.policy_eye(),
        };
        let (control, outbox) =
            run::begin(run).map_err(|error| refused(format!("cannot start a thread: {error}")))?;
        *self.running() = Some(control);
        Ok(outbox)
    }

    /// The policy's camera, and how long a run goes on without its pictures \[ns\].
    fn policy_eye(&self) -> Option<(CameraHandle, u64)> {
        let name = &self.config.policy.camera;
        let eye = self.cameras.iter().find(|eye| *eye.name == **name)?;
        Some((eye.clone(), self.config.camera(name)?.stale_after_ms * 1_000_000))
    }

    /// Ends the run under way with the operator's verdict.
    pub fn finish(&self, verdict: Verdict) -> Result<String, No> {
        match &*self.running() {
            Some(control) if self.desk.now() == Activity::Run => {
                control.finish(Verdict::said(verdict.success, verdict.detail));
                Ok("the run ends".to_owned())
            }
            _ => Err("no run is under way".into()),
        }
    }

    /// Writes what the flight recorder remembers; the file, or why there is none.
    pub async fn save_log(&self) -> Result<PathBuf, No> {
        self.recorder.save().await.map_err(No::Failed)
    }

    /// Writes what the flight recorder has still to write, and ends it.
    pub async fn end_recording(&self) {
        self.recorder.end().await;
    }

    /// Ends what all who listen are told.
    pub fn tell_no_more(&self) {
        self.events.close();
    }

    /// What happens from now on.
    pub fn listen(&self) -> events::Listener {
        self.events.listen()
    }

    /// Returns when the arm answers, the cameras have shown something and the policy is loaded.
    /// An arm or a camera that does not come within `timeout`, and a policy that cannot be loaded,
    /// are not waited for: their faults tell.
    pub async fn until_ready(&self, timeout: Duration) {
        let shown = async {
            while !self.cameras.iter().all(|camera| camera.frames.get().is_some()) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let arm = self.arm.until(timeout, |view| view.status);
        let (answers, _) = tokio::join!(arm, tokio::time::timeout(timeout, shown));
        if answers.is_none() {
            tracing::error!("the arm does not answer: see `jaco status`");
        }
        let mut policy = self.policy.clone();
        // An error: its thread is gone, which the fault board tells.
        let _ = policy.wait_for(|state| !matches!(state, PolicyState::Loading)).await;
    }

    /// Homes an arm that is not homed when it first answers, where the configuration asks for it.
    pub async fn home_at_start(&self) {
        if !self.config.arm.home_on_start {
            return;
        }
        // However long that takes: an arm may be switched on after its PC.
        self.arm.until(Duration::MAX, |view| view.status).await;
        if self.mode() == Mode::NeedsHome {
            match self.home().await {
                Ok(done) => tracing::info!("home_on_start: {done}"),
                Err(no) => tracing::error!("home_on_start: {no}"),
            }
        }
    }

    /// The camera of this name.
    pub fn camera(&self, name: &str) -> Option<&CameraHandle> {
        self.cameras.iter().find(|camera| *camera.name == *name)
    }

    /// The names of all cameras.
    pub fn camera_names(&self) -> Vec<&str> {
        self.cameras.iter().map(|camera| &*camera.name).collect()
    }

    /// How long ago `stamp_ns` was \[ms\].
    pub fn age_ms(&self, stamp_ns: u64) -> f64 {
        self.clock.now_ns().saturating_sub(stamp_ns) as f64 * 1e-6
    }

    fn mode(&self) -> Mode {
        let view = self.arm.view();
        mode_of(self.latch.stop().is_some(), view.status.as_ref(), self.desk.now())
    }

    fn steered(&self) -> std::sync::MutexGuard<'_, Option<SessionControl>> {
        self.steered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Option<RunControl>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
