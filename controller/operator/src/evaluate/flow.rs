//! The course of a try at the arm, as a table: the table is set, the policy drives, somebody judges.
//! It knows of no daemon and no terminal.

/// Where a try is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The table is being set.
    Table,
    /// The policy drives.
    Running,
    /// It has ended, and a person has to say how.
    Judging,
    /// It counts, as a success or a failure.
    Kept(bool),
    /// It does not count, and no other is made now.
    Left,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The table is set.
    Ready,
    /// The run has come to its end, with a verdict or without.
    Ended(Option<bool>),
    /// Somebody has broken the run off.
    Stopped,
    /// A fault has; whether it was not the first one here.
    Faulted {
        /// Whether the try has had its chances.
        often: bool,
    },
    /// The person says that the task is done.
    Yes,
    /// The person says that it is not.
    No,
    /// The person wants it made again.
    Again,
    /// The person wants to end the evaluation, to go on another day.
    Quit,
}

/// What follows. `asked` = there is a person who judges where the run's end does not. What is not in
/// the table changes nothing.
pub fn next(state: State, event: Event, asked: bool) -> State {
    use Event::{Again, Ended, Faulted, No, Quit, Ready, Stopped, Yes};
    use State::{Judging, Kept, Left, Running, Table};
    match (state, event) {
        (Table, Ready) => Running,
        (Running, Ended(Some(success))) => Kept(success),
        (Running, Ended(None)) if asked => Judging,
        // Neither says anything of the policy, and a person decides whether to go on.
        (Running, Stopped | Faulted { .. }) if asked => Table,
        (Running, Ended(None) | Stopped) => Left,
        // Nobody is there: a fault that comes again and again is what the policy does.
        (Running, Faulted { often: true }) => Kept(false),
        (Running, Faulted { often: false }) => Table,
        (Judging, Yes) => Kept(true),
        (Judging, No) => Kept(false),
        (Judging, Again) => Table,
        (Table | Judging, Quit) => Left,
        (unchanged, _) => unchanged,
    }
}

/// What a key means.
pub fn key(sign: char) -> Option<Event> {
    match sign {
        ' ' => Some(Event::Ready),
        'y' => Some(Event::Yes),
        'n' => Some(Event::No),
        'a' => Some(Event::Again),
        'q' => Some(Event::Quit),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Event::{Again, Ended, Faulted, No, Quit, Ready, Stopped, Yes};
    use State::{Judging, Kept, Left, Running, Table};

    const STATES: [State; 6] = [Table, Running, Judging, Kept(true), Kept(false), Left];
    const EVENTS: [Event; 11] = [
        Ready,
        Ended(None),
        Ended(Some(true)),
        Ended(Some(false)),
        Stopped,
        Faulted { often: false },
        Faulted { often: true },
        Yes,
        No,
        Again,
        Quit,
    ];

    #[test]
    fn the_whole_table() {
        let asked = [
            (Table, Ready, Running),
            (Table, Quit, Left),
            (Running, Ended(Some(true)), Kept(true)),
            (Running, Ended(Some(false)), Kept(false)),
            (Running, Ended(None), Judging),
            (Running, Stopped, Table),
            (Running, Faulted { often: false }, Table),
            (Running, Faulted { often: true }, Table),
            (Judging, Yes, Kept(true)),
            (Judging, No, Kept(false)),
            (Judging, Again, Table),
            (Judging, Quit, Left),
        ];
        for state in STATES {
            for event in EVENTS {
                let listed = asked.iter().find(|(from, on, _)| (*from, *on) == (state, event));
                let expected = listed.map_or(state, |(_, _, to)| *to);
                assert_eq!(next(state, event, true), expected, "{state:?} {event:?}");
                let alone = match (state, event) {
                    (Running, Ended(None) | Stopped) => Left,
                    (Running, Faulted { often: true }) => Kept(false),
                    _ => expected,
                };
                assert_eq!(next(state, event, false), alone, "{state:?} {event:?}, nobody asked");
            }
        }
    }

    /// Whatever is pressed, a try counts only after the policy has driven and somebody has judged.
    #[test]
    fn nothing_counts_before_the_policy_has_driven() {
        for event in EVENTS.into_iter().chain(" ynaq".chars().filter_map(key)) {
            assert!(!matches!(next(Table, event, true), Kept(_)), "{event:?}");
        }
        assert_eq!(" ynaq".chars().filter_map(key).count(), 5);
        assert_eq!(key('x'), None);
    }
}
