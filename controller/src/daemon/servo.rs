//! The servo process, from the daemon's side: started, listened to, kept alive with heartbeats,
//! and replaced when it dies or falls silent.
//!
//! One thread per direction, so that a command never waits for a status. Must never decide about
//! motion: it carries commands and statuses.

use crate::daemon::slot::Slot;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded, unbounded};
use jaco_config::Config;
use jaco_servo::driver::AngularFrame;
use jaco_servo::limits::Workspace;
use jaco_servo::spawn::{ServoLink, SpawnOptions, Transport, spawn};
use jaco_servo::{Command, Limits, ServoStatus};
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Heartbeats are sent this often when there is nothing else to send; the servo slows to a hold
/// after 100 ms of silence.
const HEARTBEAT_EVERY: Duration = Duration::from_millis(25);
/// Time from the start to the first status: the SDK's start-up takes seconds.
const START: Duration = Duration::from_secs(30);
/// Silence of a servo that has answered after which it is given up.
const SILENCE: Duration = Duration::from_secs(2);
/// Time that a servo gets to hold, give control back and exit.
const EXIT_TIME: Duration = Duration::from_secs(3);
/// Pause before another servo is started.
const RESTART_AFTER: Duration = Duration::from_secs(1);
/// Statuses that a listener may lag behind before it misses some: 2 s.
const TAP_DEPTH: usize = 200;

/// The rest of the daemon's view of the servo.
#[derive(Clone, Debug)]
pub struct ServoHandle {
    commands: Sender<Command>,
    /// The newest status; empty while no servo answers.
    pub status: Slot<ServoStatus>,
    /// Why no servo answers; empty when one does.
    pub fault: Slot<String>,
    /// Servo processes started after the first.
    pub restarts: Arc<AtomicU64>,
    taps: Arc<Mutex<Vec<Sender<ServoStatus>>>>,
}

/// Ends the servo when told to.
#[derive(Debug)]
pub struct Supervisor {
    ending: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl ServoHandle {
    /// Sends a command. It is lost if no servo answers; the status tells.
    pub fn send(&self, command: Command) {
        // The receiver lives as long as the supervisor, which ends last.
        let _ = self.commands.send(command);
    }

    /// Every status from now on, in order.
    pub fn tap(&self) -> Receiver<ServoStatus> {
        let (sender, receiver) = bounded(TAP_DEPTH);
        self.taps.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }

    fn publish(&self, status: ServoStatus) {
        self.taps.lock().unwrap_or_else(PoisonError::into_inner).retain(|tap| {
            // A listener that lags misses statuses; the counters in the next one tell.
            !matches!(tap.try_send(status), Err(TrySendError::Disconnected(_)))
        });
        self.fault.clear();
        self.status.put(status);
    }
}

impl Supervisor {
    /// Lets the servo hold, give control back and exit.
    pub fn end(self) {
        self.ending.store(true, Ordering::SeqCst);
        if self.thread.join().is_err() {
            tracing::error!("the servo's supervisor panicked");
        }
    }
}

/// What `config` says about the servo process, which lies beside the daemon.
pub fn options(config: &Config) -> anyhow::Result<SpawnOptions> {
    let program = std::env::current_exe()?.with_file_name("jaco-servo");
    let (arm, limits) = (&config.arm, &config.arm.limits);
    let side = |axis: usize| [limits.workspace_min_m[axis], limits.workspace_max_m[axis]];
    let simulated =
        config.sim.iter().map(|sim| ("JACO_SIM_SOCKET".into(), sim.socket.clone().into()));
    Ok(SpawnOptions {
        transport: match arm.transport {
            jaco_config::Transport::Usb => Transport::Usb,
            jaco_config::Transport::Ethernet => Transport::Ethernet,
        },
        serial: arm.serial.clone(),
        angular_frame: match arm.angular_frame {
            jaco_config::AngularFrame::Effector => AngularFrame::Effector,
            jaco_config::AngularFrame::Base => AngularFrame::Base,
        },
        limits: Limits {
            workspace: Workspace { x_m: side(0), y_m: side(1), z_m: side(2) },
            linear_speed_m_s: limits.linear_speed_m_s,
            angular_speed_rad_s: limits.angular_speed_rad_s,
            linear_acceleration_m_s2: limits.linear_acceleration_m_s2,
            angular_acceleration_rad_s2: limits.angular_acceleration_rad_s2,
            leash_m: limits.reference_leash_m,
            leash_rad: limits.reference_leash_rad,
            finger_speed_closure_s: limits.finger_speed_per_s,
            commander_silence_ms: limits.command_timeout_ms,
            ..Limits::default()
        },
        environment: simulated.collect(),
        ..SpawnOptions::new(program, std::path::absolute(&arm.sdk)?)
    })
}

/// Starts a servo process and the threads that serve it.
pub fn start(options: SpawnOptions) -> anyhow::Result<(ServoHandle, Supervisor)> {
    let (commands, inbox) = unbounded();
    let handle = ServoHandle {
        commands,
        status: Slot::default(),
        fault: Slot::default(),
        restarts: Arc::default(),
        taps: Arc::default(),
    };
    let ending = Arc::new(AtomicBool::new(false));
    let (thread_handle, thread_ending) = (handle.clone(), Arc::clone(&ending));
    let thread = std::thread::Builder::new()
        .name("servo-supervisor".to_owned())
        .spawn(move || supervise(&options, &thread_handle, &inbox, &thread_ending))?;
    Ok((handle, Supervisor { ending, thread }))
}

fn supervise(
    options: &SpawnOptions,
    handle: &ServoHandle,
    inbox: &Receiver<Command>,
    ending: &AtomicBool,
) {
    loop {
        match spawn(options) {
            Ok((mut child, link)) => {
                let why = serve(&mut child, &link, handle, inbox, ending);
                drop(link);
                reap(child);
                handle.status.clear();
                if ending.load(Ordering::SeqCst) {
                    return;
                }
                tracing::error!("servo lost: {why}; starting another");
                handle.fault.put(why);
            }
            Err(error) => handle.fault.put(format!("cannot start jaco-servo: {error}")),
        }
        // A command meant for the lost servo must not move the next one.
        while inbox.try_recv().is_ok() {}
        std::thread::sleep(RESTART_AFTER);
        if ending.load(Ordering::SeqCst) {
            return;
        }
        handle.restarts.fetch_add(1, Ordering::Relaxed);
    }
}

/// Carries commands and statuses until the servo is lost or the daemon ends; returns why.
fn serve(
    child: &mut Child,
    link: &ServoLink,
    handle: &ServoHandle,
    inbox: &Receiver<Command>,
    ending: &AtomicBool,
) -> String {
    let lost = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write(link, inbox, &lost, ending));
        let mut patience = START;
        let why = loop {
            if ending.load(Ordering::SeqCst) {
                break "the daemon ends".to_owned();
            }
            match link.recv_timeout(patience) {
                Ok(Some(status)) => {
                    patience = SILENCE;
                    handle.publish(status);
                }
                Ok(None) => break format!("silent for {} s", patience.as_secs()),
                Err(error) => {
                    let exit = child.try_wait().ok().flatten();
                    break exit.map_or(error.to_string(), |status| format!("ended with {status}"));
                }
            }
        };
        lost.store(true, Ordering::SeqCst);
        if writer.join().is_err() {
            tracing::error!("the servo's writer panicked");
        }
        why
    })
}

fn write(link: &ServoLink, inbox: &Receiver<Command>, lost: &AtomicBool, ending: &AtomicBool) {
    while !lost.load(Ordering::SeqCst) && !ending.load(Ordering::SeqCst) {
        let command = match inbox.recv_timeout(HEARTBEAT_EVERY) {
            Ok(command) => command,
            Err(RecvTimeoutError::Timeout) => Command::Heartbeat,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if let Err(error) = link.send(&command) {
            tracing::warn!("{} did not reach the servo: {error}", command.name());
            return;
        }
    }
}

/// Waits for the servo to exit after its socket was closed; kills it if it does not, and clears
/// the semaphore that a killed SDK process leaves locked.
fn reap(mut child: Child) {
    let (exited, when_exited) = bounded::<()>(0);
    let pid = child.id();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if when_exited.recv_timeout(EXIT_TIME) == Err(RecvTimeoutError::Timeout) {
                tracing::error!(pid, "the servo does not exit: killed");
                // SAFETY: the child is not waited for before `exited` is dropped, so the pid
                // is still its own.
                unsafe { libc::kill(pid as libc::pid_t, libc::SIGKILL) };
            }
        });
        if let Err(error) = child.wait() {
            tracing::error!("cannot wait for the servo: {error}");
        }
        drop(exited);
    });
    jaco_servo::spawn::clear_leaked_semaphore();
}
