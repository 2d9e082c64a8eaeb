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

#[cfg(test)]
mod tests {
    use super::*;

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
