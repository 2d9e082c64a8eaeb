//! Gripper conventions of others, from and to ours: opening 1 = open, 0 = closed, which is also
//! OpenVLA's own. Source: openvla `experiments/robot/robot_utils.py` and its LIBERO data loader.

/// The command of a LIBERO environment for an opening that a policy decoded: -1 opens, +1 closes;
/// exactly half way does nothing.
pub fn libero_command(opening: f64) -> f64 {
    let signed = 2.0 * opening - 1.0;
    if signed == 0.0 { 0.0 } else { -signed.signum() }
}

/// The opening that a LIBERO demonstration's command stands for: -1 opens, +1 closes.
pub fn opening_of_libero_command(command: f64) -> f64 {
    1.0 - command.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_demonstrations_come_back() {
        for command in [-1.0, 1.0] {
            assert_eq!(libero_command(opening_of_libero_command(command)), command);
        }
        assert_eq!((libero_command(0.5), libero_command(0.99608)), (0.0, -1.0));
    }
}
