//! A policy on this machine behind core's seam: asked with a frame, an instruction and committed
//! units, it decodes and answers with the free units.

use crate::decode::{DecodeRequest, Decoding};
use crate::error::ModelError;
use crate::policy::{OpenVlaPolicy, Policy};
use jaco_core::policy::InstructionCheck;
use jaco_core::{ActionPolicy, ActionStatistics, Answer, Ask, Chunk, Clock, PolicyError};
use std::sync::Arc;

/// A checkpoint and how it is decoded.
pub struct DecodingPolicy {
    policy: OpenVlaPolicy,
    decoding: Decoding,
    clock: Arc<dyn Clock>,
}

impl DecodingPolicy {
    /// `policy`, decoded by `decoding`; `clock` measures the parts.
    pub fn new(policy: OpenVlaPolicy, decoding: Decoding, clock: Arc<dyn Clock>) -> Self {
        Self { policy, decoding, clock }
    }

    /// Decodes once for nobody, so that the first operator does not wait for allocations.
    pub fn warm_up(&self) -> Result<(), ModelError> {
        // An empty picture may make a policy unsure, so nothing is cut off.
        let all = Decoding { max_entropy: None, ..self.decoding };
        self.policy.warm_up(&all.request(Policy::horizon(&self.policy), 0))
    }
}

impl ActionPolicy for DecodingPolicy {
    fn horizon(&self) -> usize {
        Policy::horizon(&self.policy)
    }

    fn statistics(&self) -> Option<ActionStatistics> {
        Some(Policy::statistics(&self.policy))
    }

    fn instruction_check(&self) -> InstructionCheck {
        let (tokenizer, config) = (self.policy.tokenizer().clone(), self.policy.config().clone());
        let longest = DecodeRequest::greedy(Policy::horizon(&self.policy));
        Arc::new(move |instruction: &str| {
            let fits = |prompt: Vec<i64>| longest.check(&config, &[prompt]).map(drop);
            tokenizer.encode(instruction).and_then(fits).map_err(|error| told(&error))
        })
    }

    fn answer(&mut self, ask: &Ask<'_>) -> Result<Answer, PolicyError> {
        let request = DecodeRequest {
            forced: ask.committed,
            clock: Some(&*self.clock),
            ..self.decoding.request(ask.horizon, ask.number)
        };
        let decoded = self.policy.decode(ask.frame, ask.instruction, &request);
        let decoded = decoded.map_err(|error| told(&error))?;
        let timings = decoded.timings.unwrap_or_default();
        let stream = decoded.into_best();
        let forced = ask.committed.len();
        let too_long = |_| PolicyError(format!("an answer of {} units", stream.units.len()));
        let values = stream.values.as_deref().unwrap_or_default();
        let chunk = Chunk::Units {
            units: free(&stream.units, forced).map_err(too_long)?,
            values: free(values, forced).map_err(too_long)?,
        };
        Ok(Answer { chunk, timings })
    }
}

/// What stands behind the first `forced`, if it fits.
fn free<T: Clone, const N: usize>(
    all: &[T],
    forced: usize,
) -> Result<heapless::Vec<T, N>, heapless::CapacityError> {
    heapless::Vec::from_slice(all.get(forced..).unwrap_or_default())
}

fn told(error: &ModelError) -> PolicyError {
    PolicyError(error.to_string())
}
