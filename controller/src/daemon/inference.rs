//! The inference thread: the only owner of the policy. Takes a request, picks the frame, decodes,
//! answers. Must never touch the arm or decide when to think.

use crate::daemon::slot::Slot;
use anyhow::Context;
use crossbeam_channel::{Receiver, Sender, bounded};
use jaco_core::{ActionStatistics, ActionUnit, Clock, Frame};
use jaco_model::{DecodeRequest, Decoded, OpenVlaPolicy, Policy, PromptTokenizer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tch::Device;

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
    /// The checkpoint's folder.
    pub checkpoint: PathBuf,
    /// Longest stream that the policy was trained for.
    pub horizon: usize,
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
/// every handle is gone. `frames` holds the newest frame of the policy's camera; a request waits
/// for a frame that is new enough at most `frame_timeout`.
pub fn start(
    checkpoint: &Path,
    device: Device,
    threads: usize,
    frames: Slot<Frame>,
    frame_timeout: Duration,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<InferenceHandle> {
    let (requests, inbox) = bounded(1);
    let (loaded, when_loaded) = bounded(1);
    let folder = checkpoint.to_owned();
    std::thread::Builder::new().name("inference".to_owned()).spawn(move || {
        jaco_model::set_threads(threads as i32);
        match load(&folder, device) {
            Ok(policy) => {
                let facts = (policy.horizon(), policy.statistics(), policy.tokenizer().clone());
                if loaded.send(Ok(facts)).is_ok() {
                    serve(&policy, &inbox, &frames, frame_timeout, &*clock);
                }
            }
            Err(error) => {
                let _ = loaded.send(Err(error));
            }
        }
    })?;
    let (horizon, statistics, tokenizer) =
        when_loaded.recv().context("the inference thread died while loading")??;
    let checkpoint = checkpoint.to_owned();
    Ok(InferenceHandle { requests, checkpoint, horizon, statistics, tokenizer })
}

fn load(folder: &Path, device: Device) -> anyhow::Result<OpenVlaPolicy> {
    let policy = OpenVlaPolicy::load(folder, device)?;
    // The first pass through libtorch allocates and picks kernels: not in front of an operator.
    policy.warm_up(&DecodeRequest::greedy(policy.horizon()))?;
    Ok(policy)
}

fn serve(
    policy: &dyn Policy,
    inbox: &Receiver<InferenceRequest>,
    frames: &Slot<Frame>,
    frame_timeout: Duration,
    clock: &dyn Clock,
) {
    for wanted in inbox {
        let answer = infer(policy, &wanted, frames, frame_timeout, clock);
        // Nobody listens any more when the run was stopped meanwhile.
        let _ = wanted.answer.send(answer);
    }
}

fn infer(
    policy: &dyn Policy,
    wanted: &InferenceRequest,
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
    let request = DecodeRequest {
        forced: &wanted.forced,
        clock: Some(clock),
        ..DecodeRequest::greedy(wanted.horizon)
    };
    policy
        .decode(&frame, &wanted.instruction, &request)
        .map(|decoded| Inference { decoded, frame, began_ns })
        .map_err(|error| format!("inference failed: {error}"))
}
