//! The `control` channel: what an experimenter does to the simulated table, and what only he may
//! know. The success verdict is here and nowhere else.

use crate::LinkError;
pub use crate::faults::{Faults, Group};
use crate::json::{line, parse};
use crate::wire::{Channel, open, read_line, write_line};
use jaco_core::{Action, Task};
use serde::{Deserialize, Serialize};
use std::io::BufReader;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Longest line on this channel.
pub const MAX_LINE_BYTES: usize = 4096;

/// A request, e.g. `"status"` or `{"reset":{"task":"place-block","seed":3}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Places the objects of a task, and the homed arm at its home position, with nothing queued.
    Reset {
        /// The task.
        task: Task,
        /// Decides the placement.
        seed: u64,
    },
    /// Has the task been achieved?
    Outcome,
    /// What the scripted expert, who knows where everything is, would do in the next step. Every
    /// request is a step of its demonstration, which begins at the reset.
    Demonstrate,
    /// How the simulation runs.
    Status,
    /// Answers when so many more ticks of 10 ms have passed in the simulation.
    Wait {
        /// How many.
        ticks: u64,
    },
    /// Begins a schedule: vices drawn by the seed come and go, on top of the faults now present.
    Schedule {
        /// Decides which and when.
        seed: u64,
    },
    /// Makes exactly these faults present; what is left out is healthy. Ends a schedule.
    Inject(Box<Faults>),
    /// Ends `jaco-sim`.
    Quit,
}

/// The verdict on the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutcomeReport {
    /// Whether the task is achieved.
    pub success: bool,
    /// For how long it has been so \[ns, simulated\].
    pub stable_ns: u64,
    /// From the object to its goal \[m\].
    pub distance_m: f64,
    /// In words.
    pub detail: String,
}

/// How the simulation runs. Says nothing of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Simulated time \[ns\].
    pub simulated_ns: u64,
    /// Ticks of 10 ms since the start.
    pub ticks: u64,
    /// Ticks that began more than half a tick late.
    pub late_ticks: u64,
    /// Ticks given up because the simulation was too far behind real time.
    pub dropped_ticks: u64,
    /// Median lateness of ticks \[us\], since the start or the last reset.
    pub lateness_p50_us: u64,
    /// 99 % quantile of the same \[us\].
    pub lateness_p99_us: u64,
    /// Trajectory points finished during the last simulated second.
    pub points_per_s: u32,
    /// Points taken into the arm's FIFO since the last reset.
    pub points_taken: u64,
    /// Points dropped since then, though answered with 1: no control, or no room.
    pub points_dropped: u64,
    /// Trajectory points waiting.
    pub fifo_count: u32,
    /// Most points that waited at once since the last reset.
    pub most_fifo: u32,
    /// The tool point, base frame \[m\].
    pub tool_m: [f64; 3],
    /// Mean opening of the fingers, 0 closed to 1 open.
    pub opening: f64,
    /// Speed of the tool point \[m/s\].
    pub arm_speed_m_s: f64,
    /// Whether the arm is homed.
    pub homed: bool,
    /// Whether a homing is under way.
    pub homing: bool,
    /// Whether the API has control; if not, the joystick has.
    pub has_control: bool,
    /// SDK clients connected.
    pub sdk_clients: u32,
    /// The task laid out.
    pub task: Task,
    /// Its seed.
    pub seed: u64,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Done.
    Done,
    /// To [`Request::Outcome`].
    Outcome(OutcomeReport),
    /// To [`Request::Status`].
    Status(Status),
    /// To [`Request::Demonstrate`].
    Action(Action),
    /// Refused, and why.
    Error(String),
}

impl Request {
    /// Parses one line, and checks the faults that it may hold.
    pub fn parse(line: &str) -> Result<Self, LinkError> {
        let request = parse("control request", line)?;
        if let Request::Inject(faults) = &request {
            faults.check()?;
        }
        Ok(request)
    }
}

impl Reply {
    /// The answer as one line.
    pub fn line(&self) -> Result<String, LinkError> {
        line(self)
    }
}

/// A client of the control channel.
#[derive(Debug)]
pub struct ControlClient {
    stream: BufReader<UnixStream>,
}

impl ControlClient {
    /// Connects to the socket at `path`.
    pub fn connect(path: &Path) -> Result<Self, LinkError> {
        Ok(Self { stream: BufReader::new(open(path, Channel::Control)?) })
    }

    /// Lays out `task` with the placement that `seed` decides; homes the arm at once.
    pub fn reset(&mut self, task: Task, seed: u64) -> Result<(), LinkError> {
        self.done(&Request::Reset { task, seed })
    }

    /// The verdict on the task.
    pub fn outcome(&mut self) -> Result<OutcomeReport, LinkError> {
        match self.ask(&Request::Outcome)? {
            Reply::Outcome(outcome) => Ok(outcome),
            other => Err(unexpected(&other)),
        }
    }

    /// How the simulation runs.
    pub fn status(&mut self) -> Result<Status, LinkError> {
        match self.ask(&Request::Status)? {
            Reply::Status(status) => Ok(status),
            other => Err(unexpected(&other)),
        }
    }

    /// The expert's action for the next step of 100 ms.
    pub fn demonstrate(&mut self) -> Result<Action, LinkError> {
        match self.ask(&Request::Demonstrate)? {
            Reply::Action(action) => Ok(action),
            other => Err(unexpected(&other)),
        }
    }

    /// Waits until `ticks` more ticks of 10 ms have passed in the simulation.
    pub fn wait(&mut self, ticks: u64) -> Result<(), LinkError> {
        self.done(&Request::Wait { ticks })
    }

    /// Makes exactly these faults present.
    pub fn inject(&mut self, faults: Faults) -> Result<(), LinkError> {
        self.done(&Request::Inject(Box::new(faults)))
    }

    /// Begins the schedule of faults of `seed`.
    pub fn schedule(&mut self, seed: u64) -> Result<(), LinkError> {
        self.done(&Request::Schedule { seed })
    }

    /// Ends `jaco-sim`.
    pub fn quit(&mut self) -> Result<(), LinkError> {
        self.done(&Request::Quit)
    }

    fn done(&mut self, request: &Request) -> Result<(), LinkError> {
        match self.ask(request)? {
            Reply::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    fn ask(&mut self, request: &Request) -> Result<Reply, LinkError> {
        write_line(self.stream.get_mut(), &line(request)?)?;
        let reply = read_line(&mut self.stream, MAX_LINE_BYTES)?.ok_or(LinkError::Closed)?;
        match parse("control reply", &reply)? {
            Reply::Error(reason) => Err(LinkError::Refused(reason)),
            reply => Ok(reply),
        }
    }
}

/// The reply's kind, as it stands on the wire.
fn kind(reply: &Reply) -> &'static str {
    match reply {
        Reply::Done => "done",
        Reply::Outcome(_) => "outcome",
        Reply::Status(_) => "status",
        Reply::Action(_) => "action",
        Reply::Error(_) => "error",
    }
}

fn unexpected(reply: &Reply) -> LinkError {
    LinkError::Malformed {
        what: "control reply",
        detail: format!("{} answers another", kind(reply)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn requests_survive_the_wire(
            seed: u64,
            slow_calls_ms: u64,
            hang: bool,
            joystick_axis in -1f32..1.0,
        ) {
            let faults = Faults { slow_calls_ms, hang, joystick_axis, ..Faults::default() };
            for request in [
                Request::Reset { task: Task::RelocateCup, seed },
                Request::Inject(Box::new(faults.clone())),
                Request::Outcome,
                Request::Status,
                Request::Demonstrate,
                Request::Wait { ticks: seed },
                Request::Schedule { seed },
                Request::Quit,
            ] {
                prop_assert_eq!(Request::parse(&line(&request).unwrap()).unwrap(), request);
            }
        }

        #[test]
        fn no_line_makes_parsing_panic(line in ".{0,100}") {
            let _ = Request::parse(&line);
        }
    }

    #[test]
    fn requests_are_written_as_documented() {
        assert_eq!(Request::parse("\"status\"").unwrap(), Request::Status);
        assert_eq!(
            Request::parse(r#"{"reset":{"task":"place-block","seed":3}}"#).unwrap(),
            Request::Reset { task: Task::PlaceBlock, seed: 3 }
        );
        assert_eq!(
            Request::parse(r#"{"inject":{"fail_next_reads":2}}"#).unwrap(),
            Request::Inject(Box::new(Faults { fail_next_reads: 2, ..Faults::default() }))
        );
    }

    #[test]
    fn a_misspelt_request_is_told() {
        for line in
            [r#""stauts""#, r#"{"inject":{"hangs":true}}"#, r#"{"reset":{"seed":1}}"#, "{3:1}"]
        {
            let error = Request::parse(line).unwrap_err();
            assert!(matches!(error, LinkError::Malformed { .. }), "{error}");
            // Found by fuzzing: "key must be a string at line 1 column 3".
            assert!(!error.to_string().contains(" at line "), "{error}");
        }
    }
}
