//! Speed: the length of a velocity or of a displacement, direction kept.

use jaco_core::Twist;
use nalgebra::Vector3;

/// `vector` shortened to at most `longest`, in the same direction and unit. Takes any finite
/// vector, also one whose squared length overflows.
pub fn clip_norm(vector: &Vector3<f64>, longest: f64) -> Vector3<f64> {
    let largest = vector.amax();
    if largest == 0.0 {
        return *vector;
    }
    let scaled = vector / largest;
    let norm = scaled.norm();
    if norm * largest <= longest { *vector } else { scaled * (longest / norm) }
}

/// `twist` with at most `linear_m_s` and `angular_rad_s`.
pub fn limit_twist(twist: &Twist, linear_m_s: f64, angular_rad_s: f64) -> Twist {
    Twist {
        linear_m_s: clip_norm(&twist.linear_m_s, linear_m_s),
        angular_rad_s: clip_norm(&twist.angular_rad_s, angular_rad_s),
    }
}

/// `twist` slowed as a whole to at most `linear_m_s` and `angular_rad_s`: no ratio in it changes.
pub fn scale_within(twist: &Twist, linear_m_s: f64, angular_rad_s: f64) -> Twist {
    let share = |speed: f64, most: f64| if speed > most { most / speed } else { 1.0 };
    let share = share(twist.linear_m_s.norm(), linear_m_s)
        .min(share(twist.angular_rad_s.norm(), angular_rad_s));
    Twist { linear_m_s: twist.linear_m_s * share, angular_rad_s: twist.angular_rad_s * share }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_is_faster_than_the_limits(
            linear in proptest::array::uniform3(-1e3..1e3_f64),
            angular in proptest::array::uniform3(-1e3..1e3_f64),
        ) {
            let twist =
                Twist { linear_m_s: Vector3::from(linear), angular_rad_s: Vector3::from(angular) };
            for slow in [limit_twist(&twist, 0.2, 1.07), scale_within(&twist, 0.2, 1.07)] {
                prop_assert!(slow.linear_m_s.norm() <= 0.2 + 1e-12);
                prop_assert!(slow.angular_rad_s.norm() <= 1.07 + 1e-12);
            }
        }
    }

    #[test]
    fn keeps_the_direction() {
        let clipped = clip_norm(&Vector3::new(3.0, 0.0, 4.0), 1.0);
        assert!((clipped - Vector3::new(0.6, 0.0, 0.8)).norm() < 1e-12);
    }

    #[test]
    fn leaves_what_is_short_enough_exactly_as_it_is() {
        let vector = Vector3::new(0.1, -0.07, 0.03);
        assert_eq!(clip_norm(&vector, 0.25), vector);
        assert_eq!(clip_norm(&Vector3::zeros(), 0.25), Vector3::zeros());
    }

    #[test]
    fn numbers_whose_square_overflows_or_vanishes_are_clipped_too() {
        let clipped = clip_norm(&Vector3::new(1e300, -1e300, 0.0), 0.25);
        assert!((clipped.norm() - 0.25).abs() < 1e-12, "{clipped}");
        let tiny = Vector3::new(1e-310, 0.0, 0.0);
        assert_eq!(clip_norm(&tiny, 0.25), tiny);
    }
}
