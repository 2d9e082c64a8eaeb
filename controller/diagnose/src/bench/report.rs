//! What `jaco bench servo` prints.

use super::servo::Found;
use jaco_cli::policy::ServoBenchArgs;
use jaco_report::Digest;
use serde::Serialize;
use std::fmt;

/// How punctual a process was.
#[derive(Clone, Debug, Serialize)]
pub struct Punctuality {
    /// How late its ticks began.
    #[serde(flatten)]
    pub lateness: Digest,
    /// Ticks left out because the one before took too long.
    pub missed_ticks: u64,
    /// Whether it ran under SCHED_FIFO.
    pub realtime: bool,
    /// Whether its memory was locked.
    pub memory_locked: bool,
}

/// The servo beside a loop that only sleeps.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    seconds: u32,
    /// Busy threads meanwhile.
    busy_threads: usize,
    cores: usize,
    /// Real-time priority asked for.
    priority: i32,
    servo: Punctuality,
    bare: Punctuality,
    /// 99th percentile of the servo's lateness over that of the bare loop.
    ratio_p99: f64,
    /// The same of the 99.9th.
    ratio_p999: f64,
    ticks: u64,
    late_ticks: u64,
    missed_ticks: u64,
    /// Statuses that were not heard: their ticks are not in the servo's percentiles.
    unheard_statuses: u64,
    /// How long a tick's calls of the SDK's stand-in took: one that takes more than 10 ms makes the
    /// next tick late.
    calls: Digest,
    /// Points that the servo sent, a second.
    points_per_s: f64,
    /// Fewest and most points that reached the simulated arm in a second.
    points_at_arm_per_s: [u32; 2],
}

impl Report {
    /// Puts together what was found.
    pub fn of(
        args: &ServoBenchArgs,
        busy_threads: usize,
        found: Found,
        bare: Punctuality,
        points_at_arm_per_s: [u32; 2],
    ) -> Self {
        let servo = found.punctuality;
        // Nothing is later than the microsecond that it is told to.
        let ratio = |servo_us: u64, bare_us: u64| servo_us.max(1) as f64 / bare_us.max(1) as f64;
        Self {
            seconds: args.seconds,
            busy_threads,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            priority: args.priority,
            ratio_p99: ratio(servo.lateness.p99_us, bare.lateness.p99_us),
            ratio_p999: ratio(servo.lateness.p99_9_us, bare.lateness.p99_9_us),
            ticks: found.ticks,
            late_ticks: found.late_ticks,
            missed_ticks: servo.missed_ticks,
            unheard_statuses: found.unheard,
            calls: found.calls,
            points_per_s: found.points_per_s,
            points_at_arm_per_s,
            servo,
            bare,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let load = match self.busy_threads {
            0 => "no load of ours".to_owned(),
            threads => format!("{threads} busy threads"),
        };
        writeln!(
            f,
            "{} s on {} cores, {load}; lateness of a tick [us]:",
            self.seconds, self.cores
        )?;
        writeln!(f, "{:<8}{:>9}{:>9}{:>9}{:>9}", "", "p50", "p99", "p99.9", "max")?;
        for (name, who) in [("servo", &self.servo), ("bare", &self.bare)] {
            let Digest { p50_us, p99_us, p99_9_us, max_us, .. } = who.lateness;
            writeln!(f, "{name:<8}{p50_us:>9}{p99_us:>9}{p99_9_us:>9}{max_us:>9}")?;
        }
        writeln!(f, "{:<8}{:>18.2}{:>9.2}", "ratio", self.ratio_p99, self.ratio_p999)?;
        let [fewest, most] = self.points_at_arm_per_s;
        writeln!(
            f,
            "{:.2} points a second sent; {fewest} to {most} reached the arm in a second",
            self.points_per_s
        )?;
        writeln!(
            f,
            "{} ticks, {} more than 1 ms late, {} left out ({} by the bare loop), {} not heard of",
            self.ticks,
            self.late_ticks,
            self.missed_ticks,
            self.bare.missed_ticks,
            self.unheard_statuses
        )?;
        writeln!(f, "calls of the SDK's stand-in in a tick: {}", self.calls)?;
        let granted = |granted| if granted { "granted" } else { "NOT granted" };
        write!(
            f,
            "SCHED_FIFO at priority {} {}, memory lock {}; to the bare loop {}, {}",
            self.priority,
            granted(self.servo.realtime),
            granted(self.servo.memory_locked),
            granted(self.bare.realtime),
            granted(self.bare.memory_locked)
        )
    }
}
