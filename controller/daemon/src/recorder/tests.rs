//! The recorder through its own door, on a fake arm and a clock that the test moves.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::arm::tests::{FakeArm, status_in};
use jaco_core::{Action, Chunk, ManualClock, Verdict};
use jaco_flight::{Flight, Summary};
use jaco_servo::Mode;
use std::fs::File;
use std::path::Path;
use tempfile::TempDir;

const SECOND: u64 = 1_000_000_000;
/// Far beyond what anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A recorder of a fake arm, whose time the test passes.
struct Bench {
    fake: FakeArm,
    clock: Arc<ManualClock>,
    events: Events,
    faults: FaultBoard,
    told: Listener,
    recorder: Recorder,
    ticks: u64,
}

fn bench(folder: &Path) -> Bench {
    let (fake, events) = (FakeArm::new(), Events::default());
    let faults = FaultBoard::new(events.clone());
    let clock = Arc::new(ManualClock::default());
    let eye = Eye { name: "front".into(), newest_ns: Box::new(|| Some(7)) };
    let recorder = start(Options {
        folder: folder.to_owned(),
        arm: fake.arm.clone(),
        heard: events.listen(),
        events: events.clone(),
        faults: faults.clone(),
        clock: Arc::<ManualClock>::clone(&clock),
        eyes: vec![eye],
        about: BTreeMap::new(),
    });
    let (told, recorder) = (events.listen(), recorder.unwrap());
    Bench { fake, clock, events, faults, told, recorder, ticks: 0 }
}

impl Bench {
    fn show(&mut self, mode: Mode, count: u64) {
        for _ in 0..count {
            self.clock.advance_ns(jaco_core::TICK_NS);
            self.ticks += 1;
            let sent_ns = self.clock.now_ns();
            let status = ServoStatus { sent_ns, ticks: self.ticks, ..status_in(mode) };
            self.fake.show(status);
        }
    }

    /// The next record, for which time passes.
    async fn recorded(&mut self) -> (PathBuf, String) {
        let recorded = async {
            loop {
                let next = tokio::time::timeout(LOOK_EVERY, self.told.next()).await;
                match next {
                    Ok(Some(Event::Recorded { file, why })) => return (file, why),
                    Ok(_) => {}
                    Err(_) => self.clock.advance_ns(SECOND),
                }
            }
        };
        tokio::time::timeout(PATIENCE, recorded).await.unwrap()
    }

    /// What is written now, once it holds as many statuses as were shown: they come on a
    /// channel of their own.
    async fn saved(&self) -> Flight {
        let saved = async {
            loop {
                let flight = read(&self.recorder.save().await.unwrap());
                if flight.states.len() as u64 == self.ticks {
                    return flight;
                }
            }
        };
        tokio::time::timeout(PATIENCE, saved).await.unwrap()
    }
}

fn read(file: &Path) -> Flight {
    Flight::read(File::open(file).unwrap()).unwrap()
}

#[tokio::test]
async fn a_lost_servo_leaves_a_record_of_its_last_states() {
    let folder = TempDir::new().unwrap();
    let mut bench = bench(folder.path());
    bench.show(Mode::Idle, 5);
    bench.show(Mode::Policy, 10);
    bench.fake.lose();
    let (file, _) = bench.recorded().await;
    assert_eq!(bench.recorder.newest(), Some(file.clone()));
    let summary = Summary::of(&read(&file));
    assert_eq!((summary.kind.as_str(), summary.ticks), ("servo-lost", 15));
    assert_eq!(summary.last.unwrap().mode, "policy");
    assert!(bench.faults.all().is_empty());
}

/// The reason is told after the loss.
#[tokio::test]
async fn a_record_says_why_the_servo_was_lost() {
    let folder = TempDir::new().unwrap();
    let mut bench = bench(folder.path());
    bench.show(Mode::Idle, 5);
    bench.fake.lose();
    bench.faults.set("servo", Some("was killed".to_owned()));
    let (file, why) = bench.recorded().await;
    assert_eq!(why, "was killed");
    let summary = Summary::of(&read(&file));
    assert_eq!((summary.why.as_str(), summary.faults.len()), ("was killed", 1));
}

#[tokio::test]
async fn a_servo_that_never_answered_leaves_no_record() {
    let folder = TempDir::new().unwrap();
    let mut bench = bench(folder.path());
    bench.fake.lose();
    // The next servo is heard as soon as the loss of this one was.
    let heard = async {
        loop {
            bench.show(Mode::Idle, 1);
            if !read(&bench.recorder.save().await.unwrap()).states.is_empty() {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, heard).await.unwrap();
    bench.clock.advance_ns(60 * SECOND);
    // Written after whatever was due by then.
    bench.recorder.end().await;
    let kinds: Vec<String> = jaco_flight::folder::list(folder.path())
        .unwrap()
        .into_iter()
        .map(|listed| listed.about.unwrap().kind)
        .collect();
    assert!(kinds.iter().all(|kind| kind == "asked"), "{kinds:?}");
}

#[tokio::test]
async fn what_was_told_sent_and_seen_is_in_the_record() {
    let folder = TempDir::new().unwrap();
    let mut bench = bench(folder.path());
    let actions = heapless::Vec::from_slice(&[Action::still(1.0); 2]).unwrap();
    let stream = ActionStream { first_step: 3, chunk: Chunk::Actions(actions), from_frame_ns: 7 };
    bench.recorder.stream(&"a run".into(), &"a policy".into(), &stream);
    bench
        .events
        .tell(Event::Run { run: RunEvent::Held { verdict: Verdict::unjudged("by the operator") } });
    // Until it was heard: nobody hears in what order the recorder takes things up.
    while bench.told.next().await.is_some_and(|event| !matches!(event, Event::Run { .. })) {}
    bench.show(Mode::Policy, 20);
    let summary = loop {
        let summary = Summary::of(&bench.saved().await);
        if summary.to_string().contains("run: stopped: by the operator") {
            break summary;
        }
    };
    let run = summary.run.unwrap();
    assert_eq!((run.run.as_str(), run.policy.as_str(), run.last_steps), ("a run", "a policy", 2));
}

#[tokio::test]
async fn a_disk_that_refuses_is_a_fault_and_no_end() {
    let folder = TempDir::new().unwrap();
    let in_the_way = folder.path().join("flight");
    std::fs::write(&in_the_way, b"a file").unwrap();
    let mut bench = bench(&in_the_way);
    bench.show(Mode::Idle, 3);
    for _ in 0..2 {
        assert!(bench.recorder.save().await.unwrap_err().contains("cannot write a record"));
    }
    assert!(bench.faults.of(PART).is_some());
    std::fs::remove_file(&in_the_way).unwrap();
    assert_eq!(bench.saved().await.states.len(), 3);
    assert_eq!(bench.faults.of(PART), None);
}

/// A run that failed as the daemon ended was not recorded.
#[tokio::test]
async fn what_is_due_is_written_before_the_end() {
    let folder = TempDir::new().unwrap();
    let mut bench = bench(folder.path());
    bench.show(Mode::Policy, 3);
    bench.recorder.run_failed("the policy's thread ended");
    bench.recorder.end().await;
    let newest = bench.recorder.newest().unwrap();
    assert_eq!(read(&newest).about.kind, "run-failed");
    assert!(bench.recorder.save().await.is_err());
}
