//! The policy that the configuration names, read from its folder on the policy's thread.

use crate::faults::FaultBoard;
use crate::policy::{self, Loaded, Patience, PolicyState};
use crate::run::folder::LoadedAs;
use jaco_api::PolicyStatus;
use jaco_api::say::in_full;
use jaco_camera::CameraHandle;
use jaco_config::Config;
use jaco_core::slot::Slot;
use jaco_core::{Clock, DecodeOptions, Frame};
use jaco_model::checkpoint::weight_file_bytes;
use jaco_model::{Decoding, DecodingPolicy, PolicyOptions};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;

/// The setting that chooses the statistics, for errors.
pub(crate) const STATISTICS_SETTING: &str = "`statistics` in [policy] of the configuration";

/// What is to be loaded, and how it is asked.
pub struct PolicyLoader {
    options: PolicyOptions,
    decoding: Decoding,
    threads: usize,
    patience: Patience,
    frames: Slot<Frame>,
    faults: FaultBoard,
    clock: Arc<dyn Clock>,
}

impl PolicyLoader {
    /// The policy of `config`, which sees through one of `cameras`.
    pub fn new(
        config: &Config,
        cameras: &[CameraHandle],
        faults: &FaultBoard,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let wanted = &config.policy;
        let camera = cameras.iter().find(|camera| *camera.name == *wanted.camera);
        let stale_after_ms = config.camera(&wanted.camera).map_or(500, |c| c.stale_after_ms);
        Self {
            options: PolicyOptions {
                checkpoint: wanted.checkpoint.clone(),
                adapter: wanted.adapter.clone(),
                merge_adapter: wanted.merge_adapter,
                statistics: wanted.statistics.clone(),
                view: wanted.view,
                device: wanted.device,
                dtype: wanted.dtype,
            },
            decoding: Decoding::new(
                wanted.decode,
                wanted.seed,
                wanted.expectation,
                wanted.max_entropy.map(|nats| nats as f32),
            ),
            threads: wanted.threads,
            patience: Patience {
                frame: Duration::from_millis(stale_after_ms),
                answer_ns: (wanted.answer_timeout_s * 1e9) as u64,
            },
            // The configuration holds only names of cameras that there are.
            frames: camera.map(|camera| camera.frames.clone()).unwrap_or_default(),
            faults: faults.clone(),
            clock: Arc::clone(clock),
        }
    }

    /// Begins to load. How reports call it is known once it is loaded.
    pub fn start(self) -> std::io::Result<(watch::Receiver<PolicyState>, Arc<OnceLock<LoadedAs>>)> {
        let loaded_as = Arc::<OnceLock<LoadedAs>>::default();
        let (patience, frames) = (self.patience, self.frames.clone());
        let (faults, clock) = (self.faults.clone(), Arc::clone(&self.clock));
        let place = Arc::clone(&loaded_as);
        let load = move || self.load(&place).map_err(|error| in_full(&error));
        Ok((policy::start(load, patience, frames, faults, clock)?, loaded_as))
    }

    fn load(self, loaded_as: &OnceLock<LoadedAs>) -> anyhow::Result<Loaded> {
        let Self { options, decoding, threads, clock, .. } = self;
        // A wrong key is told before gigabytes are read.
        let statistics = options.statistics_key(STATISTICS_SETTING)?;
        let weights_bytes = weight_file_bytes(&options.checkpoint)?;
        jaco_model::set_threads(threads as i32);
        let policy = options.load()?;
        let decode = DecodeOptions {
            method: decoding.method.to_string(),
            seed: decoding.seed(),
            expectation: decoding.expectation,
            max_entropy: decoding.max_entropy,
        };
        let facts = PolicyStatus {
            checkpoint: options.checkpoint,
            adapter: options.adapter,
            statistics,
            view: options.view.to_string(),
            device: options.device.to_string(),
            dtype: options.dtype.to_string(),
            decode: decode.to_string(),
            decoding: Some(decode.clone()),
            horizon: jaco_model::Policy::horizon(&policy),
        };
        let policy = DecodingPolicy::new(policy, decoding, clock);
        policy.warm_up()?;
        let _ = loaded_as.set(LoadedAs::new(&facts, weights_bytes, decode));
        tracing::info!(
            checkpoint = %facts.checkpoint.display(),
            adapter = facts.adapter.as_ref().map(|folder| folder.display().to_string()),
            statistics = facts.statistics,
            view = facts.view,
            device = facts.device,
            dtype = facts.dtype,
            decode = facts.decode,
            "policy loaded"
        );
        Ok(Loaded { policy: Box::new(policy), facts })
    }
}
