//! Threads that say when they end. A thread of the daemon that ends, by a panic or by returning,
//! always reaches the closure that releases what it owned.

use jaco_servo::process::realtime::Feeding;
use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::thread::{Builder, JoinHandle};

/// Runs `body` on a thread called `name`; `ended` is called there when it is over, with the
/// panic's message if it panicked.
pub fn spawn(
    name: &str,
    body: impl FnOnce() + Send + 'static,
    ended: impl FnOnce(Option<String>) + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.to_owned()).spawn(move || {
        // What the body owned is dropped by the unwinding; `ended` sees only what it brings along.
        let end = catch_unwind(AssertUnwindSafe(body));
        ended(end.err().map(|panic| message(&*panic)));
    })
}

/// Lets this thread run at a low real-time priority where that is permitted, until the answer is
/// dropped: for one that keeps the arm fed, so that a busy machine does not make the servo take the
/// daemon for gone. It must sleep in between.
pub fn feed() -> Option<Feeding> {
    static REFUSED: Once = Once::new();
    let feeding = Feeding::ask();
    if let Err(error) = &feeding {
        REFUSED.call_once(|| {
            tracing::warn!(
                "no SCHED_FIFO for the threads that keep the arm fed, a busy machine may make it \
                 hold: {error}"
            );
        });
    }
    feeding.ok()
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without words").to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_thread_says_how_it_ended() {
        let (say, said) = channel();
        let too = say.clone();
        spawn("well", || {}, move |end| say.send(end).unwrap()).unwrap().join().unwrap();
        let panics = || panic!("plotting failed: {}", 7);
        spawn("badly", panics, move |end| too.send(end).unwrap()).unwrap().join().unwrap();
        assert_eq!(said.recv().unwrap(), None);
        assert_eq!(said.recv().unwrap().as_deref(), Some("plotting failed: 7"));
    }
}
