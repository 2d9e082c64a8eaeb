//! When ticks are due, and how late they were. Pure: time is passed in.

use hdrhistogram::Histogram;
use jaco_core::TICK_NS;

/// How far the simulation may run behind real time before it gives ticks up.
const MAX_BEHIND_NS: u64 = 10 * TICK_NS;
/// Longest lateness that is told apart \[us\].
const LONGEST_US: u64 = 60_000_000;

/// The schedule of ticks: absolute deadlines, so that a late tick is caught up.
#[derive(Debug)]
pub(super) struct Pace {
    next_ns: u64,
    lateness_us: Histogram<u64>,
    /// Ticks that began more than half a tick late.
    pub late: u64,
    /// Ticks given up.
    pub dropped: u64,
}

impl Pace {
    /// The first tick is due one period from `now_ns`.
    pub fn new(now_ns: u64) -> Self {
        let lateness_us = Histogram::new_with_bounds(1, LONGEST_US, 2)
            .expect("one microsecond to a minute with two digits are valid bounds");
        Self { next_ns: now_ns + TICK_NS, lateness_us, late: 0, dropped: 0 }
    }

    /// Time until the next tick is due \[ns\]; 0 when it is.
    pub fn wait_ns(&self, now_ns: u64) -> u64 {
        self.next_ns.saturating_sub(now_ns)
    }

    /// A tick that is due begins.
    pub fn begin(&mut self, now_ns: u64) {
        let behind_ns = now_ns.saturating_sub(self.next_ns);
        self.lateness_us.saturating_record(behind_ns / 1000);
        self.late += u64::from(behind_ns > TICK_NS / 2);
        if behind_ns > MAX_BEHIND_NS {
            let dropped = behind_ns / TICK_NS;
            self.dropped += dropped;
            self.next_ns += dropped * TICK_NS;
        }
        self.next_ns += TICK_NS;
    }

    /// Quantile `q` of the lateness \[us\].
    pub fn lateness_us(&self, q: f64) -> u64 {
        self.lateness_us.value_at_quantile(q)
    }

    /// Forgets the lateness so far.
    pub fn forget(&mut self) {
        self.lateness_us.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Over any sequence of delays as many ticks begin as fit in the time that passed, but
        /// for those given up, and never more.
        #[test]
        fn ticks_keep_up_with_time(delays_ns in prop::collection::vec(0..5 * TICK_NS, 1..100)) {
            let mut now_ns = 1_000_000_000;
            let start_ns = now_ns;
            let mut pace = Pace::new(now_ns);
            let mut begun = 0;
            for delay_ns in delays_ns {
                now_ns += pace.wait_ns(now_ns);
                prop_assert_eq!(pace.wait_ns(now_ns), 0);
                pace.begin(now_ns);
                begun += 1;
                now_ns += delay_ns;
                while pace.wait_ns(now_ns) == 0 {
                    pace.begin(now_ns);
                    begun += 1;
                }
            }
            prop_assert_eq!(begun + pace.dropped, (now_ns - start_ns) / TICK_NS);
        }
    }

    #[test]
    fn a_long_stall_is_not_caught_up() {
        let mut pace = Pace::new(0);
        pace.begin(TICK_NS + 1_000_000_000);
        assert_eq!((pace.late, pace.dropped), (1, 100));
        assert_eq!(pace.wait_ns(TICK_NS + 1_000_000_000), TICK_NS);
    }

    #[test]
    fn a_short_one_is() {
        let mut pace = Pace::new(0);
        let now_ns = 4 * TICK_NS;
        for _ in 0..4 {
            assert_eq!(pace.wait_ns(now_ns), 0);
            pace.begin(now_ns);
        }
        assert_eq!((pace.late, pace.dropped), (3, 0));
        assert_eq!(pace.wait_ns(now_ns), TICK_NS);
        assert_eq!(pace.lateness_us(1.0) / 1000, 30);
    }
}
