//! jacod, the controller daemon: which threads and tasks there are and how they are wired.
//!
//! tokio for what waits (the API, signals, timers); a plain thread for what works (each camera,
//! inference, the servo's two directions, a run). They hand over through channels and
//! latest-value slots. A part that fails degrades itself, is named in the status, and leaves the
//! others alone.

pub mod camera;
pub mod inference;
pub mod mode;
pub mod pacer;
pub mod record;
pub mod run;
pub mod server;
pub mod servo;
pub mod slot;

use crate::api::{self, CameraStatus, Mode, RunEvent, RunRequest, Status, Verdict};
use crate::policy::{Decoding, PolicyOptions};
use crate::words::in_full;
use camera::CameraHandle;
use crossbeam_channel::Sender;
use inference::{InferenceHandle, InferenceOptions};
use jaco_config::{Config, Execution};
use jaco_core::Clock;
use jaco_servo::mode::{Mode as ServoMode, StopReason};
use jaco_servo::{Command, ServoStatus};
use mode::{Request, permit};
use pacer::Pace;
use record::{AttemptRecorder, RunFolder};
use run::{RunParts, RunPlan, drive, operator_channel};
use servo::{ServoHandle, Supervisor};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// The daemon, once its parts are started.
pub struct Daemon {
    config: Config,
    clock: Arc<dyn Clock>,
    servo: ServoHandle,
    cameras: Vec<CameraHandle>,
    inference: Result<InferenceHandle, String>,
    /// The operator's end of the run under way.
    running: Mutex<Option<Sender<Verdict>>>,
}

/// Starts all parts. A policy that cannot be loaded leaves a daemon that refuses to run one.
pub fn start(config: Config, clock: Arc<dyn Clock>) -> anyhow::Result<(Arc<Daemon>, Supervisor)> {
    let (servo, supervisor) = servo::start(servo::options(&config)?)?;
    let sim_socket = config.sim.as_ref().map(|sim| sim.socket.clone());
    let cameras = config
        .cameras
        .iter()
        .map(|camera| camera::start(camera, sim_socket.clone(), Arc::clone(&clock)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let inference = start_inference(&config, &cameras, Arc::clone(&clock));
    match &inference {
        Ok(InferenceHandle { loaded, .. }) => tracing::info!(
            checkpoint = %loaded.checkpoint.display(),
            adapter = loaded.adapter.as_ref().map(|folder| folder.display().to_string()),
            statistics = loaded.statistics.as_str(),
            view = loaded.view.as_str(),
            device = loaded.device.as_str(),
            dtype = loaded.dtype.as_str(),
            decode = loaded.decode.as_str(),
            "policy loaded"
        ),
        Err(reason) => tracing::error!("no policy: {reason}"),
    }
    let running = Mutex::new(None);
    let daemon = Daemon { config, clock, servo, cameras, inference, running };
    Ok((Arc::new(daemon), supervisor))
}

fn start_inference(
    config: &Config,
    cameras: &[CameraHandle],
    clock: Arc<dyn Clock>,
) -> Result<InferenceHandle, String> {
    let policy = &config.policy;
    let camera = cameras
        .iter()
        .find(|camera| *camera.name == *policy.camera)
        .ok_or_else(|| format!("there is no camera {}", policy.camera))?;
    let stale_after_ms = config.camera(&policy.camera).map_or(500, |camera| camera.stale_after_ms);
    let options = InferenceOptions {
        policy: PolicyOptions::from(policy),
        decoding: Decoding::from(policy),
        threads: policy.threads,
        frame_timeout: Duration::from_millis(stale_after_ms),
    };
    inference::start(options, camera.frames.clone(), clock).map_err(|error| in_full(&error))
}

impl Daemon {
    /// Carries out a request of the operator, or says why not.
    pub fn operate(&self, request: Request) -> Result<String, String> {
        permit(self.mode(), request)?;
        let (command, done) = match request {
            Request::Home => (Command::Home, "moving to the home pose"),
            Request::Hold => (Command::Hold, "holding"),
            Request::Stop => {
                (Command::Stop { reason: StopReason::Operator }, "stopped; `jaco reset` releases")
            }
            Request::Reset => (Command::Reset, "reset"),
            Request::Run => return Err("a run needs an instruction".to_owned()),
        };
        tracing::info!(command = command.name(), "operator");
        self.servo.send(command);
        if request == Request::Home {
            self.wait_for_home()?;
            return Ok("the arm is home".to_owned());
        }
        Ok(done.to_owned())
    }

    /// Ends the run under way with the operator's verdict.
    pub fn finish(&self, verdict: Verdict) -> Result<String, String> {
        match &*self.running() {
            Some(operator) => {
                // A run that has just ended by itself needs no second verdict.
                let _ = operator.try_send(verdict);
                Ok("the run ends".to_owned())
            }
            None => Err("no run is under way".to_owned()),
        }
    }

    /// Begins a run in a thread of its own; `events` tells of it until its report is written.
    pub fn run(
        self: &Arc<Self>,
        request: RunRequest,
        events: mpsc::Sender<RunEvent>,
    ) -> Result<(), String> {
        permit(self.mode(), Request::Run)?;
        let inference = self.inference.clone()?;
        let plan = self.plan(&request, &inference)?;
        let folder = RunFolder::open_or_create(
            &self.config.paths.runs(),
            request.run_id.as_deref(),
            &inference,
            &plan,
        )
        .map_err(|error| format!("{error:#}"))?;
        let mut running = self.running();
        if running.is_some() {
            return Err("a run is under way".to_owned());
        }
        let (operator, operator_says) = operator_channel();
        *running = Some(operator);
        drop(running);
        let daemon = Arc::clone(self);
        let started = std::thread::Builder::new().name("run".to_owned()).spawn(move || {
            let parts = RunParts {
                servo: daemon.servo.clone(),
                inference,
                clock: Arc::clone(&daemon.clock),
            };
            tracing::info!(run = folder.id(), plan.instruction, plan.horizon, "run begins");
            let _ = events.blocking_send(RunEvent::Started { run_id: folder.id().to_owned() });
            let mut recorder = AttemptRecorder::default();
            let verdict = drive(&parts, &plan, &operator_says, &mut recorder, &mut |progress| {
                // A reader that lags misses a line of progress, nothing else.
                let _ = events.try_send(RunEvent::Progress(progress));
            });
            tracing::info!(run = folder.id(), ?verdict, "run ends");
            let path = folder.path().to_owned();
            let placement = request.placement.as_ref();
            let summary = folder.write(&recorder, placement, &verdict).unwrap_or_else(|error| {
                tracing::error!("the run's report is not on disk: {error:#}");
                format!("the report could not be written: {error:#}")
            });
            *daemon.running() = None;
            let _ = events.blocking_send(RunEvent::Ended { verdict, folder: path, summary });
        });
        started.map(drop).map_err(|error| {
            *self.running() = None;
            format!("cannot start the run's thread: {error}")
        })
    }

    /// What the daemon is doing.
    pub fn status(&self) -> Status {
        let now_ns = self.clock.now_ns();
        let status = self.servo.status.get();
        let age_ms = |stamp_ns: u64| now_ns.saturating_sub(stamp_ns) as f64 * 1e-6;
        let state = status.as_ref().map(|status| status.state);
        let mut faults: Vec<String> =
            self.servo.fault.get().iter().map(|f| (**f).clone()).collect();
        faults.extend(self.inference.as_ref().err().map(|reason| format!("no policy: {reason}")));
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            mode: self.mode(),
            faults,
            position_m: state.map(|state| state.pose.position_m.into()),
            theta_rad: state.map(|state| state.pose.theta_rad()),
            joints_deg: state.map(|state| state.joints_rad.map(f64::to_degrees)),
            opening: state.map(|state| state.opening()),
            state_age_ms: state.map(|state| age_ms(state.stamp_ns)),
            ticks: status.as_ref().map_or(0, |status| status.ticks),
            late_ticks: status.as_ref().map_or(0, |status| status.late_ticks),
            servo_restarts: self.servo.restarts.load(Ordering::Relaxed),
            cameras: self
                .cameras
                .iter()
                .map(|camera| CameraStatus {
                    name: camera.name.to_string(),
                    frame_age_ms: camera.frames.get().map(|frame| age_ms(frame.captured_ns)),
                    frames: camera.count.load(Ordering::Relaxed),
                    fault: camera.fault.get().map(|fault| (*fault).clone()).unwrap_or_default(),
                })
                .collect(),
            policy: self.inference.as_ref().ok().map(|policy| policy.loaded.clone()),
            sim_socket: self.config.sim.as_ref().map(|sim| sim.socket.clone()),
        }
    }

    /// Whether a status of the servo comes within `timeout`.
    pub fn wait_for_arm(&self, timeout: Duration) -> bool {
        self.servo.status.wait_for(timeout, |_| true).is_some()
    }

    fn mode(&self) -> Mode {
        let running = self.running().is_some();
        self.servo.status.get().map_or(Mode::NoArm, |status| mode_of(&status, running))
    }

    fn plan(&self, request: &RunRequest, policy: &InferenceHandle) -> Result<RunPlan, String> {
        let configured = &self.config.policy;
        let instruction = request.instruction.trim();
        if instruction.is_empty() {
            return Err("the instruction is empty: say what to do, in words".to_owned());
        }
        policy.check(instruction)?;
        let horizon = request.horizon.unwrap_or(configured.horizon);
        let trained = policy.loaded.horizon;
        if !(1..=trained).contains(&horizon) {
            return Err(format!(
                "horizon {horizon} is outside 1..={trained}, what the policy was trained for"
            ));
        }
        let execution = request.execution.unwrap_or(match configured.execution {
            Execution::Sync => api::Execution::Sync,
            Execution::Async => api::Execution::Async,
        });
        if execution == api::Execution::Async && horizon < 2 {
            return Err("async execution needs a horizon of at least 2".to_owned());
        }
        Ok(RunPlan {
            instruction: instruction.to_owned(),
            horizon,
            pace: match execution {
                api::Execution::Sync => Pace::Sync,
                api::Execution::Async => Pace::Async { commit_steps: configured.commit_steps },
            },
            max_steps: request.max_steps.unwrap_or(self.config.run.max_steps),
        })
    }

    fn wait_for_home(&self) -> Result<(), String> {
        const HOMING_TIME: Duration = Duration::from_secs(60);
        let begun = |status: &ServoStatus| status.report.mode == ServoMode::Homing;
        let ended = |status: &ServoStatus| status.report.mode != ServoMode::Homing;
        let status = &self.servo.status;
        status.wait_for(Duration::from_secs(1), begun);
        let homed = status.wait_for(HOMING_TIME, ended).is_some_and(|status| status.homed);
        if homed { Ok(()) } else { Err("the arm did not reach its home pose".to_owned()) }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Option<Sender<Verdict>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn mode_of(status: &ServoStatus, running: bool) -> Mode {
    match status.report.mode {
        ServoMode::Stopped => Mode::Stopped,
        ServoMode::Homing => Mode::Homing,
        _ if running => Mode::Running,
        _ if !status.homed => Mode::NeedsHome,
        ServoMode::Idle => Mode::Idle,
        ServoMode::Policy | ServoMode::Motion | ServoMode::Jog => Mode::Running,
    }
}
