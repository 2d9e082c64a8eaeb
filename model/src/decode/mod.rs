//! Decoding: a picture and a prompt to H action units.
//!
//! Under the grammar, positions 0..7 of a unit take only the 256 action tokens; the separator
//! after them is forced, and fed together with the seventh token, so it costs no pass of its own.
//! Units that are already committed are fed with the prompt in one pass. Samples and beams go on
//! from one prefix, which is computed and kept once. Token ids stay on the device until the end:
//! no step waits for the host, but for the check of a cut-off once a unit.

mod chooser;
mod decoding;
mod request;
mod stream;
mod trace;

pub use decoding::Decoding;
pub use jaco_core::policy::Timings;
pub use request::{DecodeMethod, DecodeRequest, Grammar, MOST_STREAMS, TokenValue};
pub use stream::{Decoded, Stream, UnitConfidence};

use crate::config::{OpenVlaConfig, UNIT_TOKENS};
use crate::error::ModelError;
use crate::llama::KvCache;
use crate::openvla::OpenVla;
use crate::tokens::ActionVocab;
use chooser::Chooser;
use jaco_core::{ACTION_DIMS, Clock};
use tch::{Device, Kind, TchError, Tensor};
use trace::Trace;

/// Measures laps on a clock, if there is one.
pub(crate) struct Stopwatch<'a>(Option<(&'a dyn Clock, u64)>);

impl<'a> Stopwatch<'a> {
    pub(crate) fn start(clock: Option<&'a dyn Clock>) -> Self {
        Self(clock.map(|clock| (clock, clock.now_ns())))
    }

    /// Nanoseconds since the last lap, at the moment when `result` has been computed.
    pub(crate) fn lap(&mut self, result: &Tensor) -> Result<u64, TchError> {
        let Some((clock, last)) = &mut self.0 else { return Ok(0) };
        if result.device() != Device::Cpu {
            // Reading one value back waits for the device.
            result.f_double_value(&vec![0; result.dim()])?;
        }
        let now = clock.now_ns();
        Ok(now - std::mem::replace(last, now))
    }

    fn finish(self, timings: Timings) -> Option<Timings> {
        self.0.map(|_| timings)
    }
}

/// Decodes `request` for pictures \[B, 6, S, S\] and as many prompts of equal length, each with
/// BOS first: the answer to each of them.
pub fn decode(
    model: &OpenVla,
    config: &OpenVlaConfig,
    pixel_values: &Tensor,
    prompts: &[Vec<i64>],
    request: &DecodeRequest,
) -> Result<Vec<Decoded>, ModelError> {
    let stopwatch = Stopwatch::start(request.clock);
    decode_timed(model, config, pixel_values, prompts, request, stopwatch, Timings::default())
}

/// [`decode`], where `timings` holds what was spent before, up to the stopwatch's last lap.
pub(crate) fn decode_timed(
    model: &OpenVla,
    config: &OpenVlaConfig,
    pixel_values: &Tensor,
    prompts: &[Vec<i64>],
    request: &DecodeRequest,
    mut stopwatch: Stopwatch,
    mut timings: Timings,
) -> Result<Vec<Decoded>, ModelError> {
    let _no_grad = tch::no_grad_guard();
    request.check(config, prompts)?;
    let features = model.vision_features(pixel_values)?;
    timings.vision_ns = stopwatch.lap(&features)?;
    let places: Vec<u64> = (0..prompts.len() as u64).collect();
    let rows = Rows { prompts, places: &places };
    decode_behind(model, config, &features, rows, request, stopwatch, timings)
}

/// The rows of a pass.
#[derive(Clone, Copy)]
struct Rows<'a> {
    /// Prompts of equal length.
    prompts: &'a [Vec<i64>],
    /// Where each stands in what was asked: added to the request's seed it is the seed of the row's
    /// own draws, which are thus the same whatever is decoded beside it.
    places: &'a [u64],
}

/// [`decode`] from projected patches \[B, P, hidden\], for prompts of any lengths: those of one
/// length are decoded together. The draws for a prompt have the request's seed plus its place.
pub fn decode_features(
    model: &OpenVla,
    config: &OpenVlaConfig,
    features: &Tensor,
    prompts: &[&[i64]],
    request: &DecodeRequest,
) -> Result<Vec<Decoded>, ModelError> {
    let _no_grad = tch::no_grad_guard();
    let mut groups: Vec<(usize, Vec<usize>)> = Vec::new();
    for (at, prompt) in prompts.iter().enumerate() {
        match groups.iter_mut().find(|(length, _)| *length == prompt.len()) {
            Some((_, members)) => members.push(at),
            None => groups.push((prompt.len(), vec![at])),
        }
    }
    let mut answers: Vec<Option<Decoded>> = vec![None; prompts.len()];
    for (_, members) in &groups {
        let own: Vec<Vec<i64>> = members.iter().map(|&at| prompts[at].to_vec()).collect();
        let places: Vec<u64> = members.iter().map(|&at| at as u64).collect();
        let rows: Vec<i64> = members.iter().map(|&at| at as i64).collect();
        let rows = Tensor::f_from_slice(&rows)?.f_to_device(features.device())?;
        let theirs = features.f_index_select(0, &rows)?;
        let (stopwatch, timings) = (Stopwatch::start(request.clock), Timings::default());
        request.check(config, &own)?;
        let rows = Rows { prompts: &own, places: &places };
        let decoded = decode_behind(model, config, &theirs, rows, request, stopwatch, timings)?;
        members.iter().zip(decoded).for_each(|(&at, decoded)| answers[at] = Some(decoded));
    }
    Ok(answers.into_iter().flatten().collect())
}

/// Decodes behind `features`, for a request that was checked.
fn decode_behind(
    model: &OpenVla,
    config: &OpenVlaConfig,
    features: &Tensor,
    rows: Rows,
    request: &DecodeRequest,
    mut stopwatch: Stopwatch,
    mut timings: Timings,
) -> Result<Vec<Decoded>, ModelError> {
    let (vocab, prompts) = (ActionVocab::new(config), rows.prompts);
    let prefix = config.patches() as usize + request.check(config, prompts)?;
    let forced = vocab.stream_tokens(request.forced)?;
    let ids: Vec<i64> =
        prompts.iter().flat_map(|prompt| prompt.iter().chain(&forced).copied()).collect();
    let (batch, device) = (prompts.len(), features.device());
    let ids = Tensor::f_from_slice(&ids)?.f_reshape([batch as i64, -1])?.f_to_device(device)?;
    let slots = KvCache::slots(prefix, request.method.streams(), request.free() * UNIT_TOKENS);
    let options = (features.f_kind()?, device);
    let mut cache = KvCache::new(&config.text_config, batch as i64, slots, options)?;
    let hidden = model.prefill(features, &ids, &mut cache)?;
    timings.prefill_ns = stopwatch.lap(&hidden)?;

    let trace = decode_units(model, vocab, request, rows.places, hidden, &mut cache)?;
    let last_tokens = trace.last_tokens().map(Tensor::shallow_clone);
    let answers = trace.finish(request, batch)?;
    if let Some(last_tokens) = last_tokens {
        timings.decode_ns = stopwatch.lap(&last_tokens)?;
    }
    let timings = stopwatch.finish(timings);
    Ok(answers.into_iter().map(|streams| Decoded { streams, timings }).collect())
}

/// Chooses the tokens of all free units after `hidden` \[B, 1, hidden\] of the rows at `places`,
/// feeding each back.
fn decode_units(
    model: &OpenVla,
    vocab: ActionVocab,
    request: &DecodeRequest,
    places: &[u64],
    hidden: Tensor,
    cache: &mut KvCache,
) -> Result<Trace, TchError> {
    let (free, per_unit) = (request.free(), request.chosen_per_unit());
    let (batch, _, inner) = hidden.size3()?;
    let (width, device) = (request.method.streams() as i64, hidden.device());
    let mut chooser = Chooser::new(model, vocab, request, places, free * per_unit, device)?;
    let mut trace = Trace::new(vocab, chooser.first());
    if free == 0 {
        return Ok(trace);
    }
    cache.branch(width)?;
    let separators = Tensor::f_full([batch, width], vocab.separator(), (Kind::Int64, device))?;
    let mut hidden = hidden.f_expand([batch, width, inner], false)?;
    for unit in 0..free {
        for position in 0..per_unit {
            let choice = chooser.choose(&hidden)?;
            let tokens = choice.tokens.shallow_clone();
            if let Some(parents) = &choice.parents {
                cache.select(parents)?;
            }
            trace.push(choice);
            if position + 1 == per_unit && ends(request, &trace, unit)? {
                return Ok(trace);
            }
            let fed = if position + 1 == per_unit && per_unit == ACTION_DIMS {
                Tensor::f_cat(&[&tokens, &separators], 1)?
            } else {
                tokens
            };
            hidden = model.step(&fed, cache)?;
        }
    }
    Ok(trace)
}

/// Whether nothing comes after the free unit number `unit`.
fn ends(request: &DecodeRequest, trace: &Trace, unit: usize) -> Result<bool, TchError> {
    if unit + 1 == request.free() {
        return Ok(true);
    }
    match request.max_entropy {
        Some(max_entropy) if unit > 0 => trace.all_unsure(request.chosen_per_unit(), max_entropy),
        _ => Ok(false),
    }
}
