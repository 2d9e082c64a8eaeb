//! When ticks are due. Pure.

use jaco_core::TICK_NS;

/// Deadlines on a fixed grid of 10 ms.
#[derive(Clone, Copy, Debug)]
pub struct Pacer {
    next_ns: u64,
}

/// The coming tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// When it is due, monotonic \[ns\].
    pub due_ns: u64,
    /// Ticks left out since the one before.
    pub missed: u64,
}

impl Pacer {
    /// A pacer whose first tick is due at `start_ns`.
    pub fn new(start_ns: u64) -> Self {
        Self { next_ns: start_ns }
    }

    /// The coming tick, asked for at `now_ns`: the next on the grid, or, if more than a whole
    /// tick is past that, the latest on the grid that is past; those before are left out.
    pub fn next(&mut self, now_ns: u64) -> Tick {
        let missed = now_ns.saturating_sub(self.next_ns) / TICK_NS;
        let due_ns = self.next_ns + missed * TICK_NS;
        self.next_ns = due_ns + TICK_NS;
        Tick { due_ns, missed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_tick_in_time_keeps_the_grid() {
        let mut pacer = Pacer::new(1_000);
        assert_eq!(pacer.next(1_000), Tick { due_ns: 1_000, missed: 0 });
        assert_eq!(pacer.next(4_000_000), Tick { due_ns: 1_000 + TICK_NS, missed: 0 });
    }

    #[test]
    fn a_slow_tick_is_not_made_up_for() {
        let mut pacer = Pacer::new(0);
        pacer.next(0);
        assert_eq!(pacer.next(55_000_000), Tick { due_ns: 50_000_000, missed: 4 });
        assert_eq!(pacer.next(56_000_000), Tick { due_ns: 60_000_000, missed: 0 });
    }

    proptest! {
        #[test]
        fn no_more_ticks_than_time(delays_ns in proptest::collection::vec(0..100_000_000_u64, 1..50)) {
            let mut pacer = Pacer::new(0);
            let (mut now_ns, mut ticks, mut missed) = (0, 0, 0);
            for delay_ns in delays_ns {
                let tick = pacer.next(now_ns);
                ticks += 1;
                missed += tick.missed;
                // The tick runs when it is due and takes `delay_ns`.
                now_ns = now_ns.max(tick.due_ns) + delay_ns;
                prop_assert_eq!(tick.due_ns, (ticks + missed - 1) * TICK_NS);
            }
        }
    }
}
