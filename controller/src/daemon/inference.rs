//! The inference thread: the only owner of the policy. Takes a request, picks the frame, decodes,
//! answers. Must never touch the arm or decide when to think.

use crate::api::PolicyStatus;
use crate::daemon::slot::Slot;
use crate::policy::{Decoding, PolicyOptions};
use crate::report::DecodeOptions;
use anyhow::Context;
use crossbeam_channel::{Receiver, Sender, bounded};
use jaco_core::{ActionStatistics, ActionUnit, Clock, Frame};
use jaco_model::{DecodeRequest, Decoded, OpenVlaPolicy, Policy, PromptTokenizer};
use std::sync::Arc;
use std::time::Duration;

/// The setting that chooses the statistics, for errors.
const STATISTICS_SETTING: &str = "`statistics` in [policy] of the configuration";

/// What the thread works with.
#[derive(Clone, Debug)]
pub struct InferenceOptions {
    /// What is loaded.
    pub policy: PolicyOptions,
    /// How streams are decoded; draws are seeded from the first inference on.
    pub decoding: Decoding,
    /// Threads of one operator on the CPU.
    pub threads: usize,
    /// How long a request waits for a frame that is new enough.
    pub frame_timeout: Duration,
}

/// One inference to make.
#[derive(Clone, Debug)]
pub struct InferenceRequest {
    /// The instruction.
    pub instruction: String,
    /// Units in the stream, forced ones included.
    pub horizon: usize,
    /// Units already committed.
    pub forced: Vec<ActionUnit>,
    /// The frame must not be older than this, monotonic \[ns\].
    pub frame_not_before_ns: u64,
    /// Where the answer goes.
    pub answer: Sender<Result<Inference, String>>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Inference {
    /// What was decoded.
    pub decoded: Decoded,
    /// The frame that it was decoded from.
    pub frame: Arc<Frame>,
    /// When the frame was there and decoding began, monotonic \[ns\].
    pub began_ns: u64,
}

/// How others reach the inference thread, and what they need to know of its policy.
#[derive(Clone, Debug)]
pub struct InferenceHandle {
    requests: Sender<InferenceRequest>,
    /// What was loaded, in the words of the API.
    pub loaded: PolicyStatus,
    /// How its streams are decoded.
    pub decoding: Decoding,
    /// What its action tokens mean.
    pub statistics: ActionStatistics,
    tokenizer: PromptTokenizer,
}

impl InferenceHandle {
    /// Why the policy cannot be given `instruction`, if it cannot.
    pub fn check(&self, instruction: &str) -> Result<(), String> {
        self.tokenizer.encode(instruction).map(drop).map_err(|error| error.to_string())
    }

    /// Hands over a request. Fails only if the thread is gone.
    pub fn request(&self, request: InferenceRequest) -> anyhow::Result<()> {
        self.requests.send(request).context("the inference thread has ended")
    }
}

/// Loads the policy in a thread of its own, decodes once to warm up, and serves requests until
/// every handle is gone. `frames` holds the newest frame of the policy's camera.
pub fn start(
    options: InferenceOptions,
    frames: Slot<Frame>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<InferenceHandle> {
    let (requests, inbox) = bounded(1);
    let (loaded, when_loaded) = bounded(1);
    let InferenceOptions { policy: wanted, decoding, .. } = options.clone();
    let statistics_key = wanted.statistics_key(STATISTICS_SETTING)?;
    std::thread::Builder::new().name("inference".to_owned()).spawn(move || {
        jaco_model::set_threads(options.threads as i32);
        match load(&options) {
            Ok(policy) => {
                let facts = (policy.horizon(), policy.statistics(), policy.tokenizer().clone());
                if loaded.send(Ok(facts)).is_ok() {
                    serve(&policy, &options, &inbox, &frames, &*clock);
                }
            }
            Err(error) => {
                let _ = loaded.send(Err(error));
            }
        }
    })?;
    let (horizon, statistics, tokenizer) =
        when_loaded.recv().context("the inference thread died while loading")??;
    let loaded = PolicyStatus {
        checkpoint: wanted.checkpoint,
        adapter: wanted.adapter,
        statistics: statistics_key,
        view: wanted.view.to_string(),
        device: wanted.device.to_string(),
        dtype: wanted.dtype.to_string(),
        decode: DecodeOptions::from(&decoding).to_string(),
        horizon,
    };
    Ok(InferenceHandle { requests, loaded, decoding, statistics, tokenizer })
}

fn load(options: &InferenceOptions) -> anyhow::Result<OpenVlaPolicy> {
    let policy = options.policy.load()?;
    // The first pass through libtorch allocates and picks kernels: not in front of an operator.
    // An empty picture may make a policy unsure, so nothing is cut off.
    let all = Decoding { max_entropy: None, ..options.decoding };
    policy.warm_up(&all.request(policy.horizon(), 0))?;
    Ok(policy)
}

fn serve(
    policy: &dyn Policy,
    options: &InferenceOptions,
    inbox: &Receiver<InferenceRequest>,
    frames: &Slot<Frame>,
    clock: &dyn Clock,
) {
    for (number, wanted) in (0..).zip(inbox) {
        let request = DecodeRequest {
            forced: &wanted.forced,
            clock: Some(clock),
            ..options.decoding.request(wanted.horizon, number)
        };
        let answer = infer(policy, &wanted, &request, frames, options.frame_timeout, clock);
        // Nobody listens any more when the run was stopped meanwhile.
        let _ = wanted.answer.send(answer);
    }
}

fn infer(
    policy: &dyn Policy,
    wanted: &InferenceRequest,
    request: &DecodeRequest,
    frames: &Slot<Frame>,
    frame_timeout: Duration,
    clock: &dyn Clock,
) -> Result<Inference, String> {
    let new_enough = |frame: &Frame| frame.captured_ns >= wanted.frame_not_before_ns;
    let frame = frames.wait_for(frame_timeout, new_enough).ok_or_else(|| {
        format!(
            "no fresh camera frame within {} ms: see `jaco status` for the camera's fault",
            frame_timeout.as_millis()
        )
    })?;
    let began_ns = clock.now_ns();
    policy
        .decode(&frame, &wanted.instruction, request)
        .map(|decoded| Inference { decoded, frame, began_ns })
        .map_err(|error| format!("inference failed: {error}"))
}
