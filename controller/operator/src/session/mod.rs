//! `jaco teleop` and `jaco record` at the arm: a session of the daemon, followed on one line, with
//! keys of the terminal for all but motion.
//!
//! On the simulated arm the keys may steer too, and so may the scripted expert: [`hands`]. What
//! [`table`] owns is the simulated table between two episodes.

mod hands;
mod screen;
mod table;
pub mod terminal;

use anyhow::Context;
use hands::Hands;
use jaco_api::client::{Client, ClientError, Lines};
use jaco_api::{
    Done, KeptEpisode, Label, Order, Recording, SessionEvent, SessionRequest, Status, Steering,
};
use jaco_cli::record::{RecordArgs, Source};
use jaco_core::Task;
use jaco_shell::args::Unusable;
use jaco_shell::say;
use screen::Screen;
use serde::Serialize;
use serde_json::{Map, json};
use std::path::PathBuf;
use table::Table;
use terminal::{Key, Keys};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What the daemon says when a person ended the session.
const BY_OPERATOR: &str = "ended by the operator";
/// Tries at an episode of the expert that fail before it is given up.
const MOST_FAILURES: u32 = 20;

/// What `jaco record --json` prints, at the arm.
#[derive(Clone, Debug, Default, Serialize)]
struct Recorded {
    /// The dataset.
    dataset: Option<PathBuf>,
    /// Episodes kept.
    episodes: u32,
    /// Their steps.
    steps: u64,
    /// Those that are labelled as successes.
    successes: u32,
    /// Episodes discarded.
    discarded: u32,
    /// What had to be put right in the dataset.
    repairs: Vec<String>,
    /// The episodes kept.
    kept: Vec<KeptEpisode>,
    /// How the session ended.
    why: String,
}

/// `jaco teleop`. True when the operator ended it.
pub async fn teleop(client: &Client, by_keys: bool, json: bool) -> anyhow::Result<bool> {
    let source = if by_keys { Source::Keys } else { Source::Pad };
    let request = SessionRequest { steering: steering(source), record: None };
    let mut session = Session::new(client, source, None)?;
    if by_keys {
        session.screen.introduce_steering();
    }
    let ended = session.run(&request).await?;
    session.screen.clear();
    let by_operator = ended.why == BY_OPERATOR;
    match json {
        true => say::object(&json!({ "why": ended.why }))?,
        false => say::line(format!("the arm holds: {}", ended.why)).map(drop)?,
    }
    Ok(by_operator)
}

/// `jaco record` at the arm. True when all episodes are recorded, or the operator ended it.
pub async fn record(client: &Client, args: &RecordArgs, json: bool) -> anyhow::Result<bool> {
    let source = args.source();
    if source == Source::Policy {
        let why = "--source policy is for --sim; a policy's run at the arm is recorded by \
                   `jaco run --record NAME`";
        return Err(Unusable(why.to_owned()).into());
    }
    let status: Status = client.get("/v1/status").await?;
    let task = Task::meant(&args.task).filter(|_| !args.live.as_it_is);
    let table = match (&status.sim_socket, task) {
        (Some(socket), Some(task)) => Some(Table::new(socket.clone(), task)),
        (Some(_), None) if source == Source::Expert => {
            // Whether its name is that of a task, or the table was to stay as it is.
            args.simulated_task()?;
            let why = "the expert needs its table: leave out --as-it-is";
            return Err(Unusable(why.to_owned()).into());
        }
        (None, _) if source != Source::Pad => {
            let why = "only a simulated arm is steered by keys or by the expert; this one is real";
            return Err(Unusable(why.to_owned()).into());
        }
        _ => None,
    };
    let table =
        table.map(|table| if source == Source::Expert { table.in_a_hurry() } else { table });
    let mut session = Session::new(client, source, table)?;
    let mut recorded = Recorded::default();
    match task.filter(|_| session.table.is_some()) {
        // The arm is put home with the table, which no session under way would survive.
        Some(task) => session.one_by_one(args, task, &mut recorded).await?,
        None => {
            let request = request(args, args.episodes, Map::new());
            let ended = session.run(&request).await?;
            recorded.take(ended);
        }
    }
    session.screen.clear();
    let complete = recorded.episodes >= args.episodes || recorded.why == BY_OPERATOR;
    match json {
        true => say::object(&recorded)?,
        false => {
            let Recorded { episodes, steps, discarded, .. } = &recorded;
            let place = recorded.dataset.as_ref().map(|root| format!(" in {}", root.display()));
            say::line(format!(
                "{episodes} episodes, {steps} steps{} ({discarded} discarded): {}",
                place.unwrap_or_default(),
                recorded.why
            ))
            .map(drop)?;
        }
    }
    Ok(complete)
}

fn steering(source: Source) -> Steering {
    match source {
        Source::Keys | Source::Expert => Steering::Client,
        Source::Pad | Source::Policy => Steering::Pad,
    }
}

fn request(
    args: &RecordArgs,
    episodes: u32,
    notes: Map<String, serde_json::Value>,
) -> SessionRequest {
    let record = Recording {
        task: args.instruction().to_owned(),
        dataset: args.dataset(),
        episodes,
        max_s: args.live.max_s,
        reset_s: args.live.reset_s,
        notes,
    };
    SessionRequest { steering: steering(args.source()), record: Some(record) }
}

impl Recorded {
    fn take(&mut self, ended: Ended) {
        self.dataset = ended.dataset.or(self.dataset.take());
        self.repairs.extend(ended.repairs);
        self.discarded += ended.discarded;
        self.why = ended.why;
        for kept in ended.kept {
            self.episodes += 1;
            self.steps += kept.steps;
            self.successes += u32::from(kept.label == Some(Label::Success));
            self.kept.push(kept);
        }
    }
}

/// What a session left.
#[derive(Default)]
struct Ended {
    dataset: Option<PathBuf>,
    repairs: Vec<String>,
    kept: Vec<KeptEpisode>,
    discarded: u32,
    why: String,
}

struct Session<'a> {
    client: &'a Client,
    source: Source,
    table: Option<Table>,
    hands: Hands,
    keys: Option<Keys>,
    screen: Screen,
    signals: Signals,
}

/// Ctrl-C and SIGTERM, heard from before the terminal is changed.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        let (interrupt, terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

impl<'a> Session<'a> {
    fn new(client: &'a Client, source: Source, table: Option<Table>) -> std::io::Result<Self> {
        let signals = Signals::listen()?;
        let hands = Hands::of(source);
        let keys = (source != Source::Expert).then(Keys::listen);
        let screen = Screen::default();
        Ok(Self { client, source, table, hands, keys, screen, signals })
    }

    /// A session for each episode, with the simulated table set before it.
    async fn one_by_one(
        &mut self,
        args: &RecordArgs,
        task: Task,
        recorded: &mut Recorded,
    ) -> anyhow::Result<()> {
        let mut failures = 0;
        let series = [("series".to_owned(), json!(args.seed))].into_iter().collect();
        let (first, repairs) = self.look(&request(args, 1, series)).await?;
        recorded.repairs = repairs;
        for number in first.. {
            if recorded.episodes >= args.episodes {
                return Ok(());
            }
            let Some(table) = &mut self.table else { return Ok(()) };
            let seed = tokio::select! {
                seed = table.set(args.seed, number) => seed?,
                () = self.signals.next() => {
                    recorded.why = BY_OPERATOR.to_owned();
                    return Ok(());
                }
            };
            let entries = [
                ("task", json!(task)),
                ("seed", json!(seed)),
                ("series", json!(args.seed)),
                ("number", json!(number)),
            ];
            let mut notes: Map<_, _> =
                entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            if self.source == Source::Expert {
                notes.insert("source".to_owned(), json!("expert"));
            }
            let kept_before = recorded.episodes;
            recorded.take(self.run(&request(args, 1, notes)).await?);
            let done = recorded.episodes > kept_before;
            failures = if done { 0 } else { failures + 1 };
            // An episode that was broken off is kept, and the session with it is over.
            let whole = recorded.why.starts_with("all episodes");
            let again = !done && [table::TOO_LONG, table::SET_ANEW].contains(&&*recorded.why);
            if !whole && !again || failures >= MOST_FAILURES {
                return Ok(());
            }
        }
        Ok(())
    }

    /// A session that ends at once: the first number of the series that is not recorded yet, and what
    /// had to be put right in the dataset.
    async fn look(&mut self, request: &SessionRequest) -> anyhow::Result<(u64, Vec<String>)> {
        let mut events = self.client.post_lines("/v1/session", request).await?;
        let mut found = (0, Vec::new());
        loop {
            let event = next(&mut events).await?;
            match event {
                SessionEvent::Began { ref repairs, next_number, .. } => {
                    found = (next_number, repairs.clone());
                    self.screen.show(&event);
                    self.tell("/v1/session/order", &Order::End).await?;
                }
                SessionEvent::Ended { .. } => return Ok(found),
                _ => {}
            }
        }
    }

    /// One session, from request to end.
    async fn run(&mut self, request: &SessionRequest) -> anyhow::Result<Ended> {
        let mut events = self.client.post_lines("/v1/session", request).await?;
        let mut told_to_end = false;
        let mut ended = Ended::default();
        let mut given_up = None;
        loop {
            let event = tokio::select! {
                event = next(&mut events) => event?,
                key = pressed(&mut self.keys) => {
                    self.on_key(key).await?;
                    continue;
                }
                steer = self.hands.next() => {
                    self.tell("/v1/session/steer", &steer).await?;
                    continue;
                }
                verdict = judged(&mut self.table) => {
                    let (order, why) = verdict?;
                    given_up = why;
                    self.tell("/v1/session/order", &order).await?;
                    continue;
                }
                () = self.signals.next() => {
                    // Whoever says it again does not want to wait.
                    anyhow::ensure!(!told_to_end, "left before the session had ended");
                    told_to_end = true;
                    self.tell("/v1/session/order", &Order::End).await?;
                    continue;
                }
            };
            self.screen.show(&event);
            match event {
                SessionEvent::Began { dataset, repairs, .. } => {
                    (ended.dataset, ended.repairs) = (dataset, repairs);
                    if self.source == Source::Expert {
                        self.tell("/v1/session/order", &Order::Start).await?;
                    }
                }
                SessionEvent::Step { .. } => {
                    if let Some(table) = &self.table {
                        self.hands.step(table).await?;
                    }
                }
                SessionEvent::Recording { .. } => {
                    if let Some(table) = &mut self.table {
                        table.judge();
                    }
                }
                SessionEvent::Kept(kept) => ended.kept.push(kept),
                SessionEvent::Ended { why, discarded, .. } => {
                    (ended.why, ended.discarded) = (given_up.unwrap_or(why), discarded);
                    if let Some(table) = &mut self.table {
                        table.judge_no_more();
                    }
                    return Ok(ended);
                }
                SessionEvent::Discarded { .. } => {
                    if let Some(table) = &mut self.table {
                        // The objects were moved: the next attempt needs a table of its own.
                        table.judge_no_more();
                        given_up.get_or_insert_with(|| table::SET_ANEW.to_owned());
                        self.tell("/v1/session/order", &Order::End).await?;
                    }
                }
                SessionEvent::Progress(_)
                | SessionEvent::Told { .. }
                | SessionEvent::Still { .. } => {}
            }
        }
    }

    async fn on_key(&mut self, key: Key) -> anyhow::Result<()> {
        let order = match key {
            Key::Sign('s') => Order::Start,
            Key::Sign('k') => Order::Keep { label: None },
            Key::Sign('y') if self.screen.recording() => {
                Order::Keep { label: Some(Label::Success) }
            }
            Key::Sign('n') if self.screen.recording() => {
                Order::Keep { label: Some(Label::Failure) }
            }
            Key::Sign('y') => Order::Label { label: Label::Success },
            Key::Sign('n') => Order::Label { label: Label::Failure },
            Key::Sign('d') => Order::Discard,
            Key::Sign('r') => Order::ReRecord,
            Key::Sign('q') => Order::End,
            key => {
                self.hands.key(key);
                return Ok(());
            }
        };
        self.tell("/v1/session/order", &order).await
    }

    async fn tell<T: Serialize>(&self, path: &str, body: &T) -> anyhow::Result<()> {
        match self.client.post::<_, Done>(path, body).await {
            Ok(_) => Ok(()),
            // A step that is steered too late is none; the others are for a person to know.
            Err(ClientError::Refused(_)) if path.ends_with("steer") => Ok(()),
            Err(ClientError::Refused(why)) => {
                self.screen.refused(&why);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

async fn next(events: &mut Lines) -> anyhow::Result<SessionEvent> {
    let event = events.next::<SessionEvent>().await?;
    event.context("the daemon ended the session without a word: see its log")
}

async fn pressed(keys: &mut Option<Keys>) -> Key {
    match keys {
        Some(keys) => keys.next().await,
        None => std::future::pending().await,
    }
}

/// What the simulated table says of the episode: the order that follows, and why it is given up.
async fn judged(table: &mut Option<Table>) -> anyhow::Result<(Order, Option<String>)> {
    match table {
        Some(table) => table.verdict().await,
        None => std::future::pending().await,
    }
}
