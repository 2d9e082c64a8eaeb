//! The training loop that all stages share: micro-batches, clipped AdamW step, moving average; now and
//! then a report, a validation and a save.
//!
//! Owns the order of events and what is saved when, whatever the stage. What is minimised is the
//! [`Objective`]'s; what the caller does with progress is the caller's.

use crate::adamw::{AdamW, AdamWOptions, Parameter};
use crate::augment::Normalisation;
use crate::average::WeightAverage;
use crate::batch::BatchMaker;
use crate::cache::PicturesReport;
use crate::config::{StageConfig, TrainConfig};
use crate::data::{LoadRequest, Loaded, Loading, load};
use crate::error::TrainError;
use crate::keeping::{BEST, Keeping, SELECTED};
use crate::lock::Lock;
use crate::metrics::{Line, Means, MetricsFile, StepReport, Validation};
use crate::network::{AVERAGE, MOMENTS, Network, OBJECTIVE, WEIGHTS};
use crate::notes::notes;
use crate::objective::{HeldOut, Objective, StepContext, UseOfLabels};
use crate::output::{self, Footprint, Kept};
use crate::progress::{Progress, Summary};
use crate::request::{Start, TrainRequest};
use crate::sampling::{Draw, Sampler};
use crate::schedule::{ema_decay, learning_rate};
use crate::sight::Sight;
use crate::state::{self, Description};
use crate::store::Store;
use crate::sums::ValidationSums;
use jaco_core::ActionCodec;
use jaco_model::statistics::NormStats;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use tch::{Device, Kind, TchError, no_grad};

/// States in one batch of a validation.
const VALIDATION_BATCH: usize = 128;

/// Called with every event; `Break` during training saves and ends the run.
pub type OnProgress<'a> = &'a mut dyn FnMut(&Progress) -> ControlFlow<()>;

/// Runs a stage from start to end, or to the caller's `Break`.
pub fn run<S: StageConfig, O: Objective>(
    request: &TrainRequest,
    config: &TrainConfig,
    own: &S,
    make: impl FnOnce(&Network, Device) -> Result<O, TrainError>,
    progress: OnProgress,
) -> Result<Summary, TrainError> {
    config.check()?;
    own.check(config)?;
    let device = config.device()?;
    if request.datasets.is_empty() {
        return Err(TrainError::NoData { datasets: 0, states: 0 });
    }
    output::check(&request.start, &request.out)?;
    let _lock = Lock::take(&request.out)?;
    tch::set_num_threads(i32::try_from(config.threads).unwrap_or(i32::MAX));
    let keeping = Keeping { out: &request.out, last: config.keep_last };
    if request.start == Start::Resume {
        keeping.repair()?;
    }
    let mut network = Network::start(request, config, device)?;
    let _products = network.products();
    let objective = make(&network, device)?;
    let kept = Kept::of(config, objective.may_select());
    let there = match request.start {
        Start::Resume => keeping.bytes_there()? + state::size(&request.out),
        _ => 0,
    };
    output::check_space(&request.out, footprint(&network, &objective, config), kept, there)?;
    let resumed = match request.start {
        Start::Resume => network.saved.as_ref().map(|saved| saved.description.clone()),
        _ => None,
    };
    let statistics = resumed.as_ref().map(|saved| saved.statistics).or(network.statistics());
    let load_request = LoadRequest {
        sources: &request.datasets,
        side: network.config.image_size(),
        processor: &network.images,
        horizon: config.horizon,
        validation_fraction: config.validation_fraction,
        split_seed: config.split_seed,
        threads: config.threads,
        cache: &config.cache,
        tokenizer: &network.tokenizer,
        statistics,
        label_scale: network.saved_label_scale(),
        device,
    };
    let Loaded { store, readings, reports, pictures, short } =
        load(&load_request, &mut |news| match news {
            Loading::Dataset(report) => progress(&Progress::Dataset(Box::new(report.clone()))),
            Loading::Pictures(report) => progress(&Progress::Pictures(report.clone())),
            Loading::Frames(frames, total) => progress(&Progress::Loading { frames, total }),
        })?;
    network.check_length(store.longest_prompt(), config.context)?;
    for note in notes(&store, statistics.is_some(), short, config.horizon) {
        if progress(&Progress::Note(note)).is_break() {
            return Err(TrainError::StoppedWhileLoading);
        }
    }
    let description = Description::new(config, own, network.base.clone(), readings, &store);
    if let Some(difference) = resumed.and_then(|saved| saved.difference::<S>(&description)) {
        let path = state::state_path(&request.out);
        return Err(TrainError::ResumeMismatch { path, difference });
    }
    let has_labels = !store.label_scale.names.is_empty();
    match objective.labels() {
        UseOfLabels::Required if !has_labels => return Err(TrainError::NoLabels),
        // A head that reads what never changes would teach nobody anything.
        UseOfLabels::Optional if network.vision_stands_still() => (),
        UseOfLabels::Optional | UseOfLabels::Required if has_labels => {
            network.add_head(&store.label_scale, config.seed)?;
        }
        _ => (),
    }
    // Now that a head is there, and whatever loading has put on the same disk.
    output::check_space(&request.out, footprint(&network, &objective, config), kept, there)?;
    let mut run = Run::new(request, config, network, objective, &store, description, device)?;
    run.sight = Sight::prepare(&run.network, &run.maker, config, progress)?;
    Ok(Summary { datasets: reports, pictures, ..run.train(progress)? })
}

/// What statistics of the dataset in `root` are called: its folder's name, however it is given.
fn name_of(root: &Path) -> String {
    let whole = root.canonicalize();
    let root = whole.as_deref().unwrap_or(root);
    root.file_name().map_or_else(|| "dataset".to_owned(), |name| name.to_string_lossy().into())
}

/// What a save of `network` writes with what its `objective` keeps.
fn footprint(network: &Network, objective: &impl Objective, config: &TrainConfig) -> Footprint {
    let own = objective.tensors();
    let own: usize = own.iter().map(|(_, tensor)| tensor.numel()).sum();
    let sizes = network.footprint(config);
    Footprint { state: sizes.state + 4 * own as u64, ..sizes }
}

struct Run<'a, O> {
    request: &'a TrainRequest<'a>,
    config: &'a TrainConfig,
    network: Network,
    objective: O,
    store: &'a Store,
    maker: BatchMaker<'a>,
    sight: Sight,
    sampler: Sampler,
    optimiser: AdamW,
    average: Option<WeightAverage>,
    norm_stats: NormStats,
    description: Description,
    metrics: MetricsFile,
}

impl<'a, O: Objective> Run<'a, O> {
    fn new(
        request: &'a TrainRequest<'a>,
        config: &'a TrainConfig,
        mut network: Network,
        objective: O,
        store: &'a Store,
        mut description: Description,
        device: Device,
    ) -> Result<Self, TrainError> {
        let normalisation = Normalisation::of(&network.images)?;
        let maker = BatchMaker::new(store, config, &network.config, normalisation, device);
        let saved = network.saved.take().filter(|_| request.start == Start::Resume);
        let parameters = network.parameters();
        if let Some(saved) = &saved {
            description.step = saved.description.step;
            description.best = saved.description.best;
            description.selected = saved.description.selected;
            for (name, tensor) in network.state_tensors() {
                saved.restore(&format!("{WEIGHTS}{name}"), &tensor)?;
            }
            for (name, tensor) in objective.tensors() {
                saved.restore(&format!("{OBJECTIVE}{name}"), &tensor)?;
            }
        }
        let mut average = None;
        if config.ema_decay > 0.0 {
            average = Some(WeightAverage::new(&parameters)?);
        }
        let options = AdamWOptions {
            betas: config.betas,
            epsilon: config.epsilon,
            weight_decay: config.weight_decay,
        };
        let parameters =
            parameters.into_iter().map(|(name, tensor)| Parameter { name, tensor }).collect();
        let mut optimiser = AdamW::new(parameters, options)?;
        if let Some(saved) = &saved {
            optimiser.set_steps(description.step);
            for (name, moment) in optimiser.moments() {
                saved.restore(&format!("{MOMENTS}{name}"), moment)?;
            }
            for (name, held) in average.iter().flat_map(WeightAverage::named) {
                saved.restore(&format!("{AVERAGE}{name}"), held)?;
            }
        }
        let norm_stats = network.norm_stats.clone().unwrap_or_else(|| {
            NormStats::single(&name_of(&request.datasets[0].root), store.statistics)
        });
        let sampler = Sampler::new(store.train.clone(), config.seed);
        let metrics = MetricsFile::open(&request.out, description.step)?;
        Ok(Self {
            request,
            config,
            network,
            objective,
            store,
            maker,
            sight: Sight::Trained,
            sampler,
            optimiser,
            average,
            norm_stats,
            description,
            metrics,
        })
    }

    fn train(mut self, progress: OnProgress) -> Result<Summary, TrainError> {
        let clock = self.request.clock;
        let (mut means, mut since_ns, mut held_ns) = (Means::default(), clock.now_ns(), 0);
        let (mut validation, mut stopped) = (None, false);
        let steps = self.config.steps;
        while self.description.step < steps && !stopped {
            let taken = self.step(&mut means, &mut || {
                let begin_ns = clock.now_ns();
                let answer = progress(&Progress::Gate);
                held_ns += clock.now_ns() - begin_ns;
                answer
            })?;
            let step = self.description.step;
            let last = step == steps;
            stopped = match taken {
                Some(loss) => progress(&Progress::Step { step, steps, loss }).is_break(),
                None => true,
            };
            let due = last || stopped || step.is_multiple_of(self.config.report_every);
            if due && !means.is_empty() {
                let seconds = (clock.now_ns() - since_ns - held_ns) as f64 / 1e9;
                let rate = learning_rate(self.config, step - 1);
                let report = means.take(step, rate, seconds, self.config.batch_size);
                let report = StepReport { paused_s: (held_ns / 1_000_000) as f64 / 1e3, ..report };
                self.metrics.append(&Line::Train(report.clone()))?;
                stopped |= progress(&Progress::Report(report)).is_break();
                (since_ns, held_ns) = (clock.now_ns(), 0);
            }
            let begin_ns = clock.now_ns();
            let mut best = false;
            if !stopped && (last || step.is_multiple_of(self.config.validate_every)) {
                validation = self.validate()?;
                if let Some(validation) = &validation {
                    self.metrics.append(&Line::Validation(validation.clone()))?;
                    best = self.description.note_best(validation.loss());
                    let validation = Progress::Validation(validation.clone());
                    stopped |= progress(&validation).is_break();
                }
            }
            if last || stopped || best || step.is_multiple_of(self.config.save_every) {
                let selected = self.save(best)?;
                stopped |= progress(&Progress::Saved { step, best }).is_break();
                if selected {
                    let folder = self.request.out.join(SELECTED);
                    let note = format!("step {step} is kept in {}", folder.display());
                    stopped |= progress(&Progress::Note(note)).is_break();
                }
            }
            // Throughput is that of training alone.
            since_ns += clock.now_ns() - begin_ns;
        }
        Ok(Summary {
            step: self.description.step,
            stopped: stopped && self.description.step < steps,
            states: self.store.states(),
            parameters: self.network.model_size(),
            trained: self.network.trained_size(),
            validation,
            datasets: Vec::new(),
            pictures: PicturesReport::default(),
        })
    }

    /// One optimiser step; its loss. None if the `gate` before one of its micro-batches was shut
    /// for good: then it is not taken.
    fn step(
        &mut self,
        means: &mut Means,
        gate: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Option<f64>, TrainError> {
        let (config, step) = (self.config, self.description.step);
        let states = self.sampler.batch(step, config.batch_size);
        if step + 1 < config.steps {
            self.store.pictures.expect(&self.sampler.batch(step + 1, config.batch_size));
        }
        let (store, rate) = (self.store, learning_rate(config, step));
        let (mut loss, mut values) = (0.0, BTreeMap::new());
        let diverged = |loss, gradient_norm, states: &[u32]| TrainError::Diverged {
            step,
            loss,
            gradient_norm,
            learning_rate: rate,
            batch: store.origins.of(states),
        };
        for draw in Draw::parts(step, &states, config.accumulation) {
            if gate().is_break() {
                return Ok(None);
            }
            let losses = self.objective.losses(&StepContext {
                network: &self.network,
                maker: &self.maker,
                config,
                draw,
                sight: &self.sight,
            })?;
            losses.total.f_backward()?;
            let part = losses.total.f_double_value(&[])?;
            if !part.is_finite() {
                return Err(diverged(part, self.optimiser.gradient_norm()?, draw.states));
            }
            loss += part;
            for (name, value) in losses.values {
                *values.entry(name).or_insert(0.0) += value;
            }
        }
        let gradient_norm = self.optimiser.gradient_norm()?;
        if !(loss.is_finite() && gradient_norm.is_finite()) {
            return Err(diverged(loss, gradient_norm, &states));
        }
        self.optimiser.step(rate, (config.clip_norm / (gradient_norm + 1e-6)).min(1.0))?;
        if let Some(average) = &mut self.average {
            average.update(ema_decay(config, step))?;
        }
        self.description.step += 1;
        means.add(loss, &values, gradient_norm);
        Ok(Some(loss))
    }

    /// How the weights to be saved do on the held-out states; none if there are none.
    fn validate(&mut self) -> Result<Option<Validation>, TrainError> {
        let held = &self.store.validation;
        let wanted = held.len().min(self.config.validation_states);
        if wanted == 0 {
            return Ok(None);
        }
        // Evenly over all held-out episodes.
        let states: Vec<u32> = (0..wanted).map(|i| held[i * held.len() / wanted]).collect();
        self.swap_average()?;
        let mut sums = ValidationSums::new(ActionCodec::new(self.store.statistics)?);
        no_grad(|| -> Result<(), TrainError> {
            for states in states.chunks(VALIDATION_BATCH) {
                let (network, maker, sight) = (&self.network, &self.maker, &self.sight);
                let held = HeldOut { network, maker, config: self.config, states, sight };
                sums.add_states(states.len());
                self.objective.validate(&held, &mut sums)?;
            }
            Ok(())
        })?;
        self.swap_average()?;
        Ok(Some(sums.finish(self.description.step, &self.store.label_scale)))
    }

    /// Writes the checkpoint, then the training state, and then removes what is old: a state never
    /// speaks of a checkpoint that is not there. Whether the stage has chosen it.
    fn save(&mut self, best: bool) -> Result<bool, TrainError> {
        let (request, step) = (self.request, self.description.step);
        let out = &request.out;
        self.metrics.check_folder()?;
        output::check_next(out, footprint(&self.network, &self.objective, self.config))?;
        let kind = if self.config.save_bf16 { Kind::BFloat16 } else { Kind::Float };
        let keeping = Keeping { out, last: self.config.keep_last };
        self.swap_average()?;
        let selected = self.objective.selects()?;
        if selected {
            self.description.selected = Some(step);
        }
        let also: Vec<&str> = [(best, BEST), (selected, SELECTED)]
            .into_iter()
            .filter_map(|(holds, name)| holds.then_some(name))
            .collect();
        keeping.put(step, &also, |dir| self.network.save(dir, &self.norm_stats, kind))?;
        self.swap_average()?;
        let (held, own) = (self.network.state_tensors(), self.objective.tensors());
        let weights = held.iter().map(|(name, tensor)| (format!("{WEIGHTS}{name}"), tensor));
        let own = own.iter().map(|(name, tensor)| (format!("{OBJECTIVE}{name}"), tensor));
        let averages = self.average.iter().flat_map(WeightAverage::named);
        let averages = averages.map(|(name, tensor)| (format!("{AVERAGE}{name}"), tensor));
        let moments = self.optimiser.moments();
        let moments = moments.map(|(name, tensor)| (format!("{MOMENTS}{name}"), tensor));
        let tensors = weights.chain(own).chain(averages).chain(moments);
        state::write(out, &self.description, tensors)?;
        keeping.publish(step)?;
        Ok(selected)
    }

    fn swap_average(&mut self) -> Result<(), TchError> {
        self.average.as_mut().map_or(Ok(()), WeightAverage::swap)
    }
}
