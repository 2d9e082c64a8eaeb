//! Measures what each picture costs: judging it, and making a file of it. Prints a table; must never
//! be part of the product.
//!
//! `cargo run -p jaco-camera --example cost --release`

use jaco_camera::{brightness, file, signature};
use jaco_core::Frame;
use std::hint::black_box;
use std::time::Instant;

const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;
const TIMES: u32 = 200;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Shades with the noise of a sensor, so that a JPEG of it is about as long as one of a photo.
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 28) as u8
    };
    let shade = |i: u32| (i / 3 % WIDTH / 4 + i / (3 * WIDTH) / 8) as u8;
    let rgb: Vec<u8> = (0..3 * WIDTH * HEIGHT).map(|i| shade(i).wrapping_add(noise())).collect();
    let camera = "front".into();
    let (width, height) = (WIDTH, HEIGHT);
    let frame = Frame { camera, captured_ns: 0, width, height, rgb: rgb.into(), jpeg: None };
    let jpeg = file::jpeg(&frame)?;
    let raw = &frame.rgb[..(2 * WIDTH * HEIGHT) as usize];
    println!("a JPEG of {} kB", jpeg.len() / 1000);
    measure("signature of that JPEG", || signature(&jpeg));
    measure("signature of a raw picture", || signature(raw));
    measure("brightness", || brightness(&frame.rgb));
    measure("JPEG decoded", || file::read(&jpeg));
    measure("JPEG written", || file::jpeg(&frame));
    measure("PNG written", || file::png(&frame));
    Ok(())
}

/// Prints the median and the 99th percentile of what `work` takes.
fn measure<T>(what: &str, mut work: impl FnMut() -> T) {
    let mut times_us: Vec<f64> = (0..TIMES)
        .map(|_| {
            let began = Instant::now();
            black_box(work());
            began.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times_us.sort_by(f64::total_cmp);
    let at = |share: usize| times_us[times_us.len() * share / 100];
    println!("{what}: median {:.0} us, 99 of 100 below {:.0} us", at(50), at(99));
}
