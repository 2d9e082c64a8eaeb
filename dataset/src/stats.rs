//! Statistics of columns: exact ones of an episode, and their aggregate over a dataset.
//!
//! The aggregate follows LeRobot: mean weighted by count, pooled variance, and quantiles as the
//! *weighted mean of the episodes' quantiles*. Those are therefore not the dataset's true
//! quantiles; `Dataset::quantiles` computes the true ones. Image values are scaled to \[0, 1\]
//! and counted over every pixel of every frame; their `count` is the number of frames.

use crate::feature::FeatureKind;
use crate::image::Histogram;
use crate::json;
use crate::table::StoredColumn;
use serde_json::{Map, Value as Json, json};

/// The quantiles that the format keeps, with their names.
pub(crate) const QUANTILES: [(&str, f64); 5] =
    [("q01", 0.01), ("q10", 0.10), ("q50", 0.50), ("q90", 0.90), ("q99", 0.99)];

/// How the numbers of a feature are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A list, one entry a dimension.
    Vector,
    /// As `Vector`, with integer extremes.
    Integer,
    /// As `Vector`, with boolean extremes.
    Boolean,
    /// Shape (3, 1, 1).
    Image,
}

/// Statistics of one feature, one entry a dimension.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FeatureStats {
    pub shape: Shape,
    pub count: u64,
    pub min: Vec<f64>,
    pub max: Vec<f64>,
    pub mean: Vec<f64>,
    pub std: Vec<f64>,
    /// Per quantile of [`QUANTILES`], per dimension.
    pub quantiles: [Vec<f64>; 5],
}

impl Shape {
    /// How those of a feature of this kind are written.
    pub fn of(kind: &FeatureKind) -> Self {
        match kind {
            FeatureKind::Image { .. } => Shape::Image,
            FeatureKind::Bool => Shape::Boolean,
            FeatureKind::Int64 => Shape::Integer,
            FeatureKind::Float32 { .. } | FeatureKind::Float64 { .. } => Shape::Vector,
        }
    }

    /// A number of the statistic `name` as JSON.
    pub fn json(self, name: &str, value: f64) -> Json {
        match self {
            Shape::Integer if matches!(name, "min" | "max") => json!(value as i64),
            Shape::Boolean if matches!(name, "min" | "max") => json!(value != 0.0),
            _ => json::from_number(value),
        }
    }
}

impl FeatureStats {
    /// Statistics of nothing, of the size that a feature of this kind asks for.
    pub fn zero(kind: &FeatureKind) -> Self {
        let mut stats = Self::empty(Shape::of(kind), 0);
        for _ in 0..kind.dims() {
            stats.push(0.0, 0.0, 0.0, 0.0, |_| 0.0);
        }
        stats
    }

    /// The statistics of a column that is not an image.
    pub fn of_column(column: &StoredColumn) -> Self {
        match column {
            StoredColumn::F32 { dims, values } => {
                Self::of_numbers(Shape::Vector, *dims, values.iter().map(|&v| f64::from(v)))
            }
            StoredColumn::F64 { dims, values } => {
                Self::of_numbers(Shape::Vector, *dims, values.iter().copied())
            }
            StoredColumn::Bool(values) => {
                Self::of_numbers(Shape::Boolean, 1, values.iter().map(|&v| f64::from(u8::from(v))))
            }
            StoredColumn::I64(values) => {
                Self::of_numbers(Shape::Integer, 1, values.iter().map(|&v| v as f64))
            }
            StoredColumn::Pictures(_) => unreachable!("image statistics come from a histogram"),
        }
    }

    fn of_numbers(shape: Shape, dims: usize, values: impl Iterator<Item = f64>) -> Self {
        let mut columns = vec![Vec::new(); dims];
        for (i, value) in values.enumerate() {
            columns[i % dims].push(value);
        }
        let count = columns[0].len() as u64;
        let mut stats = Self::empty(shape, count);
        if count == 0 {
            return stats;
        }
        for column in &mut columns {
            column.sort_by(f64::total_cmp);
            let n = column.len() as f64;
            let mean = column.iter().sum::<f64>() / n;
            let variance = column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
            stats.push(column[0], column[column.len() - 1], mean, variance.sqrt(), |q| {
                quantile_of_sorted(column, q)
            });
        }
        stats
    }

    /// The statistics of an image column.
    pub fn of_image(histogram: &Histogram) -> Self {
        let mut stats = Self::empty(Shape::Image, histogram.frames);
        for counts in histogram.counts.iter() {
            let n = counts.iter().sum::<u64>();
            let level = |i: usize| i as f64 / 255.0;
            let weighted = |f: &dyn Fn(f64) -> f64| {
                counts.iter().enumerate().map(|(i, &c)| c as f64 * f(level(i))).sum::<f64>()
                    / n as f64
            };
            let mean = weighted(&|v| v);
            let variance = weighted(&|v| (v - mean).powi(2));
            let min = counts.iter().position(|&c| c > 0).unwrap_or(0);
            let max = counts.iter().rposition(|&c| c > 0).unwrap_or(0);
            stats.push(level(min), level(max), mean, variance.sqrt(), |q| {
                level(quantile_of_counts(counts, n, q))
            });
        }
        stats
    }

    fn empty(shape: Shape, count: u64) -> Self {
        let none = Vec::new;
        let (min, max, mean, std) = (none(), none(), none(), none());
        Self { shape, count, min, max, mean, std, quantiles: Default::default() }
    }

    fn push(&mut self, min: f64, max: f64, mean: f64, std: f64, quantile: impl Fn(f64) -> f64) {
        self.min.push(min);
        self.max.push(max);
        self.mean.push(mean);
        self.std.push(std);
        for (values, (_, q)) in self.quantiles.iter_mut().zip(QUANTILES) {
            values.push(quantile(q));
        }
    }

    /// These statistics and `other`'s as those of one larger set.
    pub fn merge(&mut self, other: &FeatureStats) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            self.clone_from(other);
            return;
        }
        let (n, m) = (self.count as f64, other.count as f64);
        let total = n + m;
        for d in 0..self.mean.len() {
            let gap = other.mean[d] - self.mean[d];
            let variance = (n * self.std[d].powi(2) + m * other.std[d].powi(2)) / total
                + gap.powi(2) * n * m / total.powi(2);
            self.std[d] = variance.sqrt();
            self.mean[d] += gap * m / total;
            self.min[d] = self.min[d].min(other.min[d]);
            self.max[d] = self.max[d].max(other.max[d]);
            for (mine, theirs) in self.quantiles.iter_mut().zip(&other.quantiles) {
                mine[d] += (theirs[d] - mine[d]) * m / total;
            }
        }
        self.count += other.count;
    }

    /// The statistic `name` with its numbers, in the format's order of names.
    pub fn fields(&self) -> Vec<(&'static str, &[f64])> {
        let mut fields: Vec<(&'static str, &[f64])> =
            vec![("min", &self.min), ("max", &self.max), ("mean", &self.mean), ("std", &self.std)];
        fields.extend(QUANTILES.iter().zip(&self.quantiles).map(|((name, _), v)| (*name, &v[..])));
        fields
    }

    /// The entry of `meta/stats.json`.
    pub fn to_json(&self) -> Json {
        let mut entry = Map::new();
        for (name, values) in self.fields() {
            let values = values.iter().map(|&v| match self.shape {
                Shape::Image => json!([[json::from_number(v)]]),
                shape => shape.json(name, v),
            });
            entry.insert(name.to_owned(), values.collect());
        }
        entry.insert("count".to_owned(), json!([self.count]));
        Json::Object(entry)
    }
}

/// The quantile `q` of sorted values, with linear interpolation between neighbours (numpy's
/// default).
pub(crate) fn quantile_of_sorted(sorted: &[f64], q: f64) -> f64 {
    let position = q * (sorted.len() - 1) as f64;
    let low = position.floor() as usize;
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + (sorted[high] - sorted[low]) * (position - low as f64)
}

/// The value of the `q`-quantile of `n` counted values, without interpolation: with thousands of
/// pixels on 256 levels the neighbours are equal but for a vanishing share.
fn quantile_of_counts(counts: &[u64; 256], n: u64, q: f64) -> usize {
    let rank = (q * (n.saturating_sub(1)) as f64).floor() as u64;
    let mut below = 0;
    for (value, &count) in counts.iter().enumerate() {
        below += count;
        if below > rank {
            return value;
        }
    }
    255
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Reference values from numpy: mean, std, quantile (linear) of [3, 1, 4, 1, 5].
    #[test]
    fn numbers_agree_with_numpy() {
        let column = StoredColumn::F64 { dims: 1, values: vec![3.0, 1.0, 4.0, 1.0, 5.0] };
        let stats = FeatureStats::of_column(&column);
        assert_eq!((stats.count, stats.min[0], stats.max[0]), (5, 1.0, 5.0));
        assert!((stats.mean[0] - 2.8).abs() < 1e-12);
        assert!((stats.std[0] - 1.6).abs() < 1e-12);
        let quantiles: Vec<f64> = stats.quantiles.iter().map(|q| q[0]).collect();
        for (found, numpy) in quantiles.iter().zip([1.0, 1.0, 3.0, 4.6, 4.96]) {
            assert!((found - numpy).abs() < 1e-12, "{quantiles:?}");
        }
    }

    #[test]
    fn merging_parts_gives_the_moments_of_the_whole() {
        let values: Vec<f64> = (0..40).map(|i| ((i * 37) % 23) as f64 - 7.0).collect();
        let whole = FeatureStats::of_column(&StoredColumn::F64 { dims: 2, values: values.clone() });
        let mut parts: Option<FeatureStats> = None;
        for part in values.chunks(10) {
            let part = FeatureStats::of_column(&StoredColumn::F64 { dims: 2, values: part.into() });
            match &mut parts {
                None => parts = Some(part),
                Some(all) => all.merge(&part),
            }
        }
        let parts = parts.unwrap();
        assert_eq!((parts.count, &parts.min, &parts.max), (20, &whole.min, &whole.max));
        for d in 0..2 {
            assert!((parts.mean[d] - whole.mean[d]).abs() < 1e-12);
            assert!((parts.std[d] - whole.std[d]).abs() < 1e-12);
        }
    }

    #[test]
    fn image_statistics_are_over_unit_range_and_every_pixel() {
        let mut histogram = Histogram::default();
        histogram.add(&[0, 255, 51, 0, 255, 51, 255, 255, 51, 255, 255, 51]);
        let stats = FeatureStats::of_image(&histogram);
        assert_eq!(stats.count, 1);
        assert_eq!(
            (stats.min.as_slice(), stats.max.as_slice()),
            (&[0., 1., 0.2][..], &[1., 1., 0.2][..])
        );
        assert!((stats.mean[0] - 0.5).abs() < 1e-12 && (stats.std[0] - 0.5).abs() < 1e-12);
        assert_eq!(stats.std[2], 0.0);
        assert_eq!(stats.to_json()["mean"][1], json!([[1.0]]));
    }

    /// An episode of no rows, in a dataset whose statistics are made anew.
    #[test]
    fn of_no_rows_there_are_no_statistics_and_they_add_nothing() {
        let of = |values: &[f64]| {
            FeatureStats::of_column(&StoredColumn::F64 { dims: 2, values: values.to_vec() })
        };
        let (none, some) = (of(&[]), of(&[1.0, 2.0, 3.0, 4.0]));
        assert_eq!(none.count, 0);
        let (mut before, mut after) = (none.clone(), some.clone());
        before.merge(&some);
        after.merge(&none);
        assert_eq!((&before, &after), (&some, &some));
    }
}
