//! What the machine grants a process that must be on time: real-time scheduling, locked memory, a
//! processor that does not dawdle. Where a daemon runs, its servo shows what it was granted.

use super::check::{Check, Report};
use jaco_servo::process::realtime::Feeding;
use rustix::process::{Resource, getrlimit};
use std::path::Path;

const REAL_TIME: &str = "real-time";
const MEMORY: &str = "memory-lock";
const GOVERNOR: &str = "cpu-governor";
/// Much more than a servo process has.
const ENOUGH_LOCKED_BYTES: u64 = 512 << 20;
/// CAP_IPC_LOCK: may lock any amount.
const MAY_LOCK: u32 = 14;
/// SCHED_FIFO in /proc/PID/stat.
const FIFO: &str = "1";
const PROCESSORS: &str = "/sys/devices/system/cpu";
const PERFORMANCE: &str = "performance";
const UNIT: &str = "run jacod under its unit (deploy/systemd/jacod.service), which grants it; by hand, \
                    as root: a file in /etc/security/limits.d with `@jacod - rtprio 50` and `@jacod - \
                    memlock unlimited`, then log in again";

/// Tells of it; `daemon` is a running daemon's process.
pub async fn examine(daemon: Option<i32>, report: &mut Report) -> anyhow::Result<()> {
    let servo = daemon.and_then(servo_of);
    report.add(real_time(servo))?;
    report.add(locked_memory(servo))?;
    report.add(governor(Path::new(PROCESSORS)))
}

fn real_time(servo: Option<i32>) -> Check {
    if let Some(fields) = servo.and_then(stat) {
        // Fields 40 and 41 of proc_pid_stat(5), counted from the third, which is the first here.
        let (priority, policy) = (fields.get(37), fields.get(38));
        if policy.is_some_and(|policy| policy == FIFO) {
            let priority = priority.map(String::as_str).unwrap_or_default();
            return Check::ok(REAL_TIME, format!("the running servo has SCHED_FIFO {priority}"));
        }
        return Check::warn(
            REAL_TIME,
            "the running servo has no SCHED_FIFO: ticks may be late",
            UNIT,
        );
    }
    // On a thread of its own: what is granted ends with it.
    let asked = std::thread::spawn(|| Feeding::ask().map(drop).map_err(|error| error.to_string()));
    match asked.join() {
        Ok(Ok(())) => Check::ok(REAL_TIME, "SCHED_FIFO is granted to this user"),
        Ok(Err(error)) => Check::warn(
            REAL_TIME,
            format!("this user gets no SCHED_FIFO, ticks may be late: {error}"),
            UNIT,
        ),
        Err(_) => Check::skipped(REAL_TIME, "the system gives no thread"),
    }
}

fn locked_memory(servo: Option<i32>) -> Check {
    let of_servo = servo.and_then(|servo| number(&format!("/proc/{servo}/status"), "VmLck:", 10));
    match of_servo {
        Some(0) => {
            return Check::warn(
                MEMORY,
                "the running servo's is not locked: ticks may be late",
                UNIT,
            );
        }
        Some(kib) => {
            return Check::ok(MEMORY, format!("the running servo has locked {} MiB", kib >> 10));
        }
        None => {}
    }
    let may =
        number("/proc/self/status", "CapEff:", 16).is_some_and(|all| all >> MAY_LOCK & 1 == 1);
    match getrlimit(Resource::Memlock).current {
        _ if may => Check::ok(MEMORY, "this user may lock all of it"),
        None => Check::ok(MEMORY, "no limit"),
        Some(bytes) if bytes >= ENOUGH_LOCKED_BYTES => {
            Check::ok(MEMORY, format!("{} MiB may be locked", bytes >> 20))
        }
        Some(bytes) => Check::warn(
            MEMORY,
            format!(
                "this user may lock {} MiB only: the servo's pages may be swapped out",
                bytes >> 20
            ),
            UNIT,
        ),
    }
}

fn governor(processors: &Path) -> Check {
    let entries = std::fs::read_dir(processors).into_iter().flatten().flatten();
    let mut governors: Vec<String> = entries
        .filter_map(|entry| {
            std::fs::read_to_string(entry.path().join("cpufreq/scaling_governor")).ok()
        })
        .map(|governor| governor.trim().to_owned())
        .collect();
    governors.sort();
    governors.dedup();
    match governors.as_slice() {
        [] => Check::skipped(GOVERNOR, "this machine does not let its frequency be governed"),
        [only] if only == PERFORMANCE => Check::ok(GOVERNOR, PERFORMANCE),
        several => Check::warn(
            GOVERNOR,
            format!("{}: a processor that slows down wakes up late", several.join(", ")),
            "`sudo cpupower frequency-set -g performance`",
        ),
    }
}

/// The servo process of the daemon.
pub fn servo_of(daemon: i32) -> Option<i32> {
    let entries = std::fs::read_dir("/proc").ok()?.flatten();
    let mut processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    processes.find(|process| {
        let name = std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
        let parent = || stat(*process).and_then(|fields| fields.get(1)?.parse::<i32>().ok());
        name.trim() == "jaco-servo" && parent() == Some(daemon)
    })
}

/// The fields of /proc/PID/stat from the third on, behind the name, which may hold anything.
fn stat(process: i32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

/// The number behind `key` in a file of /proc.
fn number(file: &str, key: &str, radix: u32) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    u64::from_str_radix(line.split_whitespace().next()?, radix).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::doctor::check::State;

    #[test]
    fn a_governor_that_saves_power_is_told() {
        let processors = tempfile::tempdir().unwrap();
        assert_eq!(governor(processors.path()).state, State::Skipped);
        for (cpu, name) in [("cpu0", "performance\n"), ("cpu1", "powersave\n")] {
            let folder = processors.path().join(cpu).join("cpufreq");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("scaling_governor"), name).unwrap();
        }
        let check = governor(processors.path());
        assert_eq!(check.state, State::Warn);
        assert!(check.found.starts_with("performance, powersave"), "{}", check.found);
    }
}
