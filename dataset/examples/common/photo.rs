//! A picture that compresses like a photo: smooth shades, some edges, the noise of a sensor.

use std::sync::Arc;

pub const WIDTH: u32 = 640;
pub const HEIGHT: u32 = 480;

pub fn photo(seed: u32) -> Arc<[u8]> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        // The sum of two is nearer to a sensor's than one.
        ((state & 7) + (state >> 8 & 7)) as i32 - 7
    };
    let mut rgb = Vec::with_capacity((WIDTH * HEIGHT * 3) as usize);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let (u, v) = (x as f32 / WIDTH as f32, y as f32 / HEIGHT as f32);
            let shade = 90.0 + 80.0 * (u * 3.0 + seed as f32).sin() * (v * 2.0).cos();
            let box_ = (x / 90 + y / 70 + seed).is_multiple_of(3);
            let base = if box_ { [shade * 0.4, shade * 0.9, shade] } else { [shade; 3] };
            let grain = noise();
            rgb.extend(base.map(|c| (c as i32 + grain + noise() / 3).clamp(0, 255) as u8));
        }
    }
    rgb.into()
}
