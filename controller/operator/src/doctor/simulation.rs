//! The simulated arm: whether its socket answers. Nothing is asked of it but its status.

use super::check::{Check, Report};
use jaco_config::Sim;
use jaco_sim_link::ControlClient;
use std::sync::mpsc;
use std::time::Duration;

const NAME: &str = "simulated-arm";
/// It answers within a tick, unless it was stopped.
const LIMIT: Duration = Duration::from_secs(3);

/// Tells of it.
pub fn examine(sim: &Sim, report: &mut Report) -> anyhow::Result<()> {
    let socket = sim.socket.clone();
    let (told, hears) = mpsc::channel();
    // The client waits without limit; a thread that is left behind ends with this program.
    std::thread::spawn(move || {
        let status = ControlClient::connect(&socket).and_then(|mut client| client.status());
        let _ = told.send(status.map(drop).map_err(|error| error.to_string()));
    });
    let shown = sim.socket.display();
    let start = format!("start it: jaco-sim --socket {shown}");
    report.add(match hears.recv_timeout(LIMIT) {
        Ok(Ok(())) => Check::ok(NAME, format!("answers on {shown}")),
        Ok(Err(error)) => Check::fail(NAME, error, start),
        Err(_) => {
            let found = format!("{shown} does not answer within {} s", LIMIT.as_secs());
            Check::fail(NAME, found, format!("end it and {start}"))
        }
    })
}
