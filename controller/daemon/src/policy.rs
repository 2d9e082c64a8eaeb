//! The policy's thread: the only owner of the policy. Takes a question, picks the frame, asks,
//! hands the answer back. Must never touch the arm or decide when to think; whoever asks keeps the
//! deadline.

use crate::faults::FaultBoard;
use crate::part;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use jaco_api::PolicyStatus;
use jaco_core::policy::InstructionCheck;
use jaco_core::slot::Slot;
use jaco_core::{ActionPolicy, ActionStatistics, ActionUnit, Answer, Ask, Clock, Frame};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The part of the fault board.
pub const PART: &str = "policy";

/// A policy, loaded, with what others need to know of it.
pub struct Loaded {
    /// Whoever answers.
    pub policy: Box<dyn ActionPolicy>,
    /// What was loaded, in the words of the API.
    pub facts: PolicyStatus,
}

/// What the thread works with.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long a question waits for a frame that is new enough.
    pub frame: Duration,
    /// How long an answer may take, the frame included \[ns\].
    pub answer_ns: u64,
}

/// One question.
#[derive(Debug)]
pub struct Question {
    /// The instruction.
    pub instruction: Arc<str>,
    /// Steps to answer for, committed ones included.
    pub horizon: usize,
    /// Units already committed.
    pub committed: Vec<ActionUnit>,
    /// The frame must not be older than this, monotonic \[ns\].
    pub frame_not_before_ns: u64,
    /// Where the answer goes.
    pub answer: Sender<Result<Answered, String>>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answered {
    /// What the policy said.
    pub answer: Answer,
    /// The frame that it saw.
    pub frame: Arc<Frame>,
    /// When the frame was there and thinking began, monotonic \[ns\].
    pub began_ns: u64,
}

/// Whether there is a policy.
#[derive(Clone)]
pub enum PolicyState {
    /// Its weights are being read.
    Loading,
    /// It can be asked.
    Ready(Arc<PolicyHandle>),
    /// There is none, for this reason.
    Failed(String),
}

/// How others reach the policy.
#[derive(Clone)]
pub struct PolicyHandle {
    questions: Sender<Question>,
    /// What was loaded.
    pub facts: PolicyStatus,
    /// What its units are decoded with.
    pub statistics: Option<ActionStatistics>,
    /// How long an answer may take \[ns\].
    pub answer_ns: u64,
    check: InstructionCheck,
}

impl PolicyHandle {
    /// Why the policy cannot be given `instruction`, if it cannot.
    pub fn check(&self, instruction: &str) -> Result<(), String> {
        (self.check)(instruction).map_err(|error| error.to_string())
    }

    /// Hands over a question; never waits.
    pub fn ask(&self, question: Question) -> Result<(), String> {
        self.questions.try_send(question).map_err(|error| match error {
            TrySendError::Full(_) => {
                "the policy is still busy with an earlier question: it may hang".to_owned()
            }
            TrySendError::Disconnected(_) => "the policy's thread has ended".to_owned(),
        })
    }
}

/// Loads the policy on a thread of its own and serves questions there for as long as the daemon
/// runs. `frames` holds the newest frame of the policy's camera.
pub fn start(
    load: impl FnOnce() -> Result<Loaded, String> + Send + 'static,
    patience: Patience,
    frames: Slot<Frame>,
    faults: FaultBoard,
    clock: Arc<dyn Clock>,
) -> std::io::Result<watch::Receiver<PolicyState>> {
    let (state, watched) = watch::channel(PolicyState::Loading);
    let state = Arc::new(state);
    let at_end = (Arc::clone(&state), faults.clone());
    faults.busy(PART, "its weights are being read".to_owned());
    part::spawn(
        PART,
        move || match load() {
            Ok(Loaded { mut policy, facts }) => {
                let (questions, inbox) = bounded(1);
                faults.set(PART, None);
                let handle = PolicyHandle {
                    questions,
                    facts,
                    statistics: policy.statistics(),
                    answer_ns: patience.answer_ns,
                    check: policy.instruction_check(),
                };
                state.send_replace(PolicyState::Ready(Arc::new(handle)));
                serve(&mut *policy, patience.frame, &inbox, &frames, &*clock);
            }
            Err(reason) => {
                faults.set(PART, Some(format!("none: {reason}")));
                state.send_replace(PolicyState::Failed(reason));
            }
        },
        move |panic| {
            let (state, faults) = at_end;
            if let Some(panic) = panic {
                let reason = format!("its thread panicked ({panic}): restart jacod");
                faults.set(PART, Some(reason.clone()));
                state.send_replace(PolicyState::Failed(reason));
            }
        },
    )?;
    Ok(watched)
}

fn serve(
    policy: &mut dyn ActionPolicy,
    frame_timeout: Duration,
    inbox: &Receiver<Question>,
    frames: &Slot<Frame>,
    clock: &dyn Clock,
) {
    for (number, question) in (0..).zip(inbox) {
        let answered = answer(policy, &question, number, frame_timeout, frames, clock);
        // Nobody listens any more when the run was ended meanwhile.
        let _ = question.answer.send(answered);
    }
}

fn answer(
    policy: &mut dyn ActionPolicy,
    question: &Question,
    number: u64,
    frame_timeout: Duration,
    frames: &Slot<Frame>,
    clock: &dyn Clock,
) -> Result<Answered, String> {
    let new_enough = |frame: &Frame| frame.captured_ns >= question.frame_not_before_ns;
    let frame = frames.wait_for(frame_timeout, new_enough).ok_or_else(|| {
        format!(
            "no fresh camera frame within {} ms: see `jaco status` for the camera's fault",
            frame_timeout.as_millis()
        )
    })?;
    let began_ns = clock.now_ns();
    let ask = Ask {
        frame: &frame,
        instruction: &question.instruction,
        horizon: question.horizon,
        committed: &question.committed,
        number,
    };
    let answer = policy.answer(&ask).map_err(|error| format!("inference failed: {error}"))?;
    Ok(Answered { answer, frame, began_ns })
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::events::Events;
    use jaco_core::policy::Timings;
    use jaco_core::{Chunk, ManualClock, PolicyError};

    type Behave = Box<dyn FnMut(&Ask<'_>) -> Result<Chunk, PolicyError> + Send>;

    /// A policy that does what a test wants.
    pub struct FakePolicy(pub Behave);

    impl ActionPolicy for FakePolicy {
        fn horizon(&self) -> usize {
            8
        }

        fn statistics(&self) -> Option<ActionStatistics> {
            None
        }

        fn instruction_check(&self) -> InstructionCheck {
            Arc::new(|text: &str| match text {
                "fly" => Err(PolicyError("it does not know \"fly\"".to_owned())),
                _ => Ok(()),
            })
        }

        fn answer(&mut self, ask: &Ask<'_>) -> Result<Answer, PolicyError> {
            let chunk = (self.0)(ask)?;
            Ok(Answer { chunk, timings: Timings::default() })
        }
    }

    pub fn facts() -> PolicyStatus {
        PolicyStatus {
            checkpoint: "fake".into(),
            adapter: None,
            statistics: "none".to_owned(),
            view: "plain".to_owned(),
            device: "cpu".to_owned(),
            dtype: "f32".to_owned(),
            decode: "greedy".to_owned(),
            decoding: None,
            horizon: 8,
        }
    }

    pub fn frame(captured_ns: u64) -> Frame {
        Frame {
            jpeg: None,
            camera: "front".into(),
            captured_ns,
            width: 1,
            height: 1,
            rgb: Arc::from([0; 3].as_slice()),
        }
    }

    /// The state once loading is over, and the board.
    pub async fn started(
        load: impl FnOnce() -> Result<Loaded, String> + Send + 'static,
        frames: Slot<Frame>,
    ) -> (watch::Receiver<PolicyState>, PolicyState, FaultBoard) {
        let faults = FaultBoard::new(Events::default());
        let patience = Patience { frame: Duration::ZERO, answer_ns: 1_000_000_000 };
        let clock = Arc::new(ManualClock::default());
        let mut state = start(load, patience, frames, faults.clone(), clock).unwrap();
        let loaded = |state: &PolicyState| !matches!(state, PolicyState::Loading);
        let now = state.wait_for(loaded).await.unwrap().clone();
        (state, now, faults)
    }

    pub fn ready(state: PolicyState) -> Arc<PolicyHandle> {
        match state {
            PolicyState::Ready(handle) => handle,
            PolicyState::Loading => panic!("still loading"),
            PolicyState::Failed(reason) => panic!("{reason}"),
        }
    }

    fn fake(behave: Behave) -> Result<Loaded, String> {
        Ok(Loaded { policy: Box::new(FakePolicy(behave)), facts: facts() })
    }

    fn question(not_before_ns: u64) -> (Question, Receiver<Result<Answered, String>>) {
        let (answer, answers) = bounded(1);
        let question = Question {
            instruction: "push".into(),
            horizon: 2,
            committed: Vec::new(),
            frame_not_before_ns: not_before_ns,
            answer,
        };
        (question, answers)
    }

    #[tokio::test]
    async fn a_frame_from_before_is_never_asked_about() {
        let frames = Slot::default();
        frames.put(frame(5));
        let still = Box::new(|_: &Ask<'_>| Ok(Chunk::Actions(heapless::Vec::new())));
        let (_state, now, _) = started(move || fake(still), frames).await;
        let handle = ready(now);
        let (old, answers) = question(6);
        handle.ask(old).unwrap();
        assert!(answers.recv().unwrap().unwrap_err().contains("no fresh camera frame"));
        let (new, answers) = question(5);
        handle.ask(new).unwrap();
        assert_eq!(answers.recv().unwrap().unwrap().frame.captured_ns, 5);
        assert!(handle.check("fly").is_err());
    }

    /// A request to a policy that hangs blocked the run's thread as well.
    #[tokio::test]
    async fn a_policy_that_hangs_blocks_nobody_else() {
        let frames = Slot::default();
        frames.put(frame(0));
        let (hang, hung) = bounded::<()>(0);
        let hangs = Box::new(move |_: &Ask<'_>| {
            let _ = hung.recv();
            Err(PolicyError("woken".to_owned()))
        });
        let (_state, now, _) = started(move || fake(hangs), frames).await;
        let handle = ready(now);
        // One is being thought about, one waits: there is no place for a third.
        let busy = (0..3).find_map(|_| handle.ask(question(0).0).err());
        assert!(busy.unwrap().contains("still busy"));
        drop(hang);
    }

    #[tokio::test]
    async fn a_policy_that_panics_is_named() {
        let frames = Slot::default();
        frames.put(frame(0));
        let panics = Box::new(|_: &Ask<'_>| panic!("index out of bounds"));
        let (mut state, now, faults) = started(move || fake(panics), frames).await;
        let handle = ready(now);
        let (question, answers) = question(0);
        handle.ask(question).unwrap();
        assert!(answers.recv().is_err(), "the asker is told by the closed channel");
        let failed = |state: &PolicyState| matches!(state, PolicyState::Failed(_));
        state.wait_for(failed).await.unwrap();
        assert!(faults.of(PART).unwrap().contains("panicked (index out of bounds)"));
    }

    #[tokio::test]
    async fn a_policy_that_cannot_be_loaded_says_why() {
        let (_state, now, faults) = started(|| Err("no such file".into()), Slot::default()).await;
        assert!(matches!(now, PolicyState::Failed(reason) if reason == "no such file"));
        assert_eq!(faults.of(PART).as_deref(), Some("none: no such file"));
    }
}
