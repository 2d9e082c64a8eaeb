//! The policy as the programs use it: what is loaded, and how its streams are decoded.
//!
//! Daemon and laboratory load and ask through this file, so that both mean the same. Owns the
//! translation of settings into the model's words; must never hold a policy itself.

use crate::cli::exit;
use crate::report::DecodeOptions;
use jaco_config::{Decode, Device, Dtype, View};
use jaco_model::checkpoint::{CONFIG_FILE, read_statistics};
use jaco_model::{
    DecodeMethod, DecodeRequest, LiberoView, LoadOptions, ModelError, OpenVlaConfig, OpenVlaPolicy,
    TokenValue,
};
use std::io::ErrorKind;
use std::path::PathBuf;
use tch::Kind;

/// What is loaded, and where it runs.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyOptions {
    /// Folder of the checkpoint.
    pub checkpoint: PathBuf,
    /// Folder of an adapter that acts on it.
    pub adapter: Option<PathBuf>,
    /// Whether the adapter is added into the weights.
    pub merge_adapter: bool,
    /// Dataset whose statistics decode the actions; none = the only one.
    pub statistics: Option<String>,
    /// What is done to frames first.
    pub view: View,
    /// Where it runs.
    pub device: Device,
    /// Element type that it computes in.
    pub dtype: Dtype,
}

impl PolicyOptions {
    /// The checkpoint as it is, in single precision on the processor.
    pub fn on_cpu(checkpoint: PathBuf) -> Self {
        Self {
            checkpoint,
            adapter: None,
            merge_adapter: true,
            statistics: None,
            view: View::Plain,
            device: Device::Cpu,
            dtype: Dtype::F32,
        }
    }

    /// Loads the policy.
    pub fn load(&self) -> Result<OpenVlaPolicy, ModelError> {
        let options = LoadOptions {
            device: torch_device(self.device),
            kind: Some(kind(self.dtype)),
            statistics: self.statistics.as_deref(),
            view: model_view(self.view),
            adapter: self.adapter.as_deref(),
            merge_adapter: self.merge_adapter,
        };
        OpenVlaPolicy::load_with(&self.checkpoint, &options)
    }

    /// The dataset whose statistics decode the actions, without loading any weights. `setting`
    /// is what chooses it, for the error.
    pub fn statistics_key(&self, setting: &str) -> anyhow::Result<String> {
        let config = OpenVlaConfig::read(&self.checkpoint.join(CONFIG_FILE))?;
        let all = read_statistics(&self.checkpoint, self.adapter.as_deref(), &config)?;
        let key = self.statistics.as_deref();
        match all.choose(key) {
            Ok(_) => Ok(key.or(all.datasets().next()).unwrap_or_default().to_owned()),
            Err(error) => {
                let advice = match &error {
                    ModelError::AmbiguousStatistics { .. }
                    | ModelError::UnknownStatistics { .. } => format!("{error}: set {setting}"),
                    _ => error.to_string(),
                };
                Err(anyhow::Error::new(error).context(advice))
            }
        }
    }
}

impl From<&jaco_config::Policy> for PolicyOptions {
    fn from(policy: &jaco_config::Policy) -> Self {
        Self {
            checkpoint: policy.checkpoint.clone(),
            adapter: policy.adapter.clone(),
            merge_adapter: policy.merge_adapter,
            statistics: policy.statistics.clone(),
            view: policy.view,
            device: policy.device,
            dtype: policy.dtype,
        }
    }
}

/// libtorch's word for a device.
pub fn torch_device(device: Device) -> tch::Device {
    match device {
        Device::Cpu => tch::Device::Cpu,
        Device::Cuda(index) => tch::Device::Cuda(index),
    }
}

/// The model's word for a view.
fn model_view(view: View) -> Option<LiberoView> {
    match view {
        View::Plain => None,
        View::Bridge => Some(LiberoView::BRIDGE),
        View::Cropped => Some(LiberoView { rotate: false, ..LiberoView::LIBERO }),
        View::Libero => Some(LiberoView::LIBERO),
    }
}

/// libtorch's word for an element type.
pub fn kind(dtype: Dtype) -> Kind {
    match dtype {
        Dtype::F32 => Kind::Float,
        Dtype::Bf16 => Kind::BFloat16,
        Dtype::F16 => Kind::Half,
    }
}

/// How streams are decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Decoding {
    /// How tokens are chosen; a seed in it is that of inference 0.
    pub method: DecodeMethod,
    /// Whether actions are means instead of bins' centres.
    pub expectation: bool,
    /// Ends a stream before its first unit that is less certain \[nats per token\].
    pub max_entropy: Option<f32>,
}

impl Decoding {
    /// These options, with draws seeded from `first` on.
    pub fn seeded(mut self, first: u64) -> Self {
        if let DecodeMethod::TopK { seed, .. } = &mut self.method {
            *seed = first;
        }
        self
    }

    /// The seed of inference 0, where draws are made.
    pub fn seed(&self) -> Option<u64> {
        match self.method {
            DecodeMethod::TopK { seed, .. } => Some(seed),
            DecodeMethod::Greedy | DecodeMethod::Beam { .. } => None,
        }
    }

    /// Inference number `number`: up to `horizon` units, nothing forced, nothing measured.
    pub fn request(&self, horizon: usize, number: u64) -> DecodeRequest<'static> {
        let seed = self.seed().unwrap_or_default().wrapping_add(number);
        DecodeRequest {
            method: self.seeded(seed).method,
            values: match self.expectation {
                true => TokenValue::Expectation,
                false => TokenValue::BinCentre,
            },
            max_entropy: self.max_entropy,
            ..DecodeRequest::greedy(horizon)
        }
    }
}

impl From<&jaco_config::Policy> for Decoding {
    fn from(policy: &jaco_config::Policy) -> Self {
        let decoding = Self {
            method: method(policy.decode),
            expectation: policy.expectation,
            max_entropy: policy.max_entropy.map(|nats| nats as f32),
        };
        decoding.seeded(policy.seed)
    }
}

fn method(decode: Decode) -> DecodeMethod {
    match decode {
        Decode::Greedy => DecodeMethod::Greedy,
        Decode::TopK { k, temperature } => {
            DecodeMethod::TopK { k, temperature, seed: 0, samples: 1 }
        }
        Decode::Beam { width } => DecodeMethod::Beam { width },
    }
}

impl From<&Decoding> for DecodeOptions {
    fn from(decoding: &Decoding) -> Self {
        Self {
            method: decoding.method.to_string(),
            seed: decoding.seed(),
            expectation: decoding.expectation,
            max_entropy: decoding.max_entropy,
        }
    }
}

/// The exit code that stands for `error`; `otherwise` if it is neither the model's nor libtorch's.
pub fn exit_code(error: &anyhow::Error, otherwise: u8) -> u8 {
    for cause in error.chain() {
        match cause.downcast_ref::<ModelError>() {
            Some(error) if is_unusable_input(error) => return exit::USAGE,
            Some(_) => return exit::FAILED,
            None if cause.is::<tch::TchError>() => return exit::FAILED,
            None => {}
        }
    }
    otherwise
}

/// Whether `error` is about what a user gave (a checkpoint, an adapter, an instruction, an
/// option) and not about the machine or the program that uses it.
pub fn is_unusable_input(error: &ModelError) -> bool {
    match error {
        ModelError::Io { source, .. } => {
            !matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
        }
        ModelError::Torch(_)
        | ModelError::Bin { .. }
        | ModelError::NotAnAction { .. }
        | ModelError::TooManyForced { .. }
        | ModelError::UnequalPrompts { .. } => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::shipped;
    use crate::words::in_full;
    use jaco_model::checkpoint::STATISTICS_FILE;
    use proptest::prelude::*;

    fn with_statistics(keys: &[&str]) -> tempfile::TempDir {
        let mini = shipped::mini_policy().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(mini.join(CONFIG_FILE), folder.path().join(CONFIG_FILE)).unwrap();
        let (q01, q99) = ([0.0; 7], [1.0; 7]);
        let action = serde_json::json!({ "action": { "q01": q01, "q99": q99 } });
        let all: serde_json::Map<_, _> =
            keys.iter().map(|key| ((*key).to_owned(), action.clone())).collect();
        let text = serde_json::to_vec(&all).unwrap();
        std::fs::write(folder.path().join(STATISTICS_FILE), text).unwrap();
        folder
    }

    #[test]
    fn the_only_statistics_need_no_name_and_one_of_many_does() {
        let folder = with_statistics(&["bridge"]);
        let mut options = PolicyOptions::on_cpu(folder.path().to_owned());
        assert_eq!(options.statistics_key("statistics").unwrap(), "bridge");
        let folder = with_statistics(&["bridge", "fractal"]);
        options.checkpoint = folder.path().to_owned();
        let error = options.statistics_key("`statistics` in [policy]").unwrap_err();
        assert_eq!(
            in_full(&error),
            "the checkpoint has statistics of bridge, fractal; name one of them: \
             set `statistics` in [policy]"
        );
        options.statistics = Some("fractal".to_owned());
        assert_eq!(options.statistics_key("--statistics").unwrap(), "fractal");
        options.statistics = Some("taco".to_owned());
        let error = options.statistics_key("--statistics").unwrap_err();
        assert_eq!(
            in_full(&error),
            "no statistics under \"taco\"; the checkpoint has bridge, fractal: set --statistics"
        );
        assert!(error.downcast_ref::<ModelError>().is_some_and(is_unusable_input));
    }

    #[test]
    fn a_checkpoint_that_is_not_there_is_unusable_input_and_a_broken_world_is_not() {
        let missing = PolicyOptions::on_cpu("/nonexistent".into()).load().unwrap_err();
        assert!(missing.to_string().contains("/nonexistent/config.json"), "{missing}");
        let wrapped = anyhow::Error::new(missing).context("trial 3");
        assert_eq!(exit_code(&wrapped, exit::FAILED), exit::USAGE);
        let full = ModelError::Io { path: "out".into(), source: ErrorKind::StorageFull.into() };
        assert_eq!(exit_code(&full.into(), exit::USAGE), exit::FAILED);
        assert_eq!(exit_code(&anyhow::anyhow!("no renderer"), exit::FAILED), exit::FAILED);
    }

    #[test]
    fn each_inference_draws_with_a_seed_of_its_own() {
        let decoding: Decoding =
            Decoding { method: "top-k:5:0.5".parse().unwrap(), ..Decoding::default() };
        let seeds: Vec<_> = (0..3)
            .map(|number| match decoding.seeded(u64::MAX).request(4, number).method {
                DecodeMethod::TopK { k: 5, temperature: 0.5, seed, samples: 1 } => seed,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(seeds, [u64::MAX, 0, 1]);
        assert_eq!(Decoding::default().seeded(7).request(4, 1).method, DecodeMethod::Greedy);
    }

    #[test]
    fn the_report_says_what_was_configured() {
        let text = "[arm]\nsdk = \"s\"\n[[camera]]\nname = \"a\"\nsource = \"v4l\"\ndevice = 0\n\
                    [policy]\ndecode = \"top-k:5\"\nseed = 7\nmax_entropy = 1.5\nexpectation = true";
        let config = jaco_config::Config::parse(text, "t").unwrap();
        let written = DecodeOptions::from(&Decoding::from(&config.policy));
        assert_eq!(written.to_string(), "top-k:5:1 from seed 7, means, cut off above 1.5 nats");
        let plain = DecodeOptions::from(&Decoding::default());
        assert_eq!(plain.to_string(), "greedy");
    }

    proptest! {
        /// The configuration must not know the model, so it has a grammar of its own.
        #[test]
        fn configuration_and_model_read_the_same_ways_to_decode(
            text in "(greedy|top-k|beam|x)(:(-?[0-9]{1,3}(\\.[0-9])?|inf|NaN|)){0,3}",
        ) {
            let configured = text.parse::<Decode>().ok();
            prop_assert_eq!(configured.map(method), text.parse::<DecodeMethod>().ok());
            if let Some(decode) = configured {
                prop_assert_eq!(decode.to_string(), method(decode).to_string());
            }
        }
    }
}
