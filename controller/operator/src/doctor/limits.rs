//! The limits in force, each with its unit, and those that are beyond what the arm allows itself.

use super::check::{Check, Report};
use super::daemon::Presence;
use jaco_core::Limits;

const NAME: &str = "limits";
/// A difference of speeds that is none.
const TOLERANCE: f64 = 1e-3;
/// Units by the end of a limit's name, the longest first.
const UNITS: &[(&str, &str)] = &[
    ("_m_s3", "m/s^3"),
    ("_m_s2", "m/s^2"),
    ("_m_s", "m/s"),
    ("_rad_s3", "rad/s^3"),
    ("_rad_s2", "rad/s^2"),
    ("_rad_s", "rad/s"),
    ("_m_rad", "m/rad"),
    ("_per_s", "1/s"),
    ("_rad", "rad"),
    ("_ms", "ms"),
    ("_m", "m"),
    ("_n", "N"),
];

/// Tells of them. `own_speed` is what the arm allows itself \[m/s\], \[rad/s\]; 0 where it does not tell.
pub fn examine(
    limits: &Limits,
    own_speed: Option<(f64, f64)>,
    presence: &Presence,
    report: &mut Report,
) -> anyhow::Result<()> {
    let found = in_force(limits)?.join("; ");
    let beyond = own_speed.map(|own| beyond(limits, own)).unwrap_or_default();
    report.add(if beyond.is_empty() {
        let compared = match own_speed {
            Some((linear, _)) if linear > 0.0 => "none is beyond the arm's own",
            _ if presence.status().is_some() => "the daemon compares them with the arm's own",
            _ => "not compared with the arm's own, which are not known",
        };
        Check::ok(NAME, format!("{compared}; in force:\n{found}"))
    } else {
        let remedy = "lower them in [arm.limits]: the arm will not reach these speeds, and what it \
                      is told runs ahead of it";
        let beyond = beyond.join(", ");
        Check::warn(NAME, format!("beyond the arm's own: {beyond}; in force:\n{found}"), remedy)
    })
}

/// Each limit with its value and unit, in their usual order.
fn in_force(limits: &Limits) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    let text = toml::to_string(limits)?;
    for line in text.lines().filter(|line| !line.is_empty()) {
        lines.push(match line.split_once(" = ") {
            Some((name, value)) => format!("{name} {value} {}", unit(name)).trim_end().to_owned(),
            None => line.to_owned(),
        });
    }
    Ok(lines)
}

fn unit(name: &str) -> &'static str {
    UNITS.iter().find(|(end, _)| name.ends_with(end)).map_or("", |(_, unit)| unit)
}

fn beyond(limits: &Limits, (linear, angular): (f64, f64)) -> Vec<String> {
    let speeds = [
        ("linear_speed_m_s", limits.linear_speed_m_s, linear),
        ("angular_speed_rad_s", limits.angular_speed_rad_s, angular),
    ];
    let beyond = |(name, ours, own): (&str, f64, f64)| {
        (own > 0.0 && own + TOLERANCE < ours).then(|| format!("{name} {ours} (its own: {own:.3})"))
    };
    speeds.into_iter().filter_map(beyond).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_limit_is_told_with_its_unit() {
        let limits =
            Limits { linear_jerk_m_s3: 7.0, singularity_margin_m_rad: 0.5, ..<_>::default() };
        let lines = in_force(&limits).unwrap();
        for line in ["linear_jerk_m_s3 7.0 m/s^3", "singularity_margin_m_rad 0.5 m/rad"] {
            assert!(lines.contains(&line.to_owned()), "{lines:?}");
        }
        let without: Vec<_> =
            lines.iter().filter(|line| unit(line.split(' ').next().unwrap()).is_empty()).collect();
        assert!(without.is_empty(), "limits without a unit: {without:?}");
    }

    #[test]
    fn speeds_beyond_the_arms_own_are_named() {
        let limits = Limits { linear_speed_m_s: 0.2, angular_speed_rad_s: 0.6, ..<_>::default() };
        assert!(beyond(&limits, (0.0, 0.0)).is_empty(), "an arm that does not tell");
        assert_eq!(beyond(&limits, (0.15, 0.6)), ["linear_speed_m_s 0.2 (its own: 0.150)"]);
    }
}
