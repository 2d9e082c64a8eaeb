//! The limits of the twist through the public door: what acts is told, what is taken away is not
//! waited for, and in which order they act.
#![allow(clippy::unwrap_used)]

mod support;

use jaco_core::{Action, ArmState, KeepOut, KeepOuts, Limits, TICKS_PER_STEP, Twist, Word, Wrench};
use jaco_servo::kinematics::Kinematics;
use jaco_servo::{Command, Limit};
use nalgebra::Vector3;
use support::Rig;

/// Kinova's home: well within every joint's range.
const HOME_DEG: [f64; 6] = [275.29, 167.58, 57.41, 240.82, 82.84, 75.82];
/// The second joint 0.1 rad before its end.
const NEAR_END_DEG: [f64; 6] = [275.29, 307.3, 200.0, 240.82, 82.84, 75.82];

fn wide() -> Limits {
    Limits {
        workspace_min_m: [-1.2; 3],
        workspace_max_m: [1.2; 3],
        singularity_margin_m_rad: 1e-6,
        ..Limits::default()
    }
}

/// A servo with an arm whose joints are known, in Jog.
fn at_joints(limits: Limits, joints_deg: [f64; 6]) -> Rig {
    let joints_rad = joints_deg.map(f64::to_radians);
    let mut rig = Rig::new(limits);
    rig.state = ArmState { joints_rad, ..ArmState::at(0, Kinematics::at(&joints_rad).pose) };
    rig
}

/// One tick; the joints are read with the pose, and go where the twist takes them.
fn jog(rig: &mut Rig, twist: Twist) -> Twist {
    rig.command(Command::Jog { twist, gripper: 1.0 });
    rig.state.joints_ns = rig.now_ns;
    rig.state.wrench.stamp_ns = rig.now_ns;
    let sent = rig.tick().twist;
    let speeds = Kinematics::at(&rig.state.joints_rad).joint_velocities(&sent);
    for (angle, speed) in rig.state.joints_rad.iter_mut().zip(speeds.iter()) {
        *angle += speed * 0.01;
    }
    rig.state.pose = Kinematics::at(&rig.state.joints_rad).pose;
    sent
}

fn acted(rig: &Rig, limit: Limit) -> bool {
    rig.servo.report().acted.holds(limit)
}

/// Linear and angular motion that turns the second joint towards its end.
fn towards_the_end(rig: &Rig) -> Twist {
    let column = Kinematics::at(&rig.state.joints_rad).jacobian.column(1) * 0.2;
    Twist {
        linear_m_s: column.fixed_rows::<3>(0).into(),
        angular_rad_s: column.fixed_rows::<3>(3).into(),
    }
}

#[test]
fn the_order_in_which_limits_act_is_the_order_of_their_names() {
    let names: Vec<_> = Limit::ALL.iter().map(|limit| limit.name()).collect();
    let reference = ["command-age", "leash", "workspace", "keep-out"];
    let twist = ["linear-speed", "angular-speed", "force", "singularity", "joint-margin"];
    let change = ["acceleration", "jerk", "finger-speed"];
    assert_eq!(names, [&reference[..], &twist, &change].concat());
}

#[test]
fn a_joint_is_stopped_before_its_end_and_the_way_back_is_free() {
    let mut rig = at_joints(wide(), NEAR_END_DEG);
    let end_rad = 313.0_f64.to_radians();
    let mut cut = false;
    for _ in 0..500 {
        let twist = towards_the_end(&rig);
        jog(&mut rig, twist);
        cut |= acted(&rig, Limit::JointMargin);
        assert!(rig.state.joints_rad[1] < end_rad);
    }
    assert!(cut);
    let stands_rad = rig.state.joints_rad[1];
    let ahead_m = rig.servo.report().reference.unwrap().position_m - rig.state.pose.position_m;
    assert!(ahead_m.norm() < 0.01, "what is not allowed is not waited for: {ahead_m}");
    for _ in 0..50 {
        let Twist { linear_m_s, angular_rad_s } = towards_the_end(&rig);
        jog(&mut rig, Twist { linear_m_s: -linear_m_s, angular_rad_s: -angular_rad_s });
    }
    assert!(rig.state.joints_rad[1] < stands_rad - 0.02);
}

#[test]
fn joints_that_are_old_or_another_arms_limit_nothing() {
    for other_arm in [false, true] {
        let mut rig = at_joints(wide(), NEAR_END_DEG);
        let twist = towards_the_end(&rig);
        if other_arm {
            rig.state.pose.position_m.x += 0.3;
        }
        for _ in 0..30 {
            rig.command(Command::Jog { twist, gripper: 1.0 });
            if other_arm {
                rig.state.joints_ns = rig.now_ns;
            }
            rig.tick();
        }
        let told = acted(&rig, Limit::JointMargin);
        assert!(!told, "another arm: {other_arm}");
    }
}

#[test]
fn near_a_singular_pose_motion_is_slowed_and_told() {
    let mut stretched = HOME_DEG;
    stretched[2] = 175.0;
    let limits = Limits { singularity_margin_m_rad: 0.1, ..wide() };
    let mut rig = at_joints(limits, stretched);
    let out = rig.state.pose.position_m.normalize();
    let mut slowed = false;
    for _ in 0..50 {
        jog(&mut rig, Twist { linear_m_s: out * 0.1, ..Twist::zero() });
        slowed |= acted(&rig, Limit::Singularity);
    }
    assert!(slowed);
}

#[test]
fn a_tool_that_presses_is_not_pressed_on_and_can_leave() {
    let mut rig = at_joints(wide(), HOME_DEG);
    let force_n = Vector3::new(0.0, 0.0, -90.0);
    rig.state.wrench = Wrench { force_n, ..Wrench::default() };
    let down = |z_m_s: f64| Twist { linear_m_s: Vector3::z() * z_m_s, ..Twist::zero() };
    for _ in 0..150 {
        jog(&mut rig, down(-0.1));
    }
    assert!(acted(&rig, Limit::Force));
    assert!(jog(&mut rig, down(-0.1)).linear_m_s.z > -1e-6);
    let rises: Vec<_> = (0..30).map(|_| jog(&mut rig, down(0.1)).linear_m_s.z).collect();
    assert!(rises[29] > 0.09, "{rises:?}");
}

#[test]
fn the_reference_keeps_out_of_a_box_and_says_so() {
    let post = KeepOut { min_m: [0.03, -0.6, 0.0], max_m: [0.2, -0.2, 0.6] };
    let limits = Limits { keep_out: KeepOuts::try_from(vec![post]).unwrap(), ..Limits::default() };
    let mut rig = Rig::new(limits);
    rig.command(Command::StartMotion);
    let mut told = false;
    for step in 0..8 {
        let action = Action { translation_m: [0.01, 0.0, 0.0], ..Action::still(1.0) };
        rig.command(Command::Motion { step, action });
        for _ in 0..TICKS_PER_STEP {
            rig.tick();
            told |= acted(&rig, Limit::KeepOut);
            assert!(!post.contains(&rig.servo.report().reference.unwrap().position_m));
        }
    }
    assert!(told && rig.state.pose.position_m.x > 0.025);
}

#[test]
fn what_acts_is_told_at_the_tick_at_which_it_acts() {
    let mut rig = Rig::new(Limits::default());
    rig.tick();
    assert!(rig.servo.report().acted.is_empty());
    let fast = Twist { linear_m_s: Vector3::x() * 0.5, angular_rad_s: Vector3::y() * 3.0 };
    rig.command(Command::Jog { twist: fast, gripper: 0.0 });
    rig.tick();
    for limit in [Limit::LinearSpeed, Limit::AngularSpeed, Limit::FingerSpeed] {
        assert!(acted(&rig, limit), "{limit:?}");
    }
    for _ in 0..12 {
        rig.tick();
    }
    assert!(acted(&rig, Limit::CommandAge));
    rig.command(Command::Hold);
    rig.tick();
    assert_eq!(rig.servo.report().acted.to_string(), "acceleration");
}
