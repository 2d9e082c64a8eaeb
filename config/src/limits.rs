//! `[arm.limits]`: the ranges of the limits of motion, and the rules between them. How a limit acts
//! is the servo's matter.

use crate::section::Section;
use jaco_core::keep_out::MOST_KEEP_OUTS;
use jaco_core::{KeepOut, KeepOuts, Limits};

/// Least extent of the workspace along each axis \[m\].
const WORKSPACE_EXTENT_M: f64 = 0.05;
/// Least extent of a keep-out box along each axis \[m\].
const KEEP_OUT_EXTENT_M: f64 = 0.01;

/// Reads the section; what is not there has its default.
pub(crate) fn read(mut section: Section<'_>) -> Limits {
    let keep_out = keep_outs(&mut section);
    let d = Limits::default();
    let s = &mut section;
    let limits = Limits {
        workspace_min_m: s.vector("workspace_min_m", -1.2..=1.2).unwrap_or(d.workspace_min_m),
        workspace_max_m: s.vector("workspace_max_m", -1.2..=1.2).unwrap_or(d.workspace_max_m),
        linear_speed_m_s: s.number("linear_speed_m_s", 0.01..=0.5).unwrap_or(d.linear_speed_m_s),
        angular_speed_rad_s: s
            .number("angular_speed_rad_s", 0.05..=2.0)
            .unwrap_or(d.angular_speed_rad_s),
        linear_acceleration_m_s2: s
            .number("linear_acceleration_m_s2", 0.1..=5.0)
            .unwrap_or(d.linear_acceleration_m_s2),
        angular_acceleration_rad_s2: s
            .number("angular_acceleration_rad_s2", 0.5..=25.0)
            .unwrap_or(d.angular_acceleration_rad_s2),
        linear_jerk_m_s3: s.number("linear_jerk_m_s3", 1.0..=1000.0).unwrap_or(d.linear_jerk_m_s3),
        angular_jerk_rad_s3: s
            .number("angular_jerk_rad_s3", 5.0..=5000.0)
            .unwrap_or(d.angular_jerk_rad_s3),
        linear_braking_m_s2: s
            .number("linear_braking_m_s2", 0.5..=10.0)
            .unwrap_or(d.linear_braking_m_s2),
        angular_braking_rad_s2: s
            .number("angular_braking_rad_s2", 2.0..=50.0)
            .unwrap_or(d.angular_braking_rad_s2),
        linear_braking_jerk_m_s3: s
            .number("linear_braking_jerk_m_s3", 50.0..=2000.0)
            .unwrap_or(d.linear_braking_jerk_m_s3),
        angular_braking_jerk_rad_s3: s
            .number("angular_braking_jerk_rad_s3", 250.0..=10000.0)
            .unwrap_or(d.angular_braking_jerk_rad_s3),
        smoothing_ms: s.integer("smoothing_ms", 0..=300).unwrap_or(d.smoothing_ms),
        finger_speed_per_s: s
            .number("finger_speed_per_s", 0.05..=1.5)
            .unwrap_or(d.finger_speed_per_s),
        finger_gain_per_s: s.number("finger_gain_per_s", 0.5..=20.0).unwrap_or(d.finger_gain_per_s),
        feedback_gain_per_s: s
            .number("feedback_gain_per_s", 0.1..=10.0)
            .unwrap_or(d.feedback_gain_per_s),
        feedback_linear_m_s: s
            .number("feedback_linear_m_s", 0.005..=0.2)
            .unwrap_or(d.feedback_linear_m_s),
        feedback_angular_rad_s: s
            .number("feedback_angular_rad_s", 0.02..=1.0)
            .unwrap_or(d.feedback_angular_rad_s),
        dead_zone_m_s: s.number("dead_zone_m_s", 0.0..=0.1).unwrap_or(d.dead_zone_m_s),
        dead_zone_rad_s: s.number("dead_zone_rad_s", 0.0..=0.5).unwrap_or(d.dead_zone_rad_s),
        reference_leash_m: s
            .number("reference_leash_m", 0.005..=0.1)
            .unwrap_or(d.reference_leash_m),
        reference_leash_rad: s
            .number("reference_leash_rad", 0.05..=0.8)
            .unwrap_or(d.reference_leash_rad),
        contact_leash_m: s.number("contact_leash_m", 0.002..=0.1).unwrap_or(d.contact_leash_m),
        contact_leash_rad: s.number("contact_leash_rad", 0.01..=0.8).unwrap_or(d.contact_leash_rad),
        force_limit_n: s.number("force_limit_n", 5.0..=200.0).unwrap_or(d.force_limit_n),
        joint_margin_rad: s.number("joint_margin_rad", 0.05..=0.5).unwrap_or(d.joint_margin_rad),
        singularity_margin_m_rad: s
            .number("singularity_margin_m_rad", 0.001..=0.1)
            .unwrap_or(d.singularity_margin_m_rad),
        command_timeout_ms: s
            .integer("command_timeout_ms", 20..=1000)
            .unwrap_or(d.command_timeout_ms),
        state_age_ms: s.integer("state_age_ms", 50..=1000).unwrap_or(d.state_age_ms),
        keep_out,
    };
    let (min_m, max_m) = (&limits.workspace_min_m, &limits.workspace_max_m);
    let keys = ("workspace_min_m", "workspace_max_m");
    check_extent(&section, keys, min_m, max_m, WORKSPACE_EXTENT_M);
    section.finish();
    limits
}

fn keep_outs(limits: &mut Section<'_>) -> KeepOuts {
    let wanted = "a list of sections, each under [[arm.limits.keep_out]]";
    let sections = limits.sections("keep_out", wanted);
    let count = sections.len();
    let boxes: Vec<KeepOut> = sections.into_iter().filter_map(keep_out).collect();
    if count > MOST_KEEP_OUTS {
        let reason = format!("there are {count} of them, and at most {MOST_KEEP_OUTS} are allowed");
        limits.refuse("keep_out", reason);
        return KeepOuts::default();
    }
    KeepOuts::try_from(boxes).unwrap_or_default()
}

/// None if a problem was reported.
fn keep_out(mut section: Section<'_>) -> Option<KeepOut> {
    let min_m = section.vector("min_m", -1.2..=1.2);
    let min_m = section.require("min_m", min_m, "the lowest corner of the box, three numbers");
    let max_m = section.vector("max_m", -1.2..=1.2);
    let max_m = section.require("max_m", max_m, "the highest corner of the box, three numbers");
    let corners = min_m.zip(max_m);
    if let Some((min_m, max_m)) = &corners {
        check_extent(&section, ("min_m", "max_m"), min_m, max_m, KEEP_OUT_EXTENT_M);
    }
    section.finish();
    corners.map(|(min_m, max_m)| KeepOut { min_m, max_m })
}

/// Refuses the highest corner of a box that is too thin; `low` and `high` are its keys.
fn check_extent(
    section: &Section<'_>,
    (low, high): (&'static str, &'static str),
    min_m: &[f64; 3],
    max_m: &[f64; 3],
    least_m: f64,
) {
    for (axis, name) in ["x", "y", "z"].into_iter().enumerate() {
        let (min, max) = (min_m[axis], max_m[axis]);
        // Written so that 0.05 m apart passes although 0.65 - 0.60 falls short of 0.05.
        if max - min < least_m - 1e-9 {
            section.refuse(
                high,
                format!(
                    "must exceed {low} by {least_m} m on each axis, \
                     but {name} goes from {min} to {max}"
                ),
            );
        }
    }
}
