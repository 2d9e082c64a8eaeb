//! The verbs of `jaco-policy`: checkpoints looked at, asked, merged, made and measured. Neither a
//! daemon nor a simulator is involved.

pub mod ask;
pub mod bench;
pub mod devices;
pub mod folders;
mod report;

use anyhow::ensure;
use jaco_cli::policy::DecodeArgs;
use jaco_model::{DecodeMethod, DecodeRequest, Decoding, Grammar};

/// What is decoded by these options from a policy of this horizon.
pub fn decode_request(args: &DecodeArgs, horizon: usize) -> anyhow::Result<DecodeRequest<'static>> {
    let mut method = DecodeMethod::of(args.decode, args.seed);
    match &mut method {
        DecodeMethod::TopK { samples, .. } => *samples = usize::from(args.samples),
        _ => ensure!(args.samples == 1, "--samples: only --decode top-k:K draws"),
    }
    let (expectation, max_entropy) = (args.expectation, args.max_entropy);
    let decoding = Decoding { method, expectation, max_entropy };
    let horizon = args.horizon.map_or(horizon, usize::from);
    let grammar = if args.free { Grammar::Free } else { Grammar::Constrained };
    Ok(DecodeRequest { grammar, ..decoding.request(horizon, 0) })
}
