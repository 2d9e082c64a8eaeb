//! The newest values of a kind, in memory that is taken once.

use std::collections::VecDeque;

/// At most so many values; the oldest goes when another comes.
#[derive(Debug)]
pub struct Ring<T> {
    values: VecDeque<T>,
    capacity: usize,
}

impl<T> Ring<T> {
    /// Room for `capacity` values, at least one.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self { values: VecDeque::with_capacity(capacity), capacity }
    }

    /// Adds a value.
    pub fn push(&mut self, value: T) {
        if self.values.len() == self.capacity {
            self.values.pop_front();
        }
        self.values.push_back(value);
    }

    /// The values, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.values.iter()
    }

    /// The newest value.
    pub fn newest(&self) -> Option<&T> {
        self.values.back()
    }
}

impl<T: Clone> Ring<T> {
    /// Becomes the same as `other`, which must have the same capacity, in the memory it has.
    pub fn copy_from(&mut self, other: &Self) {
        self.values.clear();
        self.values.extend(other.values.iter().cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_newest_are_kept_in_order_and_no_memory_is_taken(
            capacity in 1_usize..20, count in 0_usize..60,
        ) {
            let (mut ring, mut copy) = (Ring::new(capacity), Ring::new(capacity));
            let room = ring.values.capacity();
            for value in 0..count {
                ring.push(value);
                copy.copy_from(&ring);
            }
            let expected: Vec<_> = (count.saturating_sub(capacity)..count).collect();
            prop_assert!(copy.iter().copied().eq(expected));
            prop_assert_eq!(ring.newest().copied(), count.checked_sub(1));
            prop_assert_eq!((ring.values.capacity(), copy.values.capacity()), (room, room));
        }
    }
}
