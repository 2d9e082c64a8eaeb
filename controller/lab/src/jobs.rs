//! Many episodes at once: a worker thread per job, each with a world of its own, and the results
//! handed back in the order of their numbers whatever order they were made in.

use crossbeam_channel::{bounded, unbounded};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Makes the results for numbers 0, 1, 2, ... on `jobs` threads and hands them to `take` in that
/// order, until `take` breaks, `count` results were taken, or one failed.
///
/// `worker` is called once in each thread and returns the function that makes a result.
pub fn in_order<T, Make>(
    jobs: usize,
    count: u64,
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
        let (results, done) = unbounded::<(u64, anyhow::Result<T>)>();
        for _ in 0..jobs {
            let (next_number, results, worker) = (next_number.clone(), results.clone(), &worker);
            scope.spawn(move || match worker() {
                Ok(mut make) => {
                    for number in next_number {
                        if results.send((number, make(number))).is_err() {
                            return;
                        }
                    }
                }
                Err(error) => {
                    let _ = results.send((u64::MAX, Err(error)));
                }
            });
        }
        drop((next_number, results));

        let (mut handed_out, mut wanted) = (0, 0);
        let mut early = BTreeMap::new();
        while wanted < count {
            while handed_out < count && numbers.try_send(handed_out).is_ok() {
                handed_out += 1;
            }
            let Ok((number, result)) = done.recv() else {
                anyhow::bail!("every worker has died");
            };
            early.insert(number, result?);
            while let Some(result) = early.remove(&wanted) {
                wanted += 1;
                if take(wanted - 1, result)?.is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn results_come_in_order_and_stop_at_break() {
        let mut taken = Vec::new();
        in_order(
            3,
            u64::MAX,
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
        assert_eq!(taken, (0..20).map(|n| (n, n * 10)).collect::<Vec<_>>());
    }

    #[test]
    fn a_failed_worker_fails_the_whole() {
        let failed = in_order(
            2,
            10,
            || Ok(|number: u64| if number == 4 { anyhow::bail!("no luck") } else { Ok(number) }),
            |_, _| Ok(ControlFlow::Continue(())),
        );
        assert_eq!(failed.unwrap_err().to_string(), "no luck");
    }

    #[test]
    fn a_worker_that_cannot_start_fails_the_whole() {
        let failed = in_order(
            2,
            10,
            || -> anyhow::Result<fn(u64) -> anyhow::Result<u64>> { anyhow::bail!("no renderer") },
            |_, _: u64| Ok(ControlFlow::Continue(())),
        );
        assert_eq!(failed.unwrap_err().to_string(), "no renderer");
    }
}
