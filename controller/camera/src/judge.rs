//! Whether pictures that come, and are whole, are pictures of what is there now. Pure: every method
//! is handed the time. It looks at how bright a picture is and whether it is the one before once
//! more, and must never look at what is on it.
//!
//! The noise of a sensor makes no two pictures the same to the last bit. A simulated camera has
//! none: what it shows may stand still, so that only its stamps are judged.

use crate::error::BadBuffer;
use crate::fault::{Fault, FaultKind};
use std::collections::VecDeque;

/// What is wrong for so long, and in more than one picture, is a fault: at 10 Hz the third picture
/// tells. Shorter is a hand in front of the lens, or a picture that a busy bus gave twice.
const LASTS_NS: u64 = 180_000_000;
/// So many buffers that hold no whole picture...
const TORN_BUFFERS: usize = 3;
/// ... within this time are a fault.
const TORN_WITHIN_NS: u64 = 300_000_000;
/// Every so many pixels one is looked at for the brightness.
const SAMPLED: usize = 16;

/// What is known of a picture that came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) captured_ns: u64,
    /// Tells its bytes from those of another; none where identical ones are no fault.
    pub(crate) signature: Option<u64>,
    /// Mean brightness, 0 to 255.
    pub(crate) brightness: f64,
}

/// From where on pictures are no good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limits {
    /// Age on arrival \[ns\].
    pub(crate) late_ns: u64,
    /// Mean brightness.
    pub(crate) dark_below: f64,
}

/// Pictures in a row of which something holds.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// Arrival of the first.
    began_ns: u64,
    /// Arrival of the newest.
    newest_ns: u64,
    pictures: u32,
    /// When it was long enough to be a fault.
    told_ns: Option<u64>,
}

impl Run {
    fn of(began_ns: u64) -> Self {
        Self { began_ns, newest_ns: began_ns, pictures: 1, told_ns: None }
    }

    fn extend(&mut self, now_ns: u64) {
        self.newest_ns = now_ns;
        self.pictures += 1;
        if now_ns.saturating_sub(self.began_ns) >= LASTS_NS && self.pictures > 2 {
            self.told_ns.get_or_insert(now_ns);
        }
    }
}

/// Follows a run: begins one where `holds` first does, and ends it.
fn follow(run: &mut Option<Run>, holds: bool, now_ns: u64) {
    match run {
        _ if !holds => *run = None,
        Some(run) => run.extend(now_ns),
        None => *run = Some(Run::of(now_ns)),
    }
}

/// The judge of one camera, over all its openings.
#[derive(Debug)]
pub(crate) struct Judge {
    limits: Limits,
    newest: Option<Seen>,
    /// Pictures that are one and the same; the first of them is none that is frozen.
    same: Option<Run>,
    dark: Option<Run>,
    late: Option<Run>,
    /// Arrivals of the last bad buffers.
    bad: VecDeque<u64>,
    /// Why the first of them was bad, and when they were enough for a fault.
    torn: Option<(String, u64)>,
}

impl Judge {
    pub(crate) fn new(limits: Limits) -> Self {
        let bad = VecDeque::with_capacity(TORN_BUFFERS);
        Self { limits, newest: None, same: None, dark: None, late: None, bad, torn: None }
    }

    /// A whole picture came.
    pub(crate) fn picture(&mut self, now_ns: u64, seen: Seen) {
        let again = self.newest.is_some_and(|before| {
            // A stamp that stands still, or goes back, is an old picture whatever is on it.
            seen.captured_ns <= before.captured_ns
                || (seen.signature.is_some() && seen.signature == before.signature)
        });
        match &mut self.same {
            Some(run) if again => run.extend(now_ns),
            same => *same = Some(Run::of(now_ns)),
        }
        follow(&mut self.dark, seen.brightness < self.limits.dark_below, now_ns);
        let age_ns = now_ns.saturating_sub(seen.captured_ns);
        follow(&mut self.late, age_ns > self.limits.late_ns, now_ns);
        self.newest = Some(seen);
    }

    /// A buffer came that holds no whole picture.
    pub(crate) fn bad(&mut self, now_ns: u64, reason: &BadBuffer) {
        if self.bad.len() == TORN_BUFFERS {
            self.bad.pop_front();
        }
        self.bad.push_back(now_ns);
        if !self.is_torn(now_ns) {
            self.torn = None;
        } else if self.torn.is_none() {
            self.torn = Some((reason.to_string(), now_ns));
        }
    }

    fn is_torn(&self, now_ns: u64) -> bool {
        let first = self.bad.front().filter(|_| self.bad.len() == TORN_BUFFERS);
        first.is_some_and(|first_ns| now_ns.saturating_sub(*first_ns) <= TORN_WITHIN_NS)
    }

    /// What is wrong at `now_ns`, the worst of it.
    pub(crate) fn verdict(&self, now_ns: u64) -> Option<Fault> {
        let fault =
            |kind, text: String, since_ns, onset_ns| Fault { kind, text, since_ns, onset_ns };
        if let Some((reason, since_ns)) = self.torn.as_ref().filter(|_| self.is_torn(now_ns)) {
            let within_ms = TORN_WITHIN_NS / 1_000_000;
            let text = format!(
                "its pictures are torn: {TORN_BUFFERS} buffers within {within_ms} ms hold no \
                 whole one: {reason}"
            );
            let onset_ns = self.bad.front().map_or(*since_ns, |&first_ns| first_ns.min(*since_ns));
            return Some(fault(FaultKind::Torn, text, *since_ns, onset_ns));
        }
        let told = |run: &Option<Run>| run.and_then(|run| Some((run.told_ns?, run.began_ns)));
        if let Some((since_ns, onset_ns)) = told(&self.late) {
            let limit_ms = self.limits.late_ns / 1_000_000;
            let text = format!(
                "its pictures are late: more than {limit_ms} ms old when they come (late_after_ms)"
            );
            return Some(fault(FaultKind::Late, text, since_ns, onset_ns));
        }
        // A picture without light may well be the same as the one before.
        if let Some((since_ns, onset_ns)) = told(&self.dark) {
            let limit = self.limits.dark_below;
            let text = format!(
                "its pictures are dark: mean brightness below {limit} of 255 (a lens cap, no \
                 light? see dark_below)"
            );
            return Some(fault(FaultKind::Dark, text, since_ns, onset_ns));
        }
        let (since_ns, onset_ns) = told(&self.same)?;
        let lasts_ms = LASTS_NS / 1_000_000;
        let text =
            format!("its picture is frozen: the same to the last bit for more than {lasts_ms} ms");
        Some(fault(FaultKind::Frozen, text, since_ns, onset_ns))
    }
}

/// Mean brightness of a picture in red, green and blue, 0 to 255, by a sixteenth of its pixels.
pub fn brightness(rgb: &[u8]) -> f64 {
    let (mut sum, mut pixels) = (0_u64, 0_u64);
    for pixel in rgb.chunks_exact(3).step_by(SAMPLED) {
        let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(u64::from);
        // Rec. 601, in parts of 256.
        sum += 77 * red + 150 * green + 29 * blue;
        pixels += 1;
    }
    if pixels == 0 { 0.0 } else { sum as f64 / (256 * pixels) as f64 }
}

/// A number that tells these bytes from others, all of them looked at.
pub fn signature(bytes: &[u8]) -> u64 {
    // FNV's multiplication on words of eight bytes, with its high half folded back: fast, and no
    // enemy chooses the bytes.
    const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * u128::from(PRIME);
        (product as u64) ^ ((product >> 64) as u64)
    };
    let words = bytes.chunks_exact(8);
    let rest = words.remainder();
    let hash = words.fold(PRIME, |hash, word| {
        mix(hash, word.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)))
    });
    let rest = rest.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
    mix(mix(hash, rest), bytes.len() as u64)
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
