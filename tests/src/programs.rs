//! Programs as child processes: where they are, how they start, what they say at their end.

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Time in which what is waited for must have come; far beyond what it takes.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Path of a built program or library, beside which the tests were built.
pub fn built(name: &str) -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test.ancestors().nth(2).context("a test lies in target/<profile>/deps")?;
    let path = folder.join(name);
    ensure!(path.is_file(), "{} is not built: run `cargo build --workspace`", path.display());
    Ok(path)
}

/// What `look` gives, as soon as it gives something.
pub fn poll<T>(
    what: &str,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        ensure!(Instant::now() < deadline, "{what}: not within {} s", PATIENCE.as_secs());
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A program that runs, and is killed with its holder.
pub struct Running {
    child: Child,
    said: Vec<std::thread::JoinHandle<String>>,
}

impl Running {
    /// Starts `command`; what it prints is read all the while.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let out = child.stdout.take().context("stdout is piped")?;
        let err = child.stderr.take().context("stderr is piped")?;
        let said = vec![read_all(out), read_all(err)];
        Ok(Self { child, said })
    }

    /// Sends it `signal`.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        signal_process(self.child.id(), signal)
    }

    /// Waits for its end; what it printed on both outputs, and how it ended.
    pub fn end(mut self) -> anyhow::Result<(String, ExitStatus)> {
        let status = poll("a program's end", || Ok(self.child.try_wait()?))?;
        let said = std::mem::take(&mut self.said).into_iter();
        let said = said.map(|thread| thread.join().unwrap_or_default()).collect::<String>();
        Ok((said, status))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_all(mut pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Sends `signal` to process `pid`.
pub(crate) fn signal_process(pid: u32, signal: Signal) -> anyhow::Result<()> {
    let pid = Pid::from_raw(pid.cast_signed()).context("a process has a number")?;
    Ok(kill_process(pid, signal)?)
}

/// A running simulation and a folder for all that its users write.
pub struct Sim {
    folder: TempDir,
    homed: bool,
    process: Child,
}

impl Sim {
    /// Starts `jaco-sim` with an arm just switched on, and waits until it is ready.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_as(false)
    }

    /// As [`Sim::start`]; the arm may be `homed` already.
    pub fn start_as(homed: bool) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let process = spawn(&folder, homed)?;
        let mut sim = Self { folder, homed, process };
        sim.wait_until_ready()?;
        Ok(sim)
    }

    /// Kills it and starts another in its place.
    pub fn replace(&mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        self.process = spawn(&self.folder, self.homed)?;
        self.wait_until_ready()
    }

    /// Sends it `signal`.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        signal_process(self.process.id(), signal)
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

fn spawn(folder: &TempDir, homed: bool) -> anyhow::Result<Child> {
    let mut command = Command::new(built("jaco-sim")?);
    command.arg("--socket").arg(folder.path().join("sim.sock"));
    command.args(["--task", "place-block", "--seed", "1"]).args(homed.then_some("--homed"));
    Ok(command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?)
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
