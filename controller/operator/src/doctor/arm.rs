//! The SDK's library and the arm behind it: as the running daemon tells, or looked at by a process of
//! its own, for the vendor's library may crash or hang.

use super::check::{Check, Report, State};
use super::configuration::{self, Named};
use super::daemon::Presence;
use jaco_api::Mode;
use jaco_config::Config;
use jaco_core::{Transport, Word};
use jaco_servo::condition::Condition;
use jaco_servo::driver::{Identity, Look};
use jaco_servo::look::{self, Blame, LookError, Looked, NoLook};
use jaco_servo::spawn::SpawnOptions;
use std::path::Path;
use std::time::Duration;

const SDK: &str = "sdk";
const ARM: &str = "arm";
/// A wedged arm makes a call of the SDK take ten seconds.
const LIMIT: Duration = Duration::from_secs(15);
/// What every name of the SDK's second library ends with.
const COMMUNICATION: &[u8] = b"CommLayerUbuntu.so";

/// Tells of library and arm. Returns the speeds that the arm allows itself, \[m/s\] and \[rad/s\],
/// if it told them.
pub fn examine(
    config: &Config,
    named: &Named,
    presence: &Presence,
    report: &mut Report,
) -> anyhow::Result<Option<(f64, f64)>> {
    if let Some(why) = presence.keeps_out() {
        report.add(Check::skipped(SDK, why.as_str()))?;
        report.add(Check::skipped(ARM, why))?;
        return Ok(None);
    }
    if presence.status().is_some() {
        tell_running(presence, report)?;
        return Ok(None);
    }
    if let Some(finding) = configuration::wrong(named, "arm.sdk") {
        let mut check = configuration::fault(SDK, finding);
        if config.sim.is_some() {
            check.remedy =
                Some("build all (`make build`), and start from the checkout's root".to_owned());
        }
        report.add(check)?;
        report.add(Check::skipped(ARM, "there is no library to reach it with"))?;
        return Ok(None);
    }
    match look::ask(&options(config)?, LIMIT) {
        Err(error) => {
            report.add(no_answer(&error))?;
            report.add(Check::skipped(ARM, "the SDK did not get that far"))?;
            Ok(None)
        }
        Ok(looked) => {
            report.add(library(config, &looked))?;
            tell_look(&looked.arm, config.sim.is_some(), report)
        }
    }
}

/// As the daemon starts its servo.
fn options(config: &Config) -> anyhow::Result<SpawnOptions> {
    let program = std::env::current_exe()?.with_file_name("jaco-servo");
    let arm = &config.arm;
    let spawn = SpawnOptions::new(program, std::path::absolute(&arm.sdk)?);
    let spawn = match &config.sim {
        Some(sim) => spawn.simulated(&sim.socket, sim.semaphore.as_deref()),
        None => spawn,
    };
    Ok(SpawnOptions {
        transport: arm.transport,
        ethernet: arm.ethernet.unwrap_or_default(),
        serial: arm.serial.clone(),
        fingers: arm.fingers,
        limits: arm.limits,
        ..spawn
    })
}

/// The arm as the daemon tells it.
fn tell_running(presence: &Presence, report: &mut Report) -> anyhow::Result<()> {
    let Some(status) = presence.status() else { return Ok(()) };
    report.add(match status.position_m {
        Some(_) => Check::ok(SDK, "the running daemon works with it"),
        None => Check::skipped(SDK, "the running daemon has it, and no arm yet: see below"),
    })?;
    let mut well = true;
    for fault in presence.faults("servo") {
        let remedy = "see docs/troubleshooting.md, \"The arm does not answer\"";
        report.add(Check::fail(ARM, fault, remedy))?;
        well = false;
    }
    for condition in Condition::ALL {
        let part = format!("arm/{}", condition.name());
        if presence.faults(&part).next().is_some() {
            report.add(of(*condition))?;
            well = false;
        }
    }
    match (well, status.mode) {
        (false, _) => Ok(()),
        (true, Mode::NoArm) => {
            report.add(Check::warn(ARM, "the daemon is still looking for it", "ask again"))
        }
        (true, mode) => {
            report.add(Check::ok(ARM, format!("the running daemon has it, mode {mode}")))
        }
    }
}

/// The process that was to look did not answer.
fn no_answer(error: &LookError) -> Check {
    let remedy = match (error, error.signal()) {
        (LookError::Start { .. }, _) => {
            return Check::skipped(SDK, format!("{error}: install all programs in one folder"));
        }
        (LookError::Hangs { .. }, _) => {
            "a call of the SDK does not return: end every other program that uses the arm, see \
             to the semaphore above, switch the arm off and on; another USB port or cable, no hub"
        }
        (_, Some(_)) => {
            "the SDK crashed: mostly because its semaphore belongs to another user (see above), \
             or because the library is of another build than its communication layer"
        }
        (_, None) => "see docs/troubleshooting.md, \"The arm does not answer\"",
    };
    Check::fail(SDK, error.to_string(), remedy)
}

/// The library, once it was loaded or refused.
fn library(config: &Config, looked: &Looked) -> Check {
    if let Err(NoLook { blame: Blame::Library, text }) = &looked.arm {
        let remedy = "install Kinova's x86-64 SDK and what it needs; arm.sdk names its \
                      *CommandLayerUbuntu.so";
        return Check::fail(SDK, text, remedy);
    }
    if !looked.missing.is_empty() {
        let kind = match config.arm.transport {
            Transport::Usb => "USB",
            Transport::Ethernet => "Ethernet",
        };
        let found =
            format!("it is no {kind} command layer: it lacks {}", looked.missing.join(", "));
        let remedy = "arm.sdk must name the command layer that fits arm.transport: \
                      *USBCommandLayerUbuntu.so or *EthCommandLayerUbuntu.so";
        return Check::fail(SDK, found, remedy);
    }
    let refused = matches!(&looked.arm, Err(NoLook { blame: Blame::Communication, .. }));
    let absent = absent_communication(&config.arm.sdk);
    if refused || absent.is_some() {
        let second = absent.unwrap_or_else(|| "its communication layer".to_owned());
        let found = format!("it does not find {second} (InitAPI: 2002)");
        let remedy = format!(
            "put {second} into the library's folder; jacod sets LD_LIBRARY_PATH to that folder \
             by itself"
        );
        return Check::fail(SDK, found, remedy);
    }
    let version = match looked.api_version {
        Some([major, minor, patch]) => format!("API {major}.{minor}.{patch}"),
        None => "an API that does not tell its version".to_owned(),
    };
    if looked.lacking.is_empty() {
        return Check::ok(SDK, version);
    }
    let found = format!("{version}; it lacks {}", looked.lacking.join(", "));
    Check::warn(SDK, found, "it can be driven without; a newer SDK has them")
}

/// The SDK's second library, which the first opens by a bare name, if it is not beside it.
fn absent_communication(library: &Path) -> Option<String> {
    let bytes = std::fs::read(library).ok()?;
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    let ends = bytes.windows(COMMUNICATION.len()).enumerate();
    let mut names = ends.filter(|(_, window)| *window == COMMUNICATION).map(|(start, _)| {
        let before = bytes[..start].iter().rev().take_while(|byte| is_of_name(byte)).count();
        String::from_utf8_lossy(&bytes[start - before..start + COMMUNICATION.len()]).into_owned()
    });
    let folder = library.parent()?;
    names.find(|name| !folder.join(name).exists())
}

fn tell_look(
    arm: &Result<Look, NoLook>,
    simulated: bool,
    report: &mut Report,
) -> anyhow::Result<Option<(f64, f64)>> {
    match arm {
        Ok(Look { identity, homed, conditions }) => {
            report.add(Check::ok(ARM, in_words(identity, *homed)))?;
            for condition in conditions.iter() {
                report.add(of(condition))?;
            }
            Ok(Some(identity.own_speed))
        }
        Err(NoLook { blame: Blame::Library | Blame::Communication, .. }) => {
            report.add(Check::skipped(ARM, "the SDK does not load"))?;
            Ok(None)
        }
        Err(NoLook { blame, text }) => {
            let remedy = match blame {
                Blame::Absence if simulated => "see to the simulated arm above",
                blame => remedy(*blame),
            };
            report.add(Check::fail(ARM, text, remedy))?;
            Ok(None)
        }
    }
}

fn in_words(identity: &Identity, homed: bool) -> String {
    let Identity { serial, model, uptime_s, .. } = identity;
    let minutes = (uptime_s / 60.0) as u64;
    let homed = if homed { "homed" } else { "not homed" };
    format!("{serial} ({model}), on for {} h {} min, {homed}", minutes / 60, minutes % 60)
}

fn remedy(blame: Blame) -> &'static str {
    match blame {
        Blame::Library | Blame::Communication => "install Kinova's SDK",
        Blame::Semaphore => "see the semaphore above",
        Blame::Absence => {
            "switch the arm on, plug its cable in, install deploy/udev/60-kinova.rules, end other \
             programs that use it"
        }
        Blame::Owner => {
            "end that process, or ask the daemon that it belongs to (--socket, --config)"
        }
        Blame::Kind => "connect another arm: this one cannot be driven",
        Blame::Settings => "set arm.serial and arm.fingers in the configuration to what is there",
        Blame::Call => {
            "look again; if it stays: another USB port or cable, switch the arm off and on"
        }
    }
}

/// One thing that is not as it should be. Its words say what to do, behind a colon.
fn of(condition: Condition) -> Check {
    let state = match condition {
        Condition::NotHomed
        | Condition::FingersNotInitialised
        | Condition::JointsUnreadable
        | Condition::SlowCalls
        | Condition::SlowerThanLimits => State::Warn,
        _ => State::Fail,
    };
    let words = condition.to_string();
    let (found, remedy) = match words.split_once(": ") {
        Some((found, remedy)) => (found.to_owned(), Some(remedy.to_owned())),
        None => (words, None),
    };
    Check { name: format!("{ARM}/{}", condition.name()), state, found, remedy }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Builds name it differently: "USBCommLayerUbuntu.so", "Kinova.API.CommLayerUbuntu.so".
    #[test]
    fn the_second_library_is_the_one_that_the_first_opens() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("USBCommandLayerUbuntu.so");
        std::fs::write(
            &library,
            b"\x7fELF\0USBCommandLayerUbuntu.so\0Kinova.API.CommLayerUbuntu.so\0",
        )
        .unwrap();
        let second = "Kinova.API.CommLayerUbuntu.so";
        assert_eq!(absent_communication(&library).as_deref(), Some(second));
        std::fs::write(folder.path().join(second), "").unwrap();
        assert_eq!(absent_communication(&library), None);
    }

    #[test]
    fn conditions_say_what_to_do() {
        let check = of(Condition::NotHomed);
        assert_eq!((check.name.as_str(), check.state), ("arm/not-homed", State::Warn));
        assert_eq!(check.remedy.as_deref(), Some("`jaco home`"));
    }
}
