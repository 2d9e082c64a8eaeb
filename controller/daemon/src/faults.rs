//! The board of faults: what is wrong with each part, in words. A fault is logged and told once
//! when it appears or changes and once when it goes, however often it is reported.

use crate::events::Events;
use jaco_api::Event;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Faults by part. Clones share the board.
#[derive(Clone, Debug)]
pub struct FaultBoard {
    faults: Arc<Mutex<BTreeMap<String, Standing>>>,
    events: Events,
}

/// A fault that stands.
#[derive(Debug)]
struct Standing {
    fault: String,
    /// How often a fault was reported since the part last worked.
    reports: u64,
}

impl FaultBoard {
    /// A board without faults, which tells `events` of changes.
    pub fn new(events: Events) -> Self {
        Self { faults: Arc::default(), events }
    }

    /// `part` has this fault now, or none.
    pub fn set(&self, part: &str, fault: Option<String>) {
        let (news, reports) = self.report(part, fault.clone());
        match fault {
            _ if !news => {}
            Some(fault) => tracing::error!(part, "{fault}"),
            None => tracing::info!(part, reports, "works"),
        }
    }

    /// `part` cannot be used yet, for it is `doing` something that takes its time.
    pub fn busy(&self, part: &str, doing: String) {
        if self.report(part, Some(doing.clone())).0 {
            tracing::info!(part, "{doing}");
        }
    }

    /// As [`set`](Self::set), for a part that keeps its own log; whether it is news.
    pub fn mirror(&self, part: &str, fault: Option<String>) -> bool {
        self.report(part, fault).0
    }

    /// Whether it is news, and how often a fault was reported since the part last worked.
    fn report(&self, part: &str, fault: Option<String>) -> (bool, u64) {
        let mut faults = self.lock();
        let before = faults.remove(part);
        let reports = before.as_ref().map_or(0, |standing| standing.reports);
        let news = before.map(|standing| standing.fault) != fault;
        if let Some(fault) = fault.clone() {
            faults.insert(part.to_owned(), Standing { fault, reports: reports + 1 });
        }
        drop(faults);
        if news {
            self.events.tell(Event::Fault { part: part.to_owned(), fault });
        }
        (news, reports)
    }

    /// What is wrong with `part`.
    pub fn of(&self, part: &str) -> Option<String> {
        self.lock().get(part).map(|standing| standing.fault.clone())
    }

    /// All faults, each with its part.
    pub fn all(&self) -> Vec<String> {
        let faults = self.lock();
        faults.iter().map(|(part, standing)| format!("{part}: {}", standing.fault)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Standing>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same failure was logged each second for ever.
    #[tokio::test]
    async fn a_fault_that_is_reported_again_and_again_is_told_once() {
        let events = Events::default();
        let mut listener = events.listen();
        let board = FaultBoard::new(events);
        for _ in 0..100 {
            board.set("servo", Some("no arm".to_owned()));
        }
        board.set("servo", None);
        board.set("servo", None);
        assert!(board.all().is_empty());
        let told = |fault: Option<&str>| {
            Some(Event::Fault { part: "servo".to_owned(), fault: fault.map(str::to_owned) })
        };
        assert_eq!(listener.next().await, told(Some("no arm")));
        assert_eq!(listener.next().await, told(None));
        drop(board);
        assert_eq!(listener.next().await, None);
    }

    #[test]
    fn faults_name_their_part() {
        let board = FaultBoard::new(Events::default());
        board.set("camera front", Some("gives no picture".to_owned()));
        board.set("camera front", Some("is unplugged".to_owned()));
        assert_eq!(board.all(), ["camera front: is unplugged"]);
        assert_eq!(board.of("policy"), None);
    }
}
