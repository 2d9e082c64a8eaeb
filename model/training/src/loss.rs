//! The losses: next-token cross entropy over the full vocabulary with Gaussian targets on the
//! action tokens, and the regression of simulator labels. Pure functions of tensors.
//!
//! Source: OpenVLA's mean token loss over supervised tokens; the Gaussian targets spread each
//! action bin over its neighbours, which are nearly as good.

use jaco_core::codec::ACTION_BINS;
use tch::{Device, Kind, TchError, Tensor};

/// Action bins as a tensor size.
const BINS: i64 = ACTION_BINS as i64;

/// Target distributions \[512, 256\] over the action token ids in ascending order: row `bin - 1` is
/// a Gaussian of `sigma_bins` around the bin, row `256 + bin - 1` is one-hot. Ids fall as bins rise.
pub fn target_table(sigma_bins: f64, device: Device) -> Result<Tensor, TchError> {
    let mut rows = Vec::with_capacity((2 * BINS * BINS) as usize);
    for sigma in [sigma_bins, 0.0] {
        for bin in 1..=BINS {
            // Column c is the token of bin 256 - c.
            let weights = (0..BINS).map(|column| {
                let distance = (BINS - column - bin) as f64;
                if sigma > 0.0 {
                    (-distance * distance / (2.0 * sigma * sigma)).exp()
                } else {
                    f64::from(u8::from(distance == 0.0))
                }
            });
            let weights: Vec<f64> = weights.collect();
            let sum: f64 = weights.iter().sum();
            rows.extend(weights.into_iter().map(|weight| (weight / sum) as f32));
        }
    }
    Tensor::f_from_slice(&rows)?.f_view([2 * BINS, BINS])?.f_to_device(device)
}

/// The row of [`target_table`] for `bin` (1..=256).
pub fn target_row(bin: u16, one_hot: bool) -> i64 {
    i64::from(bin) - 1 + if one_hot { BINS } else { 0 }
}

/// What each row of a logits tensor should predict: the first rows action tokens, the others one
/// token each.
#[derive(Debug)]
pub struct Targets {
    /// Row of the target table for each of the first rows \[A\] (int64).
    pub table_rows: Tensor,
    /// Token id for each of the rows that follow \[R - A\] (int64).
    pub tokens: Tensor,
}

/// Mean cross entropy over all rows of `logits` \[R, V\]; `first_action_id` is the lowest of the 256
/// action token ids. Float32 scalar.
pub fn token_loss(
    logits: &Tensor,
    targets: &Targets,
    table: &Tensor,
    first_action_id: i64,
) -> Result<Tensor, TchError> {
    let (of_actions, of_tokens) = weighted(logits, targets, table, first_action_id)?;
    let rows = of_actions.size2()?.0 + of_tokens.size2()?.0;
    let sum = of_actions.f_sum(Kind::Float)?.f_add(&of_tokens.f_sum(Kind::Float)?)?;
    sum.f_div_scalar(-rows as f64)
}

/// The cross entropy of every row of [`token_loss`] \[R\], action rows first.
pub fn row_losses(
    logits: &Tensor,
    targets: &Targets,
    table: &Tensor,
    first_action_id: i64,
) -> Result<Tensor, TchError> {
    let (of_actions, of_tokens) = weighted(logits, targets, table, first_action_id)?;
    let of_actions = of_actions.f_sum_dim_intlist(-1, false, Kind::Float)?;
    Tensor::f_cat(&[of_actions, of_tokens.f_squeeze_dim(-1)?], 0)?.f_neg()
}

/// Log-probabilities times what is wanted: of the action rows over their bins \[A, 256\], of the
/// others at their token \[R - A, 1\].
fn weighted(
    logits: &Tensor,
    targets: &Targets,
    table: &Tensor,
    first_action_id: i64,
) -> Result<(Tensor, Tensor), TchError> {
    let log_probs = logits.f_log_softmax(-1, Kind::Float)?;
    let (actions, tokens) = (targets.table_rows.size1()?, targets.tokens.size1()?);
    let wanted = table.f_index_select(0, &targets.table_rows)?;
    let of_actions =
        log_probs.f_narrow(0, 0, actions)?.f_narrow(1, first_action_id, BINS)?.f_mul(&wanted)?;
    let index = targets.tokens.f_unsqueeze(-1)?;
    let of_tokens = log_probs.f_narrow(0, actions, tokens)?.f_gather(1, &index, false)?;
    Ok((of_actions, of_tokens))
}

/// Mean squared error of `prediction` \[B, A\] against standardised labels \[B, A\] where `known`
/// \[B, A\] is 1; labels that are not known hold 0. Float32 scalar.
pub fn label_loss(
    prediction: &Tensor,
    labels: &Tensor,
    known: &Tensor,
) -> Result<Tensor, TchError> {
    let error = prediction.f_to_kind(Kind::Float)?.f_sub(labels)?.f_mul(known)?;
    let count = known.f_sum(Kind::Float)?.f_clamp_min(1.0)?;
    error.f_square()?.f_sum(Kind::Float)?.f_div(&count)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn value(tensor: &Tensor, index: &[i64]) -> f64 {
        tensor.f_double_value(index).unwrap()
    }

    #[test]
    fn soft_rows_are_gaussians_over_neighbouring_bins() {
        let table = target_table(2.0, Device::Cpu).unwrap();
        let row = target_row(100, false);
        // Bin 100 is column 156; its neighbours fall off as exp(-d^2 / 8).
        let centre = value(&table, &[row, 156]);
        for (column, distance) in [(155, 1.0), (157, 1.0), (150, 6.0)] {
            let expected = centre * (-distance * distance / 8.0_f64).exp();
            assert!((value(&table, &[row, column]) - expected).abs() < 1e-6);
        }
        let sums = table.sum_dim_intlist(1, false, Kind::Float);
        assert!((sums - 1.0).abs().max().double_value(&[]) < 1e-5);
    }

    #[test]
    fn hard_rows_hold_a_single_one() {
        let table = target_table(2.0, Device::Cpu).unwrap();
        for bin in [1u16, 128, 256] {
            assert_eq!(value(&table, &[target_row(bin, true), 256 - i64::from(bin)]), 1.0);
        }
    }

    #[test]
    fn the_softmax_is_over_the_full_vocabulary() {
        // Uniform logits over 300 tokens cost ln 300 whatever the target distribution.
        let logits = Tensor::zeros([3, 300], (Kind::Float, Device::Cpu));
        let targets = Targets {
            table_rows: Tensor::from_slice(&[target_row(7, false), target_row(256, true)]),
            tokens: Tensor::from_slice(&[3i64]),
        };
        let table = target_table(2.0, Device::Cpu).unwrap();
        let loss = token_loss(&logits, &targets, &table, 40).unwrap();
        assert!((value(&loss, &[]) - 300f64.ln()).abs() < 1e-5);
        let rows = row_losses(&logits, &targets, &table, 40).unwrap();
        let rows = Vec::<f32>::try_from(rows).unwrap();
        assert!(rows.len() == 3 && rows.iter().all(|row| (row - 300f32.ln()).abs() < 1e-4));
    }

    #[test]
    fn an_action_is_looked_up_by_descending_token_id() {
        // Only the token of bin 5 is likely: the loss of bin 5 is small, that of bin 6 large.
        let logits = Tensor::zeros([1, 300], (Kind::Float, Device::Cpu));
        let _ = logits.get(0).get(40 + 256 - 5).fill_(20.0);
        let table = target_table(0.0, Device::Cpu).unwrap();
        let loss = |bin| {
            let targets = Targets {
                table_rows: Tensor::from_slice(&[target_row(bin, false)]),
                tokens: Tensor::from_slice::<i64>(&[]),
            };
            value(&token_loss(&logits, &targets, &table, 40).unwrap(), &[])
        };
        assert!(loss(5) < 1e-5, "{}", loss(5));
        assert!((loss(6) - 20.0).abs() < 1e-4, "{}", loss(6));
    }

    #[test]
    fn unknown_labels_cost_nothing() {
        let prediction = Tensor::from_slice(&[1.0f32, 5.0, 3.0, -9.0]).view([2, 2]);
        let labels = Tensor::from_slice(&[0.0f32, 3.0, 0.0, 0.0]).view([2, 2]);
        let known = Tensor::from_slice(&[1.0f32, 1.0, 1.0, 0.0]).view([2, 2]);
        let loss = label_loss(&prediction, &labels, &known).unwrap();
        assert!((value(&loss, &[]) - (1.0 + 4.0 + 9.0) / 3.0).abs() < 1e-6);
    }
}
