//! `jaco doctor` on the simulated arm: what is wrong is told with what to do, nothing hangs it, and it
//! disturbs nobody.

#![allow(clippy::unwrap_used)]

use jaco_config::Config;
use jaco_sim_link::ControlClient;
use jaco_sim_link::control::Faults;
use jaco_tests::{Rig, Sim, built, poll};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

const MINI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../model/mini");

/// The shipped configuration of a simulated arm, with the paths of `sim`, changed by `change`.
fn config(sim: &Sim, change: impl FnOnce(&mut Config)) -> PathBuf {
    let text = include_str!("../../config/sim.toml");
    let mut config = Config::parse(text, "config/sim.toml").unwrap();
    config.paths.data_dir = sim.path("data");
    config.api.socket = sim.path("jacod.sock");
    config.arm.sdk = built("libjaco_sim_sdk.so").unwrap();
    config.policy.checkpoint = MINI.into();
    config.sim = Some(jaco_config::Sim { socket: sim.socket(), semaphore: None });
    change(&mut config);
    let path = sim.path("jacod.toml");
    std::fs::write(&path, toml::to_string(&config).unwrap()).unwrap();
    path
}

/// A report, and the exit code.
struct Told {
    report: Value,
    code: Option<i32>,
}

impl Told {
    /// The check of this name.
    fn check(&self, name: &str) -> &Value {
        let checks = self.report["checks"].as_array().unwrap();
        let found = checks.iter().find(|check| check["name"] == name);
        found.unwrap_or_else(|| panic!("no check {name}: {:#}", self.report))
    }

    /// The check has this state, and says these words.
    fn says(&self, name: &str, state: &str, words: &str) {
        let check = self.check(name);
        assert_eq!(check["state"], state, "{check:#}");
        let found = check["found"].as_str().unwrap();
        assert!(found.contains(words), "{name} should say {words:?}: {check:#}");
        let must_advise = matches!(state, "fail" | "warn");
        assert!(!must_advise || check["remedy"].is_string(), "no remedy: {check:#}");
    }
}

fn examined(command: &mut Command) -> Told {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("panicked"), "{said}");
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("no object on stdout ({error}): {said}"));
    Told { report, code: output.status.code() }
}

fn doctor(config: &Path) -> Command {
    let mut command = Command::new(built("jaco").unwrap());
    command.args(["doctor", "--json", "--config"]).arg(config).env_remove("JACO_SOCKET");
    command
}

fn inject(sim: &Sim, faults: Faults) {
    ControlClient::connect(&sim.socket()).unwrap().inject(faults).unwrap();
}

#[test]
fn a_healthy_simulated_set_up_has_no_failed_check() {
    let sim = Sim::start_as(true).unwrap();
    let told = examined(&mut doctor(&config(&sim, |_| {})));
    assert_eq!((told.code, &told.report["failed"]), (Some(0), &0.into()), "{:#}", told.report);
    told.says("jacod", "ok", "none runs on");
    told.says("simulated-arm", "ok", "answers");
    told.says("sdk", "ok", "API 5.2.0");
    told.says("arm", "ok", "SIM-");
    told.says("usb", "skipped", "simulated");
    told.says("libtorch", "ok", "2.11.0");
    told.says("checkpoint", "ok", "weights not loaded");
    assert!(told.check("limits")["found"].as_str().unwrap().contains("linear_speed_m_s "));
    assert!(told.check("camera front")["found"].as_str().unwrap().contains("128 x 128"));
    assert!(!sim.path("data").exists(), "nothing is made");
}

#[test]
fn people_get_a_line_for_each_check_and_advice_only_where_something_is_wrong() {
    let sim = Sim::start().unwrap();
    let config = config(&sim, |_| {});
    let mut command = Command::new(built("jaco").unwrap());
    let output = command.arg("doctor").arg("--config").arg(config).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let has = |start: &str| said.lines().any(|line| line.starts_with(start));
    assert!(has("ok      configuration   "), "{said}");
    assert!(has("warn    arm/not-homed   "), "{said}");
    assert!(has("        -> `jaco home`"), "{said}");
    assert!(said.trim_end().lines().last().unwrap().contains(" checks: 0 failed"), "{said}");
}

#[test]
fn an_arm_with_seven_joints_fails_in_words() {
    let sim = Sim::start().unwrap();
    inject(&sim, Faults { robot_type: Some(8), ..Faults::default() });
    let told = examined(&mut doctor(&config(&sim, |_| {})));
    assert_eq!(told.code, Some(1));
    told.says("sdk", "ok", "API");
    told.says("arm", "fail", "an arm with seven joints");
}

#[test]
fn an_sdk_that_is_not_there_fails_and_the_rest_is_looked_at() {
    let sim = Sim::start().unwrap();
    let config = config(&sim, |config| config.arm.sdk = "/nowhere/USBCommandLayerUbuntu.so".into());
    let told = examined(&mut doctor(&config));
    assert_eq!(told.code, Some(1));
    told.says("sdk", "fail", "/nowhere/USBCommandLayerUbuntu.so is not there");
    told.says("arm", "skipped", "no library");
    told.says("checkpoint", "ok", "weights not loaded");
}

/// Any library loads; that it is no SDK shows in what it lacks.
#[test]
fn a_library_that_is_no_sdk_is_told_by_what_it_lacks() {
    let sim = Sim::start().unwrap();
    let config = config(&sim, |config| config.arm.sdk = "/lib/x86_64-linux-gnu/libm.so.6".into());
    let told = examined(&mut doctor(&config));
    assert_eq!(told.code, Some(1));
    told.says("sdk", "fail", "InitAPI");
}

#[test]
fn an_sdk_that_hangs_does_not_hang_the_doctor() {
    let sim = Sim::start().unwrap();
    inject(&sim, Faults { hang: true, ..Faults::default() });
    let told = examined(&mut doctor(&config(&sim, |_| {})));
    assert_eq!(told.code, Some(1));
    told.says("sdk", "fail", "nothing came back within");
    told.says("arm", "skipped", "");
    told.says("checkpoint", "ok", "weights not loaded");
}

/// The vendor's InitAPI does where another user's semaphore is in its way.
#[test]
fn an_sdk_that_crashes_is_told_as_such() {
    let sim = Sim::start().unwrap();
    let (source, library) = (sim.path("crash.c"), sim.path("libcrash.so"));
    let code = "int GetAPIVersion(int *v) { v[0] = 5; v[1] = 2; v[2] = 0; return 1; }\n\
                int InitAPI(void) { __builtin_trap(); }\n";
    std::fs::write(&source, code).unwrap();
    let mut compiler = Command::new("cc");
    let compiled = compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    assert!(compiled.unwrap().success());
    let told = examined(&mut doctor(&config(&sim, |config| config.arm.sdk = library)));
    assert_eq!(told.code, Some(1));
    told.says("sdk", "fail", "signal: ");
    told.says("arm", "skipped", "");
    assert!(told.check("sdk")["remedy"].as_str().unwrap().contains("semaphore"));
}

#[test]
fn a_semaphore_that_failed_reads_used_up_is_told_and_one_that_was_not_there_is_not_left() {
    let sim = Sim::start().unwrap();
    let name = format!("/jaco-doctor-{}", std::process::id());
    let file = PathBuf::from(format!("/dev/shm/sem.{}", name.trim_start_matches('/')));
    let semaphore = name.clone();
    let path = config(&sim, |config| config.sim.as_mut().unwrap().semaphore = Some(semaphore));
    let told = examined(&mut doctor(&path));
    told.says("semaphore", "ok", "is not there");
    told.says("arm", "ok", "SIM-");
    assert!(!file.exists(), "whoever only looks leaves none");

    std::fs::write(&file, [0; 32]).unwrap();
    let told = examined(&mut doctor(&path));
    std::fs::remove_file(&file).unwrap();
    told.says("semaphore", "warn", "value 0");
}

#[test]
fn a_configuration_with_faults_is_told_line_by_line_with_its_own_exit_code() {
    let sim = Sim::start().unwrap();
    let path = config(&sim, |_| {});
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("fingers = 3", "finger = 3").replace("device = \"cpu\"", "device = 7");
    std::fs::write(&path, text).unwrap();
    let told = examined(&mut doctor(&path));
    assert_eq!(told.code, Some(2));
    told.says("configuration", "fail", "did you mean \"fingers\"?");
    told.says("configuration", "fail", "policy.device = 7");
    told.check("real-time");

    let told = examined(&mut doctor(&sim.path("none.toml")));
    assert_eq!(told.code, Some(2));
    told.says("configuration", "fail", "there is none");
}

#[test]
fn a_running_daemon_is_not_disturbed() {
    let rig = Rig::homed().unwrap();
    let before = rig.until("idle", |status| status.mode == jaco_api::Mode::Idle).unwrap();
    let told = examined(&mut doctor(&rig.path("jacod.toml")));
    assert_eq!((told.code, &told.report["failed"]), (Some(0), &0.into()), "{:#}", told.report);
    told.says("jacod", "ok", "mode idle");
    told.says("arm", "ok", "the running daemon has it");
    told.says("checkpoint", "ok", "runs in the daemon");
    // The arm is followed as before, by the same servo, which has control.
    poll("ticks that go on", || Ok((rig.status()?.ticks > before.ticks + 100).then_some(())))
        .unwrap();
    let after = rig.status().unwrap();
    assert_eq!((after.servo_restarts, after.mode), (0, jaco_api::Mode::Idle));
    assert_eq!(after.faults, before.faults);
}
