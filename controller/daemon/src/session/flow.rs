//! The course of a recording session: which episode runs, when it ends, what a person's order does
//! to it. Pure: time comes in, what to do goes out.
//!
//! | phase \ order | start | keep | discard | re-record | label | end |
//! |---|---|---|---|---|---|---|
//! | ready | recording | - | - | - | of the last | over |
//! | recording | - | resetting | resetting | resetting, then recording | of this one | kept, over |
//! | deciding | - | resetting | resetting | resetting, then recording | of this one | kept, over |
//! | resetting | recording | - | - | - | of the last | over |
//!
//! An episode that reaches its longest time goes from recording to deciding; the pause of resetting
//! ends by itself. What is not in the table is refused in words and changes nothing.

use jaco_api::{Label, Order, Phase};

/// What a session is asked to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Course {
    /// Episodes to keep.
    pub wanted: u32,
    /// Longest episode \[ns\].
    pub longest_ns: u64,
    /// Pause after an episode \[ns\].
    pub pause_ns: u64,
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Begin an episode.
    Begin,
    /// Keep the episode; one that was broken off says why.
    Keep {
        /// How it went.
        label: Option<Label>,
        /// Why it did not come to its own end.
        interrupted: Option<String>,
    },
    /// Forget the episode.
    Discard,
    /// Label the episode that was kept last.
    LabelLast(Label),
    /// Tell the person.
    Tell(String),
    /// The session is over.
    End {
        /// Why.
        why: String,
        /// Whether all that was wanted was kept.
        complete: bool,
    },
}

/// The course of a session.
#[derive(Clone, Debug)]
pub struct Flow {
    course: Course,
    phase: Phase,
    since_ns: u64,
    label: Option<Label>,
    again: bool,
    kept: u32,
    discarded: u32,
    over: bool,
}

impl Flow {
    /// A session that is ready for its first episode.
    pub fn new(course: Course, now_ns: u64) -> Self {
        let (kept, discarded) = (0, 0);
        let phase = Phase::Ready;
        Self {
            course,
            phase,
            since_ns: now_ns,
            label: None,
            again: false,
            kept,
            discarded,
            over: false,
        }
    }

    /// Where it is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Episodes kept and discarded.
    pub fn counts(&self) -> (u32, u32) {
        (self.kept, self.discarded)
    }

    /// Time left of the phase \[ns\]; none where it has no limit.
    pub fn left_ns(&self, now_ns: u64) -> Option<u64> {
        let limit_ns = match self.phase {
            Phase::Recording => self.course.longest_ns,
            Phase::Resetting => self.course.pause_ns,
            Phase::Ready | Phase::Deciding | Phase::Teleoperation => return None,
        };
        Some(limit_ns.saturating_sub(now_ns.saturating_sub(self.since_ns)))
    }

    /// Time passes.
    pub fn tick(&mut self, now_ns: u64) -> Vec<Act> {
        if self.over || self.left_ns(now_ns) != Some(0) {
            return Vec::new();
        }
        match self.phase {
            Phase::Recording => {
                self.enter(Phase::Deciding, now_ns);
                let seconds = self.course.longest_ns as f64 * 1e-9;
                vec![Act::Tell(format!(
                    "the episode has reached its longest time of {seconds:.0} s: keep or discard it"
                ))]
            }
            _ if self.again => self.begin(now_ns),
            _ => {
                self.enter(Phase::Ready, now_ns);
                vec![Act::Tell("ready for the next episode".to_owned())]
            }
        }
    }

    /// A person says.
    pub fn order(&mut self, now_ns: u64, order: &Order) -> Vec<Act> {
        use Phase::{Deciding, Ready, Recording, Resetting};
        if self.over {
            return Vec::new();
        }
        match (order, self.phase) {
            (Order::Start, Ready | Resetting) => self.begin(now_ns),
            (Order::Keep { label }, Recording | Deciding) => self.keep(now_ns, *label),
            (Order::Discard, Recording | Deciding) => self.discard(now_ns, false),
            (Order::ReRecord, Recording | Deciding) => self.discard(now_ns, true),
            (Order::Label { label }, Recording | Deciding) => {
                self.label = Some(*label);
                vec![]
            }
            (Order::Label { label }, _) if self.kept > 0 => vec![Act::LabelLast(*label)],
            (Order::End, _) => self.end("ended by the operator", false),
            (Order::Start, _) => {
                refused("an episode is being recorded already: keep or discard it")
            }
            (Order::Label { .. }, _) => refused("no episode is there to be labelled"),
            (Order::Keep { .. } | Order::Discard | Order::ReRecord, _) => {
                refused("no episode is being recorded")
            }
        }
    }

    /// Ends the session for this reason; an episode under way is kept as one that was broken off.
    pub fn end(&mut self, why: &str, complete: bool) -> Vec<Act> {
        if self.over {
            return Vec::new();
        }
        self.over = true;
        let mut acts = Vec::new();
        if matches!(self.phase, Phase::Recording | Phase::Deciding) {
            let interrupted = Some(why.to_owned());
            acts.push(Act::Keep { label: self.label, interrupted });
            self.kept += 1;
        }
        acts.push(Act::End { why: why.to_owned(), complete });
        acts
    }

    fn begin(&mut self, now_ns: u64) -> Vec<Act> {
        (self.label, self.again) = (None, false);
        self.enter(Phase::Recording, now_ns);
        vec![Act::Begin]
    }

    fn keep(&mut self, now_ns: u64, label: Option<Label>) -> Vec<Act> {
        let label = label.or(self.label);
        self.kept += 1;
        self.enter(Phase::Resetting, now_ns);
        let mut acts = vec![Act::Keep { label, interrupted: None }];
        if self.kept >= self.course.wanted {
            acts.extend(self.end("all episodes are recorded", true));
        }
        acts
    }

    fn discard(&mut self, now_ns: u64, again: bool) -> Vec<Act> {
        self.discarded += 1;
        self.again = again;
        self.enter(Phase::Resetting, now_ns);
        vec![Act::Discard]
    }

    fn enter(&mut self, phase: Phase, now_ns: u64) {
        (self.phase, self.since_ns) = (phase, now_ns);
    }
}

fn refused(why: &str) -> Vec<Act> {
    vec![Act::Tell(why.to_owned())]
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn flow() -> Flow {
        Flow::new(Course { wanted: 2, longest_ns: 10 * S, pause_ns: 5 * S }, 0)
    }

    fn kept(label: Option<Label>) -> Act {
        Act::Keep { label, interrupted: None }
    }

    #[test]
    fn two_episodes_are_recorded_and_the_session_ends() {
        let mut flow = flow();
        assert_eq!(flow.order(S, &Order::Start), [Act::Begin]);
        assert_eq!(flow.left_ns(3 * S), Some(8 * S));
        let label = Some(Label::Success);
        assert_eq!(flow.order(4 * S, &Order::Keep { label }), [kept(label)]);
        assert_eq!(flow.phase(), Phase::Resetting);
        assert!(flow.tick(8 * S).is_empty());
        assert!(matches!(&flow.tick(9 * S)[..], [Act::Tell(_)]));
        assert_eq!(flow.phase(), Phase::Ready);
        assert_eq!(flow.order(20 * S, &Order::Start), [Act::Begin]);
        let acts = flow.order(21 * S, &Order::Keep { label: None });
        assert!(
            matches!(&acts[..], [Act::Keep { .. }, Act::End { complete: true, .. }]),
            "{acts:?}"
        );
        assert!(flow.order(22 * S, &Order::Start).is_empty());
        assert_eq!(flow.counts(), (2, 0));
    }

    #[test]
    fn an_episode_that_takes_too_long_waits_for_a_decision() {
        let mut flow = flow();
        flow.order(0, &Order::Start);
        assert!(flow.tick(10 * S - 1).is_empty());
        assert!(matches!(&flow.tick(10 * S)[..], [Act::Tell(_)]));
        assert_eq!((flow.phase(), flow.left_ns(11 * S)), (Phase::Deciding, None));
        assert_eq!(flow.order(60 * S, &Order::Discard), [Act::Discard]);
        assert_eq!(flow.counts(), (0, 1));
    }

    #[test]
    fn what_is_recorded_again_begins_after_the_pause_or_when_told_to() {
        let mut flow = flow();
        flow.order(0, &Order::Start);
        assert_eq!(flow.order(S, &Order::ReRecord), [Act::Discard]);
        assert!(flow.tick(5 * S).is_empty());
        assert_eq!(flow.tick(6 * S), [Act::Begin]);
        flow.order(7 * S, &Order::ReRecord);
        assert_eq!(flow.order(8 * S, &Order::Start), [Act::Begin]);
        // It was begun by hand: the end of the pause does not begin another.
        assert!(flow.tick(13 * S).is_empty());
    }

    #[test]
    fn a_label_is_of_the_running_episode_or_else_of_the_last() {
        let mut flow = flow();
        let label = Label::Failure;
        assert!(matches!(&flow.order(0, &Order::Label { label })[..], [Act::Tell(_)]));
        flow.order(0, &Order::Start);
        assert!(flow.order(1, &Order::Label { label }).is_empty());
        assert_eq!(flow.order(2, &Order::Keep { label: None }), [kept(Some(label))]);
        assert_eq!(flow.order(3, &Order::Label { label }), [Act::LabelLast(label)]);
        flow.order(4, &Order::Start);
        let acts = flow.order(5, &Order::End);
        assert!(matches!(
            &acts[..],
            [Act::Keep { label: None, interrupted: Some(_) }, Act::End { complete: false, .. }]
        ));
    }

    #[test]
    fn the_table_in_the_head_comment_is_the_code() {
        let table = include_str!("flow.rs");
        let phases = [
            ("ready", Phase::Ready),
            ("recording", Phase::Recording),
            ("deciding", Phase::Deciding),
            ("resetting", Phase::Resetting),
        ];
        for (name, phase) in phases {
            let row = table.lines().find(|line| line.starts_with(&format!("//! | {name} |")));
            let cells: Vec<&str> = row.unwrap_or_default().split('|').map(str::trim).collect();
            let label = Label::Success;
            let orders = [
                Order::Start,
                Order::Keep { label: None },
                Order::Discard,
                Order::ReRecord,
                Order::Label { label },
                Order::End,
            ];
            for (order, cell) in orders.into_iter().zip(&cells[2..8]) {
                let mut flow = flow();
                (flow.phase, flow.kept) = (phase, 1);
                flow.course.wanted = 9;
                let before = flow.phase();
                let acts = flow.order(0, &order);
                let refused = matches!(&acts[..], [Act::Tell(_)]) && flow.phase() == before;
                assert_eq!(refused, *cell == "-", "{order:?} in {name}: {acts:?}");
                let after = match flow.phase() {
                    _ if flow.over => "over",
                    Phase::Resetting => "resetting",
                    Phase::Recording => "recording",
                    _ => "",
                };
                let changed = flow.over || flow.phase() != before;
                assert!(!changed || cell.contains(after), "{order:?} in {name} leads to {after}");
            }
        }
    }
}
