//! A latest-value slot: writers replace, readers take the newest or wait for a newer one.
//!
//! A slow reader misses values; it never delays the writer. No lock is held across anything
//! that can block.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A shared place for the newest value of something. Clones share the place.
#[derive(Debug)]
pub struct Slot<T>(Arc<Shared<T>>);

#[derive(Debug)]
struct Shared<T> {
    newest: Mutex<Newest<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Newest<T> {
    version: u64,
    value: Option<Arc<T>>,
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        let newest = Mutex::new(Newest { version: 0, value: None });
        Self(Arc::new(Shared { newest, changed: Condvar::new() }))
    }
}

impl<T> Slot<T> {
    /// Replaces the value and wakes all who wait.
    pub fn put(&self, value: T) {
        let mut newest = self.0.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.version += 1;
        newest.value = Some(Arc::new(value));
        drop(newest);
        self.0.changed.notify_all();
    }

    /// Empties the slot: what was in it is no longer true.
    pub fn clear(&self) {
        let mut newest = self.0.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.version += 1;
        newest.value = None;
    }

    /// The newest value, if there is one.
    pub fn get(&self) -> Option<Arc<T>> {
        self.0.newest.lock().unwrap_or_else(PoisonError::into_inner).value.clone()
    }

    /// The newest value for which `wanted` holds, waiting for one at most `timeout`.
    pub fn wait_for(&self, timeout: Duration, wanted: impl Fn(&T) -> bool) -> Option<Arc<T>> {
        let newest = self.0.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = |newest: &mut Newest<T>| !newest.value.as_deref().is_some_and(&wanted);
        let (newest, waited) = self
            .0
            .changed
            .wait_timeout_while(newest, timeout, missing)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() { None } else { newest.value.clone() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_reader_gets_the_newest_value_only() {
        let slot = Slot::default();
        assert!(slot.get().is_none());
        slot.put(1);
        slot.put(2);
        assert_eq!(*slot.get().unwrap(), 2);
        slot.clear();
        assert!(slot.get().is_none());
    }

    #[test]
    fn a_waiter_is_woken_by_the_value_it_waits_for() {
        let slot = Slot::default();
        let writer = slot.clone();
        let thread = std::thread::spawn(move || (1..=3).for_each(|value| writer.put(value)));
        let got = slot.wait_for(Duration::from_secs(60), |value| *value >= 3);
        thread.join().unwrap();
        assert_eq!(*got.unwrap(), 3);
    }

    #[test]
    fn waiting_for_what_never_comes_ends() {
        let slot: Slot<u32> = Slot::default();
        assert!(slot.wait_for(Duration::from_millis(1), |_| true).is_none());
    }
}
