//! Alignment as a stage of training: what is done with the states of a step, and what has to be
//! remembered from one step to the next.
//!
//! Of its own it keeps the reference and the last gaps between the rewards. Must never take an
//! optimiser step or write a checkpoint.

use super::align::Aligner;
use super::config::{Control, SaaConfig};
use super::explore::explore;
use super::layout::Case;
use super::reference::Reference;
use super::relabel::{Relabel, back_on_path};
use super::selection::GapWatch;
use super::tally::Tally;
use crate::batch::fed;
use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::lbc::{Lbc, LbcConfig};
use crate::network::Network;
use crate::objective::{HeldOut, Losses, Objective, StepContext};
use crate::progress::{Progress, Summary};
use crate::random::{Purpose, generator};
use crate::request::{Start, TrainRequest};
use crate::run::run;
use crate::sums::ValidationSums;
use jaco_core::{ActionCodec, ActionUnit, Decode};
use rand::RngExt;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use tch::{Device, Tensor, no_grad};

/// Name of the gaps among the objective's tensors.
const GAPS: &str = "gaps";

/// Aligns a policy with expert streams and writes its checkpoint to `request.out`; the policy of
/// the step that the paper's rule chooses is kept in the folder `selected` there.
///
/// `progress` hears of every step; when it answers `Break` the checkpoint and the training state
/// are saved and the run ends.
pub fn train_saa(
    request: &TrainRequest,
    train: &TrainConfig,
    own: &SaaConfig,
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Summary, TrainError> {
    if let Start::Fresh { model_dir } = &request.start {
        return Err(TrainError::NoPolicy { dir: model_dir.clone() });
    }
    if own.control == Control::None && own.explore_units > train.horizon {
        let (asked, horizon) = (own.explore_units, train.horizon);
        let note = format!(
            "explore_units = {asked}: the policy's streams have {horizon} units, so {horizon} are \
             explored"
        );
        if progress(&Progress::Note(note)).is_break() {
            return Err(TrainError::StoppedWhileLoading);
        }
    }
    let make = |network: &Network, device| Saa::new(network, train, own, device);
    run(request, train, own, make, progress)
}

struct Saa {
    /// What imitates alone: a control, and what judges held-out states.
    imitation: Lbc,
    alignment: Option<Alignment>,
}

/// What aligns.
struct Alignment {
    own: SaaConfig,
    decode: Decode,
    /// Made at the first step, when the data are known.
    aligner: Option<Aligner>,
    reference: Option<Reference>,
    /// [`GapWatch::to_numbers`] after the last step.
    gaps: Tensor,
    /// The step so far.
    tally: Tally,
    device: Device,
}

impl Saa {
    fn new(
        network: &Network,
        train: &TrainConfig,
        own: &SaaConfig,
        device: Device,
    ) -> Result<Self, TrainError> {
        let short_stream_fraction = match own.control {
            Control::None => own.short_stream_fraction,
            Control::ShortSft => CONTROL_SHORT_FRACTION,
            Control::FullSft => 0.0,
        };
        let lbc = LbcConfig {
            short_stream_fraction,
            short_horizon: own.short_horizon.min(train.horizon),
            token_jitter_bins: own.token_jitter_bins,
            target_sigma_bins: own.target_sigma_bins,
            aux_weight: 0.0,
        };
        let imitation = Lbc::new(&lbc, network, device)?;
        let alignment = match own.control {
            Control::None => Some(Alignment::new(network, own, device)?),
            Control::ShortSft | Control::FullSft => None,
        };
        Ok(Self { imitation, alignment })
    }
}

/// Share of the batches of the short control that hold streams of `short_horizon` units.
const CONTROL_SHORT_FRACTION: f64 = 0.5;

impl Objective for Saa {
    fn losses(&mut self, step: &StepContext) -> Result<Losses, TrainError> {
        match &mut self.alignment {
            Some(alignment) => alignment.losses(step),
            None => self.imitation.losses(step),
        }
    }

    fn validate(&mut self, held: &HeldOut, sums: &mut ValidationSums) -> Result<(), TrainError> {
        self.imitation.validate(held, sums)
    }

    fn tensors(&self) -> Vec<(String, Tensor)> {
        let alignment = self.alignment.iter();
        alignment.flat_map(Alignment::tensors).collect()
    }

    /// Gaps between rewards are known with a reference only.
    fn may_select(&self) -> bool {
        self.alignment.as_ref().is_some_and(|alignment| alignment.reference.is_some())
    }

    fn selects(&mut self) -> Result<bool, TrainError> {
        match &mut self.alignment {
            Some(alignment) => alignment.selects(),
            None => Ok(false),
        }
    }
}

impl Alignment {
    fn new(network: &Network, own: &SaaConfig, device: Device) -> Result<Self, TrainError> {
        let reference = match own.needs_reference() {
            true => Some(Reference::of(network, device)?),
            false => None,
        };
        let gaps = GapWatch::new(own.gap_window, own.gap_threshold).to_numbers();
        Ok(Self {
            own: own.clone(),
            decode: own.decode()?,
            aligner: None,
            reference,
            gaps: Tensor::f_from_slice(&gaps)?,
            tally: Tally::default(),
            device,
        })
    }

    fn tensors(&self) -> Vec<(String, Tensor)> {
        let reference = self.reference.iter().flat_map(Reference::tensors);
        reference.chain([(GAPS.to_owned(), self.gaps.shallow_clone())]).collect()
    }

    /// The watch as the last step left it.
    fn watch(&self) -> Result<GapWatch, TrainError> {
        let mut watch = GapWatch::new(self.own.gap_window, self.own.gap_threshold);
        watch.restore(&Vec::<f32>::try_from(&self.gaps)?);
        Ok(watch)
    }

    fn remember(&mut self, watch: &GapWatch) -> Result<(), TrainError> {
        Ok(self.gaps.f_copy_(&Tensor::f_from_slice(&watch.to_numbers())?)?)
    }

    fn selects(&mut self) -> Result<bool, TrainError> {
        let mut watch = self.watch()?;
        let selects = watch.improves();
        self.remember(&watch)?;
        Ok(selects)
    }

    fn losses(&mut self, step: &StepContext) -> Result<Losses, TrainError> {
        let (network, draw) = (step.network, &step.draw);
        let store = step.maker.store;
        if draw.all.iter().all(|&state| store.answer(state).supervised == 0) {
            return Err(TrainError::NoStreams { step: draw.step });
        }
        let (features, of_reference) = self.features(step)?;
        let share = draw.states.len() as f64 / draw.all.len() as f64;
        if self.aligner.is_none() {
            let codec = ActionCodec::new(store.statistics)?;
            let aligner = Aligner::new(&self.own, &network.config, codec, self.device)?;
            self.aligner = Some(aligner);
        }
        let aligner = self.aligner.as_ref().expect("made just above");
        let cases = self.cases(step, &features, aligner.codec())?;
        let plan = aligner.plan(&cases)?;
        let reference = match &self.reference {
            Some(reference) => aligner.ask_reference(&plan, reference.model(), &of_reference)?,
            None => None,
        };
        let aligned = aligner.losses(plan, &cases, reference, network.model(), &features)?;
        let values = self.report(step, &aligned.tally)?;
        Ok(Losses { total: aligned.total.f_mul_scalar(share)?, values })
    }

    /// Projected patches as the policy sees them and as the reference does.
    fn features(&self, step: &StepContext) -> Result<(Tensor, Tensor), TrainError> {
        let network = step.network;
        if network.vision_stands_still() {
            let features = step.features()?;
            return Ok((features.shallow_clone(), features));
        }
        let pictures = step.maker.pictures(&step.draw)?;
        let features = network.features(&pictures)?;
        let of_reference = match &self.reference {
            Some(reference) => {
                let pictures = pictures.f_to_kind(network.compute_kind())?;
                no_grad(|| reference.model().vision_features(&pictures))?
            }
            None => features.f_detach()?,
        };
        Ok((features, of_reference))
    }

    /// The states with the streams that are compared there. A state whose stream is not known has
    /// empty ones.
    fn cases(
        &self,
        step: &StepContext,
        features: &Tensor,
        codec: &ActionCodec,
    ) -> Result<Vec<Case>, TrainError> {
        let (network, draw, store) = (step.network, &step.draw, step.maker.store);
        let answers: Vec<_> = draw.states.iter().map(|&state| store.answer(state)).collect();
        let horizon = network.config.action_stream.horizon;
        let most = answers.iter().map(|answer| answer.supervised).max().unwrap_or(0);
        let units = self.own.explore_units.min(horizon).min(most.max(1));
        let prompts: Vec<&[i64]> = answers.iter().map(|answer| answer.prompt).collect();
        let seeds = (step.config.seed, draw.step, draw.first as u64);
        let (model, config) = (network.model(), &network.config);
        let features = features.f_detach()?;
        let own = explore(model, config, &features, &prompts, units, self.decode, seeds)?;
        let fed = fed(step.maker, draw, horizon, self.own.token_jitter_bins);
        let imitated = self.imitated(step.config.seed, draw.step, horizon);
        let cases = answers.iter().zip(own).zip(fed).map(|((answer, own), fed)| {
            let known: &[ActionUnit] = &answer.units[..answer.supervised.min(horizon)];
            let compared = known.len().min(own.len());
            let stream = known[..known.len().min(imitated)].to_vec();
            let expert = match self.own.relabel {
                Relabel::None => known[..compared].to_vec(),
                Relabel::Path => back_on_path(codec, &own, known),
            };
            Case {
                prompt: answer.prompt.to_vec(),
                own,
                expert,
                fed: fed[..stream.len()].to_vec(),
                stream,
            }
        });
        Ok(cases.collect())
    }

    /// Units of the expert's streams for imitation at `step`.
    fn imitated(&self, seed: u64, step: u64, horizon: usize) -> usize {
        let draw: f64 = generator(seed, Purpose::StreamLength, step).random();
        let short = draw < self.own.short_stream_fraction;
        if short { self.own.short_horizon.min(horizon) } else { horizon }
    }

    /// What the step says of itself, once its last micro-batch is there.
    fn report(
        &mut self,
        step: &StepContext,
        tally: &Tally,
    ) -> Result<BTreeMap<&'static str, f64>, TrainError> {
        let draw = &step.draw;
        if draw.first == 0 {
            self.tally = Tally::default();
        }
        self.tally.add(tally);
        if draw.first + draw.states.len() < draw.all.len() {
            return Ok(BTreeMap::new());
        }
        let mut watch = self.watch()?;
        if let Some((winner, loser)) = self.tally.mean_rewards() {
            watch.push(winner - loser);
        }
        self.remember(&watch)?;
        let mut values = self.tally.values();
        values.extend(watch.mean().map(|mean| ("reward_gap_average", mean)));
        Ok(values)
    }
}
