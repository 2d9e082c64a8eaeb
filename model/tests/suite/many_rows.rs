//! A large batch takes another way through the layers than a single example: scales go into the
//! weights, numbers that turn together stand side by side. Both must answer the same and learn the
//! same.

use crate::support::{assert_close, fixtures};
use jaco_model::products::ProductsIn;
use jaco_model::{OpenVla, OpenVlaConfig, checkpoint};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

const EXAMPLES: i64 = 24;
const TOKENS: i64 = 12;

struct Bench {
    variables: VarStore,
    model: OpenVla,
    pixels: Tensor,
    ids: Tensor,
    /// Rows of the flattened hidden states that are wanted, of each example the same.
    rows: Tensor,
    positions: i64,
}

fn bench() -> Bench {
    let folder = fixtures().join("tiny-openvla");
    let config = OpenVlaConfig::read(&folder.join("config.json")).unwrap();
    let (variables, model) = OpenVla::build(&config, Device::Cpu, Kind::Float).unwrap();
    checkpoint::read_weights(&folder, &config, &variables).unwrap();
    tch::manual_seed(3);
    let side = config.image_size();
    let pixels = Tensor::randn([EXAMPLES, 6, side, side], (Kind::Float, Device::Cpu));
    let ids = Tensor::randint(
        config.text_config.vocab_size,
        [EXAMPLES, TOKENS],
        (Kind::Int64, Device::Cpu),
    );
    let positions = config.patches() + TOKENS;
    let first = Tensor::from_slice(&[positions - 5, positions - 2, positions - 1]);
    let starts = Tensor::arange(EXAMPLES, (Kind::Int64, Device::Cpu)) * positions;
    let rows = (starts.unsqueeze(1) + first).flatten(0, 1);
    Bench { variables, model, pixels, ids, rows, positions }
}

impl Bench {
    /// Hidden states of the wanted rows of examples `first .. first + count`.
    fn hidden(&self, first: i64, count: i64) -> Tensor {
        let features = self.model.vision_features(&self.pixels.narrow(0, first, count)).unwrap();
        let embeddings = self.model.embed(&features, &self.ids.narrow(0, first, count)).unwrap();
        let rows = self.rows.narrow(0, 0, 3 * count);
        self.model.language_model().forward_rows(&embeddings, &rows).unwrap()
    }

    fn gradients(&self, loss: &Tensor) -> Vec<(String, Tensor)> {
        loss.backward();
        let mut gradients: Vec<_> = self.variables.variables().into_iter().collect();
        gradients.retain(|(_, tensor)| tensor.grad().defined());
        gradients.sort_by(|(a, _), (b, _)| a.cmp(b));
        let taken = |(name, tensor): (String, Tensor)| {
            let gradient = tensor.grad().copy();
            let _ = tensor.grad().zero_();
            (name, gradient)
        };
        gradients.into_iter().map(taken).collect()
    }
}

#[test]
fn many_examples_together_answer_and_learn_as_each_alone() {
    let bench = bench();
    let loss = |hidden: &Tensor| (hidden * 1.7).sin().sum(Kind::Float);
    let together = bench.hidden(0, EXAMPLES);
    let learnt = bench.gradients(&loss(&together));
    let alone: Vec<Tensor> = (0..EXAMPLES).map(|example| bench.hidden(example, 1)).collect();
    let alone = Tensor::cat(&alone, 0);
    assert_close(&together, &alone, 2e-5);
    let expected = bench.gradients(&loss(&alone));
    assert!(learnt.len() > 50 && learnt.len() == expected.len());
    for ((name, found), (_, wanted)) in learnt.iter().zip(&expected) {
        let size = wanted.abs().max().double_value(&[]).max(1e-3);
        let difference = (found - wanted).abs().max().double_value(&[]);
        assert!(difference <= 2e-4 * size, "{name}: {difference} of {size}");
    }
}

#[test]
fn wanted_rows_are_those_of_a_pass_over_all() {
    let bench = bench();
    let features = bench.model.vision_features(&bench.pixels).unwrap();
    let embeddings = bench.model.embed(&features, &bench.ids).unwrap();
    let all = bench.model.language_model().forward(&embeddings, None).unwrap();
    assert_eq!(all.size()[1], bench.positions);
    let wanted = all.flatten(0, 1).index_select(0, &bench.rows);
    assert_close(&bench.hidden(0, EXAMPLES), &wanted, 2e-5);
}

#[test]
fn products_in_bfloat16_are_near_and_end_with_their_guard() {
    let bench = bench();
    let exact = bench.hidden(0, EXAMPLES);
    let coarse = {
        let _products = ProductsIn::new(Some(Kind::BFloat16));
        bench.hidden(0, EXAMPLES)
    };
    assert_eq!(coarse.kind(), Kind::Float);
    let difference = (&coarse - &exact).abs().mean(Kind::Float).double_value(&[]);
    let size = exact.abs().mean(Kind::Float).double_value(&[]);
    assert!(difference > 1e-5 * size && difference < 0.03 * size, "{difference} of {size}");
    assert_eq!(bench.hidden(0, EXAMPLES), exact);
}
