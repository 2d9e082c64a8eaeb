//! Where a policy's stream leaves the expert's, judged by what the arm would do.
//!
//! Pure. Must never look at what a model thinks of either.

use jaco_core::{ActionCodec, ActionUnit};

/// How far units may lie apart without counting as another motion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Margin {
    /// Largest distance between the displacements \[m\].
    pub translation_m: f64,
    /// Largest distance between the rotations \[rad\]; none = rotation is not judged.
    pub rotation_rad: Option<f64>,
}

impl Margin {
    /// The first unit of `own` that moves the arm elsewhere than the one of `expert`, or heads for
    /// the other end with the gripper. Only units that both have are looked at.
    pub fn first_beyond(
        &self,
        codec: &ActionCodec,
        own: &[ActionUnit],
        expert: &[ActionUnit],
    ) -> Option<usize> {
        own.iter().zip(expert).position(|(own, expert)| self.is_beyond(codec, own, expert))
    }

    fn is_beyond(&self, codec: &ActionCodec, own: &ActionUnit, expert: &ActionUnit) -> bool {
        let (own, expert) = (codec.decode(own), codec.decode(expert));
        let distance = |a: [f64; 3], b: [f64; 3]| {
            a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
        };
        let turned = distance(own.rotation_rad, expert.rotation_rad);
        distance(own.translation_m, expert.translation_m) > self.translation_m
            || self.rotation_rad.is_some_and(|most| turned > most)
            || own.opens() != expert.opens()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jaco_core::ActionStatistics;

    /// A bin is 1 mm of displacement, 10 mrad of rotation; the gripper is 0 to 1.
    fn codec() -> ActionCodec {
        let (mut q01, mut q99) = ([-0.1275; 7], [0.1275; 7]);
        q01[3..6].fill(-1.275);
        q99[3..6].fill(1.275);
        (q01[6], q99[6]) = (0.0, 1.0);
        ActionCodec::new(ActionStatistics { q01, q99, mask: [true; 7] }).unwrap()
    }

    fn unit(change: &[(usize, u16)]) -> ActionUnit {
        let mut unit = ActionUnit([100; 7]);
        change.iter().for_each(|&(dimension, bin)| unit.0[dimension] = bin);
        unit
    }

    const MARGIN: Margin = Margin { translation_m: 0.003, rotation_rad: None };

    fn beyond(margin: Margin, change: &[(usize, u16)]) -> bool {
        margin.first_beyond(&codec(), &[unit(change)], &[unit(&[])]).is_some()
    }

    #[test]
    fn translation_counts_by_its_length() {
        assert!(!beyond(MARGIN, &[(0, 102)]), "2 mm");
        assert!(beyond(MARGIN, &[(0, 104)]), "4 mm");
        assert!(!beyond(MARGIN, &[(0, 102), (2, 98)]), "2.8 mm");
        assert!(beyond(MARGIN, &[(0, 102), (1, 102), (2, 98)]), "3.5 mm");
    }

    #[test]
    fn rotation_counts_only_if_asked() {
        let change = [(4, 110)];
        assert!(!beyond(MARGIN, &change), "100 mrad");
        assert!(beyond(Margin { rotation_rad: Some(0.09), ..MARGIN }, &change));
        assert!(!beyond(Margin { rotation_rad: Some(0.11), ..MARGIN }, &change));
    }

    #[test]
    fn the_gripper_counts_when_it_heads_for_the_other_end() {
        assert!(!beyond(MARGIN, &[(6, 1)]), "both are closing");
        assert!(beyond(MARGIN, &[(6, 200)]));
    }

    #[test]
    fn the_first_of_several_is_found_among_the_supervised_ones() {
        let own = [unit(&[]), unit(&[(0, 101)]), unit(&[(0, 120)]), unit(&[(0, 130)])];
        let expert = [unit(&[]); 4];
        assert_eq!(MARGIN.first_beyond(&codec(), &own, &expert), Some(2));
        assert_eq!(MARGIN.first_beyond(&codec(), &own, &expert[..2]), None);
        assert_eq!(MARGIN.first_beyond(&codec(), &expert, &expert), None);
    }
}
