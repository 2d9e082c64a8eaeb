//! The way to the SDK: every call goes through here, so that none can block on the semaphore that
//! failed reads have emptied, and none is taken for done that said otherwise.
//!
//! It must never retry or decide what a failure means.

use super::api::{Api, Called};
use super::error::{CallError, judge};
use super::semaphore::Semaphore;

/// An SDK and the semaphore that its USB layer takes for each call.
#[derive(Debug)]
pub(super) struct Line<A: Api> {
    api: A,
    semaphore: Option<Semaphore>,
}

impl<A: Api> Line<A> {
    /// A line whose semaphore is not known yet: the SDK makes it in InitAPI.
    pub fn new(api: A) -> Self {
        Self { api, semaphore: None }
    }

    /// Takes the semaphore called `name` as it is now, between two calls of a working SDK, for
    /// what it should be.
    pub fn keep_semaphore(&mut self, name: &str) {
        self.semaphore = Semaphore::open(name);
    }

    /// Makes `call`. Fails when it said something other than 1, or is missing.
    pub fn call(
        &self,
        name: &'static str,
        call: impl FnOnce(&A) -> Called,
    ) -> Result<(), CallError> {
        self.refill();
        let done = judge(name, call(&self.api));
        if done.is_err() {
            self.refill();
        }
        done
    }

    /// Makes `call`, whose return code proves nothing whatever it is.
    pub fn order(&self, call: impl FnOnce(&A) -> Called) {
        self.refill();
        let _ = call(&self.api);
    }

    /// Gives back what failed reads took from the SDK's semaphore: with none left the next call
    /// would wait for ever.
    fn refill(&self) {
        if let Some(semaphore) = &self.semaphore {
            semaphore.refill();
        }
    }
}
