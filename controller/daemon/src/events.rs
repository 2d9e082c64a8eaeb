//! What happens in the daemon, told to any number of readers. A slow reader misses events and is
//! told how many; it never delays those that tell.

use jaco_api::Event;
use std::sync::Arc;
use tokio::sync::{broadcast, watch};

/// Events that a reader may lag behind before it misses some: a run's progress of 50 s.
const DEPTH: usize = 512;

/// Where events are told and heard. Clones share the place.
#[derive(Clone, Debug)]
pub struct Events {
    told: broadcast::Sender<Event>,
    closed: Arc<watch::Sender<bool>>,
}

impl Default for Events {
    fn default() -> Self {
        Self { told: broadcast::Sender::new(DEPTH), closed: Arc::new(watch::Sender::new(false)) }
    }
}

impl Events {
    /// Tells `event` to all who listen now.
    pub fn tell(&self, event: Event) {
        // Nobody may be listening.
        let _ = self.told.send(event);
    }

    /// Listens from now on.
    pub fn listen(&self) -> Listener {
        Listener { told: self.told.subscribe(), closed: self.closed.subscribe() }
    }

    /// Ends what the listeners hear, once they have heard all that was told.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }
}

/// One reader.
#[derive(Debug)]
pub struct Listener {
    told: broadcast::Receiver<Event>,
    closed: watch::Receiver<bool>,
}

impl Listener {
    /// The next event; none when the daemon has ended.
    pub async fn next(&mut self) -> Option<Event> {
        tokio::select! {
            biased;
            event = self.told.recv() => match event {
                Ok(event) => Some(event),
                Err(broadcast::error::RecvError::Lagged(count)) => Some(Event::Missed { count }),
                Err(broadcast::error::RecvError::Closed) => None,
            },
            _ = self.closed.wait_for(|closed| *closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: usize) -> Event {
        Event::Stop { latched: false, why: number.to_string() }
    }

    #[tokio::test]
    async fn a_slow_reader_is_told_what_it_missed_and_delays_nobody() {
        let events = Events::default();
        let mut slow = events.listen();
        for number in 0..DEPTH + 3 {
            events.tell(event(number));
        }
        assert_eq!(slow.next().await, Some(Event::Missed { count: 3 }));
        assert_eq!(slow.next().await, Some(event(3)));
    }

    /// A listener kept the daemon from ending.
    #[tokio::test]
    async fn what_was_told_is_heard_and_then_the_end() {
        let events = Events::default();
        let mut listener = events.listen();
        events.tell(event(7));
        events.close();
        assert_eq!(listener.next().await, Some(event(7)));
        assert_eq!(listener.next().await, None);
    }
}
