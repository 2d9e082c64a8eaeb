//! What a validation adds up over its batches, and the means it makes of it.
//!
//! Must never run a network: it is given logits and predictions.

use crate::batch::{Labels, StreamBatch};
use crate::loss::row_losses;
use crate::metrics::Validation;
use crate::store::LabelScale;
use jaco_core::codec::{ACTION_BINS, bin_centre};
use jaco_core::{ACTION_DIMS, ActionCodec, ActionUnit};
use std::collections::BTreeMap;
use tch::{Kind, TchError, Tensor};

/// Names of the dimensions of an action, with their units.
const DIMENSIONS: [&str; ACTION_DIMS] =
    ["dx_m", "dy_m", "dz_m", "droll_rad", "dpitch_rad", "dyaw_rad", "gripper"];

/// A sum and the number of its terms.
type Sum = [f64; 2];

fn add(sum: &mut Sum, value: f64) {
    *sum = [sum[0] + value, sum[1] + 1.0];
}

fn mean([sum, count]: Sum) -> f64 {
    sum / count.max(1.0)
}

/// Sums over the batches of a validation.
pub struct ValidationSums {
    codec: ActionCodec,
    states: usize,
    tokens: Sum,
    right: Sum,
    labels: f64,
    label_squares: f64,
    label_errors: Vec<Sum>,
    /// Losses of each unit.
    unit_losses: Vec<Sum>,
    /// Per unit and dimension group (translation, rotation, gripper).
    units: Vec<[Sum; 3]>,
    /// Differences of normalised values by dimension.
    dimensions: [Sum; ACTION_DIMS],
    values: BTreeMap<&'static str, Sum>,
}

impl ValidationSums {
    /// Nothing yet, of actions that `codec` decodes.
    pub fn new(codec: ActionCodec) -> Self {
        Self {
            codec,
            states: 0,
            tokens: Sum::default(),
            right: Sum::default(),
            labels: 0.0,
            label_squares: 0.0,
            label_errors: Vec::new(),
            unit_losses: Vec::new(),
            units: Vec::new(),
            dimensions: Default::default(),
            values: BTreeMap::new(),
        }
    }

    /// Counts the states of a batch.
    pub fn add_states(&mut self, states: usize) {
        self.states += states;
    }

    /// Adds `count` values of the mean `value` under a name of the objective's own.
    pub fn add_value(&mut self, name: &'static str, value: f64, count: f64) {
        let sum = self.values.entry(name).or_default();
        *sum = [sum[0] + value * count, sum[1] + count];
    }

    /// Adds a batch: its logits \[R, V\] at the supervised rows, which should predict the rows of
    /// `table` that `stream` names.
    pub fn add_tokens(
        &mut self,
        logits: &Tensor,
        stream: &StreamBatch,
        table: &Tensor,
        first_action: i64,
    ) -> Result<(), TchError> {
        let losses = row_losses(logits, &stream.targets, table, first_action)?;
        let losses = Vec::<f32>::try_from(&losses)?;
        let units = stream.places.iter().map(|place| place.unit);
        let units = units.chain(stream.separator_units.iter().copied());
        for (unit, loss) in units.zip(losses) {
            add(&mut self.tokens, f64::from(loss));
            add(at(&mut self.unit_losses, unit), f64::from(loss));
        }
        let action_logits = logits.f_narrow(0, 0, stream.places.len() as i64)?.f_narrow(
            1,
            first_action,
            i64::from(ACTION_BINS),
        )?;
        let columns = Vec::<i64>::try_from(action_logits.f_argmax(-1, false)?)?;
        for (place, column) in stream.places.iter().zip(columns) {
            let bin = ACTION_BINS - column as u16;
            let off = |value: fn(u16) -> f64| (value(bin) - value(place.bin)).abs();
            let opens = |bin: u16| self.codec.decode(&ActionUnit([bin; ACTION_DIMS])).opens();
            let (group, value) = match place.dimension {
                0..3 => (0, off(f64::from)),
                dimension if dimension + 1 == ACTION_DIMS => {
                    (2, f64::from(u8::from(opens(bin) == opens(place.bin))))
                }
                _ => (1, off(f64::from)),
            };
            add(&mut at(&mut self.units, place.unit)[group], value);
            add(&mut self.dimensions[place.dimension], off(bin_centre));
            add(&mut self.right, f64::from(u8::from(bin == place.bin)));
        }
        Ok(())
    }

    /// Adds the head's prediction for a batch.
    pub fn add_labels(&mut self, prediction: &Tensor, batch: &Labels) -> Result<(), TchError> {
        let error = prediction.f_sub(&batch.values)?.f_mul(&batch.known)?;
        self.labels += batch.known.f_sum(Kind::Float)?.f_double_value(&[])?;
        self.label_squares += error.f_square()?.f_sum(Kind::Float)?.f_double_value(&[])?;
        let sums = |table: &Tensor| -> Result<Vec<f32>, TchError> {
            Vec::<f32>::try_from(table.f_sum_dim_intlist(0, false, Kind::Float)?)
        };
        let (errors, counts) = (sums(&error.f_abs()?)?, sums(&batch.known)?);
        self.label_errors.resize(errors.len(), [0.0; 2]);
        for (total, (error, count)) in
            self.label_errors.iter_mut().zip(errors.into_iter().zip(counts))
        {
            *total = [total[0] + f64::from(error), total[1] + f64::from(count)];
        }
        Ok(())
    }

    /// The means.
    pub fn finish(self, step: u64, scale: &LabelScale) -> Validation {
        let statistics = self.codec.statistics();
        let group = |group: usize| self.units.iter().map(|unit| mean(unit[group])).collect();
        let labels = scale.names.iter().zip(&scale.std).zip(&self.label_errors);
        let has = |sum: Sum| (sum[1] > 0.0).then(|| mean(sum));
        let physical = |(dimension, &sum): (usize, &Sum)| {
            let half_range = 0.5 * (statistics.q99[dimension] - statistics.q01[dimension]);
            let unit = if statistics.mask[dimension] { half_range } else { 1.0 };
            (DIMENSIONS[dimension].to_owned(), unit * mean(sum))
        };
        let seen = self.dimensions.iter().any(|sum| sum[1] > 0.0);
        let dimensions = if seen { &self.dimensions[..] } else { &[] };
        Validation {
            step,
            states: self.states,
            token_loss: has(self.tokens),
            label_loss: (self.labels > 0.0).then(|| self.label_squares / self.labels),
            token_accuracy: has(self.right),
            unit_loss: self.unit_losses.iter().map(|&sum| mean(sum)).collect(),
            translation_error_bins: group(0),
            rotation_error_bins: group(1),
            gripper_accuracy: group(2),
            action_error: dimensions.iter().enumerate().map(physical).collect(),
            label_error: labels
                .map(|((name, std), &error)| (name.clone(), mean(error) * f64::from(*std)))
                .collect(),
            values: self
                .values
                .into_iter()
                .map(|(name, sum)| (name.to_owned(), mean(sum)))
                .collect(),
        }
    }
}

/// The element `place`, which is made if it is not there.
fn at<T: Clone + Default>(list: &mut Vec<T>, place: usize) -> &mut T {
    if list.len() <= place {
        list.resize(place + 1, T::default());
    }
    &mut list[place]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::batch::Place;
    use crate::loss::{Targets, target_row, target_table};
    use jaco_core::ActionStatistics;
    use tch::Device;

    const FIRST: i64 = 40;

    #[test]
    fn errors_are_counted_in_bins_and_in_physical_units() {
        let place = |unit, dimension, bin| Place { example: 0, unit, dimension, bin };
        let places = vec![place(0, 0, 100), place(1, 2, 7), place(1, 4, 9), place(1, 6, 256)];
        let rows: Vec<i64> = places.iter().map(|place| target_row(place.bin, true)).collect();
        let stream = StreamBatch {
            input_ids: Tensor::new(),
            rows: Tensor::new(),
            targets: Targets {
                table_rows: Tensor::from_slice(&rows),
                tokens: Tensor::from_slice(&[3i64]),
            },
            places,
            separator_units: vec![1],
        };
        // Predicted bins 103, 7, 5, 255, and the separator.
        let logits = Tensor::zeros([5, 300], (Kind::Float, Device::Cpu));
        for (row, bin) in [103i64, 7, 5, 255].into_iter().enumerate() {
            let _ = logits.get(row as i64).get(FIRST + 256 - bin).fill_(9.0);
        }
        let _ = logits.get(4).get(3).fill_(9.0);
        let table = target_table(0.0, Device::Cpu).unwrap();
        let mut statistics = ActionStatistics { q01: [-0.02; 7], q99: [0.02; 7], mask: [true; 7] };
        statistics.mask[6] = false;
        let mut sums = ValidationSums::new(ActionCodec::new(statistics).unwrap());
        sums.add_states(1);
        sums.add_tokens(&logits, &stream, &table, FIRST).unwrap();
        sums.add_value("reward", 2.0, 1.0);
        sums.add_value("reward", 5.0, 2.0);
        let found = sums.finish(3, &LabelScale::default());
        assert_eq!(found.translation_error_bins, [3.0, 0.0]);
        assert_eq!(found.rotation_error_bins, [0.0, 4.0]);
        assert_eq!(found.gripper_accuracy[1], 1.0);
        assert_eq!(found.token_accuracy, Some(0.25));
        assert_eq!(found.label_loss, None);
        assert_eq!(found.values["reward"], 4.0);
        // A bin is 2/255 of the normalised range, which is twice 0.02 here.
        let (name, error) = &found.action_error[0];
        assert_eq!(name, "dx_m");
        assert!((error - 3.0 * 0.02 * 2.0 / 255.0).abs() < 1e-9, "{error}");
        // Right: 9 above 299 others; wrong: 9 more than that.
        let right = (9f64.exp() + 299.0).ln() - 9.0;
        assert!((found.unit_loss[0] - (right + 9.0)).abs() < 1e-5, "{found:?}");
        let wanted = (2.0 * right + 2.0 * (right + 9.0)) / 4.0;
        assert!((found.unit_loss[1] - wanted).abs() < 1e-5, "{found:?}");
        let wanted = (2.0 * right + 3.0 * (right + 9.0)) / 5.0;
        assert!((found.token_loss.unwrap() - wanted).abs() < 1e-5);
    }

    /// A gripper that is normalised from 0..1 opens halfway through the bins, one that is not three
    /// quarters up, and one whose numbers are wider elsewhere.
    #[test]
    fn the_gripper_is_judged_by_the_opening_that_its_bin_means() {
        let right = |[q01, q99]: [f64; 2], mask: bool, wanted: u16, predicted: u16| {
            let mut statistics =
                ActionStatistics { q01: [-0.02; 7], q99: [0.02; 7], mask: [true; 7] };
            (statistics.q01[6], statistics.q99[6], statistics.mask[6]) = (q01, q99, mask);
            let mut sums = ValidationSums::new(ActionCodec::new(statistics).unwrap());
            let stream = StreamBatch {
                input_ids: Tensor::new(),
                rows: Tensor::new(),
                targets: Targets {
                    table_rows: Tensor::from_slice(&[target_row(wanted, true)]),
                    tokens: Tensor::from_slice(&[0i64; 0]),
                },
                places: vec![Place { example: 0, unit: 0, dimension: 6, bin: wanted }],
                separator_units: Vec::new(),
            };
            let logits = Tensor::zeros([1, 300], (Kind::Float, Device::Cpu));
            let _ = logits.get(0).get(FIRST + 256 - i64::from(predicted)).fill_(9.0);
            let table = target_table(0.0, Device::Cpu).unwrap();
            sums.add_tokens(&logits, &stream, &table, FIRST).unwrap();
            sums.finish(1, &LabelScale::default()).gripper_accuracy[0]
        };
        for (range, mask, closed, open) in [
            ([0.0, 1.0], true, 120, 136),
            ([0.0, 1.0], false, 190, 194),
            ([0.0, 0.6], true, 210, 216),
            ([-1.0, 1.0], true, 190, 194),
        ] {
            let told = format!("{range:?} {mask}");
            assert_eq!(right(range, mask, 256, open), 1.0, "{told}");
            assert_eq!(right(range, mask, 256, closed), 0.0, "{told}");
            assert_eq!(right(range, mask, 1, closed), 1.0, "{told}");
            assert_eq!(right(range, mask, 1, open), 0.0, "{told}");
        }
    }
}
