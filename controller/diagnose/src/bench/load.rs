//! Threads that keep every core busy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};

/// Rounds between two looks whether to end: some microseconds.
const ROUNDS: u64 = 10_000;

/// One busy thread for each core, of usual priority; they end with it.
pub struct Load {
    enough: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts them.
    pub fn start() -> anyhow::Result<Self> {
        let cores = std::thread::available_parallelism()?.get();
        let mut load = Self { enough: Arc::default(), threads: Vec::new() };
        for _ in 0..cores {
            let enough = Arc::clone(&load.enough);
            let busy = move || {
                let mut number = 1_u64;
                while !enough.load(Ordering::Relaxed) {
                    for _ in 0..ROUNDS {
                        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    }
                    std::hint::black_box(number);
                }
            };
            load.threads.push(Builder::new().name("busy".to_owned()).spawn(busy)?);
        }
        Ok(load)
    }

    /// How many there are.
    pub fn threads(&self) -> usize {
        self.threads.len()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It cannot panic.
            let _ = thread.join();
        }
    }
}
