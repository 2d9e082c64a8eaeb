//! The loop that only sleeps: the servo's own pacer and sleep with nothing between them, in a
//! process of its own. What it shows is what the machine can do.

use anyhow::{Context, ensure};
use jaco_cli::policy::BareArgs;
use jaco_core::{Clock, MonotonicClock, TICK_NS};
use jaco_servo::process::pacer::Pacer;
use jaco_servo::process::realtime;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

/// Ticks of a second.
const TICKS_PER_S: u64 = 1_000_000_000 / TICK_NS;

/// What the loop found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BareTicks {
    /// How late each tick began \[ns\].
    pub lateness_ns: Vec<u64>,
    /// Ticks left out.
    pub missed_ticks: u64,
    /// Whether it ran under SCHED_FIFO.
    pub realtime: bool,
    /// Whether its memory was locked.
    pub memory_locked: bool,
}

/// Loops, in this process.
pub fn run(args: &BareArgs) -> BareTicks {
    let clock = MonotonicClock;
    let granted = realtime::ask(args.priority);
    let ticks = u64::from(args.seconds) * TICKS_PER_S;
    let mut found = BareTicks {
        // Taken before the first tick, as the servo does.
        lateness_ns: vec![0; usize::try_from(ticks).unwrap_or_default()],
        missed_ticks: 0,
        realtime: granted.scheduler.is_ok(),
        memory_locked: granted.memory.is_ok(),
    };
    let now_ns = clock.now_ns();
    // The grid goes on from the tick that was named.
    let ahead = 1 + now_ns.saturating_sub(args.due_ns) / TICK_NS;
    let mut pacer = Pacer::new(args.due_ns + ahead * TICK_NS);
    let end_ns = now_ns + ticks * TICK_NS;
    let mut begun = 0;
    while begun < found.lateness_ns.len() {
        let tick = pacer.next(clock.now_ns());
        if tick.due_ns >= end_ns {
            break;
        }
        realtime::sleep_until(tick.due_ns);
        found.lateness_ns[begun] = clock.now_ns().saturating_sub(tick.due_ns);
        found.missed_ticks += tick.missed;
        begun += 1;
    }
    found.lateness_ns.truncate(begun);
    found
}

/// The loop in a process of its own; killed with its holder.
pub struct Bare {
    child: Child,
    said: Option<JoinHandle<std::io::Result<String>>>,
}

impl Bare {
    /// Starts it: `seconds` long, with ticks on the grid of `due_ns`.
    pub fn start(seconds: u32, priority: i32, due_ns: u64) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?;
        let mut child = Command::new(&program)
            .args(["bench", "bare"])
            .arg(format!("--seconds={seconds}"))
            .arg(format!("--priority={priority}"))
            .arg(format!("--due-ns={due_ns}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut out = child.stdout.take().context("its output is piped")?;
        let said = std::thread::Builder::new().name("bare".to_owned()).spawn(move || {
            let mut text = String::new();
            out.read_to_string(&mut text).map(|_| text)
        })?;
        Ok(Self { child, said: Some(said) })
    }

    /// Whether it has said what it found.
    pub fn has_ended(&self) -> bool {
        self.said.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// What it found, once it has ended.
    pub fn result(mut self) -> anyhow::Result<BareTicks> {
        let status = self.child.wait()?;
        ensure!(status.success(), "the loop that only sleeps ended with {status}");
        let said = self.said.take().and_then(|said| said.join().ok());
        let said = said.context("the thread that reads it panicked")??;
        Ok(serde_json::from_str(&said)?)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // One that has ended is no error worth telling.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
