//! A file as the plot that shows it.

use crate::number::Number;
use crate::read::Flight;
use crate::summary::{Since, Summary};
use jaco_core::{TICK_NS, Word};
use jaco_report::{Band, FlightPlot, FlightSample, Mark};
use jaco_servo::Limit;

/// What the plot of `flight` shows; `summary` is its own.
pub fn picture(flight: &Flight, summary: &Summary) -> FlightPlot {
    let since = Since::of(flight);
    let samples =
        flight.commands.iter().zip(&flight.states).map(|((at_ns, command), (_, state))| {
            FlightSample {
                time_s: since.s(*at_ns),
                asked_m: command.reference_m.map(plain),
                measured_m: plain(state.position_m),
                sent_m_s: plain(command.sent_linear_m_s).iter().map(|v| v * v).sum::<f64>().sqrt(),
            }
        });
    let modes = summary.modes.iter();
    let modes =
        modes.map(|span| Band { from_s: span.from_s, to_s: span.to_s, name: span.mode.clone() });
    FlightPlot {
        title: format!("{}: {}", summary.kind, summary.why),
        detail: format!(
            "{}, {:.1} s, {} statuses; lateness {}",
            summary.written_utc, summary.span_s, summary.ticks, summary.lateness
        ),
        samples: samples.collect(),
        modes: modes.collect(),
        limits: Limit::ALL.iter().flat_map(|limit| bands(flight, &since, limit.name())).collect(),
        marks: marks(summary),
    }
}

fn plain(numbers: [Number; 3]) -> [f64; 3] {
    numbers.map(|number| number.0)
}

/// When the limit `name` acted.
fn bands(flight: &Flight, since: &Since, name: &str) -> Vec<Band> {
    let mut bands: Vec<Band> = Vec::new();
    let mut last_ns = 0;
    for (at_ns, _) in flight.commands.iter().filter(|(_, command)| command.holds(name)) {
        let at_s = since.s(*at_ns);
        match bands.last_mut() {
            Some(band) if at_ns.saturating_sub(last_ns) < 3 * TICK_NS => band.to_s = at_s,
            _ => bands.push(Band { from_s: at_s, to_s: at_s, name: name.to_owned() }),
        }
        last_ns = *at_ns;
    }
    bands
}

fn marks(summary: &Summary) -> Vec<Mark> {
    let stops = summary.stops.iter();
    let stops =
        stops.map(|stop| Mark { time_s: stop.at_s, text: format!("stop: {}", stop.reason) });
    let faults = summary.faults.iter().filter_map(|fault| {
        let text = format!("{}: {}", fault.part, fault.fault.as_ref()?);
        Some(Mark { time_s: fault.at_s, text })
    });
    let mut marks: Vec<Mark> = stops.chain(faults).collect();
    marks.sort_by(|a, b| a.time_s.total_cmp(&b.time_s));
    marks
}
