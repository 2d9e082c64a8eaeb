//! How soon `jaco stop` is answered: `cargo run -p jaco-tests --example stop_latency [-- STOPS]`.
//!
//! With 2,000 idle connections to the daemon, stops are sent while the arm is idle, while it homes
//! and while a policy drives it (so that reports of ended runs are being written meanwhile).
//! Printed for each: the time to the first line of the answer (the stop is latched and sent), and
//! to the last (readings show the arm at rest).

use anyhow::{Context, ensure};
use jaco_api::client::Client;
use jaco_api::{Activity, Done, Mode, StopEvent};
use jaco_core::{Clock, MonotonicClock};
use jaco_tests::{Rig, Setup};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use std::os::unix::net::UnixStream;

const CLIENTS: usize = 2000;

/// What goes on when the stop comes.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    Idle,
    Homing,
    Run,
}

fn main() -> anyhow::Result<()> {
    let stops = std::env::args().nth(1).map_or(Ok(100), |text| text.parse())?;
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let rig = Rig::start_as(Setup { homed: true, ..Setup::default() })?;
    for meanwhile in [Meanwhile::Idle, Meanwhile::Homing, Meanwhile::Run] {
        // The daemon sends idle clients away after a while.
        let clients: Vec<UnixStream> = (0..CLIENTS)
            .map(|_| UnixStream::connect(rig.path("jacod.sock")))
            .collect::<Result<_, _>>()?;
        let mut times_ms = Vec::new();
        for _ in 0..stops {
            times_ms.push(stop_during(&rig, meanwhile)?);
        }
        println!(
            "{meanwhile:?}, {} clients, {stops} stops: answered {}; the arm stands {}",
            clients.len(),
            digest(times_ms.iter().map(|times| times.0)),
            digest(times_ms.iter().map(|times| times.1)),
        );
    }
    Ok(())
}

fn digest(times_ms: impl Iterator<Item = f64>) -> String {
    let mut sorted: Vec<f64> = times_ms.collect();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
    format!("p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms", at(0.5), at(0.99), at(1.0))
}

/// Times from the stop to its answer and to the arm's standing \[ms\].
fn stop_during(rig: &Rig, meanwhile: Meanwhile) -> anyhow::Result<(f64, f64)> {
    let activity = match meanwhile {
        Meanwhile::Idle => None,
        Meanwhile::Homing => Some((rig.start_jaco(&["home"])?, Activity::Homing)),
        Meanwhile::Run => Some((rig.drive("300")?.0, Activity::Run)),
    };
    if let Some((_, activity)) = &activity {
        rig.until("the activity", |status| status.activity == *activity)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let times = runtime.block_on(stop(&Client::new(&rig.path("jacod.sock"))))?;
    if let Some((program, _)) = activity {
        program.end()?;
    }
    rig.until("idle again", |status| matches!(status.mode, Mode::Idle | Mode::NeedsHome))?;
    Ok(times)
}

async fn stop(client: &Client) -> anyhow::Result<(f64, f64)> {
    let clock = MonotonicClock;
    let began_ns = clock.now_ns();
    let since_ms = || (clock.now_ns() - began_ns) as f64 * 1e-6;
    let mut answer = client.post_lines("/v1/stop", &json!({})).await?;
    let sent = answer.next::<StopEvent>().await?.context("an answer")?;
    ensure!(sent == StopEvent::Sent, "the first line is {sent:?}");
    let answered_ms = since_ms();
    let last = answer.next::<StopEvent>().await?.context("a second line")?;
    ensure!(last == StopEvent::Stands { unsaved: None }, "the last line is {last:?}");
    let stands_ms = since_ms();
    let _: Done = client.post("/v1/reset", &json!({})).await?;
    Ok((answered_ms, stands_ms))
}
