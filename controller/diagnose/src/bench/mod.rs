//! `jaco bench servo`: how late the ticks of the servo process begin, beside those of a process
//! that only sleeps.
//!
//! Both run at the same time, so that whatever else the machine does hits both; half a tick apart,
//! so that neither waits for the other; under the same scheduling class and priority, with locked
//! memory, free to run on any core. What the servo has more to do is its work: law, calls of the
//! SDK's stand-in, statuses.

pub mod bare;
mod load;
mod report;
mod servo;
mod stage;

use bare::Bare;
use jaco_cli::policy::ServoBenchArgs;
use jaco_core::{Clock, MonotonicClock, TICK_NS};
use jaco_report::Latencies;
use jaco_shell::say;
use load::Load;
use report::{Punctuality, Report};
use stage::Stage;
use std::time::Duration;

/// What both get to settle before anything counts.
const WARM_UP: Duration = Duration::from_secs(1);

/// Carries out `jaco bench servo`.
///
/// # Errors
/// A program cannot be started, or ends before its time.
pub fn servo(args: &ServoBenchArgs) -> anyhow::Result<Report> {
    let clock = MonotonicClock;
    let mut stage = Stage::set()?;
    let mut servo = servo::Measured::start(&stage, args.priority, &clock)?;
    servo.follow_for(WARM_UP, &clock)?;
    let load = args.load.then(Load::start).transpose()?;
    say::aside(format_args!("measuring for {} s ...", args.seconds));
    let due_ns = servo.last_due_ns().saturating_add(TICK_NS / 2);
    let bare = Bare::start(args.seconds, args.priority, due_ns)?;
    servo.begin(&clock);
    while !bare.has_ended() {
        servo.follow_for(Duration::from_millis(100), &clock)?;
        stage.look(clock.now_ns())?;
    }
    let busy_threads = load.as_ref().map_or(0, Load::threads);
    drop(load);
    let bare = bare.result()?;
    let measured = servo.end(&clock);
    let mut lateness = Latencies::default();
    bare.lateness_ns.iter().for_each(|lateness_ns| lateness.record_ns(*lateness_ns));
    let bare = Punctuality {
        lateness: lateness.digest(),
        missed_ticks: bare.missed_ticks,
        realtime: bare.realtime,
        memory_locked: bare.memory_locked,
    };
    Ok(Report::of(args, busy_threads, measured, bare, stage.points_per_s()))
}
