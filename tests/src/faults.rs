//! docs/faults.md as data: what its rows say a fault does, and the judgement whether it did.

use crate::Rig;
use anyhow::{Context, bail, ensure};
use jaco_sim_link::ControlClient;

const TABLE: &str = include_str!("../../docs/faults.md");

/// Below this the arm counts as standing still: 0.05 mm a tick.
pub const STILL_M_S: f64 = 0.005;
/// Ticks for which an arm that stands must go on standing.
const STAYS_TICKS: u64 = 30;

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name.
    pub id: &'static str,
    told: &'static str,
    arm: &'static str,
    back: &'static str,
}

impl Row {
    /// All rows.
    pub fn all() -> Vec<Row> {
        let cells = TABLE
            .lines()
            .filter(|line| line.starts_with("| ") && !line.starts_with("| row |"))
            .map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
        cells
            .map(|cells| match cells[..] {
                [id, _what, _while, told, arm, back] => Row { id, told, arm, back },
                _ => panic!("docs/faults.md: a row with {} cells: {cells:?}", cells.len()),
            })
            .collect()
    }

    /// The row called `id`.
    pub fn of(id: &str) -> Row {
        let row = Self::all().into_iter().find(|row| row.id == id);
        row.unwrap_or_else(|| panic!("docs/faults.md has no row {id}"))
    }

    /// The texts that the operator is shown.
    pub fn told(&self) -> impl Iterator<Item = &'static str> {
        self.told.split('"').skip(1).step_by(2)
    }

    /// Fails unless `said` holds each of the texts that the row promises.
    pub fn is_told(&self, said: &str) {
        for text in self.told() {
            assert!(said.contains(text), "{}: {text:?} was not told, but: {said}", self.id);
        }
    }

    /// Fails unless the arm does what the row says after a fault at `since_ns` of simulated time.
    pub fn judge_arm(&self, sim: &mut ControlClient, since_ns: u64) -> anyhow::Result<()> {
        let within_ms = match self.arm {
            "rests" => 0,
            "goes on" | "is the person's" => return Ok(()),
            other => other
                .strip_prefix("stands in ")
                .and_then(|rest| rest.strip_suffix(" ms"))
                .and_then(|ms| ms.parse().ok())
                .with_context(|| format!("{}: {other:?} is no fate of an arm", self.id))?,
        };
        let mut status = sim.status()?;
        while status.arm_speed_m_s >= STILL_M_S {
            let since_ms = (status.simulated_ns - since_ns) / 1_000_000;
            ensure!(
                since_ms < within_ms,
                "{}: {since_ms} ms after the fault the arm moves at {:.3} m/s",
                self.id,
                status.arm_speed_m_s
            );
            sim.wait(1)?;
            status = sim.status()?;
        }
        for _ in 0..STAYS_TICKS {
            sim.wait(1)?;
            let speed_m_s = sim.status()?.arm_speed_m_s;
            ensure!(speed_m_s < STILL_M_S, "{}: the arm moves again: {speed_m_s} m/s", self.id);
        }
        Ok(())
    }

    /// Carries out what the row says brings the arm back, and waits until it is idle.
    pub fn bring_back(&self, rig: &Rig) -> anyhow::Result<()> {
        let commands: Vec<&str> = self.back.split('`').skip(1).step_by(2).collect();
        ensure!(
            !commands.is_empty() || self.back == "by itself",
            "{}: {:?} names no command",
            self.id,
            self.back
        );
        if !commands.is_empty() {
            // What the commands need is an arm that answers again.
            rig.until("an arm that answers", |status| status.position_m.is_some())?;
        }
        for command in commands {
            let Some(verb) = command.strip_prefix("jaco ") else {
                bail!("{}: {command:?} is no verb of jaco", self.id);
            };
            rig.jaco_json(&[verb]).with_context(|| format!("{}: way back", self.id))?;
        }
        rig.until("idle", |status| status.mode == jaco_api::Mode::Idle)?;
        Ok(())
    }
}
