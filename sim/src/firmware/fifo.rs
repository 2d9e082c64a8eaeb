//! The base's trajectory buffer.

use super::point::Point;
use std::collections::VecDeque;

/// Points that the base can hold.
pub const FIFO_DEPTH: usize = 2000;

/// First in, first out; what comes when it is full is lost, without a word to the sender.
#[derive(Clone, Debug, Default)]
pub struct Fifo(VecDeque<Point>);

impl Fifo {
    /// Appends `point`; false if there was no room.
    pub fn push(&mut self, point: Point) -> bool {
        let room = self.0.len() < FIFO_DEPTH;
        if room {
            self.0.push_back(point);
        }
        room
    }

    /// The point in execution.
    pub fn front(&self) -> Option<&Point> {
        self.0.front()
    }

    /// Drops the point in execution.
    pub fn pop(&mut self) {
        self.0.pop_front();
    }

    /// Drops all points.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Points waiting, the one in execution included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
