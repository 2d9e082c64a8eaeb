//! Tests of the judge: each fault told in time, none without a reason.

#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

const MS: u64 = 1_000_000;
const LIMITS: Limits = Limits { late_ns: 250 * MS, dark_below: 8.0 };
const GOOD: Seen = Seen { captured_ns: 0, signature: Some(0), brightness: 100.0 };

/// A judge that has seen good pictures, the last of them at 1000 ms with this signature.
fn judge(period_ms: u64) -> Judge {
    let mut judge = Judge::new(LIMITS);
    for back in (0..10).rev() {
        let now_ms = 1000 - back * period_ms;
        judge.picture(now_ms * MS, seen(now_ms, now_ms));
    }
    assert_eq!(judge.verdict(1000 * MS), None);
    judge
}

fn seen(now_ms: u64, signature: u64) -> Seen {
    Seen { captured_ns: (now_ms - 40) * MS, signature: Some(signature), ..GOOD }
}

/// What is told of pictures every `period_ms` after 1000 ms, and when first.
fn told(period_ms: u64, picture: impl Fn(u64) -> Seen) -> Option<(FaultKind, u64)> {
    let mut judge = judge(period_ms);
    (1..=50).find_map(|index| {
        let now_ms = 1000 + index * period_ms;
        judge.picture(now_ms * MS, picture(now_ms));
        let fault = judge.verdict(now_ms * MS)?;
        assert_eq!(fault.since_ns, now_ms * MS);
        assert!(fault.onset_ns <= (1000 + period_ms) * MS);
        Some((fault.kind, now_ms - 1000))
    })
}

#[test]
fn frozen_dark_and_late_are_told_within_300_ms() {
    for period_ms in [8, 16, 33, 40, 67, 100] {
        let frozen = told(period_ms, |now_ms| seen(now_ms, 1000)).unwrap();
        assert_eq!(frozen.0, FaultKind::Frozen);
        let stamps =
            told(period_ms, |now_ms| Seen { captured_ns: 960 * MS, ..seen(now_ms, now_ms) });
        assert_eq!(stamps.unwrap(), frozen);
        let dark =
            told(period_ms, |now_ms| Seen { brightness: 7.9, ..seen(now_ms, now_ms) }).unwrap();
        assert_eq!(dark.0, FaultKind::Dark);
        let old = |now_ms: u64| Seen { captured_ns: (now_ms - 251) * MS, ..seen(now_ms, now_ms) };
        // Older than the one before, too, at first: the time goes on from the second on.
        let late = told(period_ms, old).unwrap();
        assert_eq!(late.0, FaultKind::Late);
        for (kind, after_ms) in [frozen, dark, late] {
            assert!(after_ms <= 300, "{kind} is told after {after_ms} ms at {period_ms} ms");
        }
    }
}

#[test]
fn two_pictures_that_are_the_same_and_simulated_ones_that_stand_still_are_none() {
    assert_eq!(told(33, |now_ms| seen(now_ms, now_ms / 67)), None);
    assert_eq!(told(100, |now_ms| Seen { signature: None, ..seen(now_ms, 0) }), None);
    assert_eq!(told(33, |now_ms| Seen { brightness: 8.0, ..seen(now_ms, now_ms) }), None);
    let on_time = |now_ms: u64| Seen { captured_ns: (now_ms - 250) * MS, ..seen(now_ms, now_ms) };
    assert_eq!(told(100, on_time), None);
}

#[test]
fn a_fault_goes_with_the_first_picture_that_is_good_again() {
    let mut judge = judge(33);
    for now_ms in (1033..1400).step_by(33) {
        judge.picture(now_ms * MS, Seen { brightness: 0.0, ..seen(now_ms, 1000) });
    }
    assert_eq!(judge.verdict(1400 * MS).unwrap().kind, FaultKind::Dark);
    judge.picture(1433 * MS, seen(1433, 1000));
    assert_eq!(judge.verdict(1433 * MS).unwrap().kind, FaultKind::Frozen);
    judge.picture(1466 * MS, seen(1466, 1466));
    assert_eq!(judge.verdict(1466 * MS), None);
}

#[test]
fn a_stream_of_torn_pictures_is_told_and_a_single_one_is_not() {
    let mut judge = judge(33);
    for now_ms in [1100, 1300, 1500] {
        judge.bad(now_ms * MS, &BadBuffer::CutJpeg);
        assert_eq!(judge.verdict(now_ms * MS), None);
    }
    judge.bad(1600 * MS, &BadBuffer::Empty);
    let fault = judge.verdict(1600 * MS).unwrap();
    assert_eq!((fault.kind, fault.since_ns), (FaultKind::Torn, 1600 * MS));
    assert!(fault.text.ends_with("hold no whole one: it is empty"), "{}", fault.text);
    // Whole ones between them change nothing, and another reason makes it no other fault.
    judge.picture(1610 * MS, seen(1610, 1610));
    judge.bad(1620 * MS, &BadBuffer::CutJpeg);
    let text = judge.verdict(1800 * MS).unwrap().text;
    assert_eq!(text, fault.text);
    assert_eq!(judge.verdict(1801 * MS), None);
}

#[test]
fn brightness_is_that_of_a_grey() {
    for grey in [0, 1, 7, 128, 255] {
        assert!((brightness(&[grey; 3 * 640]) - f64::from(grey)).abs() < 1e-9);
    }
    assert_eq!(brightness(&[]), 0.0);
}

proptest! {
    /// Pictures that differ, are bright and on time are never a fault, whenever they come.
    #[test]
    fn good_pictures_are_never_a_fault(pauses in prop::collection::vec(1..400_u64, 1..100)) {
        let (mut judge, mut now_ms) = (Judge::new(LIMITS), 1000);
        for pause in pauses {
            now_ms += pause;
            judge.picture(now_ms * MS, seen(now_ms, now_ms));
            prop_assert_eq!(judge.verdict(now_ms * MS), None);
        }
    }

    /// One bit makes another signature.
    #[test]
    fn no_changed_bit_is_overlooked(
        bytes in prop::collection::vec(any::<u8>(), 1..200),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let mut other = bytes.clone();
        let at = at.index(bytes.len());
        other[at] ^= 1 << bit;
        prop_assert_ne!(signature(&bytes), signature(&other));
        prop_assert_ne!(signature(&bytes), signature(&bytes[1..]));
    }
}
