//! What a decoded token must cost at least: the bytes that it reads, and how fast the device
//! reads bytes.
//!
//! At batch 1 every weight of the decoder is read once for each pass, so the memory's bandwidth
//! is the floor under a token's time. Must never read a clock of its own.

use crate::config::OpenVlaConfig;
use jaco_core::Clock;
use tch::{Device, Kind, TchError, Tensor};

/// Large enough to lie in no cache.
const CPU_BUFFER_BYTES: i64 = 512 << 20;
const GPU_BUFFER_BYTES: i64 = 4 << 30;
const ROUNDS: usize = 5;

/// Bytes that one decoding pass of `streams` branches reads behind `positions` positions: every
/// weight of the decoder, `head_rows` of the head, keys and values.
pub fn bytes_per_pass(
    config: &OpenVlaConfig,
    kind: Kind,
    positions: usize,
    streams: usize,
    head_rows: i64,
) -> u64 {
    let text = &config.text_config;
    let (hidden, inner) = (text.hidden_size, text.intermediate_size);
    let keys = text.key_value_heads() * text.head_dim();
    let attention = 2 * hidden * hidden + 2 * hidden * keys;
    let layer = attention + 3 * hidden * inner + 2 * hidden + 2 * keys * positions as i64;
    let embeddings = hidden * streams as i64;
    let head = hidden * head_rows;
    let numbers = text.num_hidden_layers * layer + embeddings + hidden + head;
    numbers as u64 * kind.elt_size_in_bytes() as u64
}

/// The most bytes a second that `device` was seen to read, as it sums up a large vector.
pub fn read_bandwidth_bytes_s(device: Device, clock: &dyn Clock) -> Result<f64, TchError> {
    let bytes = if device == Device::Cpu { CPU_BUFFER_BYTES } else { GPU_BUFFER_BYTES };
    let buffer = Tensor::f_ones([bytes / 4], (Kind::Float, device))?;
    let mut best = 0f64;
    for _ in 0..ROUNDS {
        let start_ns = clock.now_ns();
        // Reading the value waits for the device.
        buffer.f_sum(Kind::Float)?.f_double_value(&[])?;
        let elapsed_ns = clock.now_ns().saturating_sub(start_ns).max(1);
        best = best.max(bytes as f64 / (elapsed_ns as f64 * 1e-9));
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_of_the_published_model_reads_13_gigabytes() {
        let config = OpenVlaConfig::default();
        // 32 layers of 202,383,360 numbers, norms included, the last norm, 256 rows of the head
        // and one of the embedding table.
        let weights = 32 * 202_383_360u64 + 4096 + 257 * 4096;
        assert_eq!(bytes_per_pass(&config, Kind::BFloat16, 0, 1, 256), 2 * weights);
        // Half a mebibyte of keys and values for each position.
        let position = bytes_per_pass(&config, Kind::BFloat16, 1, 1, 256) - 2 * weights;
        assert_eq!(position, 1 << 19);
    }
}
