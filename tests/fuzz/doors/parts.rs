//! One input as several files: each part begins with a record separator and the letter of its
//! file, and goes on to the next separator. No JSON holds that byte as it is.

/// ASCII's record separator.
const SEPARATOR: u8 = 0x1e;
/// Longest data of an invented safetensors file \[bytes\].
const MOST_DATA_BYTES: u64 = 1 << 20;

/// The parts in order, as letter and content.
pub fn of(input: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    input.split(|byte| *byte == SEPARATOR).skip(1).filter_map(|part| {
        let (letter, content) = part.split_first()?;
        Some((*letter, content))
    })
}

/// A safetensors file with this header, and zeros where it says that there is data.
pub fn safetensors(header: &[u8]) -> Vec<u8> {
    let ends = |tensor: &serde_json::Value| tensor.get("data_offsets")?.get(1)?.as_u64();
    let tensors: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(header).unwrap_or_default();
    let data = tensors.values().filter_map(ends).max().unwrap_or(0).min(MOST_DATA_BYTES);
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header);
    file.resize(file.len() + data as usize, 0);
    file
}
