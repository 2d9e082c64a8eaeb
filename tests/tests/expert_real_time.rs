//! The scripted expert through the C ABI in real time: the servo's process, the SDK's stand-in
//! and the simulation, no policy and no daemon. What the tasks allow at best.

#![allow(clippy::unwrap_used)]

use jaco_core::{TICKS_PER_STEP, Task};
use jaco_servo::message::FromServo;
use jaco_servo::spawn::{ServoLink, SpawnOptions, spawn};
use jaco_servo::{Command, Mode, ServoStatus};
use jaco_sim_link::ControlClient;
use jaco_tests::{Sim, built};
use std::time::Duration;

/// Silence after which the servo counts as lost; far beyond its period of 10 ms.
const SILENCE: Duration = Duration::from_secs(30);
/// Steps of 100 ms after which an attempt has failed.
const MAX_STEPS: u64 = 300;
/// Ticks into a step at which the action of the next step is asked for.
const ASK_AT_TICK: u64 = TICKS_PER_STEP - 3;

fn next(link: &ServoLink) -> ServoStatus {
    let status = loop {
        match link.recv_timeout(SILENCE).unwrap().expect("the servo reports every tick") {
            FromServo::Status(status) => break status,
            FromServo::Starting(_) => {}
            FromServo::LastWords(why) => panic!("{why}"),
        }
    };
    link.send(&Command::Heartbeat).unwrap();
    status
}

fn home(link: &ServoLink) {
    link.send(&Command::Home).unwrap();
    while next(link).report.mode != Mode::Homing {}
    while next(link).report.mode == Mode::Homing {}
    assert!(next(link).homed);
}

/// Whether the expert achieves `task` with the placement of `seed`.
fn demonstrate(sim: &mut ControlClient, link: &ServoLink, task: Task, seed: u64) -> bool {
    sim.reset(task, seed).unwrap();
    link.send(&Command::Hold).unwrap();
    while !next(link).at_rest {}
    link.send(&Command::StartMotion).unwrap();
    let action = sim.demonstrate().unwrap();
    link.send(&Command::Motion { step: 0, action }).unwrap();
    let (mut running, mut ticks) = (None, 0);
    loop {
        let status = next(link);
        if status.report.step != running {
            (running, ticks) = (status.report.step, 0);
        }
        ticks += 1;
        let Some(step) = running else { continue };
        if ticks == ASK_AT_TICK {
            let action = sim.demonstrate().unwrap();
            link.send(&Command::Motion { step: step + 1, action }).unwrap();
        }
        if sim.outcome().unwrap().success {
            return true;
        }
        if step >= MAX_STEPS {
            return false;
        }
    }
}

/// Successes of `trials` attempts at each task.
fn attempts(trials: u64) -> Vec<(Task, u64)> {
    let simulation = Sim::start().unwrap();
    let mut sim = ControlClient::connect(&simulation.socket()).unwrap();
    let options = SpawnOptions {
        environment: vec![("JACO_SIM_SOCKET".into(), simulation.socket().into())],
        ..SpawnOptions::new(built("jaco-servo").unwrap(), built("libjaco_sim_sdk.so").unwrap())
    };
    let servo = spawn(&options).unwrap();
    let link = servo.link();
    home(link);
    let successes = |task| (0..trials).filter(|&n| demonstrate(&mut sim, link, task, n)).count();
    let counts = Task::ALL.map(successes);
    let ended = servo.end();
    assert!(ended.status.is_some_and(|status| status.success()), "{ended}");
    Task::ALL.into_iter().zip(counts.map(|count| count as u64)).collect()
}

#[test]
fn the_expert_achieves_every_task() {
    for (task, successes) in attempts(1) {
        assert_eq!(successes, 1, "{task}");
    }
}

/// Three minutes: `cargo test -p jaco-tests --test expert_real_time -- --ignored`.
#[test]
#[ignore = "takes three minutes"]
fn the_expert_achieves_every_task_five_times_of_five() {
    for (task, successes) in attempts(5) {
        assert_eq!(successes, 5, "{task}");
    }
}
