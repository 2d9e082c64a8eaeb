//! Homing, a tick at a time: what is sent next, from what has been read. Pure.
//!
//! The SDK's MoveHome blocks until the arm's queue reads empty, and its InitFingers for seconds;
//! neither can be ended from within. So the arm is homed as a person does it: the joystick's home
//! button, emulated, is held until the flags say that the arm stands at home and the pose says that
//! it rests; then the fingers that have not found their zero are opened until they have, as
//! InitFingers does; then Cartesian control is asked for. Every tick sends one packet and can be
//! the last: a homing that is broken off lets the button go and empties the queue, again and
//! again, until readings show the arm at rest, for a command may be lost on its way.

use super::status::Status;
use std::fmt;

/// The button must have been let go for so many ticks before anything else is asked.
const LET_GO_TICKS: u32 = 10;
/// Flags older than this do not say that the arm is still on its way \[ns\].
const OLD_NS: u64 = 300_000_000;
/// An arm that rests for so long with the button held, and is not at home, does not go there \[ns\].
const NO_MOTION_NS: u64 = 5_000_000_000;
/// Fingers get so long to find their zero \[ns\].
const FINGERS_NS: u64 = 15_000_000_000;
/// Pause between two requests for Cartesian control \[ns\], and how many are made.
const ASK_NS: u64 = 100_000_000;
const ASKS: u32 = 5;
/// Ticks of a broken-off homing after which control is given up, too: with it goes the button.
const INSIST_TICKS: u32 = 30;

/// What a tick of homing sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sends {
    /// The joystick, its home button held or not.
    Button(bool),
    /// A point that opens the fingers and keeps the joints where they are.
    OpenFingers,
    /// The end of all that is queued.
    Erase,
    /// The end of control.
    StopControl,
    /// A request for Cartesian control.
    AskCartesian,
    /// Nothing.
    Nothing,
}

/// What has been read.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// The flags, and when they were read \[ns\].
    pub status: Option<(u64, Status)>,
    /// Whether Cartesian control was read, and when \[ns\].
    pub cartesian: Option<(u64, bool)>,
    /// Whether readings of the pose show the arm at rest.
    pub at_rest: bool,
}

/// How a homing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HomingEnd {
    /// At home, at rest, the fingers ready, in Cartesian control.
    Home,
    /// It came to its end without that.
    Failed(Shortfall),
    /// It was broken off, and the arm rests.
    BrokenOff,
}

/// What a homing did not reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortfall {
    /// The arm does not move though the button is held.
    NoMotion,
    /// A finger has not found its zero.
    Fingers,
    /// The arm is home and refuses Cartesian control.
    Cartesian,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Shortfall::NoMotion => {
                "the arm does not go home: it rests, and does not say that it is there"
            }
            Shortfall::Fingers => "the arm is home, but a finger has not found its zero",
            Shortfall::Cartesian => "the arm is home, but refuses Cartesian control",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The button is held.
    Holding,
    /// It is let go.
    LettingGo {
        ticks: u32,
    },
    Fingers,
    Asking {
        asked: u32,
        last_ns: u64,
    },
    /// Told to rest until it does; then this is the end.
    BreakingOff {
        ticks: u32,
        end: HomingEnd,
    },
    Ended(HomingEnd),
}

/// A homing under way.
#[derive(Clone, Copy, Debug)]
pub struct Homing {
    phase: Phase,
    since_ns: u64,
    fingers: usize,
}

impl Homing {
    /// A homing that begins at `now_ns`, of an arm with so many fingers.
    pub fn begin(now_ns: u64, fingers: usize) -> Self {
        Self { phase: Phase::Holding, since_ns: now_ns, fingers }
    }

    /// Ends it as soon as that is possible.
    pub fn break_off(&mut self, now_ns: u64) {
        match &mut self.phase {
            Phase::BreakingOff { end, .. } => *end = HomingEnd::BrokenOff,
            Phase::Ended(_) => {}
            _ => self.leave(now_ns, HomingEnd::BrokenOff),
        }
    }

    /// How it ended, if it has.
    pub fn end(&self) -> Option<HomingEnd> {
        match self.phase {
            Phase::Ended(end) => Some(end),
            _ => None,
        }
    }

    /// What to send in the tick at `now_ns`, from what has been seen.
    pub fn tick(&mut self, now_ns: u64, seen: &Seen) -> Sends {
        // Flags from before the phase say nothing about it.
        let status = seen.status.filter(|(read_ns, _)| *read_ns >= self.since_ns);
        let status = status.map(|(_, status)| status);
        match self.phase {
            Phase::Holding => match status {
                // A held button takes an arm that is at home on to its resting position.
                None => Sends::Nothing,
                Some(status) if status.is_at_home() => {
                    if seen.at_rest {
                        self.enter(now_ns, Phase::LettingGo { ticks: 0 });
                    }
                    Sends::Button(false)
                }
                // It may have arrived meanwhile.
                Some(_) if seen.status.is_some_and(|(read_ns, _)| read_ns + OLD_NS < now_ns) => {
                    Sends::Button(false)
                }
                Some(_) => {
                    if seen.at_rest && now_ns.saturating_sub(self.since_ns) > NO_MOTION_NS {
                        self.fail(now_ns, Shortfall::NoMotion);
                    }
                    Sends::Button(true)
                }
            },
            Phase::LettingGo { ticks } if ticks < LET_GO_TICKS || !seen.at_rest => {
                self.phase = Phase::LettingGo { ticks: ticks.saturating_add(1) };
                Sends::Button(false)
            }
            Phase::LettingGo { .. } => {
                self.enter(now_ns, Phase::Fingers);
                Sends::Button(false)
            }
            Phase::Fingers => match status {
                None => Sends::Nothing,
                Some(status) if status.has_fingers(self.fingers) => {
                    self.enter(now_ns, Phase::Asking { asked: 0, last_ns: 0 });
                    Sends::Nothing
                }
                Some(_) if now_ns.saturating_sub(self.since_ns) > FINGERS_NS => {
                    self.fail(now_ns, Shortfall::Fingers);
                    Sends::Erase
                }
                Some(_) => Sends::OpenFingers,
            },
            Phase::Asking { asked, last_ns } => {
                let answer = seen.cartesian.filter(|(read_ns, _)| asked > 0 && *read_ns >= last_ns);
                if answer.is_some_and(|(_, cartesian)| cartesian) {
                    self.enter(now_ns, Phase::Ended(HomingEnd::Home));
                    return Sends::Nothing;
                }
                if asked > 0 && now_ns.saturating_sub(last_ns) < ASK_NS {
                    return Sends::Nothing;
                }
                if asked == ASKS {
                    self.fail(now_ns, Shortfall::Cartesian);
                    return Sends::Nothing;
                }
                self.phase = Phase::Asking { asked: asked + 1, last_ns: now_ns };
                Sends::AskCartesian
            }
            Phase::BreakingOff { ticks, end } if ticks > LET_GO_TICKS && seen.at_rest => {
                self.enter(now_ns, Phase::Ended(end));
                Sends::Button(false)
            }
            Phase::BreakingOff { ticks, end } => {
                self.phase = Phase::BreakingOff { ticks: ticks.saturating_add(1), end };
                match ticks % 2 {
                    0 => Sends::Button(false),
                    _ if ticks > INSIST_TICKS && ticks % 20 == 1 => Sends::StopControl,
                    _ => Sends::Erase,
                }
            }
            Phase::Ended(_) => Sends::Nothing,
        }
    }

    fn fail(&mut self, now_ns: u64, why: Shortfall) {
        self.leave(now_ns, HomingEnd::Failed(why));
    }

    fn leave(&mut self, now_ns: u64, end: HomingEnd) {
        self.enter(now_ns, Phase::BreakingOff { ticks: 0, end });
    }

    fn enter(&mut self, now_ns: u64, phase: Phase) {
        (self.phase, self.since_ns) = (phase, now_ns);
    }
}
