//! `jaco demo`: a simulated arm and a daemon of its own, the shipped policy, a few placements.
//!
//! Everything is real but the arm: the programs, the processes, the SDK's C ABI, the camera
//! frames. The verdict comes from the simulation's task test over a channel of its own.

use crate::run::{Outcome, attempt, place};
use anyhow::{Context, bail};
use jaco_api::client::Client;
use jaco_api::{Done, Placement, RunRequest, Status};
use jaco_cli::{DemoArgs, shipped};
use jaco_config::{Config, Sim};
use jaco_core::Task;
use jaco_shell::args::Unusable;
use jaco_shell::{say, variable};
use jaco_sim_link::ControlClient;
use rustix::process::{Signal, kill_process};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};

const TASK: Task = Task::PlaceBlock;
/// Where the daemon's flight records go, in its data folder and in the demo's runs/.
const FLIGHT: &str = "flight";
/// A socket's path has at most 107 bytes; its name takes the rest.
const MOST_FOLDER_BYTES: usize = 90;
const START_TIMEOUT: Duration = Duration::from_secs(120);
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// What `jaco demo --json` prints.
#[derive(Debug, Serialize)]
struct DemoResult {
    attempts: usize,
    successes: usize,
    folder: PathBuf,
    outcomes: Vec<Outcome>,
}

/// `jaco demo`. True when at least one attempt succeeded and all reports are on disk.
pub async fn demo(args: &DemoArgs, json: bool) -> anyhow::Result<bool> {
    let stage = Stage::set(args).await?;
    let played = play(&stage, args).await;
    stage.strike().await;
    let outcomes = played?;
    let successes = outcomes.iter().filter(|outcome| outcome.verdict.success == Some(true)).count();
    let saved = outcomes.iter().all(|outcome| outcome.unsaved.is_none());
    let folder = outcomes.last().map(|outcome| outcome.folder.clone()).unwrap_or_default();
    if json {
        let attempts = outcomes.len();
        let result = DemoResult { attempts, successes, folder, outcomes };
        say::object(&result)?;
    } else {
        say::line(format_args!("{successes} of {} attempts succeeded", outcomes.len()))?;
        say::line(format_args!("look at {}", folder.display()))?;
    }
    Ok(successes > 0 && saved)
}

async fn play(stage: &Stage, args: &DemoArgs) -> anyhow::Result<Vec<Outcome>> {
    let status: Status = stage.client.get("/v1/status").await?;
    if let (None, Some(folder)) = (&status.policy, &args.checkpoint) {
        let faults = status.faults.join("; ");
        return Err(Unusable(format!("--checkpoint {}: {faults}", folder.display())).into());
    }
    let _: Done = stage.client.post("/v1/home", &serde_json::json!({})).await?;
    let first_seed = args.seed.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map(|since| since.as_secs()).unwrap_or_default()
    });
    let mut outcomes: Vec<Outcome> = Vec::new();
    for number in 0..u64::from(args.attempts) {
        let seed = first_seed + number;
        say::aside(format_args!(
            "attempt {} of {} (placement {seed}): \"{}\"",
            number + 1,
            args.attempts,
            TASK.instruction()
        ));
        place(&stage.sim_socket, TASK, seed).await?;
        let request = RunRequest {
            instruction: TASK.instruction().to_owned(),
            horizon: Some(usize::from(args.horizon)),
            execution: Some(args.execution),
            max_steps: None,
            placement: Some(Placement { task: TASK.to_string(), seed }),
            run_id: outcomes.last().map(|outcome| outcome.run_id.clone()),
            record: None,
        };
        let outcome = attempt(&stage.client, &request, Some(&stage.sim_socket)).await?;
        let outcome = Outcome { folder: stage.runs.join(&outcome.run_id), ..outcome };
        say::aside(format_args!("  {}", outcome.summary));
        let success = outcome.verdict.success == Some(true);
        outcomes.push(outcome);
        if success && !args.all {
            break;
        }
    }
    Ok(outcomes)
}

/// The programs that the demo runs, and where they talk.
struct Stage {
    /// Where the reports are.
    runs: PathBuf,
    sim_socket: PathBuf,
    client: Client,
    sim: Child,
    daemon: Child,
    /// Kept until the daemon has said that it stops.
    _notify: UnixDatagram,
    /// Goes last, after the programs that use it.
    _folder: Folder,
}

/// A folder that goes with whoever holds it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Stage {
    async fn set(args: &DemoArgs) -> anyhow::Result<Self> {
        let temporary = variable("TMPDIR").map_or(PathBuf::from("/tmp"), PathBuf::from);
        let folder = temporary.join(format!("jacod-demo-{}", std::process::id()));
        if folder.as_os_str().len() > MOST_FOLDER_BYTES {
            let why = "TMPDIR is too long a path for sockets below it: set it to a shorter one";
            return Err(Unusable(why.to_owned()).into());
        }
        std::fs::create_dir_all(&folder).map_err(|error| {
            Unusable::path(format!("cannot create {}", folder.display()), error)
        })?;
        let guard = Folder(folder.clone());
        let sim_socket = folder.join("sim.sock");
        let socket = folder.join("jacod.sock");
        let config = folder.join("jacod.toml");
        let logs = std::path::absolute(args.out.join("runs"))?;
        let data = data_folder(&folder, &logs)?;
        std::fs::write(&config, configuration(args, &data, &socket, &sim_socket)?)
            .with_context(|| format!("cannot write {}", config.display()))?;

        let log = logs.join("jaco-sim.log");
        say::aside(format_args!("starting the simulated arm (log: {})", log.display()));
        let mut sim = start("jaco-sim", &logs, |command| {
            command.arg("--socket").arg(&sim_socket).args(["--task", TASK.name()]);
        })?;
        wait_for_sim(&mut sim, &sim_socket, &log).await?;

        let log = logs.join("jacod.log");
        say::aside(format_args!("starting the daemon (log: {})", log.display()));
        let notify_path = folder.join("notify.sock");
        let notify = UnixDatagram::bind(&notify_path)?;
        let mut daemon = start("jacod", &logs, |command| {
            command.arg("--config").arg(&config).env("NOTIFY_SOCKET", &notify_path);
        })?;
        wait_for_ready(&mut daemon, &notify, &log).await?;
        let client = Client::new(&socket);
        Ok(Self { runs: logs, sim_socket, client, sim, daemon, _notify: notify, _folder: guard })
    }

    /// Ends both programs, the daemon first so that it can give the arm back.
    async fn strike(mut self) {
        let flight = self.runs.join(FLIGHT);
        for child in [&mut self.daemon, &mut self.sim] {
            if let Some(pid) = child.id() {
                // Not waited for yet, so the pid is its own; one that is gone needs no signal.
                let pid = rustix::process::Pid::from_raw(pid.cast_signed());
                let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
            }
            if tokio::time::timeout(STOP_TIMEOUT, child.wait()).await.is_err() {
                let _ = child.kill().await;
            }
        }
        // Where nothing went wrong there is nothing in it.
        let _ = std::fs::remove_dir(flight);
    }
}

/// The data folder of the demo's daemon, within the demo's own `folder`: what is to outlast the demo,
/// reports and flight records, goes to `runs`; the rest, as a stop that is latched, goes with it.
fn data_folder(folder: &Path, runs: &Path) -> anyhow::Result<PathBuf> {
    let (data, flight) = (folder.join("data"), runs.join(FLIGHT));
    for wanted in [&flight, &data] {
        std::fs::create_dir_all(wanted).map_err(|error| {
            Unusable::path(format!("cannot create {}", wanted.display()), error)
        })?;
    }
    for (name, target) in [("runs", runs), (FLIGHT, &flight)] {
        let link = data.join(name);
        std::os::unix::fs::symlink(target, &link)
            .with_context(|| format!("cannot create {}", link.display()))?;
    }
    Ok(data)
}

fn start(name: &str, log_folder: &Path, dress: impl FnOnce(&mut Command)) -> anyhow::Result<Child> {
    let program = std::env::current_exe()?.with_file_name(name);
    let log_path = log_folder.join(format!("{name}.log"));
    let log = std::fs::File::create(&log_path)
        .map_err(|error| Unusable::path(format!("cannot write {}", log_path.display()), error))?;
    let mut command = Command::new(&program);
    dress(&mut command);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::from(log.try_clone()?))
        .stderr(Stdio::from(log))
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {}: was everything built?", program.display()))
}

async fn wait_for_sim(sim: &mut Child, socket: &Path, log: &Path) -> anyhow::Result<()> {
    let answered = async {
        loop {
            let socket = socket.to_owned();
            let connected =
                tokio::task::spawn_blocking(move || ControlClient::connect(&socket).is_ok());
            if connected.await? {
                return anyhow::Ok(());
            }
            if let Some(status) = sim.try_wait()? {
                bail!("jaco-sim ended with {status}: see {}", log.display());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(START_TIMEOUT, answered).await.context("jaco-sim does not answer")?
}

async fn wait_for_ready(
    daemon: &mut Child,
    notify: &UnixDatagram,
    log: &Path,
) -> anyhow::Result<()> {
    let mut message = [0_u8; 4096];
    let ready = async {
        loop {
            tokio::select! {
                received = notify.recv(&mut message) => {
                    let text = String::from_utf8_lossy(&message[..received?]).into_owned();
                    if text.lines().any(|line| line == "READY=1") {
                        return anyhow::Ok(());
                    }
                }
                status = daemon.wait() => bail!("jacod ended with {}: see {}", status?, log.display()),
            }
        }
    };
    tokio::time::timeout(START_TIMEOUT, ready).await.context("jacod does not become ready")?
}

/// The shipped configuration of a simulated arm, with this demo's paths.
fn configuration(
    args: &DemoArgs,
    data: &Path,
    socket: &Path,
    sim_socket: &Path,
) -> anyhow::Result<String> {
    let mut config = Config::parse(include_str!("../../../config/sim.toml"), "config/sim.toml")?;
    let checkpoint = match &args.checkpoint {
        Some(folder) if !folder.join("config.json").exists() => {
            let name = folder.display();
            let why = format!("--checkpoint {name} is no checkpoint: it holds no config.json");
            return Err(Unusable(why).into());
        }
        Some(folder) => folder.clone(),
        None => shipped::best_policy()?,
    };
    config.paths.data_dir = data.to_owned();
    config.api.socket = socket.to_owned();
    config.arm.sdk = std::env::current_exe()?.with_file_name("libjaco_sim_sdk.so");
    config.policy.checkpoint = std::path::absolute(checkpoint)?;
    config.sim = Some(Sim { socket: sim_socket.to_owned(), semaphore: None });
    Ok(toml::to_string(&config)?)
}
