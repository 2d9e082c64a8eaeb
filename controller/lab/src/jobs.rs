//! Many things made at once: a thread for each job, and the results handed back as they come, or in
//! the order of their numbers whatever order they were made in. What is made is others' business.

use crossbeam_channel::{bounded, unbounded};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

/// Makes the results for numbers 0, 1, 2, ... on `jobs` threads and hands each to `take` when it
/// comes, until `take` breaks or `count` results were taken. When one fails no other is begun;
/// those that are under way are taken before the failure is told.
///
/// `worker` is called once in each thread and returns the function that makes a result. `stop` is
/// raised when no more is taken: what is being made then need not be finished.
pub fn as_they_come<T, Make>(
    jobs: usize,
    count: u64,
    stop: &AtomicBool,
    worker: impl Fn() -> anyhow::Result<Make> + Sync,
    mut take: impl FnMut(u64, T) -> anyhow::Result<ControlFlow<()>>,
) -> anyhow::Result<()>
where
    T: Send,
    Make: FnMut(u64) -> anyhow::Result<T>,
{
    std::thread::scope(|scope| {
        // No worker runs ahead of the slowest by more than this, so results do not pile up.
        let (numbers, next_number) = bounded::<u64>(jobs);
        let (results, done) = unbounded::<(Option<u64>, anyhow::Result<T>)>();
        for _ in 0..jobs {
            let (next_number, results, worker) = (next_number.clone(), results.clone(), &worker);
            scope.spawn(move || match worker() {
                Ok(mut make) => {
                    for number in next_number {
                        // A number that never comes back would be waited for for ever.
                        let made = catch_unwind(AssertUnwindSafe(|| make(number)));
                        let died = || anyhow::anyhow!("a worker panicked at number {number}");
                        let made = made.unwrap_or_else(|_| Err(died()));
                        if results.send((Some(number), made)).is_err() {
                            return;
                        }
                    }
                }
                Err(error) => {
                    let _ = results.send((None, Err(error)));
                }
            });
        }
        drop(results);

        let (mut handed_out, mut come) = (0, 0);
        let mut failed = None;
        loop {
            while failed.is_none() && handed_out < count && numbers.try_send(handed_out).is_ok() {
                handed_out += 1;
            }
            if come == handed_out {
                return failed.map_or(Ok(()), Err);
            }
            let Ok((number, result)) = done.recv() else {
                return Err(failed.unwrap_or_else(|| anyhow::anyhow!("every worker has died")));
            };
            come += u64::from(number.is_some());
            match (number, result) {
                (Some(number), Ok(result)) => {
                    let taken = take(number, result);
                    if !matches!(taken, Ok(ControlFlow::Continue(()))) {
                        stop.store(true, Ordering::Relaxed);
                        return taken.map(drop);
                    }
                }
                (_, Ok(_)) => {}
                (_, Err(error)) => {
                    failed.get_or_insert(error);
                    handed_out -= next_number.try_iter().count() as u64;
                }
            }
        }
    })
}

/// As [`as_they_come`], with the results in the order of their numbers.
pub fn in_order<T, Make>(
    jobs: usize,
    count: u64,
    stop: &AtomicBool,
    worker: impl Fn() -> anyhow::Result<Make> + Sync,
    mut take: impl FnMut(u64, T) -> anyhow::Result<ControlFlow<()>>,
) -> anyhow::Result<()>
where
    T: Send,
    Make: FnMut(u64) -> anyhow::Result<T>,
{
    let mut wanted = 0;
    let mut early = BTreeMap::new();
    as_they_come(jobs, count, stop, worker, |number, result| {
        early.insert(number, result);
        while let Some(result) = early.remove(&wanted) {
            wanted += 1;
            if take(wanted - 1, result)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crossbeam_channel::Sender;
    use std::fmt;

    #[test]
    fn results_come_in_order_and_stop_at_break() {
        let (mut taken, stop) = (Vec::new(), AtomicBool::new(false));
        in_order(
            3,
            u64::MAX,
            &stop,
            || Ok(|number: u64| Ok(number * 10)),
            |number, result| {
                taken.push((number, result));
                Ok(if taken.len() == 20 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                })
            },
        )
        .unwrap();
        assert!(stop.into_inner(), "nobody says that the others can stop");
        assert_eq!(taken, (0..20).map(|n| (n, n * 10)).collect::<Vec<_>>());
    }

    #[test]
    fn a_failed_worker_fails_the_whole() {
        let failed = in_order(
            2,
            10,
            &AtomicBool::new(false),
            || Ok(|number: u64| if number == 4 { anyhow::bail!("no luck") } else { Ok(number) }),
            |_, _| Ok(ControlFlow::Continue(())),
        );
        assert_eq!(failed.unwrap_err().to_string(), "no luck");
    }

    #[test]
    fn a_worker_that_panics_fails_the_whole() {
        let failed = in_order(
            2,
            10,
            &AtomicBool::new(false),
            || Ok(|number: u64| if number == 4 { panic!("a bug") } else { Ok(number) }),
            |_, _| Ok(ControlFlow::Continue(())),
        );
        assert_eq!(failed.unwrap_err().to_string(), "a worker panicked at number 4");
    }

    #[test]
    fn a_worker_that_cannot_start_fails_the_whole() {
        let failed = in_order(
            2,
            10,
            &AtomicBool::new(false),
            || -> anyhow::Result<fn(u64) -> anyhow::Result<u64>> { anyhow::bail!("no renderer") },
            |_, _: u64| Ok(ControlFlow::Continue(())),
        );
        assert_eq!(failed.unwrap_err().to_string(), "no renderer");
    }

    /// Says when nobody has it any more.
    #[derive(Debug)]
    struct NoLuck(Sender<()>);

    impl fmt::Display for NoLuck {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("no luck")
        }
    }

    impl std::error::Error for NoLuck {}

    impl Drop for NoLuck {
        fn drop(&mut self) {
            let _ = self.0.try_send(());
        }
    }

    #[test]
    fn what_is_under_way_when_one_fails_is_taken() {
        let (begin, begun) = bounded::<()>(2);
        let (tell, told) = bounded::<()>(2);
        let mut taken = Vec::new();
        let failed = as_they_come(
            3,
            100,
            &AtomicBool::new(false),
            || {
                Ok(|number: u64| {
                    if number == 1 || number == 2 {
                        begun.recv()?;
                        // One of the two is told, the other forgotten when both are known.
                        return Err(NoLuck(tell.clone()).into());
                    }
                    if number == 0 {
                        begin.send(())?;
                        begin.send(())?;
                    }
                    told.recv()?;
                    tell.send(())?;
                    Ok(number)
                })
            },
            |number, _| {
                taken.push(number);
                Ok(ControlFlow::Continue(()))
            },
        );
        assert_eq!(failed.unwrap_err().to_string(), "no luck");
        assert!(taken.contains(&0), "{taken:?}");
        assert!(taken.len() <= 3, "nothing is begun once a failure is known: {taken:?}");
    }
}
