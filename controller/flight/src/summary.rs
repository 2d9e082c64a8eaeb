//! What a file says, in numbers and words. Times are seconds since its first status.

use crate::read::{Damage, Flight};
use jaco_core::{TICK_NS, Word};
use jaco_report::{Digest, Latencies};
use jaco_servo::Limit;
use serde::Serialize;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

/// What a file says.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "as `jaco log show --json` prints it; each says its unit")]
pub struct Summary {
    pub kind: String,
    pub why: String,
    pub written_utc: String,
    /// When it was written, since the first status \[s\].
    pub written_s: f64,
    pub span_s: f64,
    pub ticks: usize,
    pub rate_hz: f64,
    pub gaps: Vec<Gap>,
    pub missed_ticks: u64,
    pub servo_processes: usize,
    pub modes: Vec<ModeSpan>,
    pub faults: Vec<FaultAt>,
    pub conditions: Vec<String>,
    pub stops: Vec<StopAt>,
    pub limits: Vec<Share>,
    pub lateness: Digest,
    pub realtime: bool,
    pub points_sent: u64,
    pub read_failures: u64,
    pub send_failures: u64,
    pub worst_tracking: Option<Tracking>,
    pub run: Option<RunSeen>,
    pub last: Option<LastState>,
    pub log: Vec<Line>,
    pub unreadable_messages: usize,
    pub damage: Option<Damage>,
}

/// Statuses that are missing, by the servo's own count.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Gap {
    pub at_s: f64,
    pub ticks: u64,
}

/// A mode that the servo was in.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct ModeSpan {
    pub mode: String,
    pub from_s: f64,
    pub to_s: f64,
}

/// A fault that appeared, or (none) went.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct FaultAt {
    pub at_s: f64,
    pub part: String,
    pub fault: Option<String>,
}

/// A stop.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct StopAt {
    pub at_s: f64,
    pub reason: String,
}

/// How much of the time a limit acted, 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Share {
    pub limit: String,
    pub share: f64,
}

/// The largest distance between where the tool should be and where it was.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Tracking {
    pub at_s: f64,
    pub error_m: f64,
}

/// The run whose streams are in the record.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct RunSeen {
    pub run: String,
    pub policy: String,
    pub streams: usize,
    pub last_first_step: u64,
    pub last_steps: usize,
    /// Age of the last stream's frame when it was sent \[ms\].
    pub last_frame_age_ms: f64,
}

/// The arm in the last status.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct LastState {
    pub at_s: f64,
    pub mode: String,
    pub step: Option<u64>,
    pub position_m: [f64; 3],
    pub sent_linear_m_s: [f64; 3],
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Line {
    /// Hundredths of a second since the first status.
    pub at_cs: i64,
    pub part: String,
    pub text: String,
}

impl Summary {
    /// What `flight` says.
    pub fn of(flight: &Flight) -> Self {
        let since = Since::of(flight);
        let ticks = flight.commands.len();
        let last_ns = flight.commands.last().map_or(since.0, |(at_ns, _)| *at_ns);
        let span_s = since.s(last_ns);
        let written = UNIX_EPOCH + Duration::from_nanos(flight.about.written_unix_ns);
        let counted = Counted::of(flight, &since);
        Self {
            kind: flight.about.kind.clone(),
            why: flight.about.why.clone(),
            written_utc: humantime::format_rfc3339_millis(written).to_string(),
            written_s: since.s(flight.about.written_monotonic_ns),
            span_s,
            ticks,
            rate_hz: if span_s > 0.0 { (ticks.saturating_sub(1)) as f64 / span_s } else { 0.0 },
            modes: modes(flight, &since),
            faults: faults(flight, &since),
            conditions: flight
                .health
                .last()
                .map(|(_, health)| health.conditions.clone())
                .unwrap_or_default(),
            stops: stops(flight, &since),
            limits: limits(flight),
            worst_tracking: worst_tracking(flight, &since),
            run: run(flight),
            last: last(flight, &since),
            log: log(flight, &since),
            unreadable_messages: flight.unreadable,
            damage: flight.damage.clone(),
            gaps: counted.gaps,
            missed_ticks: counted.missed_ticks,
            servo_processes: counted.processes,
            lateness: counted.lateness.digest(),
            realtime: flight.health.last().is_some_and(|(_, health)| health.realtime),
            points_sent: counted.points_sent,
            read_failures: counted.read_failures,
            send_failures: counted.send_failures,
        }
    }
}

/// The time that seconds count from, monotonic \[ns\].
pub(crate) struct Since(u64);

impl Since {
    /// The first status, or the first event where there is none.
    pub(crate) fn of(flight: &Flight) -> Self {
        let first = flight.commands.first().map(|(at_ns, _)| *at_ns);
        let first = first.or_else(|| flight.log.first().map(|(at_ns, _)| *at_ns));
        Self(first.unwrap_or(flight.about.written_monotonic_ns))
    }

    /// Seconds from then to `at_ns`.
    pub(crate) fn s(&self, at_ns: u64) -> f64 {
        (at_ns as f64 - self.0 as f64) * 1e-9
    }
}

/// What the servo counted in the record's time, over all its processes.
struct Counted {
    gaps: Vec<Gap>,
    missed_ticks: u64,
    processes: usize,
    lateness: Latencies,
    points_sent: u64,
    read_failures: u64,
    send_failures: u64,
}

impl Counted {
    fn of(flight: &Flight, since: &Since) -> Self {
        let mut counted = Self {
            gaps: Vec::new(),
            missed_ticks: 0,
            processes: usize::from(!flight.health.is_empty()),
            lateness: Latencies::default(),
            points_sent: 0,
            read_failures: 0,
            send_failures: 0,
        };
        for (_, health) in &flight.health {
            counted.lateness.record_ns(health.lateness_ns);
        }
        for pair in flight.health.windows(2) {
            let [(_, before), (at_ns, now)] = pair else { continue };
            if before.process != now.process {
                counted.processes += 1;
                continue;
            }
            let missing = now.tick.saturating_sub(before.tick).saturating_sub(1);
            if missing > 0 {
                counted.gaps.push(Gap { at_s: since.s(*at_ns), ticks: missing });
            }
            let more = |before: u64, now: u64| now.saturating_sub(before);
            counted.missed_ticks += more(before.missed_ticks, now.missed_ticks);
            counted.points_sent += more(before.points_sent, now.points_sent);
            counted.read_failures += more(before.read_failures, now.read_failures);
            counted.send_failures += more(before.send_failures, now.send_failures);
        }
        counted
    }
}

fn modes(flight: &Flight, since: &Since) -> Vec<ModeSpan> {
    let mut spans: Vec<ModeSpan> = Vec::new();
    let mut last_ns = None;
    for (at_ns, command) in &flight.commands {
        let at_s = since.s(*at_ns);
        // Where statuses are missing the mode is not known.
        let whole = last_ns.is_none_or(|last_ns| at_ns.saturating_sub(last_ns) < 10 * TICK_NS);
        match spans.last_mut() {
            Some(span) if span.mode == command.mode && whole => span.to_s = at_s,
            before => {
                if let Some(before) = before.filter(|_| whole) {
                    before.to_s = at_s;
                }
                spans.push(ModeSpan { mode: command.mode.clone(), from_s: at_s, to_s: at_s });
            }
        }
        last_ns = Some(*at_ns);
    }
    spans
}

fn faults(flight: &Flight, since: &Since) -> Vec<FaultAt> {
    let faults = flight.faults.iter();
    faults
        .map(|(at_ns, fault)| FaultAt {
            at_s: since.s(*at_ns),
            part: fault.part.clone(),
            fault: fault.stands.then(|| fault.fault.clone()),
        })
        .collect()
}

fn stops(flight: &Flight, since: &Since) -> Vec<StopAt> {
    let mut before = None;
    let mut stops = Vec::new();
    for (at_ns, command) in &flight.commands {
        if let Some(reason) = command.stop_reason.as_ref().filter(|reason| before != Some(*reason))
        {
            stops.push(StopAt { at_s: since.s(*at_ns), reason: reason.clone() });
        }
        before = command.stop_reason.as_ref();
    }
    stops
}

fn limits(flight: &Flight) -> Vec<Share> {
    let ticks = flight.commands.len().max(1) as f64;
    let acted = |limit: &str| {
        flight.commands.iter().filter(|(_, command)| command.holds(limit)).count() as f64 / ticks
    };
    Limit::ALL
        .iter()
        .map(|limit| Share { limit: limit.name().to_owned(), share: acted(limit.name()) })
        .filter(|share| share.share > 0.0)
        .collect()
}

fn worst_tracking(flight: &Flight, since: &Since) -> Option<Tracking> {
    let pairs = flight.commands.iter().zip(&flight.states);
    let errors = pairs.filter_map(|((at_ns, command), (_, state))| {
        let asked_m = command.reference_m?;
        let parts = asked_m.iter().zip(&state.position_m).map(|(a, b)| (a.0 - b.0).powi(2));
        let error_m = parts.sum::<f64>().sqrt();
        error_m.is_finite().then(|| Tracking { at_s: since.s(*at_ns), error_m })
    });
    errors.max_by(|a, b| a.error_m.total_cmp(&b.error_m))
}

fn run(flight: &Flight) -> Option<RunSeen> {
    let (sent_ns, last) = flight.streams.last()?;
    let of_run = flight.streams.iter().filter(|(_, stream)| stream.run == last.run);
    Some(RunSeen {
        run: last.run.clone(),
        policy: last.policy.clone(),
        streams: of_run.count(),
        last_first_step: last.first_step,
        last_steps: last.steps,
        last_frame_age_ms: sent_ns.saturating_sub(last.from_frame_ns) as f64 * 1e-6,
    })
}

fn last(flight: &Flight, since: &Since) -> Option<LastState> {
    // A file that is cut may have one more of one than of the other.
    let whole = flight.commands.len().min(flight.states.len()).checked_sub(1)?;
    let ((at_ns, command), (_, state)) = (&flight.commands[whole], &flight.states[whole]);
    Some(LastState {
        at_s: since.s(*at_ns),
        mode: command.mode.clone(),
        step: command.step,
        position_m: state.position_m.map(|number| number.0),
        sent_linear_m_s: command.sent_linear_m_s.map(|number| number.0),
    })
}

fn log(flight: &Flight, since: &Since) -> Vec<Line> {
    let lines = flight.log.iter();
    lines
        .map(|(at_ns, line)| Line {
            at_cs: (since.s(*at_ns) * 100.0).round() as i64,
            part: line.name.clone(),
            text: line.message.clone(),
        })
        .collect()
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: String| writeln!(f, "{name:<11}{value}");
        row("cause", format!("{}: {}", self.kind, self.why))?;
        row(
            "written",
            format!("{}, at {:.2} s of what follows", self.written_utc, self.written_s),
        )?;
        let rate = format!("{} statuses, {:.1} a second", self.ticks, self.rate_hz);
        row("span", format!("{:.2} s, {rate}", self.span_s))?;
        if self.servo_processes > 1 {
            row("servo", format!("{} processes, one after the other", self.servo_processes))?;
        }
        for gap in &self.gaps {
            row("gap", format!("{:>6.2} s  {} statuses were not heard", gap.at_s, gap.ticks))?;
        }
        for span in &self.modes {
            row("mode", format!("{:>6.2} .. {:>6.2} s  {}", span.from_s, span.to_s, span.mode))?;
        }
        for stop in &self.stops {
            row("stop", format!("{:>6.2} s  {}", stop.at_s, stop.reason))?;
        }
        for fault in &self.faults {
            let text = fault.fault.as_deref().unwrap_or("works");
            row("fault", format!("{:>6.2} s  {}: {text}", fault.at_s, fault.part))?;
        }
        if !self.conditions.is_empty() {
            row("conditions", self.conditions.join(", "))?;
        }
        for share in &self.limits {
            row("limit", format!("{} in {:.1} % of the time", share.limit, share.share * 100.0))?;
        }
        let fifo = if self.realtime { "" } else { "; NOT under SCHED_FIFO" };
        row("lateness", format!("{}{fifo}", self.lateness))?;
        row(
            "points",
            format!(
                "{} sent, {} calls failed; {} reads failed; {} ticks left out",
                self.points_sent, self.send_failures, self.read_failures, self.missed_ticks
            ),
        )?;
        if let Some(worst) = &self.worst_tracking {
            let (at_s, error_mm) = (worst.at_s, worst.error_m * 1e3);
            row("tracking", format!("worst {error_mm:.1} mm, at {at_s:.2} s"))?;
        }
        if let Some(run) = &self.run {
            row("run", format!("{}, {} streams of {}", run.run, run.streams, run.policy))?;
            let (first, steps, age_ms) =
                (run.last_first_step, run.last_steps, run.last_frame_age_ms);
            row(
                "stream",
                format!("the last: {steps} steps from step {first}, its frame {age_ms:.0} ms old"),
            )?;
        }
        if let Some(last) = &self.last {
            let [x, y, z] = last.position_m;
            let place = format!("x {x:+.3} m  y {y:+.3} m  z {z:+.3} m");
            row("last", format!("{:>6.2} s  {}, {place}", last.at_s, last.mode))?;
        }
        for line in &self.log {
            let at_s = line.at_cs as f64 / 100.0;
            row("log", format!("{at_s:>6.2} s  {}: {}", line.part, line.text))?;
        }
        if self.unreadable_messages > 0 {
            row("unreadable", format!("{} messages", self.unreadable_messages))?;
        }
        if let Some(damage) = &self.damage {
            let Damage { at_byte, why } = damage;
            let advice = "what is before it is shown";
            row("DAMAGED", format!("at byte {at_byte}: {why}; {advice}"))?;
        }
        Ok(())
    }
}
