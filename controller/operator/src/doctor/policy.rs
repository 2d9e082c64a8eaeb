//! libtorch, its GPUs and the checkpoint: asked of `jaco-policy`, for this program links no libtorch. The
//! weights are not read into memory; a running daemon, which has, tells of them.

use super::check::{Check, Report};
use super::child;
use super::configuration::{self, Named};
use super::daemon::Presence;
use jaco_config::Policy;
use jaco_core::Device;
use serde_json::Value;
use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

const TORCH: &str = "libtorch";
const CHECKPOINT: &str = "checkpoint";
const ADAPTER: &str = "adapter";
/// Loading a libtorch with CUDA from a cold disk takes its time.
const LIMIT: Duration = Duration::from_secs(60);

/// Tells of all of it.
pub async fn examine(
    policy: &Policy,
    named: &Named,
    presence: &Presence,
    report: &mut Report,
) -> anyhow::Result<()> {
    report.add(torch(policy).await)?;
    if let Some(fault) = presence.faults("policy").next() {
        let remedy = "see docs/troubleshooting.md, \"The policy\"";
        return report.add(Check::fail(CHECKPOINT, fault, remedy));
    }
    if let Some(loaded) = presence.status().and_then(|status| status.policy.as_ref()) {
        let shown = loaded.checkpoint.display();
        let found = format!("{shown} runs in the daemon on {} in {}", loaded.device, loaded.dtype);
        return report.add(Check::ok(CHECKPOINT, found));
    }
    if let Some(finding) = configuration::wrong(named, "policy.") {
        return report.add(configuration::fault(CHECKPOINT, finding));
    }
    report.add(folder(CHECKPOINT, &policy.checkpoint).await)?;
    match &policy.adapter {
        Some(adapter) => report.add(folder(ADAPTER, adapter).await),
        None => Ok(()),
    }
}

async fn torch(policy: &Policy) -> Check {
    let words = ["--json", "policy", "devices"].map(OsStr::new);
    let found: Value = match child::ask("jaco-policy", &words, LIMIT).await {
        Ok(found) => found,
        Err(why) => {
            let remedy = "`make setup`, then build again: the programs carry the place of libtorch";
            return Check::fail(TORCH, why, remedy);
        }
    };
    let version = found["libtorch"].as_str().unwrap_or("of an unknown version");
    let devices = found["cuda_devices"].as_u64().unwrap_or(0);
    let gpus = match devices {
        0 => "no GPU".to_owned(),
        1 => "1 GPU".to_owned(),
        _ => format!("{devices} GPUs"),
    };
    let told = format!("{version}, {gpus}");
    match policy.device {
        Device::Cuda(index) if index as u64 >= devices => Check::fail(
            TORCH,
            format!("{told}; policy.device is cuda:{index}"),
            "build with a libtorch with CUDA (docs/deploy.md), see that `nvidia-smi` lists the GPU, \
             or set policy.device = \"cpu\"",
        ),
        _ => Check::ok(TORCH, told),
    }
}

/// What `jaco policy inspect` says: names and shapes of all tensors, statistics, tokenizer.
async fn folder(name: &str, dir: &Path) -> Check {
    let words = ["--json", "policy", "inspect"].map(OsStr::new);
    let words = [&words[..], &[dir.as_os_str()]].concat();
    let shown = dir.display();
    match child::ask::<Value>("jaco-policy", &words, LIMIT).await {
        Err(why) => {
            let remedy = format!("`jaco policy inspect` {shown} tells more");
            Check::fail(name, why.trim_start_matches("jaco: "), remedy)
        }
        Ok(found) => {
            let what = match found["model"]["parameters"].as_u64() {
                Some(parameters) => format!("{:.1} million numbers", parameters as f64 / 1e6),
                None => "an adapter".to_owned(),
            };
            Check::ok(name, format!("{shown}: {what}, headers read, weights not loaded"))
        }
    }
}
