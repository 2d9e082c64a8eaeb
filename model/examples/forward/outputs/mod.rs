//! Everything that a checkpoint computes from recorded inputs, under the names of the golden
//! folders.
//!
//! Owns the names and which tensors there are. Must never write a file.

mod inputs;

use anyhow::Context;
use inputs::{Examples, IGNORED, Inputs};
use jaco_core::ActionCodec;
use jaco_model::decode::{DecodeMethod, DecodeRequest, Grammar, Stream, decode};
use jaco_model::{ActionVocab, Adapter, NormStats, OpenVla, OpenVlaConfig, checkpoint};
use std::collections::BTreeMap;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Action units in the golden streams: 16 tokens.
const UNITS: usize = 2;
const BEAMS: [usize; 2] = [2, 3];
/// Of a vocabulary larger than this only the last rows of logits are kept.
const LARGE_VOCAB: i64 = 10_000;
const KEPT_ROWS: i64 = 3;

/// Tensors by name.
pub type Outputs = BTreeMap<String, Tensor>;

/// What the checkpoint in `dir` computes from the file `inputs`, and with the adapter in a folder
/// of its own.
pub fn compute(dir: &Path, inputs: &Path, adapter: Option<&Path>) -> anyhow::Result<Outputs> {
    let golden = Golden::load(dir, inputs, adapter)?;
    let _no_grad = tch::no_grad_guard();
    let mut outputs = Outputs::new();
    if adapter.is_none() {
        golden.activations(&mut outputs)?;
        golden.streams(&mut outputs)?;
    }
    golden.logits(&mut outputs)?;
    golden.batch(&mut outputs, adapter.is_none())?;
    Ok(outputs)
}

struct Golden {
    config: OpenVlaConfig,
    model: OpenVla,
    inputs: Inputs,
}

impl Golden {
    fn load(dir: &Path, inputs: &Path, adapter: Option<&Path>) -> anyhow::Result<Self> {
        let mut config = OpenVlaConfig::read(&dir.join(checkpoint::CONFIG_FILE))?;
        config.action_stream.horizon = UNITS;
        config.check()?;
        let inputs = Inputs::read(inputs, &config)?;
        let (variables, mut model) = OpenVla::build_frozen(&config, Device::Cpu, Kind::Float)?;
        checkpoint::read_weights(dir, &config, &variables)?;
        if let Some(folder) = adapter {
            model.set_adapter(Some(&Adapter::read(folder, &config, &variables)?))?;
        }
        Ok(Self { config, model, inputs })
    }

    fn activations(&self, outputs: &mut Outputs) -> anyhow::Result<()> {
        let Examples { pixel_values: pixels, input_ids: ids } = &self.inputs.prompt;
        let vision = self.model.vision_backbone();
        let dino = vision.featurizer().forward(&pixels.f_narrow(1, 0, 3)?)?;
        let siglip = vision.fused_featurizer().forward(&pixels.f_narrow(1, 3, 3)?)?;
        let features = self.model.vision_features(pixels)?;
        let embedded = self.model.embed(&features, ids)?;
        for (i, state) in
            self.model.language_model().hidden_states(&embedded)?.into_iter().enumerate()
        {
            outputs.insert(format!("hidden_states_{i}"), state);
        }
        outputs.insert("dino_patches".into(), dino);
        outputs.insert("siglip_patches".into(), siglip);
        outputs.insert("patch_features".into(), vision.forward(pixels)?);
        outputs.insert("projected_patch_embeddings".into(), features);
        Ok(())
    }

    fn logits(&self, outputs: &mut Outputs) -> anyhow::Result<()> {
        let Examples { pixel_values, input_ids } = &self.inputs.prompt;
        let logits = self.model.forward_train(pixel_values, input_ids)?;
        let rows = logits.size3()?.1;
        let kept = if self.has_large_vocab() { KEPT_ROWS.min(rows) } else { rows };
        outputs.insert("logits".into(), logits.f_narrow(1, rows - kept, kept)?);
        Ok(())
    }

    fn has_large_vocab(&self) -> bool {
        self.config.text_config.vocab_size > LARGE_VOCAB
    }

    /// Everything that the batch gives; with `all`, the sums of log-probabilities as well.
    fn batch(&self, outputs: &mut Outputs, all: bool) -> anyhow::Result<()> {
        let (Examples { pixel_values, input_ids }, labels) =
            (&self.inputs.batch, &self.inputs.batch_labels);
        let logits = self.model.forward_train(pixel_values, input_ids)?;
        // Token t is predicted by row t + P - 1, for t from 1.
        let (tokens, patches) = (input_ids.size2()?.1 - 1, self.config.patches());
        let targets = labels.f_narrow(1, 1, tokens)?;
        let supervised = targets.f_ne(IGNORED)?;
        let log_probs = logits
            .f_narrow(1, patches, tokens)?
            .f_log_softmax(2, Kind::Float)?
            .f_gather(2, &targets.f_clamp_min(0)?.f_unsqueeze(2)?, false)?
            .f_squeeze_dim(2)?
            .f_masked_fill(&supervised.f_logical_not()?, 0.0)?;
        let loss = |log_probs: &Tensor, supervised: &Tensor| -> anyhow::Result<Tensor> {
            let count = supervised.f_sum(Kind::Float)?;
            Ok(log_probs.f_sum(Kind::Float)?.f_div(&count)?.f_neg()?.f_reshape([1])?)
        };
        outputs.insert("batch_loss".into(), loss(&log_probs, &supervised)?);
        if !self.has_large_vocab() {
            outputs.insert("batch_logits".into(), logits);
        }
        if !all {
            return Ok(());
        }
        let (first, supervised_first) = (log_probs.f_get(0)?, supervised.f_get(0)?);
        outputs.insert("batch_loss_row0_only".into(), loss(&first, &supervised_first)?);
        let row_sums = log_probs.f_sum_dim_intlist(&[1i64][..], false, Kind::Float)?;
        outputs.insert("batch_seq_logprobs".into(), row_sums);
        let units = first
            .f_masked_select(&supervised_first)?
            .f_reshape([UNITS as i64, -1])
            .with_context(|| format!("row 0 of batch_labels is no stream of {UNITS} units"))?
            .f_sum_dim_intlist(&[1i64][..], false, Kind::Float)?;
        outputs.insert("batch_stream_unit_logprobs".into(), units);
        outputs.insert("batch_token_logprobs".into(), log_probs);
        Ok(())
    }

    /// Decoded streams: any token of the vocabulary is allowed, and an end of sequence means
    /// nothing.
    fn streams(&self, outputs: &mut Outputs) -> anyhow::Result<()> {
        let mut prompt = Vec::<i64>::try_from(self.inputs.prompt.input_ids.f_flatten(0, 1)?)?;
        let suffix = self.config.action_stream.prompt_suffix_token_id;
        prompt.extend(suffix.filter(|suffix| prompt.last() != Some(suffix)));
        let decode = |method| -> anyhow::Result<Vec<Stream>> {
            let request =
                DecodeRequest { method, grammar: Grammar::Free, ..DecodeRequest::greedy(UNITS) };
            let pixels = &self.inputs.prompt.pixel_values;
            let prompts = [prompt.clone()];
            Ok(decode(&self.model, &self.config, pixels, &prompts, &request)?.remove(0).streams)
        };
        let greedy = decode(DecodeMethod::Greedy)?.remove(0);
        let log_probs: Vec<&[f32]> =
            greedy.confidence.iter().map(|unit| unit.log_probs.as_slice()).collect();
        let flat = log_probs.concat();
        let sums = |count: usize| -> Vec<f32> {
            log_probs.iter().map(|unit| unit[..count].iter().sum()).collect()
        };
        for (name, values) in [
            ("greedy_7_token_logprobs", flat[..7].to_vec()),
            ("greedy_16_unit_logprobs_8", sums(8)),
            ("greedy_16_unit_logprobs_7of8", sums(7)),
            ("greedy_16_token_logprobs", flat),
        ] {
            outputs.insert(name.into(), Tensor::f_from_slice(&values)?);
        }
        outputs.insert("greedy_7".into(), Tensor::f_from_slice(&greedy.tokens[..7])?);
        outputs.insert("greedy_16".into(), Tensor::f_from_slice(&greedy.tokens)?);
        if suffix.is_some() {
            self.actions(&greedy, outputs)?;
        }
        for width in BEAMS {
            let hypotheses = decode(DecodeMethod::Beam { width })?;
            let scores: Vec<f32> = hypotheses.iter().map(Stream::score).collect();
            let tokens: Vec<i64> =
                hypotheses.iter().flat_map(|stream| stream.tokens.iter().copied()).collect();
            let tokens = Tensor::f_from_slice(&tokens)?.f_reshape([width as i64, -1])?;
            outputs.insert(format!("beam{width}_tokens16"), tokens);
            outputs.insert(format!("beam{width}_scores"), Tensor::f_from_slice(&scores)?);
        }
        Ok(())
    }

    /// The first unit in the units of every dataset whose statistics decode anything; among those
    /// of the published checkpoint are some that never move in a dimension.
    fn actions(&self, greedy: &Stream, outputs: &mut Outputs) -> anyhow::Result<()> {
        let (unit, _) = ActionVocab::new(&self.config).unit_of_any(&greedy.tokens[..7]);
        let statistics: &NormStats = &self.config.norm_stats;
        for key in statistics.datasets() {
            let Ok(quantiles) = statistics.choose(Some(key)) else { continue };
            let codec = ActionCodec::new(quantiles)?;
            let action = Tensor::f_from_slice(&codec.decode(&unit).to_array())?;
            outputs.insert(format!("predict_action.{key}"), action);
        }
        Ok(())
    }
}
