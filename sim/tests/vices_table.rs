//! The table in docs/simulation.md names every vice, what it is in health, and whether a schedule
//! plays it.
#![allow(clippy::unwrap_used)]

use jaco_sim::server::Schedule;
use jaco_sim_link::control::Faults;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

const TABLE: &str = include_str!("../../docs/simulation.md");

/// Vice to its value in health and whether it is scheduled.
fn rows() -> BTreeMap<String, (Value, bool)> {
    let cells = TABLE
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    cells
        .map(|cells| match cells[..] {
            [name, _what, _source, _unit, health, scheduled] => {
                let health = serde_json::from_str(health).unwrap();
                (name.trim_matches('`').to_owned(), (health, scheduled == "yes"))
            }
            _ => panic!("docs/simulation.md: a row with {} cells: {cells:?}", cells.len()),
        })
        .collect()
}

fn as_object(faults: &Faults) -> Map<String, Value> {
    serde_json::to_value(faults).unwrap().as_object().unwrap().clone()
}

#[test]
fn the_table_has_every_vice_with_its_value_in_health() {
    let written: Map<String, Value> =
        rows().into_iter().map(|(name, (health, _))| (name, health)).collect();
    assert_eq!(written, as_object(&Faults::default()));
}

#[test]
fn the_table_tells_what_a_schedule_plays() {
    let healthy = as_object(&Faults::default());
    let mut schedule = Schedule::new(1, Faults::default(), 0);
    let mut played = BTreeSet::new();
    for _ in 0..2000 {
        let faults = schedule.change(schedule.due_tick()).unwrap();
        let struck = as_object(&faults).into_iter().filter(|(name, value)| healthy[name] != *value);
        played.extend(struck.map(|(name, _)| name));
    }
    let written = rows().into_iter().filter(|(_, (_, scheduled))| *scheduled).map(|(name, _)| name);
    assert_eq!(written.collect::<BTreeSet<_>>(), played);
}

#[test]
fn the_examples_are_taken() {
    assert!(Faults::parse(r#"{"dead_zone_m_s":0.03}"#).is_ok() && TABLE.contains("dead_zone_m_s"));
    for example in TABLE.split('`').filter(|text| text.starts_with("{\"")) {
        jaco_sim_link::control::Request::parse(example).unwrap();
    }
}
