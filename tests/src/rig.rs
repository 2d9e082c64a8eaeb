//! A simulation with a daemon on top, and an operator's hands.

use crate::programs::{PATIENCE, signal_process};
use crate::{Running, Sim, built, poll};
use anyhow::{Context, bail};
use jaco_api::Status;
use jaco_api::client::Client;
use jaco_config::Config;
use jaco_sim_link::ControlClient;
use rustix::process::Signal;
use serde_json::Value;
use std::ffi::OsString;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

/// What the policy is told to do.
pub const TASK: &str = "put the blue cube on the green plate";

/// How a rig is set up.
#[derive(Clone, Default)]
pub struct Setup {
    /// Whether the arm is homed at the start.
    pub homed: bool,
    /// What is changed in the daemon's configuration.
    pub configure: Option<fn(&mut Config)>,
    /// A program, with arguments, that starts the daemon.
    pub wrapper: Vec<OsString>,
}

/// A simulation with a daemon on top.
pub struct Rig {
    /// The simulation.
    pub sim: Sim,
    daemon: Option<Child>,
    setup: Setup,
}

impl Rig {
    /// Starts `jaco-sim` and `jacod` and waits until both are ready.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_as(Setup::default())
    }

    /// As [`Rig::start`], with an arm that is homed already.
    pub fn homed() -> anyhow::Result<Self> {
        Self::start_as(Setup { homed: true, ..Setup::default() })
    }

    /// As [`Rig::start`], the daemon's configuration changed by `configure`.
    pub fn start_with(configure: fn(&mut Config)) -> anyhow::Result<Self> {
        Self::start_as(Setup { configure: Some(configure), ..Setup::default() })
    }

    /// As [`Rig::start`], set up in this way.
    pub fn start_as(setup: Setup) -> anyhow::Result<Self> {
        let mut rig = Self { sim: Sim::start_as(setup.homed)?, daemon: None, setup };
        rig.start_daemon()?;
        Ok(rig)
    }

    /// Starts the daemon and waits for its READY=1.
    pub fn start_daemon(&mut self) -> anyhow::Result<()> {
        let config = self.path("jacod.toml");
        std::fs::write(&config, self.config()?)?;
        let notify = self.path("notify.sock");
        let _ = std::fs::remove_file(&notify);
        let inbox = UnixDatagram::bind(&notify)?;
        inbox.set_read_timeout(Some(PATIENCE))?;
        let log =
            std::fs::File::options().create(true).append(true).open(self.path("jacod.log"))?;
        let jacod = built("jacod")?.into_os_string();
        let mut words = self.setup.wrapper.iter().cloned().chain([jacod]);
        let daemon = Command::new(words.next().context("a program is named")?)
            .args(words)
            .arg("--config")
            .arg(&config)
            .env("NOTIFY_SOCKET", &notify)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()?;
        self.daemon = Some(daemon);
        let mut message = [0; 4096];
        loop {
            let length = inbox.recv(&mut message).context("jacod does not become ready")?;
            if String::from_utf8_lossy(&message[..length]).contains("READY=1") {
                return Ok(());
            }
        }
    }

    /// Runs `jaco` with `--json` against this daemon.
    pub fn jaco(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        Ok(self.command(arguments)?.output()?)
    }

    /// As [`Rig::jaco`]; it must succeed and print one JSON object.
    pub fn jaco_json(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let output = self.jaco(arguments)?;
        if !output.status.success() {
            bail!(
                "jaco {arguments:?} ended with {}: {}{}\ndaemon's log:\n{}",
                output.status,
                String::from_utf8_lossy(&output.stderr),
                String::from_utf8_lossy(&output.stdout),
                self.log()
            );
        }
        serde_json::from_slice(&output.stdout).context("one JSON object on stdout")
    }

    /// Starts `jaco` and lets it run.
    pub fn start_jaco(&self, arguments: &[&str]) -> anyhow::Result<Running> {
        Running::start(&mut self.command(arguments)?)
    }

    /// Lets the policy drive for at most `steps` steps and waits until the arm moves.
    pub fn drive(&self, steps: &str) -> anyhow::Result<(Running, ControlClient)> {
        let run = ["run", TASK, "--execution", "async", "--max-steps", steps];
        let run = self.start_jaco(&run)?;
        Ok((run, self.moving_arm()?))
    }

    /// Starts homing and waits until the arm moves.
    pub fn begin_homing(&self) -> anyhow::Result<(Running, ControlClient)> {
        let home = self.start_jaco(&["home"])?;
        Ok((home, self.moving_arm()?))
    }

    fn moving_arm(&self) -> anyhow::Result<ControlClient> {
        let mut sim = self.control()?;
        poll("an arm that moves", || Ok((sim.status()?.arm_speed_m_s > 0.02).then_some(())))
            .with_context(|| format!("daemon's log:\n{}", self.log()))?;
        Ok(sim)
    }

    /// What the daemon says of itself; none if none answers.
    pub fn status(&self) -> anyhow::Result<Status> {
        status_of(&self.path("jacod.sock"))
    }

    /// Starts another daemon for the same arm, with a socket and a folder of its own.
    pub fn second_daemon(&self) -> anyhow::Result<SecondDaemon> {
        let mut config = Config::parse(&self.config()?, "jacod.toml")?;
        let socket = self.path("second.sock");
        config.paths.data_dir = self.path("second");
        config.api.socket = socket.clone();
        let file = self.path("second.toml");
        std::fs::write(&file, toml::to_string(&config)?)?;
        let child = Command::new(built("jacod")?)
            .arg("--config")
            .arg(&file)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(SecondDaemon { child, socket })
    }

    /// The first status for which `wanted` holds.
    pub fn until(
        &self,
        what: &str,
        mut wanted: impl FnMut(&Status) -> bool,
    ) -> anyhow::Result<Status> {
        let mut last = None;
        poll(what, || {
            // A daemon that is just being started does not answer yet.
            let status = self.status().ok();
            last.clone_from(&status);
            Ok(status.filter(&mut wanted))
        })
        .with_context(|| format!("last status: {last:?}\ndaemon's log:\n{}", self.log()))
    }

    /// The experimenter's way to the simulation.
    pub fn control(&self) -> anyhow::Result<ControlClient> {
        Ok(ControlClient::connect(&self.sim.socket())?)
    }

    /// Socket of the simulation.
    pub fn sim_socket(&self) -> PathBuf {
        self.sim.socket()
    }

    /// A path below the rig's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.sim.path(name)
    }

    /// What the daemons have logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("jacod.log")).unwrap_or_default()
    }

    /// The daemon's process.
    pub fn daemon_pid(&self) -> anyhow::Result<u32> {
        Ok(self.daemon.as_ref().context("the daemon runs")?.id())
    }

    /// Sends `signal` to the daemon.
    pub fn signal_daemon(&self, signal: Signal) -> anyhow::Result<()> {
        signal_process(self.daemon_pid()?, signal)
    }

    /// Waits for the daemon's end.
    pub fn wait_daemon(&mut self) -> anyhow::Result<ExitStatus> {
        let mut daemon = self.daemon.take().context("the daemon runs")?;
        poll("the daemon's end", || Ok(daemon.try_wait()?))
    }

    /// Sends `signal` to the daemon and waits for its end.
    pub fn end_daemon(&mut self, signal: Signal) -> anyhow::Result<ExitStatus> {
        self.signal_daemon(signal)?;
        self.wait_daemon()
    }

    /// Sends `signal` to the servo process of this daemon.
    pub fn signal_servo(&self, signal: Signal) -> anyhow::Result<()> {
        let daemon = self.daemon_pid()?;
        let servo = poll("a servo process", || Ok(child_called(daemon, "jaco-servo")))?;
        signal_process(servo, signal)
    }

    fn command(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = Command::new(built("jaco")?);
        command.arg("--socket").arg(self.path("jacod.sock")).arg("--json").args(arguments);
        Ok(command)
    }

    fn config(&self) -> anyhow::Result<String> {
        let text = include_str!("../../config/sim.toml");
        let mut config = Config::parse(text, "config/sim.toml")?;
        config.paths.data_dir = self.path("data");
        config.api.socket = self.path("jacod.sock");
        config.arm.sdk = built("libjaco_sim_sdk.so")?;
        config.policy.checkpoint = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/mini");
        config.sim = Some(jaco_config::Sim { socket: self.sim_socket(), semaphore: None });
        if let Some(configure) = self.setup.configure {
            configure(&mut config);
        }
        Ok(toml::to_string(&config)?)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(child) = &mut self.daemon {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A daemon of its own for the same arm.
pub struct SecondDaemon {
    child: Child,
    socket: PathBuf,
}

impl SecondDaemon {
    /// What it says of itself.
    pub fn status(&self) -> anyhow::Result<Status> {
        status_of(&self.socket)
    }

    /// Ends it as a service manager does.
    pub fn end(mut self) -> anyhow::Result<ExitStatus> {
        signal_process(self.child.id(), Signal::TERM)?;
        let child = &mut self.child;
        poll("the second daemon's end", || Ok(child.try_wait()?))
    }
}

impl Drop for SecondDaemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn status_of(socket: &Path) -> anyhow::Result<Status> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(Client::new(socket).get("/v1/status"))?)
}

/// The process called `name` whose parent is `parent`.
fn child_called(parent: u32, name: &str) -> Option<u32> {
    std::fs::read_dir("/proc").ok()?.find_map(|entry| {
        let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // "pid (name) state parent ...": the name may hold anything but ends with the last ')'.
        let (before, after) = stat.rsplit_once(')')?;
        let called = before.split_once('(')?.1 == name;
        let mut fields = after.split_whitespace();
        let alive = fields.next()? != "Z";
        (called && alive && fields.next()?.parse() == Ok(parent)).then_some(pid)
    })
}
