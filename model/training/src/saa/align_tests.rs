//! A step of alignment against the reference implementation's numbers, and against the definition
//! computed slowly, a pass for each unit, on a model of other sizes.
#![allow(clippy::unwrap_used)]

use super::align::{Aligned, Aligner};
use super::config::SaaConfig;
use super::layout::Case;
use crate::adamw::{AdamW, AdamWOptions, Parameter};
use jaco_core::{ActionCodec, ActionStatistics, ActionUnit};
use jaco_model::tokens::ActionVocab;
use jaco_model::{Adapter, LoraPair, OpenVla, OpenVlaConfig, checkpoint};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use tch::nn::VarStore;
use tch::{Device, Kind, Reduction, Tensor, no_grad};

const BETA: f64 = 0.1;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name)
}

fn tensors(path: &Path) -> HashMap<String, Tensor> {
    Tensor::read_safetensors(path).unwrap().into_iter().collect()
}

/// A base, which is the reference, and an adapter that makes it the policy.
struct Bench {
    config: OpenVlaConfig,
    model: OpenVla,
    adapter: Adapter,
    _variables: VarStore,
}

impl Bench {
    fn open(name: &str) -> Self {
        // Models this small lose more to waiting threads than they gain.
        tch::set_num_threads(1);
        let folder = folder(name);
        let config = OpenVlaConfig::read(&folder.join("config.json")).unwrap();
        let (variables, model) = OpenVla::build_frozen(&config, Device::Cpu, Kind::Float).unwrap();
        checkpoint::read_weights(&folder, &config, &variables).unwrap();
        let adapter = Adapter::read(&folder.join("adapter"), &config, &variables).unwrap();
        for LoraPair { a, b, .. } in adapter.modules.values() {
            let _trained = (a.set_requires_grad(true), b.set_requires_grad(true));
        }
        Self { config, model, adapter, _variables: variables }
    }

    fn aligner(&self, config: &SaaConfig) -> Aligner {
        let statistics = ActionStatistics { q01: [-0.02; 7], q99: [0.02; 7], mask: [true; 7] };
        let codec = ActionCodec::new(statistics).unwrap();
        Aligner::new(config, &self.config, codec, Device::Cpu).unwrap()
    }

    /// A step on `cases` with pictures `pixels`, at `units` if they are given.
    fn align(
        &mut self,
        config: &SaaConfig,
        cases: &[Case],
        pixels: &Tensor,
        units: Option<Vec<Option<usize>>>,
    ) -> Aligned {
        let aligner = self.aligner(config);
        let plan = match units {
            Some(units) => aligner.plan_at(cases, units).unwrap(),
            None => aligner.plan(cases).unwrap(),
        };
        self.model.set_adapter(None).unwrap();
        let features = no_grad(|| self.model.vision_features(pixels).unwrap());
        let reference = aligner.ask_reference(&plan, &self.model, &features).unwrap();
        self.model.set_adapter(Some(&self.adapter)).unwrap();
        let features = self.model.vision_features(pixels).unwrap();
        aligner.losses(plan, cases, reference, &self.model, &features).unwrap()
    }

    /// The gradients by module and factor; they are zero afterwards.
    fn gradients(&self) -> HashMap<String, Tensor> {
        let mut gradients = HashMap::new();
        for (module, LoraPair { a, b, .. }) in &self.adapter.modules {
            for (factor, tensor) in [("A", a), ("B", b)] {
                let mut gradient = tensor.grad();
                gradients.insert(format!("{module}.{factor}"), gradient.copy());
                let _ = gradient.zero_();
            }
        }
        gradients
    }
}

#[track_caller]
fn assert_near(what: &str, found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-4, "{what}: {found}, expected {expected}");
}

#[track_caller]
fn assert_gradient(name: &str, found: &Tensor, expected: &Tensor) {
    let difference = (found - expected).abs().max().double_value(&[]);
    let size = expected.abs().max().double_value(&[]).max(1e-3);
    assert!(difference < 1e-3 * size, "{name}: {difference} of {size}");
}

/// The fixture's state.
fn golden_case(bench: &Bench, expected: &HashMap<String, Tensor>) -> (Case, Tensor) {
    let inputs = tensors(&folder("tiny-openvla/inputs.safetensors"));
    let vocab = ActionVocab::new(&bench.config);
    let units = |name: &str| -> Vec<ActionUnit> {
        let rows = Vec::<Vec<i64>>::try_from(&expected[name]).unwrap();
        rows.iter().map(|row| vocab.unit(row[..7].try_into().unwrap()).unwrap()).collect()
    };
    let expert = units("expert_units");
    let case = Case {
        prompt: Vec::try_from(inputs["input_ids"].flatten(0, 1)).unwrap(),
        own: units("explored_units"),
        expert: expert.clone(),
        stream: expert.clone(),
        fed: expert,
    };
    (case, inputs["pixel_values"].shallow_clone())
}

#[test]
fn a_step_has_the_rewards_losses_and_gradients_of_the_reference_code() {
    let expected = tensors(&folder("tiny-openvla/saa_expected.safetensors"));
    let value = |name: &str, at: i64| expected[name].double_value(&[at]);
    let mut bench = Bench::open("tiny-openvla");
    let (case, pixels) = golden_case(&bench, &expected);
    for tokens in [7, 8] {
        let config = SaaConfig { unit_tokens: tokens, ..SaaConfig::default() };
        let aligned = bench.align(&config, std::slice::from_ref(&case), &pixels, None);
        let star = value(&format!("policy_prefix.h_star_{tokens}"), 0) as usize;
        assert_eq!(aligned.units, [Some(star)]);
        let reward = |kind| value(&format!("policy_prefix.reward_{kind}_{tokens}"), star as i64);
        let tally = aligned.tally;
        let (winner, loser) = tally.mean_rewards().unwrap();
        assert_near("winner", winner, reward("expert"));
        assert_near("loser", loser, reward("explored"));
        assert_eq!((tally.h_star, tally.preferred, tally.states), (star as f64, 1, 1));
        if tokens == 8 {
            assert_near("dpo", tally.preference_loss, value("dpo_loss", 0));
            assert_near("sft", tally.sft_loss, value("sft_loss", 0));
            let total = aligned.total.double_value(&[]);
            assert_near("total", total, value("total_loss_09_01", 0));
        }
    }
    for (kind, sft_weight) in [("grad_dpo", 0.0), ("grad_total", 0.1)] {
        let config = SaaConfig { sft_weight, ..SaaConfig::default() };
        let aligned = bench.align(&config, std::slice::from_ref(&case), &pixels, None);
        aligned.total.backward();
        let found = bench.gradients();
        let mut compared = 0;
        for (name, expected) in &expected {
            let prefix = format!("{kind}.base_model.model.");
            let Some(name) = name.strip_prefix(&prefix) else { continue };
            let (module, factor) = name.split_once(".lora_").unwrap();
            assert_gradient(name, &found[&format!("{module}.{}", &factor[..1])], expected);
            compared += 1;
        }
        assert_eq!(compared, if sft_weight == 0.0 { 64 } else { 6 }, "{kind}");
    }
}

#[test]
fn three_steps_of_adamw_go_where_the_reference_code_goes() {
    let expected = tensors(&folder("tiny-openvla/saa_expected.safetensors"));
    let mut bench = Bench::open("tiny-openvla");
    let (case, pixels) = golden_case(&bench, &expected);
    let parameters = bench.adapter.modules.iter().flat_map(|(module, LoraPair { a, b, .. })| {
        [("A", a), ("B", b)].map(|(factor, tensor)| Parameter {
            name: format!("{module}.lora_{factor}.weight"),
            tensor: tensor.shallow_clone(),
        })
    });
    let options = AdamWOptions { betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.01 };
    let mut optimiser = AdamW::new(parameters.collect(), options).unwrap();
    let trace = Vec::<Vec<f32>>::try_from(&expected["adamw_trace_dpo_sft_total"]).unwrap();
    assert_eq!(trace.len(), 4);
    for (step, row) in trace.iter().enumerate() {
        let config = SaaConfig::default();
        let units = Some(vec![Some(2)]);
        let aligned = bench.align(&config, std::slice::from_ref(&case), &pixels, units);
        let total = aligned.total.double_value(&[]);
        let found = [aligned.tally.preference_loss, aligned.tally.sft_loss, total];
        for (found, wanted) in found.into_iter().zip(row) {
            // Errors of the forward pass, grown over the steps.
            assert!((found - f64::from(*wanted)).abs() < 1e-3, "step {step}: {found} {wanted}");
        }
        aligned.total.backward();
        optimiser.step(5e-4, 1.0).unwrap();
    }
}

/// Three states of the odd model with prompts of two lengths: streams that differ from the first
/// unit on, from the second on, and nowhere.
fn odd_cases(bench: &Bench) -> (Vec<Case>, Tensor) {
    let inputs = tensors(&folder("odd-openvla/inputs.safetensors"));
    let ids = Vec::<i64>::try_from(inputs["input_ids"].flatten(0, 1)).unwrap();
    let pictures = &inputs["batch_pixel_values"];
    let pixels = Tensor::cat(&[pictures, &pictures.narrow(0, 0, 1).flip([3])], 0);
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut unit = || ActionUnit(std::array::from_fn(|_| rng.random_range(1..=256)));
    let units = [4, 3, 2];
    let cases = (0..3).map(|number| {
        let mut own: Vec<ActionUnit> = (0..units[number]).map(|_| unit()).collect();
        let mut expert: Vec<ActionUnit> = (0..units[number]).map(|_| unit()).collect();
        match number {
            0 => {}
            1 => expert[0] = own[0],
            _ => own.clone_from(&expert),
        }
        // A unit that is not supervised is compared with nothing.
        own.push(unit());
        let prompt = ids[..ids.len() - 3 * (number % 2)].to_vec();
        Case { prompt, own, stream: expert.clone(), fed: expert.clone(), expert }
    });
    let cases = cases.collect();
    assert_eq!(bench.config.text_config.hidden_size, 48, "other sizes than the golden model's");
    (cases, pixels)
}

/// Log-probabilities \[8\] of `unit` behind the prompt and `prefix`, and their logits, from a pass
/// over them alone.
fn alone(
    bench: &Bench,
    pixels: &Tensor,
    prompt: &[i64],
    prefix: &[ActionUnit],
    unit: ActionUnit,
) -> (Tensor, Tensor) {
    let vocab = ActionVocab::new(&bench.config);
    let mut ids = prompt.to_vec();
    ids.extend(vocab.stream_tokens(prefix).unwrap());
    let tokens = Tensor::from_slice(&vocab.unit_tokens(&unit));
    ids.extend(vocab.unit_tokens(&unit));
    let logits = bench.model.forward_train(pixels, &Tensor::from_slice(&ids).unsqueeze(0)).unwrap();
    let first = bench.config.patches() + ids.len() as i64 - 9;
    let logits = logits.select(0, 0).narrow(0, first, 8);
    let log_probs = logits.log_softmax(1, Kind::Float).gather(1, &tokens.unsqueeze(1), false);
    (log_probs.squeeze_dim(1), logits)
}

/// Mean cross entropy over the tokens of `unit`.
fn cross_entropy(bench: &Bench, logits: &Tensor, unit: ActionUnit) -> Tensor {
    let tokens = Tensor::from_slice(&ActionVocab::new(&bench.config).unit_tokens(&unit));
    logits.cross_entropy_loss::<Tensor>(&tokens, None, Reduction::Mean, -100, 0.0)
}

/// The definition, a pass for each unit: the units that are to change, and the loss.
fn slowly(
    bench: &mut Bench,
    config: &SaaConfig,
    cases: &[Case],
    pixels: &Tensor,
) -> (Vec<Option<usize>>, Tensor) {
    let count = config.unit_tokens as i64;
    let score = |tokens: &Tensor| tokens.narrow(0, 0, count).sum(Kind::Double);
    bench.model.set_adapter(None).unwrap();
    let picture = |number: usize| pixels.narrow(0, number as i64, 1);
    let ask = |bench: &Bench| -> Vec<Vec<[Tensor; 2]>> {
        let of_case = |(number, case): (usize, &Case)| {
            let units = case.expert.iter().enumerate();
            units
                .map(|(h, &expert)| {
                    [case.own[h], expert].map(|unit| {
                        let (picture, before) = (picture(number), &case.own[..h]);
                        score(&alone(bench, &picture, &case.prompt, before, unit).0)
                    })
                })
                .collect()
        };
        cases.iter().enumerate().map(of_case).collect()
    };
    let reference = no_grad(|| ask(bench));
    bench.model.set_adapter(Some(&bench.adapter)).unwrap();
    let policy = ask(bench);
    let (mut units, mut losses) = (Vec::new(), Vec::new());
    for (number, case) in cases.iter().enumerate() {
        let margin = |h: usize| {
            let [own, expert] = [0, 1].map(|i| &policy[number][h][i] - &reference[number][h][i]);
            (own - expert) * BETA
        };
        let star = (0..case.expert.len()).find(|&h| {
            let margin = margin(h).double_value(&[]);
            let same = case.own[h] == case.expert[h];
            assert!(same || margin.abs() > 1e-3, "rounding would decide: {margin}");
            !same && margin > 0.0
        });
        let stream = case.stream.iter().enumerate().map(|(h, &unit)| {
            let (picture, before) = (picture(number), &case.stream[..h]);
            cross_entropy(bench, &alone(bench, &picture, &case.prompt, before, unit).1, unit)
        });
        let sft = Tensor::stack(&stream.collect::<Vec<_>>(), 0).mean(Kind::Double);
        losses.push(match star {
            None => sft,
            Some(h) if config.loser => {
                sft * config.sft_weight + margin(h).softplus() * (1.0 - config.sft_weight)
            }
            Some(h) => {
                let (picture, before) = (picture(number), &case.own[..h]);
                let logits = alone(bench, &picture, &case.prompt, before, case.expert[h]).1;
                let loss = cross_entropy(bench, &logits, case.expert[h]);
                sft * config.sft_weight + loss * (1.0 - config.sft_weight)
            }
        });
        units.push(star);
    }
    (units, Tensor::stack(&losses, 0).mean(Kind::Double))
}

#[test]
fn other_sizes_and_unequal_prompts_give_what_the_definition_says() {
    let mut bench = Bench::open("odd-openvla");
    let (cases, pixels) = odd_cases(&bench);
    for (unit_tokens, loser) in [(8, true), (7, true), (8, false)] {
        let config = SaaConfig { unit_tokens, loser, ..SaaConfig::default() };
        let (units, loss) = slowly(&mut bench, &config, &cases, &pixels);
        assert_eq!(units[2], None, "equal streams do not deviate");
        assert!(units.iter().any(Option::is_some), "{units:?}");
        loss.backward();
        let wanted = bench.gradients();
        for given in [None, Some(units.clone())] {
            let aligned = bench.align(&config, &cases, &pixels, given);
            assert_eq!(aligned.units, units);
            assert_near("loss", aligned.total.double_value(&[]), loss.double_value(&[]));
            aligned.total.backward();
            for (name, found) in bench.gradients() {
                assert_gradient(&name, &found, &wanted[&name]);
            }
        }
    }
}

/// The cold start: policy and reference are the same, so nothing is preferred and all is imitation.
#[test]
fn a_policy_that_is_its_reference_prefers_nothing() {
    let mut bench = Bench::open("odd-openvla");
    let (cases, pixels) = odd_cases(&bench);
    let aligner = bench.aligner(&SaaConfig::default());
    bench.model.set_adapter(Some(&bench.adapter)).unwrap();
    let plan = aligner.plan(&cases).unwrap();
    let features = no_grad(|| bench.model.vision_features(&pixels).unwrap());
    let reference = aligner.ask_reference(&plan, &bench.model, &features).unwrap();
    let features = bench.model.vision_features(&pixels).unwrap();
    let aligned = aligner.losses(plan, &cases, reference, &bench.model, &features).unwrap();
    assert_eq!(aligned.units, [None; 3]);
    assert_eq!(aligned.tally.mean_rewards(), None);
    assert_near("loss", aligned.total.double_value(&[]), aligned.tally.sft_loss / 3.0);
}
