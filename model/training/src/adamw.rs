//! AdamW with decoupled weight decay, whose moments can be saved and put back exactly.
//!
//! Source: Loshchilov & Hutter, "Decoupled Weight Decay Regularization", algorithm 2, with torch's
//! placement of epsilon (after the bias correction). Owns the moments; must never decide on a
//! learning rate.

use tch::{TchError, Tensor, no_grad};

/// A parameter under its full name.
pub struct Parameter {
    /// Name, unique among the parameters of an optimiser.
    pub name: String,
    /// The tensor, which shares its memory with the model's.
    pub tensor: Tensor,
}

/// Settings that stay fixed over a run.
#[derive(Clone, Copy, Debug)]
pub struct AdamWOptions {
    /// Coefficients of the running means of the gradient and its square.
    pub betas: [f64; 2],
    /// Added to the denominator.
    pub epsilon: f64,
    /// Decoupled decay per unit of learning rate.
    pub weight_decay: f64,
}

struct Slot {
    parameter: Parameter,
    mean: Tensor,
    square: Tensor,
    decays: bool,
}

/// The optimiser.
pub struct AdamW {
    slots: Vec<Slot>,
    options: AdamWOptions,
    steps: u64,
}

impl AdamW {
    /// An optimiser over `parameters` with moments of zero.
    pub fn new(parameters: Vec<Parameter>, options: AdamWOptions) -> Result<Self, TchError> {
        let slots = parameters
            .into_iter()
            .map(|parameter| {
                let mean = parameter.tensor.f_zeros_like()?.f_detach()?;
                let square = mean.f_zeros_like()?;
                let decays = decays(&parameter.name, parameter.tensor.dim());
                Ok(Slot { parameter, mean, square, decays })
            })
            .collect::<Result<_, TchError>>()?;
        Ok(Self { slots, options, steps: 0 })
    }

    /// The moments under `<name>.mean` and `<name>.square`.
    pub fn moments(&self) -> impl Iterator<Item = (String, &Tensor)> {
        self.slots.iter().flat_map(|slot| {
            let name = &slot.parameter.name;
            [(format!("{name}.mean"), &slot.mean), (format!("{name}.square"), &slot.square)]
        })
    }

    /// Puts the number of steps taken back; the moments are put back by writing to the tensors of
    /// [`AdamW::moments`].
    pub fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }

    /// Norm of all gradients together; parameters without a gradient count as zero.
    pub fn gradient_norm(&self) -> Result<f64, TchError> {
        let norms = self
            .slots
            .iter()
            .map(|slot| slot.parameter.tensor.f_grad())
            .filter(|gradient| gradient.as_ref().map_or(true, Tensor::defined))
            .map(|gradient| gradient?.f_norm())
            .collect::<Result<Vec<_>, TchError>>()?;
        if norms.is_empty() {
            return Ok(0.0);
        }
        Tensor::f_stack(&norms, 0)?.f_norm()?.f_double_value(&[])
    }

    /// One update with every gradient multiplied by `gradient_scale` first (1 = as they are). It
    /// uses the gradients up: afterwards they are zero. Parameters without a gradient stay as
    /// they are.
    pub fn step(&mut self, learning_rate: f64, gradient_scale: f64) -> Result<(), TchError> {
        self.steps += 1;
        let [beta1, beta2] = self.options.betas;
        let exponent = self.steps as f64;
        let (correction1, correction2) = (1.0 - beta1.powf(exponent), 1.0 - beta2.powf(exponent));
        // p -= lr/c1 * m / (sqrt(v)/sqrt(c2) + eps), as p += m / d with d scaled accordingly.
        let scale = -correction1 / learning_rate;
        let (root_scale, offset) = (scale / correction2.sqrt(), scale * self.options.epsilon);
        let shrink = 1.0 - learning_rate * self.options.weight_decay;
        no_grad(|| {
            for slot in &mut self.slots {
                let mut gradient = slot.parameter.tensor.f_grad()?;
                if !gradient.defined() {
                    continue;
                }
                if gradient_scale != 1.0 {
                    let _ = gradient.f_mul_scalar_(gradient_scale)?;
                }
                if slot.decays {
                    let _ = slot.parameter.tensor.f_mul_scalar_(shrink)?;
                }
                let _ = slot.mean.f_lerp_(&gradient, 1.0 - beta1)?;
                let _ = gradient.f_square_()?;
                let _ = slot.square.f_lerp_(&gradient, 1.0 - beta2)?;
                // The gradient's memory serves as the denominator's: nothing is allocated.
                let _ = slot.square.f_sqrt_out(&gradient)?;
                let _ = gradient.f_mul_scalar_(root_scale)?;
                let _ = gradient.f_add_scalar_(offset)?;
                let _ = slot.parameter.tensor.f_addcdiv_(&slot.mean, &gradient)?;
                let _ = gradient.f_zero_()?;
            }
            Ok(())
        })
    }
}

/// Whether weight decay applies: to matrices, not to norms, biases, embeddings and positions.
fn decays(name: &str, dimensions: usize) -> bool {
    const EXEMPT: [&str; 5] = ["embed_tokens", "pos_embed", "cls_token", "reg_token", "latent"];
    dimensions >= 2 && !EXEMPT.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tch::{Device, Kind, nn, nn::OptimizerConfig};

    fn parameter(name: &str, values: &[f32], shape: &[i64]) -> Parameter {
        let tensor = Tensor::from_slice(values).view(shape).set_requires_grad(true);
        Parameter { name: name.into(), tensor }
    }

    const OPTIONS: AdamWOptions =
        AdamWOptions { betas: [0.9, 0.95], epsilon: 1e-8, weight_decay: 0.05 };

    #[test]
    fn the_first_two_steps_match_a_hand_calculation() {
        let p = parameter("w.weight", &[2.0], &[1, 1]);
        let weight = p.tensor.shallow_clone();
        let mut optimiser = AdamW::new(vec![p], OPTIONS).unwrap();
        // Step 1: bias-corrected m = g, sqrt(v) = |g|: a step of exactly the learning rate.
        (&weight * 3.0).sum(Kind::Float).backward();
        optimiser.step(0.1, 1.0).unwrap();
        let after_one = 2.0 * (1.0 - 0.1 * 0.05) - 0.1;
        assert!((weight.double_value(&[0, 0]) - after_one).abs() < 1e-6);
        // Step 2 with g = -1: m = (0.09*3 + 0.1*-1)... written out.
        (&weight * -1.0).sum(Kind::Float).backward();
        optimiser.step(0.1, 1.0).unwrap();
        let mean = (0.9 * 0.1 * 3.0 - 0.1) / (1.0 - 0.81);
        let square: f64 = (0.95 * 0.05 * 9.0 + 0.05) / (1.0 - 0.95f64.powi(2));
        let after_two = after_one * (1.0 - 0.1 * 0.05) - 0.1 * mean / square.sqrt();
        assert!((weight.double_value(&[0, 0]) - after_two).abs() < 1e-6);
    }

    #[test]
    fn agrees_with_libtorch_over_many_steps() {
        let start: Vec<f32> = (0..12).map(|i| (i as f32 * 0.7).sin()).collect();
        let store = nn::VarStore::new(Device::Cpu);
        let theirs = store.root().var_copy("w", &Tensor::from_slice(&start).view([3, 4]));
        let mut reference =
            nn::AdamW { beta1: 0.9, beta2: 0.95, wd: 0.05, eps: 1e-8, amsgrad: false }
                .build(&store, 3e-3)
                .unwrap();
        let p = parameter("w.weight", &start, &[3, 4]);
        let ours = p.tensor.shallow_clone();
        let mut optimiser = AdamW::new(vec![p], OPTIONS).unwrap();
        for step in 0..20 {
            let loss = |w: &Tensor| ((w * (f64::from(step) + 1.0)).sin() * w).sum(Kind::Float);
            reference.backward_step(&loss(&theirs));
            loss(&ours).backward();
            optimiser.step(3e-3, 1.0).unwrap();
        }
        assert!((theirs - ours).abs().max().double_value(&[]) < 1e-6);
    }

    #[test]
    fn norms_biases_embeddings_and_positions_do_not_decay() {
        assert!(decays("language_model.model.layers.0.mlp.up_proj.weight", 2));
        assert!(decays("vision_backbone.featurizer.patch_embed.proj.weight", 4));
        assert!(!decays("language_model.model.layers.0.input_layernorm.weight", 1));
        assert!(!decays("projector.fc1.bias", 1));
        assert!(!decays("language_model.model.embed_tokens.weight", 2));
        assert!(!decays("vision_backbone.featurizer.pos_embed", 3));
    }

    #[test]
    fn a_parameter_without_gradient_stays_and_scaling_clips_the_others() {
        let (idle, used) = (parameter("a.weight", &[1.0], &[1, 1]), parameter("b", &[1.0], &[1]));
        let (idle_tensor, used_tensor) = (idle.tensor.shallow_clone(), used.tensor.shallow_clone());
        let mut optimiser = AdamW::new(vec![idle, used], OPTIONS).unwrap();
        (&used_tensor * 40.0).sum(Kind::Float).backward();
        assert!((optimiser.gradient_norm().unwrap() - 40.0).abs() < 1e-4);
        optimiser.step(0.1, 1.0 / 40.0).unwrap();
        assert_eq!(idle_tensor.double_value(&[0, 0]), 1.0);
        let moments: Vec<_> = optimiser.moments().collect();
        let (name, mean) = &moments[2];
        assert_eq!(name, "b.mean");
        assert!((mean.double_value(&[0]) - 0.1).abs() < 1e-6);
        assert_eq!(used_tensor.grad().double_value(&[0]), 0.0);
    }
}
