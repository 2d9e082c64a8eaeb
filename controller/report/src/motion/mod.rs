//! How a hand moved, as numbers: how smooth a path was, how far two paths drift apart, and how sure
//! a mean over many paths is. Pure: paths in, numbers out; it draws and reads nothing.

mod bootstrap;
mod drift;
mod smoothness;
mod spectrum;

pub use bootstrap::{Draws, Mean, mean_95};
pub use drift::{drift_by_length_m, drift_by_step_m};
pub use smoothness::{Smoothness, smoothness};
pub use spectrum::spectral_arc_length;

/// A path: the tool point at each step boundary, base frame \[m\].
pub type PathM = [[f64; 3]];

/// Distance between two points \[m\].
pub(crate) fn distance_m(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    (0..3).map(|axis| (a[axis] - b[axis]).powi(2)).sum::<f64>().sqrt()
}
