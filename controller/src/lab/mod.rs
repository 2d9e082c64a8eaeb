//! The laboratory: a world, a servo and a policy in lockstep, faster than real time and
//! repeatable. Records training data and measures policies.
//!
//! The servo's executor and limits, the firmware emulation and the policy are the very code of
//! the daemon; only the clock is simulated. Nothing here reaches a real arm.

pub mod eval;
pub mod jobs;
pub mod lockstep;
pub mod record;
pub mod seeds;

use crate::cli::exit;
use crate::policy::is_unusable_input;
use jaco_model::ModelError;

/// The exit code that stands for `error`.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    match error.chain().find_map(|cause| cause.downcast_ref::<ModelError>()) {
        Some(error) if is_unusable_input(error) => exit::USAGE,
        _ => exit::FAILED,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::policy::PolicyOptions;
    use anyhow::Context;

    #[test]
    fn a_checkpoint_that_is_not_there_is_unusable_input_and_a_broken_world_is_not() {
        let missing = PolicyOptions::on_cpu("/nonexistent".into()).load().unwrap_err();
        assert!(missing.to_string().contains("/nonexistent/config.json"), "{missing}");
        let wrapped = Err::<(), _>(missing).context("trial 3").unwrap_err();
        assert_eq!(exit_code(&wrapped), exit::USAGE);
        assert_eq!(exit_code(&anyhow::anyhow!("no renderer")), exit::FAILED);
    }
}
