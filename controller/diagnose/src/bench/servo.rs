//! The servo process under measurement: started as jacod starts it, moved to and fro, listened to.

use super::report::Punctuality;
use super::stage::Stage;
use anyhow::{Context, bail};
use jaco_core::{Clock, Twist};
use jaco_report::{Digest, Latencies};
use jaco_servo::spawn::{ServoProcess, SpawnOptions, spawn};
use jaco_servo::{Command, FromServo, ServoStatus};
use nalgebra::Vector3;
use std::time::Duration;

/// Silence after which the servo is given up.
const SILENCE: Duration = Duration::from_secs(30);
/// How fast the arm is moved to and fro \[m/s\].
const SPEED_M_S: f64 = 0.02;
/// How long it goes one way \[ns\].
const ONE_WAY_NS: u64 = 1_000_000_000;
/// Ticks between two orders to it: it slows to a hold after 100 ms without one.
const ORDER_EVERY: u64 = 3;

/// What was found.
pub struct Found {
    /// How punctual it was.
    pub punctuality: Punctuality,
    /// Ticks in the time measured.
    pub ticks: u64,
    /// Ticks that began more than 1 ms late.
    pub late_ticks: u64,
    /// Statuses that this process did not hear: their ticks are not in the percentiles.
    pub unheard: u64,
    /// Points that the SDK's stand-in took, a second.
    pub points_per_s: f64,
    /// How long a tick's calls of the stand-in took.
    pub calls: Digest,
}

/// A servo process that is listened to.
pub struct Measured {
    process: Option<ServoProcess>,
    last: ServoStatus,
    begun: (u64, ServoStatus),
    lateness: Latencies,
    calls: Latencies,
    heard: u64,
}

impl Measured {
    /// Starts it and waits for its first status.
    pub fn start(stage: &Stage, priority: i32, clock: &dyn Clock) -> anyhow::Result<Self> {
        let options = SpawnOptions {
            environment: vec![("JACO_SIM_SOCKET".into(), stage.socket().into())],
            log_level: jaco_core::Level::Error,
            priority,
            // Its own: that of an arm in use on this machine is left alone.
            semaphore: format!("/jaco-bench-{}", std::process::id()),
            ..SpawnOptions::new(Stage::beside("jaco-servo")?, Stage::beside("libjaco_sim_sdk.so")?)
        };
        let process = spawn(&options).context("cannot start jaco-servo")?;
        let first = next(&process)?;
        Ok(Self {
            process: Some(process),
            last: first,
            begun: (clock.now_ns(), first),
            lateness: Latencies::default(),
            calls: Latencies::default(),
            heard: 0,
        })
    }

    /// Follows it for about `time`, and keeps it moving.
    pub fn follow_for(&mut self, time: Duration, clock: &dyn Clock) -> anyhow::Result<()> {
        let process = self.process.as_ref().context("it runs until the end")?;
        let end_ns = clock.now_ns() + time.as_nanos() as u64;
        while clock.now_ns() < end_ns {
            let status = next(process)?;
            self.lateness.record_ns(status.lateness_ns);
            self.calls.record_ns(status.send_ns + status.read_ns);
            self.heard += 1;
            self.last = status;
            if status.ticks.is_multiple_of(ORDER_EVERY) {
                let there = (status.sent_ns / ONE_WAY_NS).is_multiple_of(2);
                let speed_m_s = if there { SPEED_M_S } else { -SPEED_M_S };
                let twist = Twist { linear_m_s: Vector3::z() * speed_m_s, ..Twist::zero() };
                process.link().send(&Command::Jog { twist, gripper: 1.0 })?;
            }
        }
        Ok(())
    }

    /// When the last tick that was heard of was due, to a few microseconds, monotonic \[ns\].
    pub fn last_due_ns(&self) -> u64 {
        let ServoStatus { sent_ns, send_ns, read_ns, lateness_ns, .. } = self.last;
        sent_ns.saturating_sub(send_ns + read_ns + lateness_ns)
    }

    /// What was heard so far does not count.
    pub fn begin(&mut self, clock: &dyn Clock) {
        self.begun = (clock.now_ns(), self.last);
        (self.lateness, self.calls, self.heard) = (Latencies::default(), Latencies::default(), 0);
    }

    /// Ends it; what was found.
    pub fn end(mut self, clock: &dyn Clock) -> Found {
        let (begun_ns, first) = self.begun;
        let seconds = clock.now_ns().saturating_sub(begun_ns) as f64 * 1e-9;
        let last = self.last;
        let ticks = last.ticks - first.ticks;
        self.process.take().map(ServoProcess::end);
        Found {
            punctuality: Punctuality {
                lateness: self.lateness.digest(),
                missed_ticks: last.missed_ticks - first.missed_ticks,
                realtime: last.realtime,
                memory_locked: last.memory_locked,
            },
            ticks,
            late_ticks: last.late_ticks - first.late_ticks,
            unheard: ticks.saturating_sub(self.heard),
            calls: self.calls.digest(),
            points_per_s: (last.points_sent - first.points_sent) as f64 / seconds,
        }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            process.end();
        }
    }
}

/// Its next status.
fn next(process: &ServoProcess) -> anyhow::Result<ServoStatus> {
    loop {
        match process.link().recv_timeout(SILENCE).context("the servo process was lost")? {
            Some(FromServo::Status(status)) => return Ok(status),
            Some(FromServo::Starting(_)) => {}
            Some(FromServo::LastWords(why)) => bail!("the servo process ended: {why}"),
            None => bail!("the servo process has been silent for {} s", SILENCE.as_secs()),
        }
    }
}
