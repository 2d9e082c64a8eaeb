//! The verbs of `jaco-policy`: checkpoints looked at, asked, merged, made and measured. Neither a
//! daemon nor a simulator is involved.

pub mod ask;
pub mod bench;
pub mod folders;
mod report;

use crate::cli::policy::{DecodeArgs, LoadArgs};
use crate::policy::PolicyOptions;
use jaco_model::{DecodeMethod, DecodeRequest, Grammar, TokenValue};
use std::path::Path;

/// What these options load, with the statistics of this dataset.
pub fn policy_options(
    checkpoint: &Path,
    args: &LoadArgs,
    statistics: Option<&str>,
) -> PolicyOptions {
    PolicyOptions {
        checkpoint: checkpoint.to_owned(),
        adapter: args.adapter.clone(),
        merge_adapter: args.merge,
        statistics: statistics.map(str::to_owned),
        view: args.view,
        device: args.device,
        dtype: args.dtype.unwrap_or_else(|| args.device.default_dtype()),
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
