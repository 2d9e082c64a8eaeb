//! What a measurement of a policy says, for people and as JSON.

use jaco_core::{Device, Dtype};
use jaco_model::Timings;
use serde::Serialize;
use std::fmt;

/// What `jaco bench policy --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Checkpoint folder or geometry.
    pub policy: String,
    /// Numbers in the model.
    pub parameters: u64,
    /// Where it ran.
    pub device: Device,
    /// Element type of weights and computation.
    pub dtype: Dtype,
    /// Threads of one operator on the CPU.
    pub threads: u16,
    /// Action units decoded from one picture.
    pub horizon: usize,
    /// How tokens were chosen.
    pub decode: String,
    /// Streams side by side.
    pub streams: usize,
    /// Positions of picture and prompt.
    pub prefix_tokens: usize,
    /// Inferences measured.
    pub runs: u32,
    /// Medians of the parts.
    pub median_ms: MedianMs,
    /// 95 % of all inferences took no longer \[ms\].
    pub inference_p95_ms: f64,
    /// Action tokens a second while decoding, those of all streams counted.
    pub tokens_per_s: f64,
    /// Bytes that one decoding pass must read.
    pub bytes_per_pass: u64,
    /// Memory bandwidth measured in the same run \[GB/s\].
    pub bandwidth_gb_s: f64,
    /// Time that the bytes need at that bandwidth, as a share of the time that a pass took.
    pub bandwidth_share: f64,
    /// Memory.
    pub memory: Memory,
    /// Tokens of the best stream of the last inference.
    pub tokens: Vec<i64>,
}

/// Medians of the parts of an inference \[ms\].
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MedianMs {
    /// Towers and projector.
    pub vision: f64,
    /// Picture and prompt through the decoder.
    pub prefill: f64,
    /// All passes after that.
    pub decode: f64,
    /// One pass: one token, or a token and the separator behind it.
    pub per_pass: f64,
    /// Decoding, for each action unit.
    pub per_unit: f64,
    /// All of it.
    pub inference: f64,
}

impl MedianMs {
    pub(super) fn of(timings: &[Timings], units: usize, passes: usize) -> Self {
        let median = |part: fn(&Timings) -> u64| quantile(timings, 0.5, part);
        let decode = median(|t| t.decode_ns);
        Self {
            vision: median(|t| t.vision_ns),
            prefill: median(|t| t.prefill_ns),
            decode,
            per_pass: decode / passes as f64,
            per_unit: decode / units as f64,
            inference: median(whole),
        }
    }

    pub(super) fn inference_p95(timings: &[Timings]) -> f64 {
        quantile(timings, 0.95, whole)
    }
}

fn whole(t: &Timings) -> u64 {
    t.image_ns + t.vision_ns + t.prefill_ns + t.decode_ns
}

/// Quantile \[ms\] of a part, by the nearest rank.
fn quantile(timings: &[Timings], share: f64, part: fn(&Timings) -> u64) -> f64 {
    let mut values: Vec<u64> = timings.iter().map(part).collect();
    values.sort_unstable();
    let rank = (share * (values.len().saturating_sub(1)) as f64).round() as usize;
    values.get(rank).copied().unwrap_or(0) as f64 * 1e-6
}

/// Memory \[bytes\].
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// The weights' own bytes.
    pub weight_bytes: u64,
    /// By how much loading them made the process larger; only on a CPU do the weights lie there.
    pub load_rss_bytes: u64,
    /// By how much the process grew over all measured inferences, after the first few.
    pub growth_over_runs_bytes: i64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let m = &self.median_ms;
        let megabytes = |bytes: f64| bytes / 1e6;
        writeln!(
            f,
            "{} on {}, {}, {} thread(s): {:.1} M parameters, {:.1} MB",
            self.policy,
            self.device,
            self.dtype,
            self.threads,
            self.parameters as f64 / 1e6,
            megabytes(self.memory.weight_bytes as f64)
        )?;
        writeln!(
            f,
            "H = {}, {}, {} stream(s), prefix of {} positions, median of {} runs:",
            self.horizon, self.decode, self.streams, self.prefix_tokens, self.runs
        )?;
        writeln!(f, "  vision     {:9.3} ms", m.vision)?;
        writeln!(f, "  prefill    {:9.3} ms", m.prefill)?;
        writeln!(f, "  decoding   {:9.3} ms", m.decode)?;
        writeln!(f, "    a pass   {:9.3} ms", m.per_pass)?;
        writeln!(f, "    a unit   {:9.3} ms", m.per_unit)?;
        writeln!(
            f,
            "  inference  {:9.3} ms (95 %: {:.3} ms), {:.0} tokens/s while decoding",
            m.inference, self.inference_p95_ms, self.tokens_per_s
        )?;
        writeln!(
            f,
            "a pass reads {:.2} MB; memory reads {:.1} GB/s; share of that floor reached: {:.0} %",
            megabytes(self.bytes_per_pass as f64),
            self.bandwidth_gb_s,
            self.bandwidth_share * 100.0
        )?;
        write!(
            f,
            "memory: loading took {:.1} MB, {} inferences grew it by {:.2} MB",
            megabytes(self.memory.load_rss_bytes as f64),
            self.runs,
            megabytes(self.memory.growth_over_runs_bytes as f64)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_per_pass_and_per_unit() {
        let timing = |ms: u64| Timings {
            image_ns: 0,
            vision_ns: 1_000_000,
            prefill_ns: 2_000_000,
            decode_ns: ms * 1_000_000,
        };
        let timings = [timing(26), timing(13), timing(400)];
        let median = MedianMs::of(&timings, 2, 13);
        assert_eq!((median.decode, median.per_pass, median.per_unit), (26.0, 2.0, 13.0));
        assert_eq!((median.vision, median.prefill, median.inference), (1.0, 2.0, 29.0));
        assert_eq!(MedianMs::inference_p95(&timings), 403.0);
    }
}
