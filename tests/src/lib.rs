//! Whole-system tests that start the real programs: what they share.
//!
//! The programs must have been built: `make test` does, `cargo build --workspace` by hand.

use anyhow::{Context, bail, ensure};
use jaco_config::Config;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Time in which a program must have started; far beyond what it takes.
const START: Duration = Duration::from_secs(120);

/// Path of a built program or library, beside which the tests were built.
pub fn built(name: &str) -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test.ancestors().nth(2).context("a test lies in target/<profile>/deps")?;
    let path = folder.join(name);
    ensure!(path.is_file(), "{} is not built: run `cargo build --workspace`", path.display());
    Ok(path)
}

/// A running simulation and a folder for all that its users write.
pub struct Sim {
    folder: TempDir,
    process: Child,
}

impl Sim {
    /// Starts `jaco-sim` and waits until it is ready.
    pub fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let process = Command::new(built("jaco-sim")?)
            .arg("--socket")
            .arg(folder.path().join("sim.sock"))
            .args(["--task", "place-block", "--seed", "1"])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut sim = Self { folder, process };
        sim.wait_until_ready()?;
        Ok(sim)
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.path("sim.sock")
    }

    /// A path below the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let stderr = self.process.stderr.take().context("stderr is piped")?;
        let mut lines = BufReader::new(stderr).lines();
        let mut said = String::new();
        for line in &mut lines {
            let line = line?;
            said.push_str(&line);
            if line.contains("ready") {
                // Somebody must go on reading, or the simulation would block on a full pipe.
                std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
                return Ok(());
            }
        }
        bail!("jaco-sim did not become ready; it said: {said}")
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A simulation with a daemon on top.
pub struct Rig {
    sim: Sim,
    daemon: Option<Child>,
    configure: fn(&mut Config),
}

impl Rig {
    /// Starts `jaco-sim` and `jacod` and waits until both are ready.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with(|_| {})
    }

    /// As [`Rig::start`], the daemon's configuration changed by `configure`.
    pub fn start_with(configure: fn(&mut Config)) -> anyhow::Result<Self> {
        let mut rig = Self { sim: Sim::start()?, daemon: None, configure };
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
        inbox.set_read_timeout(Some(START))?;
        let log = std::fs::File::create(self.path("jacod.log"))?;
        let daemon = Command::new(built("jacod")?)
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
        let output = Command::new(built("jaco")?)
            .arg("--socket")
            .arg(self.path("jacod.sock"))
            .arg("--json")
            .args(arguments)
            .output()?;
        Ok(output)
    }

    /// As [`Rig::jaco`]; it must succeed and print one JSON object.
    pub fn jaco_json(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let output = self.jaco(arguments)?;
        if !output.status.success() {
            bail!(
                "jaco {arguments:?} ended with {}: {}\ndaemon's log:\n{}",
                output.status,
                String::from_utf8_lossy(&output.stderr),
                std::fs::read_to_string(self.path("jacod.log")).unwrap_or_default()
            );
        }
        serde_json::from_slice(&output.stdout).context("one JSON object on stdout")
    }

    /// Socket of the simulation.
    pub fn sim_socket(&self) -> PathBuf {
        self.sim.socket()
    }

    /// A path below the rig's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.sim.path(name)
    }

    /// Sends `signal` to the daemon and waits for its end.
    pub fn end_daemon(&mut self, signal: i32) -> anyhow::Result<std::process::ExitStatus> {
        let mut daemon = self.daemon.take().context("the daemon runs")?;
        // SAFETY: the child was not waited for, so the pid is its own.
        unsafe { libc::kill(daemon.id() as i32, signal) };
        Ok(daemon.wait()?)
    }

    fn config(&self) -> anyhow::Result<String> {
        let text = include_str!("../../config/sim.toml");
        let mut config = Config::parse(text, "config/sim.toml")?;
        config.paths.data_dir = self.path("data");
        config.api.socket = self.path("jacod.sock");
        config.arm.sdk = built("libjaco_sim_sdk.so")?;
        config.policy.checkpoint = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/mini");
        config.sim = Some(jaco_config::Sim { socket: self.sim_socket() });
        (self.configure)(&mut config);
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
