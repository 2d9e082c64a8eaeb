//! Every row of docs/faults.md, tried on the real programs: what the operator is told, whether
//! the arm stands by the simulator's own speed, and how it comes back.

#![allow(clippy::unwrap_used)]

mod arm;
mod cameras;
mod clients;
mod ends;
mod kinds;
mod owners;
mod servo;
mod wire;

use jaco_sim_link::ControlClient;
use jaco_sim_link::control::Faults;
use jaco_tests::faults::Row;
use jaco_tests::{Rig, Running};
use std::collections::BTreeSet;

/// Simulated time now \[ns\].
fn now_ns(sim: &mut ControlClient) -> u64 {
    sim.status().unwrap().simulated_ns
}

/// Makes exactly these faults present; the simulated time of it \[ns\].
fn inject(sim: &mut ControlClient, faults: Faults) -> u64 {
    sim.inject(faults).unwrap();
    now_ns(sim)
}

/// Makes arm and camera healthy.
fn heal(sim: &mut ControlClient) {
    sim.inject(Faults::default()).unwrap();
}

/// What a verb of `jaco` said at its end, which was no success.
fn failed(running: Running) -> String {
    let (said, status) = running.end().unwrap();
    assert!(!status.success(), "{said}");
    said
}

/// What the operator sees of the daemon now.
fn shown(rig: &Rig) -> String {
    serde_json::to_string(&rig.status().unwrap()).unwrap()
}

/// What the daemon shows once it shows all that `row` promises.
fn is_shown(rig: &Rig, row: &Row) {
    rig.until("what the row says is told", |status| {
        let said = serde_json::to_string(status).unwrap();
        row.told().all(|text| said.contains(text))
    })
    .unwrap();
}

#[test]
fn every_row_has_a_test_and_every_test_a_row() {
    let sources = [
        include_str!("servo.rs"),
        include_str!("arm.rs"),
        include_str!("ends.rs"),
        include_str!("cameras.rs"),
        include_str!("clients.rs"),
        include_str!("kinds.rs"),
        include_str!("owners.rs"),
        include_str!("wire.rs"),
    ];
    let tried: Vec<&str> = sources
        .iter()
        .flat_map(|source| source.split("Row::of(\"").skip(1))
        .filter_map(|rest| rest.split('"').next())
        .collect();
    let rows = Row::all();
    let rows: BTreeSet<&str> = rows.iter().map(|row| row.id).collect();
    assert_eq!(rows, tried.iter().copied().collect());
    assert_eq!(rows.len(), tried.len(), "a row is tried once: {tried:?}");
}
