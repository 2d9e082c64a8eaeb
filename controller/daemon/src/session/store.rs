//! The thread that writes what a session records, so that nobody who keeps the arm fed waits for a
//! disk or an encoder. Steps that wait for a slow disk are bounded in number; one too many is lost
//! and counted, never waited for.

use crate::part;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use jaco_api::Label;
use jaco_core::Clock;
use jaco_dataset::EpisodeNotes;
use jaco_teleop::{RecordingSession, StepRecord};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Steps that may wait for the disk: 3 s.
const DEPTH: usize = 30;
/// What is answered may wait for whoever asked.
const ANSWERS: usize = 64;

/// What the thread is asked to do.
enum Work {
    Begin { task: Arc<str>, notes: EpisodeNotes },
    Step(Box<StepRecord>),
    Keep(EpisodeNotes),
    Discard,
    LabelLast(Label),
}

/// What it answers.
#[derive(Debug)]
pub enum Answer {
    /// The episode has begun, with this number.
    Begun(usize),
    /// The episode is durable.
    Kept {
        /// Its number.
        episode: usize,
        /// Its steps.
        steps: u64,
        /// Its size on the disk.
        bytes: u64,
        /// Between the order and this answer \[ns\].
        took_ns: u64,
    },
    /// The episode is forgotten.
    Discarded(u64),
    /// The label is in the notes.
    Labelled(usize, Label),
    /// Something failed; what was kept before is as it was.
    Failed(String),
}

/// The way to the thread. Its end ends the thread when it has written what it was given.
pub struct Store {
    work: Sender<(u64, Work)>,
    /// What it answers.
    pub answers: Receiver<Answer>,
    free_bytes: Arc<AtomicU64>,
    /// Steps that wait.
    waiting: Arc<AtomicUsize>,
    /// Steps that may wait.
    depth: usize,
    thread: Option<std::thread::JoinHandle<()>>,
    clock: Arc<dyn Clock>,
}

impl Store {
    /// Starts the thread for `session`, whose dataset lies in `root`. An episode may begin with a
    /// burst of `burst` steps from before it.
    pub fn start(
        session: RecordingSession,
        root: &Path,
        burst: u64,
        clock: Arc<dyn Clock>,
    ) -> std::io::Result<Self> {
        let (work, inbox) = unbounded();
        let (outbox, answers) = bounded(ANSWERS);
        let free_bytes = Arc::new(AtomicU64::new(free_bytes(root)));
        let waiting = Arc::<AtomicUsize>::default();
        let worker = Worker {
            session,
            root: root.to_owned(),
            outbox: outbox.clone(),
            free_bytes: Arc::clone(&free_bytes),
            waiting: Arc::clone(&waiting),
            last_kept: None,
            clock: Arc::clone(&clock),
        };
        let ended = move |panic: Option<String>| {
            if let Some(panic) = panic {
                let _ = outbox.try_send(Answer::Failed(format!("the recorder panicked: {panic}")));
            }
        };
        let thread = Some(part::spawn("record", move || worker.run(&inbox), ended)?);
        Ok(Self {
            work,
            answers,
            free_bytes,
            waiting,
            depth: DEPTH + burst as usize,
            thread,
            clock,
        })
    }

    /// Room on the disk of the dataset \[bytes\], as last seen.
    pub fn free_bytes(&self) -> u64 {
        self.free_bytes.load(Ordering::Relaxed)
    }

    /// Begins an episode.
    pub fn begin(&self, task: &Arc<str>, notes: EpisodeNotes) {
        self.order(Work::Begin { task: Arc::clone(task), notes });
    }

    /// Adds a step; whether there was room for it.
    pub fn step(&self, step: StepRecord) -> bool {
        let room = self.waiting.load(Ordering::Acquire) < self.depth;
        if room {
            self.waiting.fetch_add(1, Ordering::AcqRel);
            self.order(Work::Step(Box::new(step)));
        }
        room
    }

    /// Keeps the episode.
    pub fn keep(&self, notes: EpisodeNotes) {
        self.order(Work::Keep(notes));
    }

    /// Forgets the episode.
    pub fn discard(&self) {
        self.order(Work::Discard);
    }

    /// Labels the episode that was kept last.
    pub fn label_last(&self, label: Label) {
        self.order(Work::LabelLast(label));
    }

    /// Waits until all that was asked for is done.
    pub fn finish(mut self) -> Vec<Answer> {
        let (closed, _) = bounded(0);
        self.work = closed;
        if let Some(thread) = self.thread.take() {
            // Its panic is among the answers.
            let _ = thread.join();
        }
        self.answers.try_iter().collect()
    }

    /// Never waits: what is ordered is in its turn after the steps before it.
    fn order(&self, work: Work) {
        // A thread that has panicked takes no more; its last answer says so.
        let _ = self.work.send((self.clock.now_ns(), work));
    }
}

struct Worker {
    session: RecordingSession,
    root: PathBuf,
    outbox: Sender<Answer>,
    free_bytes: Arc<AtomicU64>,
    waiting: Arc<AtomicUsize>,
    last_kept: Option<usize>,
    clock: Arc<dyn Clock>,
}

impl Worker {
    fn run(mut self, inbox: &Receiver<(u64, Work)>) {
        // An episode that fails once is not told of again with each of its steps.
        let mut failed = false;
        for (asked_ns, work) in inbox {
            if matches!(work, Work::Begin { .. }) {
                failed = false;
            }
            let is_step = matches!(work, Work::Step(_));
            if is_step {
                self.waiting.fetch_sub(1, Ordering::AcqRel);
            }
            let done = self.carry_out(asked_ns, work);
            match done {
                Ok(answer) => answer.into_iter().for_each(|answer| self.answer(answer)),
                Err(why) if !failed || !is_step => {
                    failed = is_step;
                    self.answer(Answer::Failed(why));
                }
                Err(_) => {}
            }
            self.free_bytes.store(free_bytes(&self.root), Ordering::Relaxed);
            if inbox.is_empty()
                && let Err(error) = self.session.publish()
            {
                self.answer(Answer::Failed(jaco_api::say::in_full(&error.into())));
            }
        }
    }

    fn carry_out(&mut self, asked_ns: u64, work: Work) -> Result<Option<Answer>, String> {
        let words = |error: jaco_teleop::SessionError| jaco_api::say::in_full(&error.into());
        match work {
            Work::Begin { task, notes } => {
                self.session.begin(&task, &notes).map_err(words)?;
                Ok(Some(Answer::Begun(self.session.total_episodes())))
            }
            Work::Step(step) => {
                self.session.push(*step).map_err(words)?;
                Ok(None)
            }
            Work::Keep(notes) => {
                self.last_kept = None;
                let kept = self.session.keep(notes).map_err(words)?;
                self.last_kept = Some(kept.index);
                Ok(Some(Answer::Kept {
                    episode: kept.index,
                    steps: kept.frames as u64,
                    bytes: kept.bytes as u64,
                    took_ns: self.clock.now_ns().saturating_sub(asked_ns),
                }))
            }
            Work::Discard => {
                let steps = self.session.discard().map_err(words)?;
                Ok(Some(Answer::Discarded(steps as u64)))
            }
            Work::LabelLast(label) => {
                let Some(episode) = self.last_kept else {
                    return Err("no episode is there to be labelled".to_owned());
                };
                let success = (label == Label::Success).into();
                self.session.set_note(episode, "success", success).map_err(words)?;
                Ok(Some(Answer::Labelled(episode, label)))
            }
        }
    }

    fn answer(&self, answer: Answer) {
        // Whoever asked may be gone.
        let _ = self.outbox.try_send(answer);
    }
}

/// Room that the user of this process has on the disk of `folder`; none where that cannot be told.
pub fn free_bytes(folder: &Path) -> u64 {
    rustix::fs::statvfs(folder).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}
