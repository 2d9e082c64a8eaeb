//! The moving average of the weights, which generalises better than the last step's and is what
//! gets saved.

use tch::{TchError, Tensor, no_grad};

/// One weight and its average.
struct Pair {
    name: String,
    live: Tensor,
    average: Tensor,
}

/// The averages of all parameters.
pub struct WeightAverage(Vec<Pair>);

impl WeightAverage {
    /// Averages that start from the parameters' values; they share memory with the model.
    pub fn new(parameters: &[(String, Tensor)]) -> Result<Self, TchError> {
        let pair = |(name, live): &(String, Tensor)| {
            let average = no_grad(|| live.f_detach_copy())?;
            Ok(Pair { name: name.clone(), live: live.shallow_clone(), average })
        };
        parameters.iter().map(pair).collect::<Result<_, TchError>>().map(Self)
    }

    /// average = decay * average + (1 - decay) * weight.
    pub fn update(&mut self, decay: f64) -> Result<(), TchError> {
        no_grad(|| {
            for pair in &mut self.0 {
                let _ = pair.average.f_lerp_(&pair.live, 1.0 - decay)?;
            }
            Ok(())
        })
    }

    /// Exchanges weights and averages; a second call exchanges them back exactly.
    pub fn swap(&mut self) -> Result<(), TchError> {
        no_grad(|| {
            for pair in &mut self.0 {
                let weight = pair.live.f_detach_copy()?;
                pair.live.f_copy_(&pair.average)?;
                pair.average = weight;
            }
            Ok(())
        })
    }

    /// The averages by the parameters' names.
    pub fn named(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|pair| (pair.name.as_str(), &pair.average))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn follows_the_weights_and_swaps_with_them() {
        let weight = Tensor::from_slice(&[1.0f32, 2.0]).set_requires_grad(true);
        let mut average = WeightAverage::new(&[("w".into(), weight.shallow_clone())]).unwrap();
        no_grad(|| weight.shallow_clone().f_copy_(&Tensor::from_slice(&[5.0f32, 2.0]))).unwrap();
        average.update(0.75).unwrap();
        average.swap().unwrap();
        assert_eq!(Vec::<f32>::try_from(&weight).unwrap(), [2.0, 2.0]);
        let (name, held) = average.named().next().unwrap();
        assert_eq!((name, Vec::<f32>::try_from(held).unwrap()), ("w", vec![5.0, 2.0]));
        average.swap().unwrap();
        assert_eq!(Vec::<f32>::try_from(&weight).unwrap(), [5.0, 2.0]);
    }
}
