//! The verbs of `jaco-policy`: checkpoints looked at, asked, merged, made and measured. Neither a
//! daemon nor a simulator is involved.

pub mod ask;
pub mod bench;
pub mod folders;
mod report;

use crate::cli::policy::{DecodeArgs, LoadArgs};
use jaco_model::{DecodeMethod, DecodeRequest, Grammar, LoadOptions, TokenValue};
use tch::Kind;

/// How a checkpoint is loaded by these options, and with these statistics.
pub fn load_options<'a>(args: &'a LoadArgs, statistics: Option<&'a str>) -> LoadOptions<'a> {
    LoadOptions {
        device: args.device,
        kind: args.dtype.map(Kind::from),
        statistics,
        adapter: args.adapter.as_deref(),
        merge_adapter: args.merge,
    }
}

/// What is decoded by these options from a policy of this horizon.
pub fn decode_request(args: &DecodeArgs, horizon: usize) -> DecodeRequest<'static> {
    let method = match args.decode {
        DecodeMethod::TopK { k, temperature, .. } => DecodeMethod::TopK {
            k,
            temperature,
            seed: args.seed,
            samples: usize::from(args.samples),
        },
        method => method,
    };
    DecodeRequest {
        method,
        grammar: if args.free { Grammar::Free } else { Grammar::Constrained },
        values: if args.expectation { TokenValue::Expectation } else { TokenValue::BinCentre },
        max_entropy: args.max_entropy,
        ..DecodeRequest::greedy(args.horizon.map_or(horizon, usize::from))
    }
}
