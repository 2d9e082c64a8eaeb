//! Constrained decoding: a picture and a prompt to H action units.
//!
//! Positions 0..7 of a unit take only the 256 action tokens; the separator after them is
//! forced, and fed together with the seventh token, so it costs no step of its own. Units that
//! are already committed are fed with the prompt in one pass. Token ids stay on the device
//! until the end: no step waits for the host.

use crate::config::{OpenVlaConfig, UNIT_TOKENS};
use crate::error::ModelError;
use crate::layers::{Linear, cast};
use crate::llama::KvCache;
use crate::openvla::OpenVla;
use crate::tokens::ActionVocab;
use jaco_core::codec::ACTION_BINS;
use jaco_core::{ACTION_DIMS, ActionUnit, Clock};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, TchError, Tensor};

/// How a token is chosen among the 256.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DecodeMethod {
    /// The most likely one.
    Greedy,
    /// Drawn from the `k` most likely ones.
    TopK {
        /// How many take part, 1..=256.
        k: u16,
        /// Divides the logits; must be positive.
        temperature: f64,
        /// Seed of the draws of this request.
        seed: u64,
    },
}

/// What to decode.
#[derive(Clone, Copy)]
pub struct DecodeRequest<'a> {
    /// Units in all, forced ones included.
    pub horizon: usize,
    /// The first units of the stream, already committed.
    pub forced: &'a [ActionUnit],
    /// How tokens are chosen.
    pub method: DecodeMethod,
    /// Whether to report log-probabilities, which costs the full head at each token.
    pub log_probs: bool,
    /// Measures the timings, if given.
    pub clock: Option<&'a dyn Clock>,
}

impl DecodeRequest<'_> {
    /// `horizon` units, greedily, with nothing forced and nothing measured.
    pub fn greedy(horizon: usize) -> Self {
        let method = DecodeMethod::Greedy;
        Self { horizon, forced: &[], method, log_probs: false, clock: None }
    }
}

/// A decoded stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// All units, forced ones first.
    pub units: Vec<ActionUnit>,
    /// Natural log-probability of each token of the units that were not forced, under the
    /// softmax over the whole vocabulary; present if asked for.
    pub log_probs: Option<Vec<[f32; ACTION_DIMS]>>,
    /// Where the time went; present if a clock was given. A batch shares one measurement.
    pub timings: Option<Timings>,
}

/// Durations of the parts of one decoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Resizing and normalising the picture \[ns\].
    pub image_ns: u64,
    /// Towers and projector \[ns\].
    pub vision_ns: u64,
    /// Prompt, patches and forced units through the language model \[ns\].
    pub prefill_ns: u64,
    /// The rest of the tokens \[ns\].
    pub decode_ns: u64,
}

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

/// Decodes `request` for pictures \[B, 6, S, S\] and as many prompts of equal length.
/// `timings` holds what was spent before, up to the stopwatch's last lap.
pub(crate) fn decode(
    model: &OpenVla,
    config: &OpenVlaConfig,
    pixel_values: &Tensor,
    prompts: &[Vec<i64>],
    request: &DecodeRequest,
    mut stopwatch: Stopwatch,
    mut timings: Timings,
) -> Result<Vec<Decoded>, ModelError> {
    let _no_grad = tch::no_grad_guard();
    let vocab = ActionVocab::new(config);
    let positions = check(config, prompts, request)?;
    let free = request.horizon - request.forced.len();
    let batch = prompts.len() as i64;

    let features = model.vision_features(pixel_values)?;
    timings.vision_ns = stopwatch.lap(&features)?;

    let forced = vocab.stream_tokens(request.forced)?;
    let ids: Vec<i64> =
        prompts.iter().flat_map(|prompt| prompt.iter().chain(&forced).copied()).collect();
    let ids = Tensor::f_from_slice(&ids)?.f_reshape([batch, -1])?.f_to_device(features.device())?;
    let options = (features.f_kind()?, features.device());
    let mut cache = KvCache::new(&config.text_config, batch, positions as i64, options)?;
    let hidden = model.prefill(&features, &ids, &mut cache)?;
    timings.prefill_ns = stopwatch.lap(&hidden)?;

    let mut chooser = Chooser::new(model, vocab, request)?;
    decode_units(model, &mut chooser, hidden, &mut cache, free)?;
    let streams = chooser.finish(batch as usize, free)?;
    if let Some(last) = streams.last_token {
        timings.decode_ns = stopwatch.lap(&last)?;
    }
    let timings = stopwatch.finish(timings);
    Ok(streams
        .rows
        .into_iter()
        .map(|(units, log_probs)| Decoded {
            units: request.forced.iter().copied().chain(units).collect(),
            log_probs,
            timings,
        })
        .collect())
}

/// Checks the request; positions that the sequence needs.
fn check(
    config: &OpenVlaConfig,
    prompts: &[Vec<i64>],
    request: &DecodeRequest,
) -> Result<usize, ModelError> {
    let (horizon, trained) = (request.horizon, config.action_stream.horizon);
    if horizon == 0 || horizon > trained {
        return Err(ModelError::Horizon { asked: horizon, trained });
    }
    if request.forced.len() > horizon {
        return Err(ModelError::TooManyForced { forced: request.forced.len(), horizon });
    }
    if let DecodeMethod::TopK { k, temperature, .. } = request.method
        && (k == 0 || k > ACTION_BINS || temperature.is_nan() || temperature <= 0.0)
    {
        return Err(ModelError::Sampling { k, temperature });
    }
    let length = prompts.first().map_or(0, Vec::len);
    if length == 0 || prompts.iter().any(|prompt| prompt.len() != length) {
        return Err(ModelError::UnequalPrompts { lengths: prompts.iter().map(Vec::len).collect() });
    }
    let needed = config.patches() as usize + length + horizon * UNIT_TOKENS;
    let available = config.text_config.max_position_embeddings;
    if needed > available {
        return Err(ModelError::TooLong { needed, available });
    }
    Ok(needed)
}

/// Lets `chooser` choose the tokens of `free` units, feeding each back.
fn decode_units(
    model: &OpenVla,
    chooser: &mut Chooser,
    mut hidden: Tensor,
    cache: &mut KvCache,
    free: usize,
) -> Result<(), TchError> {
    let batch = hidden.size2()?.0;
    let separator =
        Tensor::f_full([batch, 1], chooser.vocab.separator(), (Kind::Int64, hidden.device()))?;
    for unit in 0..free {
        for dimension in 0..ACTION_DIMS {
            let token = chooser.choose(&hidden)?;
            let unit_ends = dimension + 1 == ACTION_DIMS;
            if unit_ends && unit + 1 == free {
                break;
            }
            let fed = if unit_ends { Tensor::f_cat(&[&token, &separator], 1)? } else { token };
            hidden = model.step(&fed, cache)?;
        }
    }
    Ok(())
}

/// Chooses tokens and remembers them.
struct Chooser<'a> {
    model: &'a OpenVla,
    vocab: ActionVocab,
    /// Rows of the head for the action tokens: all that choosing needs.
    action_head: Linear,
    sampler: Option<Sampler>,
    /// \[B, 1\] each.
    tokens: Vec<Tensor>,
    /// \[B, 1\] each, if asked for.
    log_probs: Option<Vec<Tensor>>,
}

type Row = (Vec<ActionUnit>, Option<Vec<[f32; ACTION_DIMS]>>);

struct Streams {
    rows: Vec<Row>,
    last_token: Option<Tensor>,
}

impl<'a> Chooser<'a> {
    fn new(
        model: &'a OpenVla,
        vocab: ActionVocab,
        request: &DecodeRequest,
    ) -> Result<Self, TchError> {
        let action_head =
            model.language_model().head_rows(vocab.first(), i64::from(ACTION_BINS))?;
        let sampler = match request.method {
            DecodeMethod::Greedy => None,
            DecodeMethod::TopK { k, temperature, seed } => {
                Some(Sampler { k, temperature, rng: ChaCha8Rng::seed_from_u64(seed) })
            }
        };
        let log_probs = request.log_probs.then(Vec::new);
        Ok(Self { model, vocab, action_head, sampler, tokens: Vec::new(), log_probs })
    }

    /// The next token \[B, 1\] after `hidden` \[B, hidden\].
    fn choose(&mut self, hidden: &Tensor) -> Result<Tensor, TchError> {
        let (first, count) = (self.vocab.first(), i64::from(ACTION_BINS));
        let full = match &self.log_probs {
            Some(_) => Some(self.model.language_model().logits(hidden)?),
            None => None,
        };
        let logits = match &full {
            Some(full) => full.f_narrow(1, first, count)?,
            None => cast(&self.action_head.forward(hidden)?, Kind::Float)?,
        };
        let action = match &mut self.sampler {
            None => logits.f_argmax(1, true)?,
            Some(sampler) => sampler.draw(&logits)?,
        };
        let token = action.f_add_scalar(first)?;
        if let (Some(log_probs), Some(full)) = (&mut self.log_probs, &full) {
            log_probs.push(full.f_log_softmax(1, Kind::Float)?.f_gather(1, &token, false)?);
        }
        self.tokens.push(token.shallow_clone());
        Ok(token)
    }

    /// What was chosen, one row for each of the `batch` prompts.
    fn finish(self, batch: usize, free: usize) -> Result<Streams, ModelError> {
        let Some(last_token) = self.tokens.last().map(Tensor::shallow_clone) else {
            let log_probs = self.log_probs.map(|_| Vec::new());
            let rows = vec![(Vec::new(), log_probs); batch];
            return Ok(Streams { rows, last_token: None });
        };
        let tokens = Vec::<i64>::try_from(to_host(&self.tokens)?)?;
        let log_probs = match &self.log_probs {
            Some(values) => Some(Vec::<f32>::try_from(to_host(values)?)?),
            None => None,
        };
        let length = free * ACTION_DIMS;
        let rows = (0..batch)
            .map(|row| {
                let range = row * length..(row + 1) * length;
                let units = tokens[range.clone()]
                    .as_chunks::<ACTION_DIMS>()
                    .0
                    .iter()
                    .map(|unit| self.vocab.unit(unit))
                    .collect::<Result<_, _>>()?;
                let log_probs = log_probs
                    .as_ref()
                    .map(|values| values[range].as_chunks::<ACTION_DIMS>().0.to_vec());
                Ok((units, log_probs))
            })
            .collect::<Result<_, ModelError>>()?;
        Ok(Streams { rows, last_token: Some(last_token) })
    }
}

/// Columns \[B, 1\] side by side, flat, on the host.
fn to_host(columns: &[Tensor]) -> Result<Tensor, TchError> {
    Tensor::f_cat(columns, 1)?.f_flatten(0, 1)?.f_to_device(Device::Cpu)
}

/// Draws from the most likely actions.
struct Sampler {
    k: u16,
    temperature: f64,
    rng: ChaCha8Rng,
}

impl Sampler {
    /// Indices \[B, 1\] drawn from `logits` \[B, 256\].
    fn draw(&mut self, logits: &Tensor) -> Result<Tensor, TchError> {
        let (best, indices) = logits.f_topk(i64::from(self.k), 1, true, true)?;
        let cumulative = best
            .f_div_scalar(self.temperature)?
            .f_softmax(1, Kind::Double)?
            .f_cumsum(1, Kind::Double)?;
        let batch = logits.size2()?.0;
        let draws: Vec<f64> = (0..batch).map(|_| self.rng.random_range(0.0..1.0)).collect();
        let draws = Tensor::f_from_slice(&draws)?.f_reshape([batch, 1])?;
        let rank = cumulative
            .f_le_tensor(&draws.f_to_device(logits.device())?)?
            .f_sum_dim_intlist(1, true, Kind::Int64)?
            // A cumulative sum may end a rounding error below one.
            .f_clamp_max(i64::from(self.k) - 1)?;
        indices.f_gather(1, &rank, false)
    }
}
