//! Tests of the negotiation: cameras as they are met, and generated ones.

#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use proptest::sample::select;

fn offer(fourcc: &[u8; 4], width: u32, height: u32, rates: &[(u32, u32)]) -> Offer {
    let intervals =
        rates.iter().map(|&(denominator, numerator)| Interval { numerator, denominator });
    let size = Size::One { width, height };
    Offer { fourcc: *fourcc, size, rates: Rates::Some(intervals.collect()) }
}

const WANTED: Wanted = Wanted { width: 640, height: 480, rate_hz: 30, format: CameraFormat::Auto };

#[test]
fn mjpeg_is_preferred_then_raw_formats() {
    let offers = [
        offer(b"H264", 640, 480, &[(30, 1)]),
        offer(b"YUYV", 640, 480, &[(30, 1)]),
        offer(b"MJPG", 640, 480, &[(30, 1)]),
    ];
    assert_eq!(choose(&offers, &WANTED).unwrap().pixel, Pixel::Mjpeg);
    assert_eq!(choose(&offers[..2], &WANTED).unwrap().pixel, Pixel::Yuyv);
    // The preferred format does not have the size: another that has it is taken.
    let offers = [offer(b"MJPG", 1280, 720, &[(30, 1)]), offer(b"NV12", 640, 480, &[(15, 1)])];
    assert_eq!(choose(&offers, &WANTED).unwrap().pixel, Pixel::Nv12);
}

#[test]
fn a_size_that_is_not_offered_is_refused_with_what_is() {
    let offers = [
        offer(b"MJPG", 1280, 720, &[(30, 1), (30000, 1001)]),
        offer(b"YUYV", 320, 240, &[(15, 2)]),
        offer(b"H264", 640, 480, &[(30, 1)]),
    ];
    assert_eq!(
        choose(&offers, &WANTED).unwrap_err().to_string(),
        "offers no 640 x 480 pictures, and sizes are not changed here; \
         it offers MJPG 1280x720 (30 Hz, 29.97 Hz); YUYV 320x240 (7.5 Hz)"
    );
    let range = Offer {
        fourcc: *b"YUYV",
        size: Size::Range { width: [48, 636, 4], height: [32, 480, 2] },
        rates: Rates::Range {
            shortest: Interval::of_rate(60),
            longest: Interval { numerator: 1000, denominator: 1 },
        },
    };
    assert_eq!(
        choose(&[range], &WANTED).unwrap_err().to_string(),
        "offers no 640 x 480 pictures, and sizes are not changed here; \
         it offers YUYV 48x32 to 636x480 in steps of 4x2 (0 Hz to 60 Hz)"
    );
}

#[test]
fn without_a_readable_format_the_others_are_listed() {
    assert_eq!(
        choose(&[offer(b"H264", 640, 480, &[(30, 1)])], &WANTED).unwrap_err().to_string(),
        "offers no format that can be read (MJPEG, or raw YUYV, NV12, RGB3, BGR3, GREY); \
         it offers H264 640x480 (30 Hz)"
    );
    let nothing = choose(&[], &WANTED).unwrap_err().to_string();
    assert!(nothing.ends_with("it offers nothing"), "{nothing}");
}

#[test]
fn the_rate_is_the_wanted_one_else_the_next_higher_else_the_highest() {
    let nearest = |rates: &[(u32, u32)]| {
        choose(&[offer(b"MJPG", 640, 480, rates)], &WANTED).unwrap().interval
    };
    let interval = |denominator, numerator| Interval { numerator, denominator };
    assert_eq!(nearest(&[(60, 1), (30, 1), (15, 1)]), interval(30, 1));
    assert_eq!(nearest(&[(60, 1), (50, 1), (25, 1)]), interval(50, 1));
    assert_eq!(nearest(&[(5, 1), (25, 1), (15, 1)]), interval(25, 1));
    // Fractions: of television, and as USB cameras state 30 Hz.
    assert_eq!(nearest(&[(60, 1), (30000, 1001)]), interval(30000, 1001));
    assert_eq!(nearest(&[(30000, 1001), (30, 1)]), interval(30, 1));
    assert_eq!(nearest(&[(60, 1), (10_000_000, 333_333)]), interval(10_000_000, 333_333));
    // What says nothing is as good as nothing: the driver is asked for what is wanted.
    assert_eq!(nearest(&[(0, 1), (1, 0)]), interval(30, 1));
    assert_eq!(nearest(&[]), interval(30, 1));
}

#[test]
fn ranges_and_silence_leave_the_wanted_rate() {
    let nearest = |rates: Rates| {
        let offer = Offer { fourcc: *b"MJPG", size: Size::Unstated, rates };
        choose(&[offer], &WANTED).unwrap().interval
    };
    let range = |fast, slow| Rates::Range {
        shortest: Interval::of_rate(fast),
        longest: Interval::of_rate(slow),
    };
    assert_eq!(nearest(Rates::Unstated), Interval::of_rate(30));
    assert_eq!(nearest(range(60, 1)), Interval::of_rate(30));
    assert_eq!(nearest(range(20, 1)), Interval::of_rate(20));
    assert_eq!(nearest(range(90, 60)), Interval::of_rate(60));
    assert_eq!(nearest(range(0, 0)), Interval::of_rate(30));
}

fn interval() -> impl Strategy<Value = Interval> {
    (0..2000_u32, 0..60_000_u32)
        .prop_map(|(numerator, denominator)| Interval { numerator, denominator })
}

fn offer_strategy() -> impl Strategy<Value = Offer> {
    let side = || select(vec![0, 1, 240, 320, 480, 640, 720, 1280, u32::MAX]);
    let size = prop_oneof![
        (side(), side()).prop_map(|(width, height)| Size::One { width, height }),
        ([side(), side(), side()], [side(), side(), side()])
            .prop_map(|(width, height)| Size::Range { width, height }),
        Just(Size::Unstated),
    ];
    let rates = prop_oneof![
        prop::collection::vec(interval(), 0..5).prop_map(Rates::Some),
        (interval(), interval()).prop_map(|(shortest, longest)| Rates::Range { shortest, longest }),
        Just(Rates::Unstated),
    ];
    let fourcc = select(vec![*b"MJPG", *b"YUYV", *b"H264", *b"GREY", [0, 255, 10, 65]]);
    (fourcc, size, rates).prop_map(|(fourcc, size, rates)| Offer { fourcc, size, rates })
}

proptest! {
    #[test]
    fn what_is_chosen_was_offered_and_nothing_better_was(
        offers in prop::collection::vec(offer_strategy(), 0..8),
        rate_hz in 10..=120_u32,
    ) {
        let wanted = Wanted { rate_hz, ..WANTED };
        let fits = |offer: &Offer| {
            Pixel::from_fourcc(offer.fourcc).is_some() && offer.size.has(640, 480)
        };
        match choose(&offers, &wanted) {
            Err(refusal) => {
                prop_assert!(!offers.iter().any(fits));
                prop_assert!(!refusal.to_string().is_empty());
            }
            Ok(choice) => {
                prop_assert_eq!((choice.width, choice.height), (640, 480));
                prop_assert!(choice.interval.is_known());
                let offer = offers.iter().find(|offer| {
                    offer.fourcc == choice.pixel.fourcc() && fits(offer)
                });
                let Some(Offer { rates: Rates::Some(intervals), .. }) = offer else { return Ok(()) };
                let known: Vec<_> = intervals.iter().filter(|i| i.is_known()).collect();
                prop_assert!(known.is_empty() || known.contains(&&choice.interval));
                if known.iter().any(|interval| interval.counts_as(rate_hz)) {
                    prop_assert!(choice.interval.counts_as(rate_hz));
                } else if known.iter().any(|interval| interval.reaches(rate_hz)) {
                    prop_assert!(choice.interval.reaches(rate_hz));
                } else {
                    let fastest = known.iter().map(|i| i.rate_hz()).fold(0.0, f64::max);
                    prop_assert!(known.is_empty() || choice.interval.rate_hz() == fastest);
                }
            }
        }
    }
}
