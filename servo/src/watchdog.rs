//! Silence: how long ago something was last heard.

/// Remembers when something was last heard.
#[derive(Clone, Copy, Debug)]
pub struct Watchdog {
    limit_ns: u64,
    heard_ns: Option<u64>,
}

impl Watchdog {
    /// A watchdog that finds more than `limit_ns` of silence too long; never heard is too long.
    pub fn new(limit_ns: u64) -> Self {
        Self { limit_ns, heard_ns: None }
    }

    /// Something was heard at `now_ns`.
    pub fn heard(&mut self, now_ns: u64) {
        self.heard_ns = Some(now_ns);
    }

    /// Whether the silence at `now_ns` is longer than the limit.
    pub fn is_silent(&self, now_ns: u64) -> bool {
        self.heard_ns.is_none_or(|heard_ns| now_ns.saturating_sub(heard_ns) > self.limit_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_begins_just_past_the_limit() {
        let mut watchdog = Watchdog::new(100);
        assert!(watchdog.is_silent(0));
        watchdog.heard(50);
        assert!(!watchdog.is_silent(150));
        assert!(watchdog.is_silent(151));
    }

    #[test]
    fn a_clock_read_before_the_sign_of_life_is_not_silence() {
        let mut watchdog = Watchdog::new(100);
        watchdog.heard(1_000);
        assert!(!watchdog.is_silent(0));
    }
}
