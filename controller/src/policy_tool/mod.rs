//! The verbs of `jaco-policy`: checkpoints looked at, asked, merged, made and measured. Neither a
//! daemon nor a simulator is involved.

pub mod ask;
pub mod bench;
pub mod folders;
mod report;

use crate::cli::policy::DecodeArgs;
use anyhow::ensure;
use jaco_model::{DecodeMethod, DecodeRequest, Grammar, TokenValue};

/// What is decoded by these options from a policy of this horizon.
pub fn decode_request(args: &DecodeArgs, horizon: usize) -> anyhow::Result<DecodeRequest<'static>> {
    let drawn = matches!(args.decode, DecodeMethod::TopK { .. });
    ensure!(drawn || args.samples == 1, "--samples: only --decode top-k:K draws");
    let method = match args.decode {
        DecodeMethod::TopK { k, temperature, .. } => DecodeMethod::TopK {
            k,
            temperature,
            seed: args.seed,
            samples: usize::from(args.samples),
        },
        method => method,
    };
    Ok(DecodeRequest {
        method,
        grammar: if args.free { Grammar::Free } else { Grammar::Constrained },
        values: if args.expectation { TokenValue::Expectation } else { TokenValue::BinCentre },
        max_entropy: args.max_entropy,
        ..DecodeRequest::greedy(args.horizon.map_or(horizon, usize::from))
    })
}
