//! The training-only head that regresses simulator labels from the projected image patches, so
//! that the vision towers learn where things are before and while tokens are learnt.
//!
//! Four learnt queries attend over the patches; a two-layer perceptron reads the four results. Its
//! weights belong to the training state and never to a policy's checkpoint.

use crate::random::{Purpose, generator, standard_normal, symmetric};
use jaco_model::layers::{Linear, variable};
use tch::nn::{Path, VarStore};
use tch::{Device, TchError, Tensor, no_grad};

/// Learnt queries.
const QUERIES: i64 = 4;
/// Hidden width of the perceptron.
const HIDDEN: i64 = 256;
/// Standard deviation of a fresh query's numbers.
const QUERY_STD: f64 = 0.05;

/// Attention pool and perceptron: \[B, P, hidden\] to \[B, labels\].
pub struct LabelHead {
    variables: VarStore,
    query: Tensor,
    key_value: Linear,
    fc1: Linear,
    fc2: Linear,
    width: i64,
}

impl LabelHead {
    /// A head with fresh weights drawn under `seed`.
    pub fn new(width: i64, labels: usize, seed: u64, device: Device) -> Result<Self, TchError> {
        let variables = VarStore::new(device);
        let root: Path = variables.root();
        let head = Self {
            query: variable(&root, "query", &[QUERIES, width])?,
            key_value: Linear::new(&(&root / "key_value"), width, 2 * width)?,
            fc1: Linear::new(&(&root / "fc1"), QUERIES * width, HIDDEN)?,
            fc2: Linear::new(&(&root / "fc2"), HIDDEN, labels as i64)?,
            variables,
            width,
        };
        head.draw_weights(seed)?;
        Ok(head)
    }

    /// The head's variables by name, ordered by name.
    pub fn named_variables(&self) -> Vec<(String, Tensor)> {
        let mut variables: Vec<_> = self.variables.variables().into_iter().collect();
        variables.sort_by(|(a, _), (b, _)| a.cmp(b));
        variables
    }

    /// Standardised labels \[B, labels\] for projected patches \[B, P, hidden\].
    pub fn forward(&self, features: &Tensor) -> Result<Tensor, TchError> {
        let key_value = self.key_value.forward(features)?;
        let (key, value) = (
            key_value.f_narrow(-1, 0, self.width)?,
            key_value.f_narrow(-1, self.width, self.width)?,
        );
        let query = self.query.f_to_kind(features.f_kind()?)?;
        let scores = query.f_matmul(&key.f_transpose(1, 2)?)?;
        let weights = scores.f_div_scalar((self.width as f64).sqrt())?.f_softmax(-1, None)?;
        let pooled = weights.f_matmul(&value)?.f_flatten(1, 2)?;
        self.fc2.forward(&self.fc1.forward(&pooled)?.f_gelu("none")?)
    }

    /// torch's default for linear maps: uniform within 1/sqrt(inputs), biases included.
    fn draw_weights(&self, seed: u64) -> Result<(), TchError> {
        let inputs = |name: &str| {
            if name.starts_with("fc1") {
                QUERIES * self.width
            } else if name.starts_with("fc2") {
                HIDDEN
            } else {
                self.width
            }
        };
        for (place, (name, mut tensor)) in self.named_variables().into_iter().enumerate() {
            let mut rng = generator(seed, Purpose::HeadWeights, place as u64);
            let bound = 1.0 / (inputs(&name) as f64).sqrt();
            let numbers: Vec<f32> = (0..tensor.numel())
                .map(|_| match name.as_str() {
                    "query" => QUERY_STD * standard_normal(&mut rng),
                    _ => symmetric(&mut rng, bound),
                })
                .map(|number| number as f32)
                .collect();
            let numbers = Tensor::f_from_slice(&numbers)?.f_view(tensor.size().as_slice())?;
            no_grad(|| tensor.f_copy_(&numbers))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tch::Kind;

    #[test]
    fn regresses_one_row_of_labels_per_picture() {
        let head = LabelHead::new(16, 3, 0, Device::Cpu).unwrap();
        let features = Tensor::randn([2, 9, 16], (Kind::Float, Device::Cpu));
        assert_eq!(head.forward(&features).unwrap().size(), [2, 3]);
    }

    #[test]
    fn a_seed_gives_the_same_weights_again() {
        let weights = |seed| {
            let head = LabelHead::new(16, 3, seed, Device::Cpu).unwrap();
            let (_, tensor) = head.named_variables().remove(0);
            tensor.double_value(&[0])
        };
        assert_eq!(weights(4), weights(4));
        assert_ne!(weights(4), weights(5));
    }
}
