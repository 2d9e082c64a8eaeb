//! The simulated arm that the servo is measured on: started here, in a temporary folder, and gone
//! with it. It stands for something that does not share the cores: where permitted it runs at the
//! lowest real-time priority, so that load does not keep it from answering the servo's calls.

use anyhow::{Context, bail, ensure};
use jaco_servo::process::realtime;
use jaco_sim_link::ControlClient;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Time that the simulation gets to answer.
const START_TIME: Duration = Duration::from_secs(60);
/// The lowest of SCHED_FIFO.
const LOWEST_PRIORITY: i32 = 1;
/// Pause between two tries.
const TRY_EVERY: Duration = Duration::from_millis(20);
/// How often the simulated arm is asked what it got \[ns\].
const LOOK_EVERY_NS: u64 = 1_000_000_000;

/// A simulated arm, homed.
pub struct Stage {
    socket: PathBuf,
    sim: Child,
    control: ControlClient,
    looked_ns: u64,
    points_per_s: Vec<u32>,
    /// Goes last, after what lies in it.
    _folder: TempDir,
}

/// A child that is killed with its holder.
struct Guard(Option<Child>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            end(child);
        }
    }
}

fn end(child: &mut Child) {
    // One that has ended is no error worth telling.
    let _ = child.kill();
    let _ = child.wait();
}

impl Stage {
    /// Starts the simulation and waits until it answers.
    pub fn set() -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("jaco-bench-")?;
        let socket = folder.path().join("sim.sock");
        let log_path = folder.path().join("sim.log");
        let log = File::create(&log_path)?;
        let program = Self::beside("jaco-sim")?;
        let mut command = Command::new(&program);
        // SAFETY: two system calls, which are async-signal-safe; the closure touches nothing else.
        unsafe {
            command.pre_exec(|| {
                // Not permitted: then it is as punctual as it is.
                let _ = realtime::ask(LOWEST_PRIORITY);
                Ok(())
            })
        };
        let child = command
            .arg("--socket")
            .arg(&socket)
            .arg("--homed")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut sim = Guard(Some(child));
        let deadline = Instant::now() + START_TIME;
        let control = loop {
            if let Ok(control) = ControlClient::connect(&socket) {
                break control;
            }
            let ended = sim.0.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if let Some(status) = ended {
                let said = std::fs::read_to_string(&log_path).unwrap_or_default();
                bail!("jaco-sim ended with {status}: {}", said.trim_end());
            }
            ensure!(Instant::now() < deadline, "jaco-sim does not answer");
            std::thread::sleep(TRY_EVERY);
        };
        let sim = sim.0.take().context("it was just started")?;
        let points_per_s = Vec::new();
        Ok(Self { socket, sim, control, looked_ns: 0, points_per_s, _folder: folder })
    }

    /// The program or library `name`, which is installed beside this program.
    pub fn beside(name: &str) -> anyhow::Result<PathBuf> {
        let path = std::env::current_exe()?.with_file_name(name);
        ensure!(path.is_file(), "there is no {}: install all programs together", path.display());
        Ok(path)
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Asks the arm once a second how many points it got.
    pub fn look(&mut self, now_ns: u64) -> anyhow::Result<()> {
        if now_ns.saturating_sub(self.looked_ns) >= LOOK_EVERY_NS {
            self.looked_ns = now_ns;
            self.points_per_s.push(self.control.status()?.points_per_s);
        }
        Ok(())
    }

    /// The fewest and the most points that reached the arm in a second.
    pub fn points_per_s(&self) -> [u32; 2] {
        let fewest = self.points_per_s.iter().min().copied().unwrap_or_default();
        let most = self.points_per_s.iter().max().copied().unwrap_or_default();
        [fewest, most]
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        end(&mut self.sim);
    }
}
