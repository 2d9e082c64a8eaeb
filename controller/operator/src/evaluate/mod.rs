//! `jaco eval --arm`: the protocol of an evaluation through the daemon, in real time.
//!
//! On the simulated arm the placements are those of lockstep, and the simulation's task test judges.
//! At a real one a person sets the table and judges. Every try that counts is on the disk before
//! the next one, so a session that was broken off goes on where it was.

mod facts;
mod flow;
mod path;

use crate::run::{Outcome, attempt_until, place, settle, wait_for_success};
use crate::session::terminal::{Key as Pressed, Keys};
use anyhow::Context;
use flow::{Event, State};
use jaco_api::client::{Client, ClientError};
use jaco_api::{Done, Placement, PolicyStatus, RunRequest, Status};
use jaco_cli::EvalArgs;
use jaco_core::{Cause, Task, Verdict};
use jaco_shell::args::{Unusable, blames_path};
use jaco_shell::say;
use jaco_sim_link::seeds::{Purpose, episode_seed};
use jaco_trials::{Arm, Asked, Cell, Evaluations, Key, TrialStore, Try};
use path::PathWatch;
use std::collections::HashSet;
use std::path::PathBuf;

/// Faults in a row after which a try that nobody judges counts as a failure.
const MOST_FAULTS: u32 = 3;

/// `jaco eval --arm`. True when all tries are made.
pub async fn evaluate(client: &Client, args: &EvalArgs, json: bool) -> anyhow::Result<bool> {
    let status: Status = client.get("/v1/status").await?;
    let Some(policy) = &status.policy else {
        let why = format!("the daemon has no policy: {}", status.faults.join("; "));
        return Err(ClientError::Refused(why).into());
    };
    let (asked, cells) = plan(args, policy, status.sim_socket.is_some())?;
    let folder = args.out.as_deref().context("--out names the folder of the tries")?;
    let store = TrialStore::open(folder, asked.clone()).map_err(|error| {
        match error.io().map(blames_path) {
            Some(false) => anyhow::Error::from(error).context("cannot keep the tries"),
            _ => Unusable(format!("--out: {error}")).into(),
        }
    })?;
    let mut session = Session {
        client,
        store,
        keys: None,
        sim_socket: status.sim_socket.clone(),
        instruction: args.instruction.clone(),
    };
    let wanted = tries(&asked, &cells);
    let todo: Vec<_> =
        wanted.iter().filter(|(cell, at)| !session.store.has(cell, at.0, at.1)).collect();
    if !todo.is_empty() {
        if let Some(socket) = &status.sim_socket {
            // An evaluation that was killed may have put the arm home a moment ago.
            settle(socket).await?;
        }
        let _: Done = client.post("/v1/home", &serde_json::json!({})).await?;
    }
    let mut left = false;
    for (number, (cell, at)) in todo.iter().enumerate() {
        say::aside(format_args!(
            "try {} of {}: {}, placement {}{}, H = {}",
            number + 1,
            todo.len(),
            cell.task,
            at.0,
            if at.1 > 0 { format!(" once more ({})", at.1 + 1) } else { String::new() },
            cell.horizon
        ));
        if !session.make(cell, *at).await? {
            left = true;
            say::aside("left: the same command goes on from here");
            break;
        }
    }
    let made: HashSet<Key> = wanted.iter().map(|(cell, at)| Key::new(cell, at.0, at.1)).collect();
    let of_plan = session.store.tries().iter().filter(|one| made.contains(&one.key()));
    let tries: Vec<Try> = of_plan.cloned().collect();
    say::print(json, &Evaluations::of(&asked, &cells, &tries))?;
    Ok(!left)
}

/// What is asked for, and the cells of it.
fn plan(
    args: &EvalArgs,
    policy: &PolicyStatus,
    simulated: bool,
) -> anyhow::Result<(Asked, Vec<Cell>)> {
    let beyond = |horizon: &u8| usize::from(*horizon) > policy.horizon;
    if let Some(asked) = args.horizons().into_iter().find(beyond) {
        let trained = policy.horizon;
        let why = format!("horizon {asked}: the policy decodes 1 to {trained} action units");
        return Err(Unusable(why).into());
    }
    let known = facts::policy(policy, args.label.as_deref())?;
    let decoding = policy
        .decoding
        .as_ref()
        .context("the daemon does not say how its policy decodes: it is of an older version")?;
    let names = args.tasks().into_iter().map(|task| task.name().to_owned());
    let names: Vec<String> = names.chain(args.instruction.clone()).collect();
    let of_task = |task: &String| {
        let horizons = args.horizons().into_iter();
        let cells = horizons.map(|horizon| facts::cell(decoding, &known.label, task, horizon));
        cells.collect::<Vec<_>>()
    };
    let cells = names.iter().flat_map(of_task).collect();
    let asked = Asked {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        arm: if simulated { Arm::Simulated } else { Arm::Real },
        seed: args.seed,
        trials: args.trials,
        tries: args.pass,
        max_steps: args.max_steps,
        policies: vec![known],
    };
    Ok((asked, cells))
}

/// All tries: placement by placement, so that what is set once on a table serves all cells of its
/// task.
fn tries(asked: &Asked, cells: &[Cell]) -> Vec<(Cell, (u32, u32))> {
    let mut tries = Vec::new();
    let mut tasks: Vec<&str> = cells.iter().map(|cell| cell.task.as_str()).collect();
    tasks.dedup();
    for task in tasks {
        for trial in 0..asked.trials {
            for cell in cells.iter().filter(|cell| cell.task == task) {
                tries.extend((0..asked.tries).map(|attempt| (cell.clone(), (trial, attempt))));
            }
        }
    }
    tries
}

/// An evaluation under way.
struct Session<'a> {
    client: &'a Client,
    store: TrialStore,
    /// The terminal, once somebody is asked there.
    keys: Option<Keys>,
    sim_socket: Option<PathBuf>,
    instruction: Option<String>,
}

impl Session<'_> {
    /// One try, until it counts (true) or the evaluation is left.
    async fn make(&mut self, cell: &Cell, at: (u32, u32)) -> anyhow::Result<bool> {
        // Only a task of the simulation has a test, and objects that are put down by a seed.
        let task = self.sim_socket.as_ref().and(cell.task.parse::<Task>().ok());
        let asked = task.is_none();
        let seed = episode_seed(Purpose::Evaluation, self.store.asked().seed, u64::from(at.0));
        let mut state = State::Table;
        let (mut run, mut faults) = (None, 0);
        loop {
            let event = match state {
                State::Table => self.set_table(cell, task, seed).await?,
                State::Running => {
                    let driven = self.drive(cell, task, seed).await;
                    let (outcome, path_m) = match (driven, asked) {
                        (Err(error), true) if is_refused(&error) => {
                            // As by a stop that came first.
                            say::aside(format_args!("{error:#}"));
                            state = flow::next(state, Event::Stopped, asked);
                            continue;
                        }
                        (driven, _) => driven?,
                    };
                    let cause = cause(&outcome.verdict)?;
                    faults += u32::from(cause == Cause::Fault);
                    let event = told(cause, outcome.verdict.success, asked, faults);
                    run = Some((outcome, path_m));
                    event
                }
                State::Judging => {
                    self.ask("was it done? y yes, n no, a again, q leave it for later").await
                }
                State::Kept(success) => {
                    let (outcome, path_m) = run.take().context("a run was made")?;
                    self.keep(cell, (seed, at), success, &outcome, path_m)?;
                    return Ok(true);
                }
                State::Left => return Ok(false),
            };
            state = flow::next(state, event, asked);
        }
    }

    /// The table is set by itself, or by a person, after which the arm is put home.
    async fn set_table(
        &mut self,
        cell: &Cell,
        task: Option<Task>,
        seed: u64,
    ) -> anyhow::Result<Event> {
        if let (Some(task), Some(socket)) = (task, &self.sim_socket) {
            place(socket, task, seed).await?;
            return Ok(Event::Ready);
        }
        let words = format!("set the table for \"{}\"; space = go, q = leave", cell.task);
        loop {
            match self.ask(&words).await {
                Event::Ready => match self.client.post("/v1/home", &serde_json::json!({})).await {
                    Ok(Done { .. }) => return Ok(Event::Ready),
                    // A stop that is latched, an arm that was handed over: the person sees to it.
                    Err(ClientError::Refused(why)) => say::aside(why),
                    Err(error) => return Err(error.into()),
                },
                Event::Quit => return Ok(Event::Quit),
                _ => {}
            }
        }
    }

    async fn drive(
        &mut self,
        cell: &Cell,
        task: Option<Task>,
        seed: u64,
    ) -> anyhow::Result<(Outcome, Vec<[f32; 3]>)> {
        let instruction = match (&self.instruction, cell.task.parse::<Task>()) {
            (Some(words), _) => words.clone(),
            (None, Ok(task)) => task.instruction().to_owned(),
            (None, Err(unknown)) => return Err(unknown.into()),
        };
        let request = RunRequest {
            instruction,
            horizon: Some(usize::from(cell.horizon)),
            execution: None,
            max_steps: Some(u64::from(self.store.asked().max_steps)),
            placement: task.map(|task| Placement { task: task.to_string(), seed }),
            run_id: None,
            record: None,
        };
        let client = self.client;
        let watch = PathWatch::start(client).await?;
        let outcome = match (task, &self.sim_socket) {
            (Some(_), Some(socket)) => {
                attempt_until(client, &request, wait_for_success(socket)).await?
            }
            _ => {
                let keys = self.prompt("y = it is done, n = it has failed");
                attempt_until(client, &request, word(keys)).await?
            }
        };
        say::aside(format_args!("  {}", outcome.summary));
        if let Some(why) = &outcome.unsaved {
            anyhow::bail!("the try does not count, for its report is not on disk: {why}");
        }
        Ok((outcome, watch.end().await?))
    }

    fn keep(
        &mut self,
        cell: &Cell,
        (seed, (trial, attempt)): (u64, (u32, u32)),
        success: bool,
        outcome: &Outcome,
        path_m: Vec<[f32; 3]>,
    ) -> anyhow::Result<()> {
        let driven = facts::driven(&outcome.folder)?;
        self.store.push(Try {
            cell: cell.clone(),
            seed,
            trial,
            attempt,
            success,
            steps: success.then_some(driven.steps),
            ran_steps: driven.steps,
            inferences: driven.inferences,
            units: u64::from(driven.steps),
            ended: facts::ended(cause(&outcome.verdict)?, success),
            path_m,
            sheet: None,
        })?;
        Ok(())
    }

    /// Says what is asked; what was pressed before is no answer.
    fn prompt(&mut self, words: &str) -> &mut Keys {
        let keys = self.keys.get_or_insert_with(Keys::listen);
        keys.forget();
        say::aside(words);
        keys
    }

    /// Asks the person at the terminal. Ctrl-C is an answer, too.
    async fn ask(&mut self, words: &str) -> Event {
        let keys = self.prompt(words);
        loop {
            let pressed = tokio::select! {
                pressed = keys.next() => pressed,
                _ = tokio::signal::ctrl_c() => return Event::Quit,
            };
            if let Pressed::Sign(sign) = pressed
                && let Some(event) = flow::key(sign)
            {
                return event;
            }
        }
    }
}

/// What the person says while the policy drives.
async fn word(keys: &mut Keys) -> anyhow::Result<Verdict> {
    loop {
        let success = match keys.next().await {
            Pressed::Sign('y') => true,
            Pressed::Sign('n') => false,
            _ => continue,
        };
        return Ok(Verdict::said(Some(success), "said by the operator"));
    }
}

/// Whether the daemon did not begin what it was asked for.
fn is_refused(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(ClientError::Refused(_)))
}

/// What ended a run.
fn cause(verdict: &Verdict) -> anyhow::Result<Cause> {
    verdict.cause.context(
        "the daemon does not say what ended the run, so the try does not count: it is of an older \
         version",
    )
}

/// What the end of a run is to a try that had so many `faults`. Where a person judges, a task may
/// be done when the time is up.
fn told(cause: Cause, success: Option<bool>, asked: bool, faults: u32) -> Event {
    match cause {
        Cause::Fault => Event::Faulted { often: faults >= MOST_FAULTS },
        Cause::Stopped => Event::Stopped,
        Cause::Time if asked => Event::Ended(None),
        Cause::Time | Cause::Judged => Event::Ended(success),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placement_serves_all_cells_of_its_task() {
        let cell = |task: &str, horizon: u8| Cell {
            task: task.to_owned(),
            policy: "a".to_owned(),
            horizon,
            decode: "greedy".to_owned(),
            expectation: false,
            max_entropy: None,
        };
        let asked = Asked {
            version: String::new(),
            arm: Arm::Real,
            seed: 0,
            trials: 2,
            tries: 2,
            max_steps: 300,
            policies: Vec::new(),
        };
        let cells = [cell("t", 1), cell("t", 4), cell("u", 1)];
        let tries = tries(&asked, &cells);
        assert_eq!(tries.len(), 3 * 2 * 2);
        let order: Vec<_> = tries.iter().map(|(cell, at)| (cell.horizon, at.0, at.1)).collect();
        assert_eq!(order[..5], [(1, 0, 0), (1, 0, 1), (4, 0, 0), (4, 0, 1), (1, 1, 0)]);
    }

    #[test]
    fn where_a_person_judges_only_their_word_counts() {
        let late = |asked| told(Cause::Time, Some(false), asked, 0);
        assert_eq!((late(true), late(false)), (Event::Ended(None), Event::Ended(Some(false))));
        assert_eq!(told(Cause::Judged, Some(true), true, 0), Event::Ended(Some(true)));
    }

    /// Whatever its words are, a run that was broken off is not put to a person's judgement.
    #[test]
    fn a_run_that_was_broken_off_is_not_judged() {
        for asked in [true, false] {
            assert_eq!(told(Cause::Stopped, None, asked, 0), Event::Stopped);
            assert_eq!(told(Cause::Fault, Some(false), asked, 1), Event::Faulted { often: false });
            assert_eq!(told(Cause::Fault, Some(false), asked, 3), Event::Faulted { often: true });
        }
        let old = Verdict { cause: None, ..Verdict::failure("gave up after 300 steps") };
        assert!(cause(&old).is_err());
    }
}
