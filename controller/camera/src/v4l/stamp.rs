//! When a picture was taken: the driver's stamp, where it can be believed. Pure.

/// Stamps this far back \[ns\] are no stamps: some drivers give zero. Nearer ones may be true, of a
/// camera that is late.
const OLDEST_NS: u64 = 5_000_000_000;

/// What a driver says of a buffer's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Whether the flags say that it is of the kernel's monotonic clock.
    pub(super) monotonic: bool,
    pub(super) sec: i64,
    pub(super) usec: i64,
}

/// Why a driver's stamp is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadStamp {
    #[error("the driver's stamps are not of the monotonic clock")]
    OtherClock,
    #[error("the driver's stamp lies in the future")]
    Future,
    #[error("the driver's stamp is more than five seconds old")]
    TooOld,
}

impl Stamp {
    /// When the picture was taken, monotonic \[ns\], given when it came.
    pub(super) fn captured_ns(self, dequeued_ns: u64) -> Result<u64, BadStamp> {
        if !self.monotonic {
            return Err(BadStamp::OtherClock);
        }
        let stamp_ns = i128::from(self.sec) * 1_000_000_000 + i128::from(self.usec) * 1_000;
        if stamp_ns > i128::from(dequeued_ns) {
            return Err(BadStamp::Future);
        }
        match u64::try_from(stamp_ns) {
            Ok(stamp_ns) if dequeued_ns - stamp_ns <= OLDEST_NS => Ok(stamp_ns),
            _ => Err(BadStamp::TooOld),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(sec: i64, usec: i64) -> Stamp {
        Stamp { monotonic: true, sec, usec }
    }

    #[test]
    fn the_drivers_stamp_is_taken_when_it_can_be_true() {
        let now_ns = 100_000_000_000;
        assert_eq!(at(99, 960_000).captured_ns(now_ns), Ok(99_960_000_000));
        assert_eq!(at(100, 0).captured_ns(now_ns), Ok(now_ns));
        assert_eq!(at(95, 0).captured_ns(now_ns), Ok(95_000_000_000));
        assert_eq!(at(94, 999_999).captured_ns(now_ns), Err(BadStamp::TooOld));
        assert_eq!(at(100, 1).captured_ns(now_ns), Err(BadStamp::Future));
        assert_eq!(at(0, 0).captured_ns(now_ns), Err(BadStamp::TooOld));
        let other = Stamp { monotonic: false, ..at(99, 960_000) };
        assert_eq!(other.captured_ns(now_ns), Err(BadStamp::OtherClock));
    }

    proptest! {
        #[test]
        fn no_stamp_is_believed_beyond_five_seconds(sec: i64, usec: i64, now_ns: u64) {
            if let Ok(captured_ns) = at(sec, usec).captured_ns(now_ns) {
                prop_assert!(captured_ns <= now_ns && now_ns - captured_ns <= OLDEST_NS);
            }
        }

        #[test]
        fn a_recent_stamp_is_taken_as_it_is(now_us in 1_000_000..u64::MAX / 1000, age_us in 0..=1_000_000_u64) {
            let stamp_us = (now_us - age_us) as i64;
            let stamp = at(stamp_us / 1_000_000, stamp_us % 1_000_000);
            prop_assert_eq!(stamp.captured_ns(now_us * 1000), Ok(stamp_us as u64 * 1000));
        }
    }
}
