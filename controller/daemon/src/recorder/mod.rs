//! The flight recorder: remembers the last 30 s of arm, servo, faults and runs, and has them
//! written when something goes wrong or somebody asks.
//!
//! It follows the arm on a thread of its own and hands copies to another that writes them: what it
//! does, and a disk that takes its time, delay nobody. If it lags itself, the record says how much
//! is missing. [`watch`] is the rule of what is worth a record, [`jaco_flight::Triggers`] of when.

mod watch;
mod writer;

use crate::arm::Arm;
use crate::events::{Events, Listener};
use crate::faults::FaultBoard;
use crate::part;
use crossbeam_channel::{Receiver, Sender, bounded, select};
use jaco_api::{Event, RunEvent, SessionEvent};
use jaco_core::{ActionStream, Clock};
use jaco_flight::{
    Cause, FrameSeen, Heading, Kind, Record, StreamSent, Tick, Told, Triggers, What,
};
use jaco_servo::ServoStatus;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;
use writer::{Answer, Done, Job};

/// The part of the fault board.
pub const PART: &str = "flight recorder";
/// The folder of the records, below the data folder.
pub const FOLDER: &str = "flight";

/// Orders that may wait; what comes beyond is lost, for nobody waits for the recorder.
const ORDERS: usize = 1024;
/// How often it is looked whether a record is due when nothing else happens.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Time in which a disk must have taken a record \[ns\].
const DISK_NS: u64 = 10_000_000_000;
/// Time that the last record gets at the daemon's end.
const LAST_TIME: Duration = Duration::from_secs(2);
/// Time in which a record that was asked for must be written.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// What the recorder looks at and where it writes.
pub struct Options {
    /// Where the records go.
    pub folder: PathBuf,
    /// The arm.
    pub arm: Arm,
    /// What happens from now on.
    pub heard: Listener,
    /// Where it is told that a record was written.
    pub events: Events,
    /// Where it is told that one could not be.
    pub faults: FaultBoard,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The cameras.
    pub eyes: Vec<Eye>,
    /// What each record says of this daemon.
    pub about: BTreeMap<String, String>,
}

/// A camera, as far as the recorder looks.
pub struct Eye {
    /// Its name.
    pub name: Arc<str>,
    /// Capture time of its newest frame, monotonic \[ns\].
    pub newest_ns: Box<dyn Fn() -> Option<u64> + Send>,
}

/// The way to the recorder. Clones lead to the same.
#[derive(Clone)]
pub struct Recorder {
    orders: Sender<Order>,
    clock: Arc<dyn Clock>,
    newest: Arc<Mutex<Option<PathBuf>>>,
}

enum Order {
    Told(Told),
    Stream(StreamSent),
    Fault(Kind, String),
    Explain(Kind, String),
    Save(Answer),
    End(oneshot::Sender<()>),
}

/// Starts the recorder's threads, and a task that listens to what is told.
pub fn start(options: Options) -> std::io::Result<Recorder> {
    let Options { folder, arm, mut heard, events, faults, clock, eyes, about } = options;
    let (orders, inbox) = bounded(ORDERS);
    // One that was written by a daemon before this one is the newest until there is another.
    let newest = Arc::new(Mutex::new(jaco_flight::folder::newest(&folder).unwrap_or_default()));
    let recorder = Recorder { orders, clock, newest };
    let (jobs, done) = writer::start(folder)?;
    let recording = Recording {
        arm,
        events,
        faults,
        clock: Arc::clone(&recorder.clock),
        newest: Arc::clone(&recorder.newest),
        seen_ns: vec![0; eyes.len()],
        eyes,
        about,
        record: Record::default(),
        spare: Some(Box::default()),
        triggers: Triggers::default(),
        process: 1,
        last: None,
        asked: Vec::new(),
        writing_since_ns: None,
        jobs,
        done,
    };
    let board = recording.faults.clone();
    // From here on, not from when the thread has begun.
    let statuses = recording.arm.follow();
    part::spawn(
        "flight-recorder",
        move || recording.work(statuses, inbox),
        move |panic| {
            board.set(PART, panic.map(|panic| format!("its thread panicked: {panic}")));
        },
    )?;
    let listening = recorder.clone();
    tokio::spawn(async move {
        while let Some(event) = heard.next().await {
            listening.note(event);
        }
    });
    Ok(recorder)
}

impl Recorder {
    /// `stream` of run `run` and of `policy` goes to the servo.
    pub fn stream(&self, run: &Arc<str>, policy: &Arc<str>, stream: &ActionStream) {
        self.order(Order::Stream(StreamSent {
            at_ns: self.clock.now_ns(),
            run: Arc::clone(run),
            policy: Arc::clone(policy),
            first_step: stream.first_step,
            steps: stream.chunk.len(),
            from_frame_ns: stream.from_frame_ns,
        }));
    }

    /// A run ended by a fault.
    pub fn run_failed(&self, why: &str) {
        self.order(Order::Fault(Kind::RunFailed, why.to_owned()));
    }

    /// Writes what is remembered now. The file, or why there is none.
    ///
    /// # Errors
    /// The disk refuses, or does not answer.
    pub async fn save(&self) -> Result<PathBuf, String> {
        let (answer, answered) = oneshot::channel();
        self.order(Order::Save(answer));
        match tokio::time::timeout(ANSWER_TIME, answered).await {
            Ok(Ok(file)) => file,
            Ok(Err(_)) => Err("the flight recorder has ended: see its fault".to_owned()),
            Err(_) => {
                let seconds = ANSWER_TIME.as_secs();
                Err(format!("the disk has not taken the record within {seconds} s"))
            }
        }
    }

    /// The newest record.
    pub fn newest(&self) -> Option<PathBuf> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes what is still to be written, and records nothing more: the daemon ends.
    pub async fn end(&self) {
        let (ended, done) = oneshot::channel();
        self.order(Order::End(ended));
        // An error: it ended before.
        let _ = tokio::time::timeout(LAST_TIME, done).await;
    }

    fn order(&self, order: Order) {
        let _ = self.orders.try_send(order);
    }

    fn note(&self, event: Event) {
        let at_ns = self.clock.now_ns();
        if let Event::Fault { part, fault: Some(why) } = &event
            && part == crate::arm::supervisor::PART
        {
            self.order(Order::Explain(Kind::ServoLost, why.clone()));
        }
        if let Some((part, what)) = in_words(event) {
            self.order(Order::Told(Told::new(at_ns, &part, what)));
        }
    }
}

/// What a record says of `event`; none for what is in it anyway.
fn in_words(event: Event) -> Option<(String, What)> {
    let run = |what| Some(("run".to_owned(), what));
    match event {
        // On the board it is one, for the arm cannot be used yet.
        Event::Fault { part, fault: Some(doing) } if doing.starts_with("starting: ") => {
            Some((part, What::News(doing)))
        }
        Event::Fault { part, fault: Some(fault) } => Some((part, What::Fault(fault))),
        Event::Fault { part, fault: None } => Some((part, What::Works)),
        Event::Activity { now, why } => {
            Some(("activity".to_owned(), What::News(format!("{now}: {why}"))))
        }
        Event::Stop { latched, why } => {
            let what = if latched { "a stop is latched" } else { "the stop is released" };
            Some(("stop".to_owned(), What::Warning(format!("{what}: {why}"))))
        }
        Event::Run { run: RunEvent::Started { run_id } } => {
            run(What::News(format!("{run_id} began")))
        }
        Event::Run { run: RunEvent::Held { verdict } } => {
            let ended = format!("{}: {}", verdict.outcome(), verdict.detail);
            run(if verdict.success == Some(false) {
                What::Warning(ended)
            } else {
                What::News(ended)
            })
        }
        Event::Run { run: RunEvent::ChangesHands { by_person } } => {
            let who = if by_person { "a person drives" } else { "the policy drives again" };
            run(What::News(who.to_owned()))
        }
        Event::Run {
            run: RunEvent::Progress(_) | RunEvent::Recorded { .. } | RunEvent::Ended { .. },
        } => None,
        Event::Session { session } => {
            let what = match session {
                SessionEvent::Told { what } => what,
                SessionEvent::Still { why: Some(why) } => format!("nothing moves: {why}"),
                SessionEvent::Still { why: None } => "a person steers".to_owned(),
                SessionEvent::Recording { episode } => format!("episode {episode} begins"),
                SessionEvent::Kept(kept) => format!("episode {} is kept", kept.episode),
                SessionEvent::Discarded { .. } => "the episode is discarded".to_owned(),
                SessionEvent::Began { .. }
                | SessionEvent::Progress(_)
                | SessionEvent::Step { .. }
                | SessionEvent::Ended { .. } => return None,
            };
            Some(("session".to_owned(), What::News(what)))
        }
        Event::Recorded { .. } | Event::Missed { .. } => None,
    }
}

/// What the recorder's thread has.
struct Recording {
    arm: Arm,
    events: Events,
    faults: FaultBoard,
    clock: Arc<dyn Clock>,
    newest: Arc<Mutex<Option<PathBuf>>>,
    eyes: Vec<Eye>,
    /// Capture times last seen of each.
    seen_ns: Vec<u64>,
    about: BTreeMap<String, String>,
    record: Record,
    /// The memory of a copy; none while the writer has it.
    spare: Option<Box<Record>>,
    triggers: Triggers,
    /// Servo processes heard so far, this one included.
    process: u64,
    /// The last status of this servo process.
    last: Option<ServoStatus>,
    asked: Vec<Answer>,
    writing_since_ns: Option<u64>,
    jobs: Sender<Job>,
    done: Receiver<Done>,
}

impl Recording {
    fn work(mut self, mut statuses: Receiver<ServoStatus>, orders: Receiver<Order>) {
        loop {
            select! {
                recv(statuses) -> status => match status {
                    Ok(status) => self.hear(status),
                    Err(_) => {
                        statuses = self.arm.follow();
                        self.lose();
                    }
                },
                recv(orders) -> order => match order {
                    Ok(Order::End(ended)) => {
                        self.write_last();
                        // Whoever asks from now on is refused at once.
                        drop(orders);
                        let _ = ended.send(());
                        return;
                    }
                    Ok(order) => self.obey(order),
                    Err(_) => return,
                },
                recv(self.done) -> done => match done {
                    Ok(done) => self.written(done),
                    // Its panic was logged.
                    Err(_) => return,
                },
                default(LOOK_EVERY) => {}
            }
            self.write_what_is_due();
        }
    }

    fn hear(&mut self, status: ServoStatus) {
        let now_ns = self.clock.now_ns();
        if let Some((kind, why)) = self.last.and_then(|last| watch::found(&last, &status)) {
            self.triggers.fault(now_ns, kind, why);
        }
        self.last = Some(status);
        self.record.ticks.push(Tick { process: self.process, status });
        for (eye, seen_ns) in self.eyes.iter().zip(&mut self.seen_ns) {
            let newest_ns = (eye.newest_ns)().filter(|newest_ns| newest_ns != seen_ns);
            if let Some(captured_ns) = newest_ns {
                *seen_ns = captured_ns;
                let camera = Arc::clone(&eye.name);
                self.record.frames.push(FrameSeen { at_ns: now_ns, camera, captured_ns });
            }
        }
    }

    /// The servo process is lost. One that never answered has left nothing to look at.
    fn lose(&mut self) {
        if self.last.take().is_some() {
            self.process += 1;
            let why = self.faults.of(crate::arm::supervisor::PART);
            let why = why.unwrap_or_else(|| "the servo process was lost".to_owned());
            self.triggers.fault(self.clock.now_ns(), Kind::ServoLost, why);
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Told(told) => self.record.told.push(told),
            Order::Stream(stream) => self.record.streams.push(stream),
            Order::Fault(kind, why) => self.triggers.fault(self.clock.now_ns(), kind, why),
            Order::Explain(kind, why) => self.triggers.explain(kind, why),
            Order::Save(answer) => self.asked.push(answer),
            Order::End(_) => {}
        }
    }

    fn write_what_is_due(&mut self) {
        let now_ns = self.clock.now_ns();
        if let Some(since_ns) = self.writing_since_ns
            && now_ns.saturating_sub(since_ns) > DISK_NS
        {
            let seconds = DISK_NS / 1_000_000_000;
            let why = format!("the disk has not taken a record within {seconds} s");
            self.faults.set(PART, Some(why));
        }
        // What is due stays due until the writer is back.
        if self.spare.is_none() {
            return;
        }
        if let Some(cause) = self.triggers.take_due(now_ns) {
            self.write(cause);
        } else if !self.asked.is_empty() {
            self.write(Cause { kind: Kind::Asked, why: "asked for".to_owned() });
        }
    }

    /// Hands a copy to the writer. Whoever asked for a record has it then, whatever its cause.
    fn write(&mut self, cause: Cause) {
        let Some(mut copy) = self.spare.take() else { return };
        copy.copy_from(&self.record);
        let monotonic_ns = self.clock.now_ns();
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_ns = u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX);
        let heading = Heading { cause, monotonic_ns, unix_ns, about: self.about.clone() };
        let answers = std::mem::take(&mut self.asked);
        // There is room: the copy is the only one. An error: the writer's panic was logged.
        let _ = self.jobs.send(Job { record: copy, heading, answers });
        self.writing_since_ns = Some(monotonic_ns);
    }

    fn written(&mut self, done: Done) {
        let Done { record, cause, file, answers } = done;
        self.spare = Some(record);
        self.writing_since_ns = None;
        match &file {
            Ok(path) => {
                let newest = Some(path.clone());
                *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = newest;
                self.faults.set(PART, None);
                let Cause { kind, why } = cause;
                let kind = jaco_core::Word::name(kind);
                tracing::info!(file = %path.display(), "flight record: {kind}: {why}");
                self.events.tell(Event::Recorded { file: path.clone(), why });
            }
            Err(why) => self.faults.set(PART, Some(why.clone())),
        }
        for answer in answers {
            // Whoever asked may have gone.
            let _ = answer.send(file.clone());
        }
    }

    fn write_last(&mut self) {
        if self.spare.is_none()
            && let Ok(done) = self.done.recv_timeout(LAST_TIME)
        {
            self.written(done);
        }
        if let Some(cause) = self.triggers.take(self.clock.now_ns()) {
            self.write(cause);
            if let Ok(done) = self.done.recv_timeout(LAST_TIME) {
                self.written(done);
            }
        }
    }
}

#[cfg(test)]
mod tests;
