//! Batches of pictures as training takes them, without a network.
//!
//! For measuring how fast data come, and for comparing where they come from. Owns nothing of its
//! own: what is loaded and drawn is what a run would load and draw.

use crate::augment::Normalisation;
use crate::batch::BatchMaker;
use crate::cache::PicturesReport;
use crate::config::TrainConfig;
use crate::data::{LoadRequest, Loaded, load};
use crate::error::TrainError;
use crate::lbc::LbcConfig;
use crate::reading::{DatasetReport, DatasetSource};
use crate::sampling::{Draw, Sampler};
use crate::store::Store;
use jaco_model::checkpoint;
use jaco_model::config::OpenVlaConfig;
use std::ops::ControlFlow;
use std::path::Path;
use tch::{Device, Tensor};

/// The data of a run, and what it would draw.
pub struct Loader {
    /// What is said of the datasets.
    pub datasets: Vec<DatasetReport>,
    /// Where the pictures are.
    pub pictures: PicturesReport,
    config: TrainConfig,
    model: OpenVlaConfig,
    normalisation: Normalisation,
    store: Store,
    sampler: Sampler,
    device: Device,
}

/// One batch.
pub struct LoadedBatch {
    /// \[B, 6, S, S\] float32, augmented.
    pub pixel_values: Tensor,
    /// Token ids \[B, T\] (int64).
    pub input_ids: Tensor,
    /// What the supervised rows should predict: rows of the table of targets (int64).
    pub targets: Tensor,
}

impl Loader {
    /// Loads `sources` for the model whose config.json and tokenizer.json are in `model_dir`.
    pub fn open(
        model_dir: &Path,
        sources: &[DatasetSource],
        config: &TrainConfig,
    ) -> Result<Self, TrainError> {
        config.check()?;
        let device = config.device()?;
        let mut model = checkpoint::read_config(model_dir)?;
        model.action_stream.horizon = config.horizon;
        let (tokenizer, processor) = checkpoint::read_processors(model_dir, &model)?;
        let request = LoadRequest {
            sources,
            side: model.image_size(),
            processor: &processor,
            horizon: config.horizon,
            validation_fraction: config.validation_fraction,
            split_seed: config.split_seed,
            threads: config.threads,
            cache: &config.cache,
            tokenizer: &tokenizer,
            statistics: None,
            label_scale: None,
            device,
        };
        let loaded = load(&request, &mut |_| ControlFlow::Continue(()))?;
        let Loaded { store, reports: datasets, pictures, .. } = loaded;
        let normalisation = Normalisation::of(&processor)?;
        let sampler = Sampler::new(store.train.clone(), config.seed);
        let config = config.clone();
        Ok(Self { datasets, pictures, config, model, normalisation, store, sampler, device })
    }

    /// States that are drawn in one pass.
    pub fn states_in_a_pass(&self) -> usize {
        self.store.train.len()
    }

    /// The batch of training step `step`.
    pub fn batch(&mut self, step: u64) -> Result<LoadedBatch, TrainError> {
        let Self { config, model, store, .. } = self;
        let states = self.sampler.batch(step, config.batch_size);
        let maker = BatchMaker::new(store, config, model, self.normalisation, self.device);
        let Some(draw) = Draw::parts(step, &states, 1).next() else {
            return Err(TrainError::NoData { datasets: self.datasets.len(), states: 0 });
        };
        let jitter = LbcConfig::default().token_jitter_bins;
        let pixel_values = maker.pictures(&draw)?;
        let stream = maker.streams(&draw, config.horizon, jitter)?;
        store.pictures.expect(&self.sampler.batch(step + 1, config.batch_size));
        let (input_ids, targets) = (stream.input_ids, stream.targets.table_rows);
        Ok(LoadedBatch { pixel_values, input_ids, targets })
    }
}
